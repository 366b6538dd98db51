#!/usr/bin/env python3
"""Runs the fault cases and holds each against its promise.

Description: if this failed, a program could hang, or lose or get twice what it was given, because a
process that shares something with it has died.

    run.py [--repeat N] [--table FILE] PROGRAM...

Each program (fault_CASE) is one case, and prints one line: case, outcome, ms from the death to the last
survivor's going on, what it is, detail. It is run N times (5), in a session of its own, under a hard
limit; what is left of the session afterwards is a leak. All N must end as promises.tsv says, within
HARD_MS: a busy machine is not what is tested; the time that is promised for a quiet one stands
beside the measured one. Promised codes (CREW_E...) must be among those told. Every promise needs a
program, and every program a promise.

--table writes what came out, beside CPython's and glibc's answers to the same fault (cpython311.tsv,
glibc236.tsv: measured once, on Linux 6.18 with 2 CPUs), as a page for docs/.
"""

import argparse
import csv
import os
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HARD_MS = 250       # from the death to the survivor's going on
HARD_S = 40         # a run

PEERS = {'Q': 'CPython 3.11', 'S': 'CPython 3.11', 'M': 'CPython 3.11', 'G': 'glibc 2.36'}


def rows(name):
    with open(os.path.join(HERE, name), encoding='utf-8') as f:
        return list(csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE))


def peers():
    """What CPython and glibc did: case -> (outcome, detail)."""
    return {row['case'].split('_')[0]: (row['outcome'], row['detail'])
            for name in ('cpython311.tsv', 'glibc236.tsv') for row in rows(name)}


def session(leader):
    """The processes of a session that are not dead."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as f:
                words = f.read().rsplit(')', 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(words[3]) == leader and words[0] not in 'ZX':
            found.append(int(pid))
    return found


class Run:
    """One run of a program: outcome, ms, what, detail."""

    def __init__(self, program):
        with subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors='replace',
                              start_new_session=True) as p:
            try:
                text, _ = p.communicate(timeout=HARD_S)
                late = False
            except subprocess.TimeoutExpired:
                late = True
            left = session(p.pid)
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            if late:
                text, _ = p.communicate()
        lines = [line.split('\t') for line in text.splitlines()]
        told = [line for line in lines if len(line) == 5]
        self.what = told[0][3] if told else ''
        if late:
            self.outcome, self.ms, self.detail = 'hang', HARD_S * 1e3, f'still there after {HARD_S} s'
        elif not told:
            self.outcome, self.ms = 'crash', 0.0
            self.detail = f'exit status {p.returncode}: {" ".join(text.split())[:200]}'
        else:
            self.outcome, self.ms, self.detail = told[0][1], float(told[0][2]), told[0][4]
            if left:
                self.outcome, self.detail = 'leak', f'{len(left)} processes are left; {self.detail}'

    def breaks(self, promise):
        """What of the promise it does not keep, or None."""
        if self.outcome not in promise['promised'].split('|'):
            return f'{self.outcome} is not promised'
        codes = re.findall(r'\bCREW_E\w+', promise['promise'])
        if self.outcome == 'error' and codes and not any(code in self.detail for code in codes):
            return f'{" or ".join(codes)} was not told'
        if promise['within_ms'] != '0' and self.ms > HARD_MS:
            return f'after {self.ms:.0f} ms, more than {HARD_MS}'
        return None


def judge(promise, program, repeat):
    """Runs a case. Its worst run, and why it fails, or None."""
    worst, why = None, None
    for _ in range(repeat):
        run = Run(program)
        if run.outcome == 'skip':
            return run, None
        fails = run.breaks(promise)
        if fails or worst is None or run.ms > worst.ms:
            worst = run
        if fails:
            return worst, fails
    return worst, why


def cell(text):
    return text.replace('|', r'\|')


def within(promise):
    return '' if promise['within_ms'] == '0' else promise['within_ms']


def summary(results, before):
    """Of those that were run: how many hang there, how many here."""
    def count(outcomes, cases):
        return sum(before[case][0] in outcomes for case in cases)

    def ours(outcomes):
        return sum(run.outcome in outcomes for _, run, _ in results)

    cases = [promise['case'] for promise, _, _ in results]
    python = [case for case in cases if case[0] != 'G']
    glibc = [case for case in cases if case[0] == 'G']
    bad = ('lost', 'dup', 'corrupt', 'leak', 'crash')
    return (f'Of {len(cases)} ways for a process to die, CPython hangs in {count(["hang"], python)} of '
            f'{len(python)} and loses or breaks in {count(bad, python)}, glibc hangs in '
            f'{count(["hang"], glibc)} of {len(glibc)} and loses or breaks in {count(bad, glibc)}; '
            f'crew hangs in {ours(["hang"])}, and loses or breaks in {ours(bad)}.')


def table(results, before, repeat):
    lines = ['# Faults', '',
             'What the living see when a process dies in the places where others hang, lose or break. '
             'Written by', '`tests/faults/run.py --table`; `meson test -C build --suite faults` holds '
             'every row against', '`tests/faults/promises.tsv`. A case is a program of its own, '
             '`tests/faults/CASE.c`.', '',
             summary(results, before), '',
             'Outcomes: ok; error: a clear error reached the caller; hang; lost; crash. "ms" runs from '
             'SIGKILL to the', f'last survivor\'s going on, the longest of {repeat} runs; "promised" is for '
             'a quiet machine. What CPython 3.11 and glibc', '2.36 do was measured with the same '
             'faults on Linux 6.18.', '',
             '| case | what dies where | CPython, glibc | crew | ms | promised | what crew promises |',
             '| --- | --- | --- | --- | --- | --- | --- |']
    for promise, run, why in results:
        told = run.outcome + (f': {run.detail.split(";")[0]}' if run.outcome == 'error' else '')
        told += f' ({why})' if why else ''
        took = f'{run.ms:.1f}' if run.ms else ''
        lines.append('| ' + ' | '.join(
            [promise['case'], cell(run.what), before[promise['case']][0], cell(told), took,
             within(promise), cell(promise['promise'])]) + ' |')
    lines += ['', '| case | what CPython and glibc said | what crew said |', '| --- | --- | --- |']
    for promise, run, _ in results:
        lines.append('| ' + ' | '.join([promise['case'], cell(before[promise['case']][1]),
                                        cell(run.detail)]) + ' |')
    return '\n'.join(lines) + '\n'


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('--repeat', type=int, default=5)
    options.add_argument('--table')
    options.add_argument('program', nargs='+')
    options = options.parse_args()
    before = peers()
    promises = rows('promises.tsv')
    programs = {os.path.basename(path).rsplit('_', 1)[1]: path for path in options.program}
    known = {promise['case'] for promise in promises}
    results, failed, number = [], 0, 0

    for promise in promises:
        number += 1
        case = promise['case']
        if case not in programs:
            failed += 1
            print(f'not ok {number} - {case}: there is no program')
            continue
        run, why = judge(promise, programs[case], options.repeat)
        if run.outcome == 'skip':
            print(f'ok {number} - {case}: {run.what} # SKIP {run.detail}')
            continue
        results.append((promise, run, why))
        failed += why is not None
        time = (f' in {run.ms:.1f} ms (promised within {promise["within_ms"]} ms)' if within(promise) else '')
        print(f'{"not " if why else ""}ok {number} - {case}: {run.outcome}{time}: {run.what}: {run.detail}; '
              f'{PEERS[case[0]]}: {before[case][0]}')
        if why:
            print(f'# {why}')
        sys.stdout.flush()
    for case in sorted(set(programs) - known):
        number += 1
        failed += 1
        print(f'not ok {number} - {case}: nothing is promised')
    print(f'# {summary(results, before)}')
    print('#')
    print(f'# {"case":4}  {"CPython, glibc":14}  {"crew":7}  {"ms":>8}  promised')
    for promise, run, why in results:
        print(f'# {promise["case"]:4}  {before[promise["case"]][0]:14}  {run.outcome:7}  {run.ms:8.1f}  '
              f'{within(promise):>8}{"  " + why if why else ""}')
    print(f'1..{number}')
    if options.table:
        with open(options.table, 'w', encoding='utf-8') as f:
            f.write(table(results, before, options.repeat))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Searches every state of the models, and of broken variants of them.

Description: if this failed, a protocol could strand somebody, or give a thing to two, in an order of steps and
deaths that no test has met.

    run.py FOLDER WORK-FOLDER CC

Each model (NAME.pml, for SPIN) must have no error with a kill at any step; each variant, made by one -D, must
have one: so that a model that can't fail is noticed. Output is TAP."""
import os
import re
import shutil
import subprocess
import sys

# The model; how large; what is broken in the variants.
MODELS = [
    ('lock', ['-DROUNDS=1', '-DK=2'], []),
    ('lock', ['-DROUNDS=2', '-DK=1'],
     ['BUG_BIT_DROPPED', 'BUG_DEAD_UNSEEN', 'BUG_SLEEPS_THROUGH_DEATHS',
      'BUG_DEATH_WAKES_NOBODY']),
    ('condition', ['-DK=1', '-DTHINGS=2'], []),
    ('condition', ['-DK=2'], ['BUG_NOT_PASSED_ON', 'BUG_CHOSEN_UNSEEN', 'BUG_HEIR_ALONE']),
    ('barrier', ['-DK=1'],
     ['BUG_TWO_WORDS', 'BUG_LOOKS_FIRST', 'BUG_SLEEPS_THROUGH_DEATHS', 'BUG_DEATH_WAKES_NOBODY']),
    ('barrier', ['-DK=1', '-DDEADLINE'], ['BUG_TWO_WORDS']),
    ('barrier', ['-DK=1', '-DSHRINKS', '-DACTION'], []),
]
SECONDS = 60


def search(folder, work, cc, name, flags):
    """Returns how many errors, states and seconds; or None and why."""
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    for model in os.listdir(folder):
        if model.endswith('.pml'):
            shutil.copy(os.path.join(folder, model), work)
    for command in (['spin', '-a', *flags, name + '.pml'],
                    [*cc, '-O2', '-w', '-DSAFETY', '-DMEMLIM=2000', '-o', 'pan', 'pan.c']):
        r = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
        if r.returncode != 0:
            return None, r.stdout
    try:
        r = subprocess.run(['./pan', '-m1000000'], cwd=work, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None, f'not through in {SECONDS} s'
    errors = re.search(r'errors: (\d+)', r.stdout)
    states = re.search(r'([\d.e+]+) states, stored', r.stdout)
    seconds = re.search(r'elapsed time ([\d.]+)', r.stdout)
    if not errors or 'max search depth too small' in r.stdout or 'reached -DMEMLIM' in r.stdout:
        return None, r.stdout
    return int(errors[1]), (f'{float(states[1]):.0f} states' if states else '?') + \
        (f', {seconds[1]} s' if seconds else '')


def main():
    folder, work, cc = sys.argv[1], sys.argv[2], sys.argv[3].split()
    if not shutil.which('spin'):
        print('1..0 # SKIP no spin here')
        return 0
    number = failed = 0
    for name, flags, bugs in MODELS:
        for bug in [None, *bugs]:
            number += 1
            errors, told = search(folder, work, cc, name, flags + (['-D' + bug] if bug else []))
            good = errors is not None and (errors > 0 if bug else errors == 0)
            failed += not good
            what = f'{name} {" ".join(flags)}' + (f', {bug}: must fail' if bug else ': no error')
            print(f'{"" if good else "not "}ok {number} - {what}' +
                  (f', {told}' if errors is not None else ''), flush=True)
            if errors is None:
                print('\n'.join('# ' + line for line in told.splitlines()[-20:]))
    print(f'1..{number}')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())

"""primes_life_test.py CREW - crew primes when the world does not play along.

Description: a full disk that nobody hears of, half a file that looks whole, workers that go on
after their master died, a line cut in two, a killed worker that costs a prime.
"""
import hashlib
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

import cli
from cli import (ROOT, Skip, case, children, drain, environment, expect, fresh, main, namespace,
                 nothing_left, rlimit, run, shell, shown, start, unprivileged)

KINDS = ("sequential", "threads", "processes", "auto")
SANITIZED = cli.is_sanitized()

# So long that every signal finds it at work, and its first lines come at once.
ENDLESS = ["primes", "18446744073709551615"]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def one_line(done, words):
    """It failed as it should: status 1, and one line that says why."""
    expect(done.status == 1, shown(words), "status", done.status, done.text())
    expect(done.err.startswith(b"crew primes: ") and done.err.count(b"\n") == 1, done.text())


# -- standard streams ---------------------------------------------------------------------

@case("a full device is told, with status 1, in every format")
def _full():
    for words in (["1e6"], ["10"], ["-c", "10"], ["--nth", "5"], ["-f", "list", "10"], ["--json", "10"],
                  ["-f", "u64", "10"], ["-f", "npy", "10"], ["--help"], ["--version"],
                  ["--compare", "--runs", "1", "1000"], ["-o", "/dev/full", "1e6"]):
        for kind in KINDS[:1] if words[0] == "--help" else KINDS:
            with open("/dev/full", "wb") as full:
                done = run(["primes", "-x", kind, *words], stdout=full)
            one_line(done, words)
            expect("No space left" in done.text(), done.text())


@case("a closed standard output is told, and no other file is written instead")
def _closed():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        for words in ("100", "-c 100", "-x processes 100", "-x threads 1000000", "--help"):
            done = shell(f'"$0" primes {words} >&-')
            one_line(done, [words])
        for closed in ("<&-", "2>&-", "<&- 2>&-"):
            for kind in KINDS:
                done = shell(f'"$0" primes -x {kind} 30 {closed}')
                expect(done.status == 0 and done.out.startswith(b"2\n3\n5\n"), closed, done.out)
                done = shell(f'"$0" primes -x {kind} -o "$1" 30 >&- {closed}', path)
                with open(path, "rb") as f:
                    data = f.read()
                expect(done.status == 0 and data.endswith(b"23\n29\n") and done.err == b"", closed,
                       done.status, data, done.text())
        done = shell('"$0" primes x 2>&-')
        expect(done.status == 2 and done.out == b"", "no standard error:", done.status)
        expect(shell('"$0" primes 1 >&-').status == 0, "nothing to write can't fail")


@case("a reader that goes away ends it in silence, with status 0")
def _head():
    for kind in KINDS:
        for words in (ENDLESS, ["primes", "-f", "list", "1e9"], ["primes", "-f", "u64", "1e9"],
                      ["primes", "--json", "1e9"]):
            process = start([*words, "-x", kind, "-j", "3"])
            got = os.read(process.stdout.fileno(), 5)
            process.stdout.close()
            err = process.stderr.read()
            process.stderr.close()
            status = process.wait(cli.LIMIT)
            expect(got and status == 0 and err == b"", shown(words), kind, "status", status, err)
            nothing_left()
    done = shell('"$0" primes 18446744073709551615 | head -1; echo "${PIPESTATUS[0]}"')
    expect(done.out == b"2\n0\n" and done.err == b"", done.out, done.text())
    done = shell("trap '' PIPE; \"$0\" primes 18446744073709551615 | head -1; echo ${PIPESTATUS[0]}")
    expect(done.out == b"2\n0\n" and done.err == b"", "SIGPIPE ignored:", done.out, done.text())


@case("a named pipe whose reader goes away ends it in silence")
def _fifo():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pipe")
        os.mkfifo(path)
        for words in ([*ENDLESS, "-o", path], [*ENDLESS, "-x", "processes", "-o", path]):
            process = start(words)
            with open(path, "rb") as reader:
                expect(reader.readline() == b"2\n", "first line")
            expect(process.wait(cli.LIMIT) == 0, process.returncode)
            expect(process.communicate() == (b"", b""), "said something")
            expect(stat.S_ISFIFO(os.stat(path).st_mode) and os.listdir(folder) == ["pipe"], "the pipe")


@case("a reader that does not wait to be written to gets every byte")
def _nonblocking():
    for kind in KINDS:
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        process = start(["primes", "-x", kind, "3e6"], stdout=theirs)
        os.close(theirs)
        with os.fdopen(ours, "rb") as reader:
            data = reader.read()
        process.communicate()
        expect(process.returncode == 0 and data.count(b"\n") == 216816, kind, data.count(b"\n"))


# -- files --------------------------------------------------------------------------------

@case("a file appears whole: replaced, its mode and links kept, with nothing beside it")
def _file():
    whole = run(["primes", "1e6"]).out
    with tempfile.TemporaryDirectory() as folder:
        path, link = os.path.join(folder, "out"), os.path.join(folder, "link")
        for kind in KINDS:
            done = run(["primes", "-x", kind, "1e6", "-o", path])
            expect(done.status == 0 and done.out + done.err == b"", done.text())
            with open(path, "rb") as f:
                expect(f.read() == whole, kind, "another text in the file")
            expect(os.listdir(folder) == ["out"], os.listdir(folder))
        os.chmod(path, 0o640)
        os.symlink("out", link)
        expect(run(["primes", "10", "-o", link]).status == 0, "through a link")
        expect(os.path.islink(link) and os.path.getsize(path) == 8, "the link was replaced")
        expect(stat.S_IMODE(os.stat(path).st_mode) == 0o640, "the mode was lost")
        expect(sorted(os.listdir(folder)) == ["link", "out"], os.listdir(folder))
        expect(run(["primes", "-c", "10", "-o", path]).status == 0, "a count")
        with open(path, "rb") as f:
            expect(f.read() == b"4\n", "a count in a file")
        for fmt, size in (("npy", 128 + 8 * 78498), ("u64", 8 * 78498)):
            expect(run(["primes", "-f", fmt, "1e6", "-o", path]).status == 0, fmt)
            expect(os.path.getsize(path) == size, fmt, os.path.getsize(path))
        done = run(["primes", "10", "-o", "new"], cwd=folder, umask=0o027)
        expect(stat.S_IMODE(os.stat(os.path.join(folder, "new")).st_mode) == 0o640, "umask")
        done = run(["primes", "10", "-o", "none"], cwd=folder, umask=0o777)
        expect(done.status == 0 and stat.S_IMODE(os.stat(os.path.join(folder, "none")).st_mode) == 0,
               "umask 777", done.text())


@case("devices are written to, not replaced")
def _device():
    before = os.stat("/dev/null").st_ino
    done = run(["primes", "1e6", "-o", "/dev/null"])
    after = os.stat("/dev/null")
    expect(done.status == 0 and after.st_ino == before and stat.S_ISCHR(after.st_mode), "/dev/null")


@case("a file that can't be made is told, with status 1")
def _no_file():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for path in (folder, folder + "/no/file", "", "/proc/crew", folder + "/" + "x" * 300):
            one_line(run(["primes", "10", "-o", path]), [path])
        expect(os.listdir(folder) == [], os.listdir(folder))
        if not ROOT or not shutil.which("setpriv"):
            return
        readonly = os.path.join(folder, "readonly")
        with open(readonly, "wb") as f:
            f.write(b"old")
        for path in (readonly, folder + "/new"):
            with unprivileged() as (prefix, crew):
                done = subprocess.run([*prefix, crew, "primes", "10", "-o", path], env=environment(),
                                      capture_output=True, check=False)
            expect(done.returncode == 1 and b"Permission denied" in done.stderr, done)
        with open(readonly, "rb") as f:
            expect(f.read() == b"old", "it was replaced")


@case("without /proc the file is made all the same")
def _no_proc():
    namespace("mount -t tmpfs none /proc")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        for _ in range(2):
            done = namespace('mount -t tmpfs none /proc && exec "$0" primes 30 -o "$1"', path)
            with open(path, "rb") as f:
                data = f.read()
            expect(done.status == 0 and data.endswith(b"29\n"), done.status, done.text())
            expect(os.listdir(folder) == ["out"], os.listdir(folder))


@case("a small or missing /dev/shm does not matter")
def _no_shm():
    for script in ("umount -l /dev/shm", "mount -t tmpfs -o size=64k none /dev/shm"):
        for kind in KINDS:
            done = namespace(f'{script}; exec "$0" primes -x {kind} -c 1e7')
            expect(done.status == 0 and done.out == b"664579\n", script, kind, done.text())


# -- signals ------------------------------------------------------------------------------

def interrupted(words, number, after, twice=False):
    """Reads 'after' bytes, sends the signal, reads the rest: what came, and how it ended."""
    process = start(words)
    got = b""
    while len(got) < after:
        got += os.read(process.stdout.fileno(), min(1 << 16, after - len(got)))
    os.kill(process.pid, number)
    if twice:
        os.kill(process.pid, number)
    begin = time.monotonic()
    rest, err = drain(process)
    nothing_left()
    return got + rest, err, process.returncode, time.monotonic() - begin


@case("signals end it at once and at the end of a line, with the status of the signal")
def _signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        for kind in KINDS:
            for after in (0, 1, 100000, 3000000):
                out, err, status, _ = interrupted([*ENDLESS, "-x", kind, "-j", "3"], number, after)
                about = f"{signal.Signals(number).name} after {after} bytes, {kind}"
                expect(status == -number, about, "status", status)
                expect(err == b"", about, err)
                expect(out == b"" or out.endswith(b"\n"), about, "ends with", out[-30:])
                expect(out[:10] == b"2\n3\n5\n7\n11"[:min(10, len(out))], about, out[:10])


@case("signals at any moment leave nothing behind")
def _moments():
    chance = random.Random(os.getpid())
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        for turn in range(40):
            kind = KINDS[turn % 4]
            number = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
            process = start(["primes", "-x", kind, "1e12", "-o", path])
            time.sleep(0.001 * 500 ** chance.random())  # the moment is what is tried out
            os.kill(process.pid, number)
            process.communicate()
            expect(process.returncode == -number, kind, "status", process.returncode)
            nothing_left()
            expect(os.listdir(folder) == [], "left:", os.listdir(folder))


@case("an older file stays what it was when the new one is not finished")
def _older():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        with open(path, "wb") as f:
            f.write(b"old")
        for number in (signal.SIGINT, signal.SIGKILL):
            process = start(["primes", "-x", "processes", "-v", "--progress", "always", "1e12", "-o", path])
            os.read(process.stderr.fileno(), 1)
            os.kill(process.pid, number)
            process.communicate()
            with open(path, "rb") as f:
                expect(f.read() == b"old", "the old file is gone")
            expect(os.listdir(folder) == ["out"], os.listdir(folder))


@case("a reader that has stopped does not keep a signal from ending it")
def _stuck():
    for kind in KINDS:
        for twice in (False, True):
            process = start([*ENDLESS, "-x", kind])
            os.read(process.stdout.fileno(), 1)
            deadline = time.monotonic() + cli.LIMIT
            while full(process.stdout.fileno()) and time.monotonic() < deadline:
                os.sched_yield()
            os.kill(process.pid, signal.SIGINT)
            if twice:
                os.kill(process.pid, signal.SIGINT)
            status = process.wait(cli.LIMIT)
            drain(process)
            expect(status == -signal.SIGINT, kind, status)
            nothing_left()


def full(fd):
    """False once nothing more comes into a pipe that nobody reads."""
    import array
    import fcntl
    import termios
    sizes = []
    for _ in range(2):
        size = array.array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, size)
        sizes.append(size[0])
        time.sleep(0.02)  # is it still growing?
    return sizes[0] != sizes[1]


@case("a signal that was ignored stays ignored")
def _ignored():
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    process = start(["primes", "1e8"], preexec_fn=ignore)
    os.read(process.stdout.fileno(), 1)
    os.kill(process.pid, signal.SIGHUP)
    rest, _ = drain(process)
    expect(process.returncode == 0 and len(rest) == 51099000 - 1, process.returncode, len(rest))


@case("stopped and continued, it goes on where it was")
def _stopped():
    whole = digest(run(["primes", "-x", "sequential", "3e7"]).out)
    for kind in KINDS:
        # In a process group of its own, and not the last of its session: there SIGTSTP is ignored.
        process = start(["primes", "-x", kind, "-j", "2", "3e7"], preexec_fn=os.setpgrp)
        got = os.read(process.stdout.fileno(), 1000)
        os.kill(process.pid, signal.SIGTSTP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        os.kill(process.pid, signal.SIGCONT)
        rest, _ = drain(process)
        expect(process.returncode == 0 and digest(got + rest) == whole, kind, process.returncode)


@case("with all signals blocked and SIGCHLD ignored the result is the same")
def _blocked():
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    whole = run(["primes", "1e7"]).out
    for kind in KINDS:
        done = run(["primes", "-x", kind, "1e7"], preexec_fn=block)
        expect(done.status == 0 and done.out == whole, kind, done.status, done.text())


@case("as the first process of a pid namespace: the result, and the end by a signal")
def _first_process():
    if not ROOT or not shutil.which("unshare") or shell("unshare -p -f true").status != 0:
        raise Skip("needs root, unshare and pid namespaces")
    for kind in KINDS:
        done = shell(f'exec unshare -p -f "$0" primes -x {kind} -c 1e8')
        expect(done.status == 0 and done.out == b"5761455\n", kind, done.status, done.text())
    process = subprocess.Popen(["unshare", "-p", "-f", "--kill-child", cli.CREW, *ENDLESS], env=environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=fresh)
    os.read(process.stdout.fileno(), 1)
    first = children(process.pid)
    expect(len(first) == 1, first)
    os.kill(first[0], signal.SIGTERM)
    drain(process)
    expect(process.returncode == 128 + signal.SIGTERM, process.returncode)


# -- dying workers ------------------------------------------------------------------------

@case("a worker killed every 10 ms changes no byte")
def _killed():
    # A sanitizer makes a task 10 times as long, and one that never lives to its end is given up.
    words = ["primes", "-j", "2", "1e8" if SANITIZED else "1e9"]
    every = 0.200 if SANITIZED else 0.010
    wanted = hashlib.sha256()
    process = start([*words, "-x", "sequential"])
    while data := os.read(process.stdout.fileno(), 1 << 20):
        wanted.update(data)
    process.communicate()

    got, killed, size = hashlib.sha256(), 0, 0
    process = start([*words, "-x", "processes", "-v"], env=cli.without_leak_checker())
    due = time.monotonic()
    while data := os.read(process.stdout.fileno(), 1 << 16):
        got.update(data)
        size += len(data)
        if time.monotonic() < due:
            continue
        for pid in children(process.pid)[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        due = time.monotonic() + every
    _, err = process.communicate()
    expect(process.returncode == 0, process.returncode, err)
    expect(got.digest() == wanted.digest(), "other bytes,", size, "of them")
    expect(killed > 0, "none was killed")
    expect(b"workers died" in err, err)


@case("when it is killed, its workers end")
def _root_killed():
    for kind in ("processes", "auto", "threads"):
        process = start([*ENDLESS, "-x", kind, "-j", "3"])
        got = 0
        while got < 20_000_000:
            got += len(os.read(process.stdout.fileno(), 1 << 20))
        os.kill(process.pid, signal.SIGKILL)
        drain(process)
        nothing_left()


# -- limits -------------------------------------------------------------------------------

def limited(kind, words, wanted, allowed=(), **popen):
    """The right answer, or one line that says why not."""
    done = run(["primes", "-x", kind, "-j", "2", *words], **popen)
    if done.status == 0:
        expect(done.out == wanted, kind, shown(words), "another result", done.out)
    else:
        one_line(done, [kind, *words])
        expect(kind not in allowed, kind, "could have answered:", done.text())


@case("under limits of memory, descriptors, stack, core and file size: the answer, or why not")
def _limits():
    whole = run(["primes", "1e6"]).out
    for kind in KINDS:
        if not SANITIZED:  # it wants terabytes of address space for itself
            for mib in (16, 24, 32, 48, 64, 96, 128, 256, 512, 1024):
                done = run(["primes", "-x", kind, "-j", "2", "1e6"],
                           preexec_fn=rlimit(resource.RLIMIT_AS, mib << 20))
                if done.status == 127 or b"error while loading" in done.err:
                    continue  # not even the loader found room
                if done.status == 0:
                    expect(done.out == whole, kind, mib, "MiB: another list")
                else:
                    one_line(done, [kind, mib])
        for n in (3, 4, 5, 6, 8, 12, 20):
            done = run(["primes", "-x", kind, "-j", "2", "1e6"],
                       preexec_fn=rlimit(resource.RLIMIT_NOFILE, n))
            if b"error while loading" in done.err:
                continue
            if done.status == 0:
                expect(done.out == whole, kind, n, "descriptors: another list")
            else:
                one_line(done, [kind, n])
        limited(kind, ["1e6"], whole, KINDS, preexec_fn=rlimit(resource.RLIMIT_CORE, 0))
        if not SANITIZED:
            limited(kind, ["1e6"], whole, preexec_fn=rlimit(resource.RLIMIT_STACK, 64 << 10))
        limited(kind, ["1e6"], whole, preexec_fn=rlimit(resource.RLIMIT_FSIZE, 0))
    limited("sequential", ["1e6"], whole, KINDS, preexec_fn=rlimit(resource.RLIMIT_FSIZE, 0))
    limited("auto", ["1e6"], whole, KINDS, preexec_fn=rlimit(resource.RLIMIT_NOFILE, 8))


@case("a file size limit is told, and no part of the file stays")
def _file_size():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        for limit in (0, 4096, 5 << 20):
            for kind in ("sequential", "auto"):
                done = run(["primes", "-x", kind, "3e7", "-o", path],
                           preexec_fn=rlimit(resource.RLIMIT_FSIZE, limit))
                one_line(done, [kind, limit])
                expect("File too large" in done.text(), done.text())
                expect(os.listdir(folder) == [], os.listdir(folder))


@case("a full disk is told, and no part of the file stays")
def _full_disk():
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            script = (f'mount -t tmpfs -o size=8m none "$1" && cd "$1" && echo old > out && '
                      f'"$0" primes -x {kind} 1e8 -o out; echo "$? $(cat out) $(ls -A)"')
            done = namespace(script, folder)
            expect(done.out == b"1 old out\n", kind, done.out, done.text())
            expect("No space left" in done.text(), done.text())


@case("where no process may be started, auto goes on alone and processes says why it can't")
def _no_processes():
    whole = b"664579\n"
    with unprivileged() as (prefix, crew):
        for kind in KINDS:
            words = [*prefix, "prlimit", "--nproc=1", crew, "primes", "-x", kind, "-j", "2", "-c", "1e7"]
            done = subprocess.run(words, env=cli.without_leak_checker(), capture_output=True,
                                  check=False)
            if kind in ("sequential", "auto"):
                expect(done.returncode == 0 and done.stdout == whole, kind, done)
            elif done.returncode != 0:
                expect(done.returncode == 1 and done.stderr.startswith(b"crew primes: ") and
                       done.stderr.count(b"\n") == 1, kind, done)


@case("on one CPU the result is the same")
def _one_cpu():
    whole = run(["primes", "1e7"]).out
    cpu = min(os.sched_getaffinity(0))
    for kind in KINDS:
        done = run(["primes", "-x", kind, "1e7"], preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        expect(done.status == 0 and done.out == whole, kind, done.text())


@case("memory does not grow with N")
def _flat():
    if SANITIZED:
        raise Skip("the sanitizer keeps freed memory")

    def peak(words):
        process = start(words, stdout=subprocess.DEVNULL)
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        expect(status == 0, shown(words), status)
        return usage.ru_maxrss
    for kind in KINDS:
        small, large = (peak(["primes", "-x", kind, "-j", "2", n]) for n in ("1e8", "1e9"))
        expect(large < small + (16 << 10), kind, "peak", small, "KiB for 1e8,", large, "KiB for 1e9")


@case("in a cgroup with 64 MiB it lists to 1e8")
def _cgroup():
    with cgroup(64 << 20) as enter:
        for kind in KINDS:
            done = shell(f'echo $$ > {enter}; exec "$0" primes -x {kind} -j 2 1e8 | sha256sum')
            wanted = shell('"$0" primes -x sequential 1e8 | sha256sum')
            expect(done.out == wanted.out, kind, done.out, done.text())


class cgroup:
    def __init__(self, limit):
        self.limit = limit

    def __enter__(self):
        for root, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                           ("/sys/fs/cgroup", "memory.max"),
                           ("/sys/fs/cgroup/unified", "memory.max")):
            self.path = os.path.join(root, f"crew-test-{os.getpid()}")
            try:
                os.mkdir(self.path)
                with open(os.path.join(self.path, file), "w") as f:
                    f.write(str(self.limit))
                return os.path.join(self.path, "cgroup.procs")
            except OSError:
                if os.path.isdir(self.path):
                    os.rmdir(self.path)
        raise Skip("no cgroup with a memory limit can be made here")

    def __exit__(self, *_):
        nothing_left()
        os.rmdir(self.path)


if __name__ == "__main__":
    sys.exit(main())

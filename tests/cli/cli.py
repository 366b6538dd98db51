"""cli.py - runs a command under conditions and looks at what it leaves; prints TAP.

A case is a function made known by @case("sentence"); it returns nothing, raises Wrong, or raises
Skip with the reason. After each case, whatever it was, no process that the command started may be
left: they all carry a mark of this run in their environment.
"""
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CREW = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
MARK = "CREW_TEST_RUN"
ROOT = os.geteuid() == 0
LIMIT = 100  # s for a command, and three times that for a case; the only clock: what hangs has failed


def is_sanitized():
    with open(CREW, "rb") as f:
        return b"__asan_init" in f.read()


cases = []


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def case(name):
    def known(function):
        cases.append((name, function))
        return function
    return known


def environment(**more):
    env = dict(os.environ)
    env[MARK] = str(os.getpid())
    env.pop("CREW_WORKERS", None)
    env.update(more)
    return env


def without_leak_checker():
    """For what counts or kills processes: it starts one of its own at the end."""
    return environment(ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")


class Done:
    """How a command ended."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def text(self):
        return self.err.decode("utf-8", "backslashreplace")


def fresh():
    """Signals as a terminal's shell gives them, whatever started this test: a shell without job
    control starts what it puts into the background with SIGINT and SIGQUIT ignored."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def drain(process, most=256 << 20):
    """The rest of what a command prints, which ends soon: one that doesn't must not fill the
    machine. Its status is in process.returncode then."""
    rest = b""
    while data := os.read(process.stdout.fileno(), 1 << 20):
        rest += data
        if len(rest) > most:
            process.kill()
            process.communicate()
            raise Wrong(f"it goes on and on: {len(rest)} bytes")
    err = process.stderr.read()
    process.wait(LIMIT)
    process.communicate()
    return rest, err


def start(words, prefix=(), env=None, **popen):
    own = popen.pop("preexec_fn", lambda: None)
    popen["preexec_fn"] = lambda: (fresh(), own())
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([*prefix, CREW, *words], env=env or environment(), **popen)


def run(words, prefix=(), env=None, input=None, **popen):
    """'input': bytes for its standard input, by a pipe."""
    if input is not None:
        popen["stdin"] = subprocess.PIPE
    process = start(words, prefix, env, **popen)
    try:
        out, err = process.communicate(input, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Wrong(f"{shown(words)}: not done after {LIMIT} s")
    return Done(process.returncode, out or b"", err or b"")


def shell(script, *words, env=None):
    """The command is $0 in it; its words are $1 and on."""
    process = subprocess.Popen(["bash", "-c", script, CREW, *words], env=env or environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=fresh)
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Wrong(f"{script}: not done after {LIMIT} s")
    return Done(process.returncode, out, err)


def shown(words):
    text = " ".join(os.fsdecode(w) if isinstance(w, bytes) else str(w) for w in words)
    return text if len(text) < 100 else text[:80] + f"... ({len(text)} characters)"


def expect(good, *what):
    if not good:
        raise Wrong(" ".join(str(w) if not isinstance(w, bytes) else repr(w[:200]) for w in what))


def descendants():
    """Processes with our mark, and not zombies that somebody else has yet to collect."""
    found = []
    mark = f"{MARK}={os.getpid()}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as f:
                if mark not in f.read().split(b"\0"):
                    continue
            with open(f"/proc/{name}/stat", "rb") as f:
                if f.read().rsplit(b") ", 1)[1][:1] not in b"ZX":
                    found.append(int(name))
        except OSError:
            continue
    return found


def children(pid):
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        found = []
        for task in tasks:
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += [int(word) for word in f.read().split()]
        return found
    except OSError:
        return []


def nothing_left():
    """The kernel ends the workers of a dead root: not in the same instant, but soon."""
    deadline = time.monotonic() + 10
    while descendants():
        if time.monotonic() > deadline:
            left = descendants()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise Wrong(f"processes left: {left}")
        os.sched_yield()


def shared_names():
    try:
        return {n for n in os.listdir("/dev/shm") if "crew" in n}
    except OSError:
        return set()


class unprivileged:
    """A prefix that drops root, and a copy of the command that everybody may run."""

    def __enter__(self):
        if ROOT and not shutil.which("setpriv"):
            raise Skip("setpriv is not installed")
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        crew = shutil.copy(CREW, self.folder.name)
        os.chmod(crew, 0o755)
        prefix = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"] if ROOT else []
        return prefix, crew

    def __exit__(self, *_):
        self.folder.cleanup()


def namespace(script, *words):
    if not ROOT or not shutil.which("unshare"):
        raise Skip("needs root and unshare")
    if shell("unshare -m true").status != 0:
        raise Skip("this machine gives no mount namespace")
    return shell(f"exec unshare -m bash -c '{script}' \"$0\" \"$@\"", *words)


def rlimit(which, value):
    return lambda: resource.setrlimit(which, (value, value))


def hangs(*_):
    raise Wrong(f"not done after {3 * LIMIT} s")


def main():
    before = shared_names()
    failures = 0
    signal.signal(signal.SIGALRM, hangs)
    print(f"1..{len(cases)}", flush=True)
    for number, (name, function) in enumerate(cases, 1):
        verdict, note = "ok", ""
        try:
            signal.alarm(3 * LIMIT)
            function()
        except Skip as skip:
            note = f" # SKIP {skip}"
        except Wrong as wrong:
            verdict = "not ok"
            print("# " + str(wrong).replace("\n", "\n# "))
        finally:
            signal.alarm(0)
        try:
            nothing_left()
            expect(shared_names() <= before, "names in /dev/shm:", shared_names() - before)
        except Wrong as wrong:
            verdict = "not ok"
            print(f"# {wrong}")
        failures += verdict != "ok"
        print(f"{verdict} {number} - {name}{note}", flush=True)
    return 1 if failures else 0

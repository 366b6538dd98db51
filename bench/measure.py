"""bench/measure.py - how bench/run measures: drivers that answer, commands that end, in turn.

Nothing here knows what is compared; rows.py does."""
import math
import os
import select
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE = 0.010  # s in which the threads of a peer that has answered stop spinning (libgomp: 4 ms)
ANSWER = 120  # s in which a driver answers or has failed
SCALES = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "us")),
    "/s": ((1e6, "M/s"), (1e3, "k/s")),
}


class Failed(Exception):
    """A driver or a command did not do what it was asked."""


# -- drivers: processes that live through a comparison and answer one line to each command ------


class Driver:
    def __init__(self, arguments):
        self.name = os.path.basename(arguments[0])
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command, count, value=0, calls=1, patience=ANSWER):
        """Nanoseconds that the driver answers. The machine is quiet again afterwards."""
        try:
            self.process.stdin.write(f"{command} {int(count)} {int(value)} {int(calls)}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{self.name} has ended") from None
        if not select.select([self.process.stdout], [], [], patience)[0]:
            raise Failed(f"{self.name} did not answer '{command}' in {patience} s")
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended at '{command} {int(count)} {int(value)}'")
        time.sleep(SETTLE)
        return float(line)

    def memory(self):
        """What it and its workers hold: most resident bytes ever of each, and their joint share."""
        pids = tree_of(self.process.pid)
        peaks = [field_of(f"/proc/{pid}/status", "VmHWM:") for pid in pids]
        share = sum(field_of(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)
        workers = " + ".join(megabytes(p) for p in peaks[1:]) or "none"
        return f"peak RSS {megabytes(peaks[0])}, workers {workers}; together {megabytes(share)}"

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{self.name} did not end") from None
        finally:
            self.process.stdout.close()
        if self.process.returncode != 0:
            raise Failed(f"{self.name} ended with {self.process.returncode}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.close()
        else:
            self.process.kill()
            self.process.wait()


def ask_once(arguments):
    """The figures that a program prints."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, timeout=ANSWER)
    if done.returncode != 0:
        raise Failed(f"'{' '.join(arguments)}' ended with {done.returncode}")
    return [float(word) for word in done.stdout.split()]


# -- figures -------------------------------------------------------------------------------------


def alternate(rounds, contenders):
    """Runs each contender once untimed, then all of them in turn, 'rounds' times.

    contenders: name -> function that returns a figure. Returns name -> list of figures."""
    figures = {name: [] for name in contenders}
    for contender in contenders.values():
        contender()
    for _ in range(rounds):
        for name, contender in contenders.items():
            figures[name].append(contender())
    return figures


median = statistics.median


def spread(values, unit):
    """Median with unit, and [least most] on the same scale."""
    scale, name = 1, unit
    for size, bigger in SCALES.get(unit, ()):
        if median(values) >= size:
            scale, name = size, bigger
            break
    return (f"{three(median(values) / scale)} {name} "
            f"[{three(min(values) / scale)} {three(max(values) / scale)}]")


def three(value):
    """A number with three digits."""
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 4)}f}"


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


# -- the machine ---------------------------------------------------------------------------------


def field_of(path, name):
    """Bytes that a 'name N kB' line of a file in /proc says; 0 if it is gone."""
    try:
        with open(path) as lines:
            for line in lines:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def process_times():
    """pid -> (parent, ticks it and its ended children have used), for all processes."""
    times = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            times[int(entry)] = (int(fields[1]), sum(int(f) for f in fields[11:15]))
    return times


def tree_of(root, times=None):
    """root and all its living descendants, root first."""
    times = times or process_times()
    tree = [root]
    for pid in tree:
        tree += [child for child, (parent, _) in times.items() if parent == pid]
    return tree


class Interference:
    """What other programs and the hypervisor took of the machine since this was made."""

    def __init__(self):
        self.begun, self.busy, self.stolen, self.ours = self.sample()

    @staticmethod
    def sample():
        with open("/proc/stat") as stat:
            f = [int(x) for x in stat.readline().split()[1:]]
        times = process_times()
        ours = sum(times[pid][1] for pid in tree_of(os.getpid(), times) if pid in times)
        return time.time(), f[0] + f[1] + f[2] + f[5] + f[6], f[7], ours

    def shares(self):
        begun, busy, stolen, ours = self.sample()
        whole = max(1, (begun - self.begun) * TICKS * os.cpu_count())
        others = max(0, (busy - self.busy) - (ours - self.ours))
        return 100 * others / whole, 100 * (stolen - self.stolen) / whole


def wait_until_quiet(patience):
    """Waits, at most 'patience' seconds, until other programs use less than 4 % of the machine."""
    deadline = time.time() + patience
    while time.time() < deadline:
        now = Interference()
        time.sleep(0.4)
        if sum(now.shares()) < 4:
            return


def machine():
    """One line on what this was measured on."""
    model = os.uname().machine
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    name = "Linux"
    try:
        with open("/etc/os-release") as lines:
            name = dict(l.rstrip().split("=", 1) for l in lines if "=" in l)["PRETTY_NAME"].strip('"')
    except (OSError, KeyError):
        pass
    cpus = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (f"{cpus} CPUs of {model}, {memory:.0f} GiB, Linux {os.uname().release}, {name}, "
            f"load {load:.2f}")

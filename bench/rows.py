"""bench/rows.py - what bench/run compares: one function a row, in the order of ROWS.

Every row runs crew and its peers in turn and hands each pair to table.line(), with its bar. The
bars speak of 2 worker processes; where the caller can be one of the two, that is shown as
well ('caller + 1 process'), and its verdict stands in brackets."""
import contextlib
import json
import math
import os
import subprocess
import tempfile

from bars import at_least, at_most
from measure import Driver, alternate, ask_once, median, megabytes
from rows_lock import LOCK_ROWS
from rows_queue import QUEUE_ROWS

CREW, CALLER = "2 processes", "caller + 1 process"


# -- crew primes against primesieve ---------------------------------------------------------------


def compare_commands(bench, table, bar, ours, theirs, outputs=("/dev/null", "/dev/null"), cat=""):
    """Times two commands in turn.

    outputs   the files that their standard outputs go to
    cat       a command behind a pipe, which has the output instead; "": none"""
    bench.need_tool(theirs[0], "primesieve")
    peaks = {}

    def runner(arguments, output):
        def run():
            bench.forget_output()
            time, peaks[arguments[0]] = ask_once([bench.program("command"), output, cat] + arguments)
            return time
        return run

    times = alternate(bench.rounds(5), {"crew": runner(ours, outputs[0]),
                                        "peer": runner(theirs, outputs[1])})
    bench.forget_output()

    def words(arguments, output):
        said = [os.path.basename(arguments[0])] + arguments[1:]
        said = ["FILE" if word == bench.output else word for word in said]
        said += (["> FILE"] if output == bench.output else []) + (["|", cat] if cat else [])
        return " ".join(said)

    table.line(words(ours, outputs[0]), times["crew"], words(theirs, outputs[1]), times["peer"],
               "ns", bar)
    table.note(f"peak RSS of the largest process: crew {megabytes(peaks[ours[0]])}, "
               f"{theirs[0]} {megabytes(peaks[theirs[0]])}")


def row_print(bench, table):
    n = bench.size("1e9", "1e6")
    compare_commands(bench, table, at_least(10), [bench.crew, "primes", n],
                     ["primesieve", n, "-p"])


def row_file(bench, table):
    n = bench.size("1e9", "1e6")
    compare_commands(bench, table, at_least(8), [bench.crew, "primes", n, "-o", bench.output],
                     ["primesieve", n, "-p"], outputs=("/dev/null", bench.output))


def row_pipe(bench, table):
    n = bench.size("1e9", "1e6")
    compare_commands(bench, table, at_least(5), [bench.crew, "primes", n],
                     ["primesieve", n, "-p"], cat="cat")


def row_count(bench, table):
    n = bench.size("1e10", "1e6")
    threads = str(len(os.sched_getaffinity(0)))
    compare_commands(bench, table, at_most(1.05), [bench.crew, "primes", "-c", n],
                     ["primesieve", n, "-q", "-t", threads])


# -- how small tasks and loops may be -------------------------------------------------------------

# So many iterations in a task, or tasks in a loop, are tried.
LADDER = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024,
          2048, 4096, 8192, 16384, 32768, 65536, 131072]


class Crossing:
    """Looks for the smallest step at which 2 workers are half efficient, that is, as fast together
    as a plain loop that is measured beside. measure(step) answers with size and efficiency."""

    def __init__(self, least=0):
        self.least = least  # size below which nothing is tried
        self.step = 0  # where the last round crossed 50 %
        self.at_floor = []  # efficiency at the least size, of the rounds that got so far

    def search(self):
        """The size at the crossing, of one round: walks from where the last one ended."""
        here = self.measure(self.step)
        if here[1] >= 0.5:
            while self.step > 0:
                self.step -= 1
                below = self.measure(self.step)
                if below[1] < 0.5:
                    return max(self.least, between(below, here))
                here = below
            self.at_floor.append(here[1])
            return max(self.least, here[0])
        while self.step < len(LADDER) - 1:
            self.step += 1
            above = self.measure(self.step)
            if above[1] >= 0.5:
                return max(self.least, between(here, above))
            here = above
        return math.inf


def between(below, above):
    """The size of 50 % between two points (size, efficiency), on a logarithmic scale."""
    part = (0.5 - below[1]) / (above[1] - below[1])
    return below[0] * (above[0] / below[0]) ** part


class TaskSize(Crossing):
    """METG(50 %): how large a task must be in a long loop. Its size is the time that it takes in the
    plain loop. The floor, one and the same for all, is a call of an empty function."""

    def __init__(self, bench, driver, command, floor):
        super().__init__(floor)
        self.bench, self.driver, self.command = bench, driver, command
        self.cost = {}  # step -> ns a task took, to choose how many

    def measure(self, step):
        iterations = LADDER[step]
        goal = self.bench.size(15e6, 1e6)
        count = within(goal / self.cost.get(step, 50 + 2 * iterations))
        wall = self.driver.ask(self.command, count, iterations) / count
        self.cost[step] = wall
        count = within(goal / 4 / max(1, 1.4 * iterations))
        grain = self.bench.limits.ask("sequential", count, iterations) / count
        return grain if step else self.least, grain / (2 * wall)


class LoopSize(Crossing):
    """How long a loop of tasks of ITERATIONS must be to be worth a call, when calls follow each
    other. Its size is the time of the plain loop."""

    ITERATIONS = 64

    def __init__(self, bench, driver, command, _):
        super().__init__()
        self.bench, self.driver, self.command = bench, driver, command

    def measure(self, step):
        goal, count = self.bench.size(10e6, 1e6), max(1, LADDER[step])
        calls = min(10_000, within(goal / (2000 + 100 * count)))
        wall = self.driver.ask(self.command, count, self.ITERATIONS, calls) / calls
        size = self.bench.limits.ask("sequential", count, self.ITERATIONS, calls) / calls
        return size, size / (2 * wall)


def within(count):
    return int(max(64, min(20_000_000, count)))


def compare_crossings(kind, bench, table, bar, ours, peers):
    """kind: what is looked for; ours: what -> command of crew's driver; peers: name -> (driver,
    package, command)."""
    with bench.driver("limits") as bench.limits, bench.open_peers(table, peers) as drivers, \
            Driver([bench.program("crew")]) as plain, \
            Driver([bench.program("crew"), "caller"]) as caller:
        calls = bench.size(2_000_000, 100_000)
        floor = median([bench.limits.ask("sequential", calls) / calls for _ in range(5)])
        crossings = {}
        for what, command in ours.items():
            crossings[what, CREW] = kind(bench, plain, command, floor)
            crossings[what, CALLER] = kind(bench, caller, command, floor)
        for name, driver in drivers.items():
            crossings[name] = kind(bench, driver, peers[name][2], floor)
        with bench.mailbox_around(table):
            found = alternate(bench.rounds(7), {key: c.search for key, c in crossings.items()})
    lowest = min(drivers, key=lambda name: median(found[name]), default=None)
    for what, config in [key for key in crossings if isinstance(key, tuple)]:
        for name in drivers:
            table.line(f"{what}: {config}", found[what, config], name, found[name], "ns",
                       bar if name == lowest else None, bracketed=config == CALLER)
    for key, crossing in crossings.items():
        if crossing.at_floor and kind is TaskSize:
            name = ": ".join(key) if isinstance(key, tuple) else key
            table.note(f"{name}: at the floor, a call of an empty function, "
                       f"{100 * median(crossing.at_floor):.0f} % efficient")


def row_metg_one(bench, table):
    compare_crossings(TaskSize, bench, table, at_most(1.5),
                      {"for, chunk 1": "for_one", "map, chunk 1": "map_one"},
                      {"libgomp dynamic,1": ("openmp", "gcc", "dynamic"),
                       "oneTBB simple, grain 1": ("tbb", "libtbb-dev", "simple")})


ADAPTIVE = {"for, adaptive": "for_adaptive", "map, adaptive": "map_adaptive"}
ADAPTIVE_PEERS = {"libgomp guided": ("openmp", "gcc", "guided"),
                  "oneTBB auto": ("tbb", "libtbb-dev", "auto"),
                  "rayon par_iter": ("rayon", "cargo librust-rayon-dev", "par_iter")}


def row_metg_adaptive(bench, table):
    compare_crossings(TaskSize, bench, table, at_most(1.0), ADAPTIVE, ADAPTIVE_PEERS)


def row_loop(bench, table):
    compare_crossings(LoopSize, bench, table, None, ADAPTIVE, ADAPTIVE_PEERS)


# -- tasks a second -------------------------------------------------------------------------------


def rate(driver, command, count):
    return lambda: int(count) / driver.ask(command, count) * 1e9


def row_tasks(bench, table):
    count, few = bench.size(1_000_000, 10_000), bench.size(20_000, 500)
    peers = {"oneTBB simple, grain 1": ("tbb", "libtbb-dev", "nothing")}
    with bench.open_peers(table, peers) as drivers, Driver([bench.python, bench.cpython]) as python, \
            Driver([bench.program("crew")]) as plain, \
            Driver([bench.program("crew"), "caller"]) as caller:
        contenders = {
            CREW: rate(plain, "map_nothing", count),
            CALLER: rate(caller, "map_nothing", count),
            "arrays": rate(plain, "map_arrays", count),
            "arrays, caller": rate(caller, "map_arrays", count),
            "python": rate(python, "map", few),
        }
        for name, driver in drivers.items():
            contenders[name] = rate(driver, peers[name][2], count)
        with bench.mailbox_around(table):
            rates = alternate(bench.rounds(7), contenders)
        table.note(f"memory: crew {plain.memory()}")
        table.note(f"memory: CPython {python.memory()}")
    for name in drivers:
        table.line(f"map, chunk 1: {CREW}", rates[CREW], name, rates[name], "/s",
                   at_least(1))
        table.line(f"map, chunk 1: {CALLER}", rates[CALLER], name, rates[name], "/s",
                   at_least(1), bracketed=True)
    what = "map, 8 B in and out"
    table.line(f"{what}: {CREW}", rates["arrays"], "CPython Pool.map, chunksize 1",
               rates["python"], "/s", at_least(500))
    table.line(f"{what}: {CALLER}", rates["arrays, caller"], "CPython Pool.map, chunksize 1",
               rates["python"], "/s", at_least(500), bracketed=True)


# -- round trips ----------------------------------------------------------------------------------


def row_trip_hot(bench, table):
    count = bench.size(20_000, 500)
    what = "hot"
    with bench.driver("limits") as limits, Driver([bench.program("crew")]) as plain, \
            Driver([bench.program("crew"), "caller"]) as caller:
        bench.need_two_cpus()
        times = alternate(bench.rounds(9), {
            "mailbox": lambda: limits.ask("mailbox", count),
            CREW: lambda: plain.ask("round_trip", count),
            "mailbox again": lambda: limits.ask("mailbox", count),
            CALLER: lambda: caller.ask("round_trip", count),
        })
    table.line(f"{what}: {CREW}", times[CREW], "mailbox", times["mailbox"], "ns", at_most(5))
    table.line(f"{what}: 1 process", times[CALLER], "mailbox", times["mailbox again"],
               "ns", at_most(5), bracketed=True)


def row_trip_asleep(bench, table):
    # Few trips in many rounds: whether the kernel wakes on this CPU or another changes within seconds.
    count, pause = bench.size(12, 5), 5000
    what = "asleep"
    with bench.driver("limits") as limits, Driver([bench.program("crew")]) as plain, \
            Driver([bench.program("crew"), "caller"]) as caller:
        with bench.mailbox_around(table):
            times = alternate(bench.rounds(60), {
                "futex": lambda: limits.ask("futex", count, pause),
                CREW: lambda: plain.ask("round_trip", count, pause),
                "futex again": lambda: limits.ask("futex", count, pause),
                CALLER: lambda: caller.ask("round_trip", count, pause),
            })
    table.line(f"{what}: {CREW}", times[CREW], "bare futex ping-pong", times["futex"], "ns",
               at_most(1.2))
    table.line(f"{what}: 1 process", times[CALLER], "bare futex ping-pong",
               times["futex again"], "ns", at_most(1.2), bracketed=True)


# -- pipes ----------------------------------------------------------------------------------------

REST = 5000  # us of rest before each trip, so that both partners sleep


def row_pipe_trip(bench, table):
    hot, asleep = bench.size(200_000, 2_000), bench.size(400, 20)
    with Driver([bench.program("pipe")]) as pipes, bench.driver("limits") as limits:
        bench.need_two_cpus()
        times = alternate(bench.rounds(7), {
            "mailbox": lambda: limits.ask("mailbox", hot),
            "hot": lambda: pipes.ask("crew", hot),
            "socketpair hot": lambda: pipes.ask("socketpair", hot),
            "asleep": lambda: pipes.ask("crew", asleep, REST),
            "socketpair asleep": lambda: pipes.ask("socketpair", asleep, REST),
        })
    table.line("nobody asleep", times["hot"], "mailbox of one line", times["mailbox"], "ns", at_most(3))
    table.line("nobody asleep", times["hot"], "socketpair", times["socketpair hot"], "ns", None)
    table.line("after 5 ms of rest", times["asleep"], "socketpair", times["socketpair asleep"], "ns",
               at_most(1.05))


# -- a pool, from open to close -------------------------------------------------------------------


def row_pool(bench, table):
    crew = bench.program("crew")
    python = [bench.python, bench.cpython]
    with Driver([crew]) as plain, Driver(python) as cpython:
        times = alternate(bench.rounds(7), {
            "crew": lambda: plain.ask("cycle", bench.size(20, 3)),
            "python": lambda: cpython.ask("cycle", bench.size(5, 2)),
            "crew, first": lambda: ask_once([crew, "first"])[0],
            "python, first": lambda: ask_once(python + ["first"])[0],
        })
        table.note(f"memory: crew (another pool of 2 open beside) {plain.memory()}")
        table.note(f"memory: CPython {cpython.memory()}")
    table.line("again and again", times["crew"], "CPython Pool(2)",
               times["python"], "ns", at_least(8))
    table.line("the first of a fresh process", times["crew, first"], "CPython Pool(2)",
               times["python, first"], "ns", at_least(8))


# -- crew filter -----------------------------------------------------------------------------------

KEPT = ["env", "MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=100000000000"]


def row_filter_kernel(bench, table):
    numeric = bench.need_python("numpy", "bottleneck")
    samples = bench.size(100_000_000, 100_000)
    with bench.driver("limits") as limits, Driver([bench.program("filter")]) as plain, \
            Driver(numeric) as peer, Driver(KEPT + numeric) as kept:
        for window in (101, 1001):
            def ask(driver, command):
                return lambda: driver.ask(command, samples, window)

            times = alternate(bench.rounds(7), {
                CREW: ask(plain, "mean"),
                "sequential": ask(plain, "alone"),
                "copy": ask(limits, "copy"),
                "fresh": ask(peer, "mean"),
                "kept": ask(kept, "mean"),
            })
            what = f"W = {window}"
            copied = "copy past the caches by 2"
            table.line(f"{what}: {CREW}", times[CREW], "bottleneck move_mean", times["fresh"], "ns",
                       at_least(4))
            table.line(f"{what}: {CREW}", times[CREW], "bottleneck, memory kept", times["kept"],
                       "ns", at_least(4), bracketed=True)
            table.line(f"{what}: {CREW}", times[CREW], copied, times["copy"], "ns", at_least(0.55))
            table.line(f"{what}: sequential", times["sequential"], copied, times["copy"], "ns", None)
            table.note(f"{what}: {16 * samples / median(times[CREW]):.1f} GB/s of "
                       f"{16 * samples / median(times['copy']):.1f} that a copy has")
    table.note("bottleneck allocates its output: fresh pages in each call; 'memory kept': malloc gives "
               "it the same, touched before")


def filter_file(bench, folder, command, name, samples, patience):
    """Makes FOLDER/NAME of generated samples and returns a function that averages it by crew."""
    source, output = os.path.join(folder, name), os.path.join(folder, "crew." + name)
    subprocess.run([bench.crew, "filter", "--generate", str(samples), "-w", "1", "-o", source],
                   check=True, timeout=patience)

    def run():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(output)
        return ask_once([bench.program("command"), "/dev/null", "", bench.crew, "filter"] + command +
                        [source, "-o", output])[0]

    return source, run


def row_filter_npy(bench, table):
    numeric = bench.need_python("numpy", "bottleneck")
    samples, window = bench.size(100_000_000, 100_000), 1001
    with tempfile.TemporaryDirectory(dir=bench.drivers) as folder:
        source, run = filter_file(bench, folder, ["-w", str(window)], "in.npy", samples, 120)
        with Driver(numeric + [source, os.path.join(folder, "peer.npy")]) as peer:
            times = alternate(bench.rounds(5), {
                "crew": run, "peer": lambda: peer.ask("npy", samples, window)})
    table.line(f"crew filter -w {window} in.npy -o out.npy", times["crew"],
               "load, move_mean, save", times["peer"], "ns", at_least(2.5))
    table.note("crew's time has its start and end in it; Python's has not, and its modules are loaded")


def row_filter_text(bench, table):
    numeric = bench.need_python("numpy", "bottleneck", "pandas")
    window, patience = 101, 1200
    some, many = bench.size(1_000_000, 1_000), bench.size(100_000_000, 10_000)
    with tempfile.TemporaryDirectory(dir=bench.drivers) as folder:
        def compare(samples, rounds, chain=None):
            source, run = filter_file(bench, folder, ["-w", str(window)], "in.txt", samples, 120)
            with Driver(numeric + [source, os.path.join(folder, "peer.txt")]) as peer:
                def ask(name):
                    return lambda: peer.ask(name, samples, window, patience=patience)

                if chain is None:
                    parts = alternate(bench.rounds(3), {name: ask(name) for name in
                                      ("loadtxt", "read_csv", "savetxt", "to_csv")})
                    chain = "+".join(min(pair, key=lambda name: median(parts[name])) for pair in
                                     (("loadtxt", "read_csv"), ("savetxt", "to_csv")))
                    table.note(f"{samples:,} numbers: " + ", ".join(
                        f"{name} {median(figures) / 1e6:.0f} ms" for name, figures in parts.items()))
                contenders = {"crew": run, "peer": ask(chain)}
                if rounds == 1:  # minutes; and what was read just before lies in the page cache
                    return chain, {name: [run_one()] for name, run_one in contenders.items()}
                return chain, alternate(bench.rounds(rounds), contenders)

        def show(samples, times, bracketed):
            table.line(f"{samples:,} numbers, W = {window}", times["crew"], chain.replace("+", ", "),
                       times["peer"], "ns", at_least(10), bracketed)

        chain, times = compare(some, 5)
        show(some, times, bracketed=True)
        show(many, compare(many, 1, chain)[1], bracketed=False)
    table.note("the long one runs once; of numpy and pandas the faster to read and to write")


def row_filter_exercise(bench, table):
    samples, window = "10000", "1001"
    rows, crossings = {}, []
    for _ in range(bench.rounds(7)):
        done = subprocess.run([bench.crew, "filter", "--generate", samples, "-w", window, "-j", "2",
                               "--compare", "--json", "--runs", str(bench.size(15, 1))],
                              stdout=subprocess.PIPE, check=True, timeout=120)
        said = json.loads(done.stdout)
        for row in said["rows"]:
            rows.setdefault((row["executor"], row["workers"]), []).append(row["median_s"] * 1e9)
        crossings.append(said["result"])
    outputs = int(samples) - int(window) + 1
    alone = rows["sequential", 1]
    with bench.mailbox_around(table), Driver([bench.program("filter")]) as plain:
        calls = bench.size(5000, 10)
        hot = alternate(bench.rounds(7), {
            CREW: lambda: plain.ask("mean", outputs, int(window), calls) / calls,
            "alone": lambda: plain.ask("alone", outputs, int(window), calls) / calls,
        })
    table.line(f"hot: {CALLER}", rows["processes", 2], "sequential", alone, "ns", at_least(1.4))
    table.line(f"hot: {CREW}, and the caller waits", hot[CREW], "sequential", hot["alone"], "ns",
               at_least(1.4), bracketed=True)
    table.line("auto", rows["auto", 2], "sequential", alone, "ns", at_most(1.02))
    for state, name in (("awake", "crossover_awake"), ("asleep", "crossover_asleep")):
        found = [c[name] for c in crossings if c[name] is not None]
        table.note(f"workers {state}: parallel from " + (
            f"{median(found):,.0f} samples on [{min(found):,} {max(found):,}]" if found else "no length on")
            + (f", {len(crossings) - len(found)} of {len(crossings)} times at no length"
               if found and len(found) < len(crossings) else ""))


ROWS = {
    "print": (row_print, "the list of primes to /dev/null: times as fast"),
    "file": (row_file, "the list of primes to a file: times as fast"),
    "pipe": (row_pipe, "the list of primes through a pipe to cat: times as fast"),
    "count": (row_count, "counting primes: times the peer's time"),
    "metg-one": (row_metg_one, "METG(50 %) of crew_pool_for and crew_pool_map, one index at a time: times the peer's"),
    "metg-adaptive": (row_metg_adaptive, "METG(50 %) of crew_pool_for and crew_pool_map, adaptive: times the peer's"),
    "loop": (row_loop, "the smallest loop of 100 ns tasks worth a call, calls in a row, adaptive: times "
             "the peer's; no bar"),
    "tasks": (row_tasks, "crew_pool_map of tasks that do nothing, one index at a time: times as many a second"),
    "trip-hot": (row_trip_hot, "round trip of crew_pool_submit and crew_future_result, nobody asleep: times the peer's"),
    "trip-asleep": (row_trip_asleep, "the same after 5 ms of rest, workers asleep: times the peer's"),
    "filter-kernel": (row_filter_kernel, "the moving average of f64 in memory, kernel and pool: times as fast"),
    "filter-npy": (row_filter_npy, "crew filter on an array in a file in the page cache: times as fast"),
    "filter-text": (row_filter_text, "crew filter on numbers as text: times as fast"),
    "filter-exercise": (row_filter_exercise, "the moving average of 10,000 samples, W = 1001, in memory"),
    "pipe-trip": (row_pipe_trip, "round trip of 8 bytes through a crew_pipe: times the peer's"),
    **LOCK_ROWS,
    **QUEUE_ROWS,
    "pool": (row_pool, "a pool of 2 processes opened, one task, closed: times as fast"),
}

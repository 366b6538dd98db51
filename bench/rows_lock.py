"""bench/rows_lock.py - rows of bench/run: who holds, and who waits."""
from bars import at_most
from measure import Driver, alternate, ask_once, median, spread, three

OUTSIDE = 164  # ns of work between a release and the next acquire


def beyond(times, work):
    """What is left of each time when the work is taken off; never nothing."""
    return [max(time - alone, 0.1) for time, alone in zip(times, work)]


def row_lock(bench, table):
    program = bench.program("lock")
    alone, count = bench.size(2_000_000, 20_000), bench.size(1_000_000, 20_000)
    with Driver([program]) as locks, bench.driver("limits") as limits:
        bench.need_two_cpus()
        outside = round(OUTSIDE / (limits.ask("sequential", count, 100) / count / 100))
        shares = {}

        def by_one(name):
            return lambda: locks.ask(name, alone) / alone

        def by_two(name, iterations=0):
            def run():
                time, share = ask_once([program, name, str(count), str(iterations)])
                shares.setdefault(name, []).append(share)
                return time / count
            return run

        with bench.mailbox_around(table):
            times = alternate(bench.rounds(7), {
                "crew": by_one("crew"), "robust": by_one("robust"), "shared": by_one("shared"),
                "two": by_two("crew"), "robust two": by_two("robust"),
                "work": by_two("none", outside),
                "two out": by_two("crew", outside), "robust two out": by_two("robust", outside),
            })
    robust = "pthread mutex, shared, robust"
    table.line("acquire and release, alone", times["crew"], robust, times["robust"], "ns", at_most(0.65))
    table.line("acquire and release, alone", times["crew"], "pthread mutex, shared, not robust",
               times["shared"], "ns", None)
    table.line("two processes, nothing outside", times["two"], robust, times["robust two"], "ns",
               at_most(0.7))
    table.line(f"two processes, {median(times['work']):.0f} ns outside",
               beyond(times["two out"], times["work"]), robust,
               beyond(times["robust two out"], times["work"]), "ns", at_most(0.7))
    table.line("  and the work", times["two out"], robust, times["robust two out"], "ns",
               at_most(0.7), bracketed=True)
    table.note(f"a round of both takes no less than the work: {spread(times['work'], 'ns')}, "
               f"{three(median(times['work']) / median(times['robust two out']))} of the peer's")
    table.note(f"the poorer of two got, at worst and as a rule, of its half: "
               f"crew {three(min(shares['crew']))} {three(median(shares['crew']))}, "
               f"robust {three(min(shares['robust']))} {three(median(shares['robust']))}")


def row_share(bench, table):
    count = bench.size(2_000_000, 20_000)
    pairs = [("read", "pread", "pthread_rwlock, shared"), ("write", "pwrite", "pthread_rwlock, shared"),
             ("permit", "sem", "sem_t, shared"), ("signal", "sem", "sem_t, shared")]
    words = {"read": "rwlock, read", "write": "rwlock, write", "permit": "semaphore of 2, with owners",
             "signal": "semaphore of 2, unowned"}
    with bench.driver("share") as shares:
        bench.need_two_cpus()

        def cost(command):
            return lambda: shares.ask(command, count, 0) / count

        names = [name + how for name in [*words, "pread", "pwrite", "sem"] for how in ("", "_two")]
        with bench.mailbox_around(table):
            times = alternate(bench.rounds(7), {name: cost(name) for name in names})
    for how, what in (("", "alone"), ("_two", "two processes")):
        for name, peer, called in pairs:
            table.line(f"{words[name]}, {what}", times[name + how], called, times[peer + how], "ns", None)


def row_idle(bench, table):
    each, milliseconds = bench.size((34, 33, 33), (2, 2, 2)), bench.size(10_000, 200)
    figures = ask_once([bench.program("idle"), *map(str, each), str(milliseconds)])
    names = ("a lock", "an event", "a queue")
    for count, name, switches, ticks in zip(each, names, figures[::2], figures[1::2]):
        for what, figure in (("wake-ups", switches), ("ticks of CPU time", ticks)):
            verdict = table.verdict(at_most(0), figure, bracketed=False)
            table.lines.append(f"  {f'{count} wait for {name}':38} {f'{figure:.0f} {what}':55} "
                               f"{'':39} {'at most 0':13} {verdict}")


LOCK_ROWS = {
    "lock": (row_lock, "crew_lock against what glibc has: times its time"),
    "share": (row_share, "crew_rwlock and crew_semaphore against what glibc has: times its time; no bar"),
    "idle": (row_idle, "100 processes that wait for 10 s: wake-ups and CPU time"),
}

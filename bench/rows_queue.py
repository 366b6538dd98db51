"""bench/rows_queue.py - rows of bench/run: messages from process to process."""
import os
import shutil

from bars import at_least, at_most
from measure import Driver, alternate, median


def cost(driver, command, count, size):
    return lambda: driver.ask(command, count, size) / count


def row_queue(bench, table):
    peers = {"ck_ring": ("queue_ck", "libck-dev", "")}
    count = bench.size(400_000, 2_000)
    with bench.driver("queue") as crew, bench.open_peers(table, peers) as drivers:
        bench.need_two_cpus()
        ck = drivers.get("ck_ring")
        contenders = {
            "crew 8": cost(crew, "crew_8", count, 8),
            "crew 64": cost(crew, "crew_64", count, 64),
            "crew both": cost(crew, "crew_8_both", count, 8),
            "ring 8": cost(crew, "ring", count, 8),
            "ring 64": cost(crew, "ring", count, 64),
        }
        if ck:
            contenders["spsc"] = cost(ck, "spsc", count, 8)
            contenders["mpmc both"] = cost(ck, "mpmc_both", count, 8)
        with bench.mailbox_around(table):
            times = alternate(bench.rounds(9), contenders)
    if ck:
        table.line("8 B, one to one", times["crew 8"], "ck_ring, one to one", times["spsc"], "ns",
                   at_most(2.5))
    table.line("8 B, one to one", times["crew 8"], "bare byte ring", times["ring 8"], "ns", at_most(2.5))
    table.line("64 B, one to one", times["crew 64"], "bare byte ring", times["ring 64"], "ns", at_most(2.5))
    if ck:
        table.line("8 B, two to two", times["crew both"], "ck_ring, many to many", times["mpmc both"],
                   "ns", at_most(1.5))


PEERS = {"Boost message_queue": ("queue_boost", "libboost-dev", "boost"),
         "ZeroMQ ipc": ("queue_zmq", "libzmq3-dev", "zmq"),
         "nng ipc": ("queue_nng", "libnng-dev", "nng")}


def row_queue_peers(bench, table):
    count, few = bench.size(200_000, 1_000), bench.size(10_000, 500)
    python = [bench.python, os.path.join(os.path.dirname(bench.cpython), "cpython_queue.py")]
    with bench.driver("queue") as crew, bench.open_peers(table, PEERS) as drivers, \
            Driver(python) as cpython:
        bench.need_two_cpus()
        contenders = {}
        for size in (8, 64):
            contenders["crew", size] = cost(crew, f"crew_{size}", count, size)
            contenders["POSIX mq", size] = cost(crew, "posix", few, size)
            contenders["CPython", size] = cost(cpython, "queue", few, size)
            for name, driver in drivers.items():
                contenders[name, size] = cost(driver, PEERS[name][2], few, size)
        with bench.mailbox_around(table):
            times = alternate(bench.rounds(7), contenders)
    names = ["POSIX mq", *drivers]
    for size in (8, 64):
        best = min(names, key=lambda name, s=size: median(times[name, s]))
        for name in names:
            table.line(f"{size} B, one to one", times["crew", size], name, times[name, size], "ns",
                       at_least(3) if name == best else None)
        table.line(f"{size} B, one to one", times["crew", size], "CPython Queue", times["CPython", size],
                   "ns", at_least(150))


def row_queue_large(bench, table):
    mpi = os.path.join(bench.drivers, "bench_queue_mpi")
    command = ["mpirun", "--allow-run-as-root", "--bind-to", "core", "-np", "2", mpi]
    sizes = {65536: bench.size(20_000, 50), 1 << 20: bench.size(1_000, 20)}
    with bench.driver("queue") as crew:
        bench.need_two_cpus()
        contenders = {("crew", size): cost(crew, "crew_long", count, size) for size, count in sizes.items()}
        contenders["block"] = cost(crew, "crew_block", bench.size(50_000, 200), 1 << 20)
        if os.path.exists(mpi) and shutil.which("mpirun"):
            with Driver(command) as peer, bench.mailbox_around(table):
                for size, count in sizes.items():
                    contenders["mpi", size] = cost(peer, "mpi", count, size)
                times = alternate(bench.rounds(7), contenders)
        else:
            table.note("Open MPI: skipped, not built; bench/run --install gets libopenmpi-dev")
            times = alternate(bench.rounds(7), contenders)
    for size, name in ((65536, "64 KiB"), (1 << 20, "1 MiB")):
        if ("mpi", size) in times:
            table.line(f"{name}, copied in and out", times["crew", size], "Open MPI", times["mpi", size],
                       "ns", at_least(0.9))
        table.note(f"{name}: {size / median(times['crew', size]):.2f} GB/s")
    table.line("1 MiB block, allocated, handed over, freed", times["block"], "1 us", [1000.0], "ns",
               at_most(1))


QUEUE_ROWS = {
    "queue": (row_queue, "crew_queue between two processes, spinning: times its time"),
    "queue-peers": (row_queue_peers, "the same against queues with as much to offer: times as fast"),
    "queue-large": (row_queue_large, "large messages, and blocks handed over: times as fast"),
}

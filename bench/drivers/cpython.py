"""bench/drivers/cpython.py - the peer CPython: multiprocessing.Pool(2), as it comes.

Speaks as driver.h says; with the argument "first" it prints the time of the first pool of this
process instead (the modules are imported before, as crew's library is loaded before)."""
import multiprocessing
import statistics
import sys
import time


def nothing(_):
    return 0


def cycle():
    pool = multiprocessing.Pool(2)
    pool.apply(nothing, (0,))
    pool.close()
    pool.join()


def timed(function):
    begun = time.perf_counter_ns()
    function()
    return time.perf_counter_ns() - begun


def cycles(count):
    cycle()
    return statistics.median(timed(cycle) for _ in range(count))


def serve():
    pool = None
    for line in sys.stdin:
        name, count, _, _ = line.split()
        if name == "cycle":
            answer = cycles(int(count))
        elif name == "map":
            if pool is None:
                pool = multiprocessing.Pool(2)
            items = range(int(count))
            pool.map(nothing, range(int(count) // 8 + 1), chunksize=1)
            answer = timed(lambda: pool.map(nothing, items, chunksize=1))
        else:
            sys.exit(f"no such command: {name}")
        print(answer, flush=True)
    if pool is not None:
        pool.close()
        pool.join()


if __name__ == "__main__":
    if sys.argv[1:] == ["first"]:
        print(timed(cycle))
    else:
        serve()

"""bench/drivers/numeric.py - the peers of Python's numerical libraries: numpy, bottleneck, pandas.

    numeric.py [IN OUT]     speaks as driver.h says; COUNT is samples, VALUE the window

    mean    bottleneck.move_mean of samples in memory. It allocates its output in each call; what it
            allocates was touched before if malloc keeps memory (MALLOC_MMAP_MAX_=0 and a high
            MALLOC_TRIM_THRESHOLD_ in the environment)
    npy     the averages of IN into OUT, both arrays in files: load, move_mean, save
    loadtxt, read_csv, savetxt, to_csv
            numbers of IN, a number a line, into memory; and from there into OUT
    loadtxt+savetxt ...
            all of it, move_mean in between

What was imported counts for nothing: it was imported before."""
import contextlib
import os
import sys
import time

import bottleneck
import numpy

samples = numpy.zeros(0)


def mean(count, window):
    global samples
    if len(samples) < count:
        samples = numpy.random.default_rng(1).standard_normal(count)
    signal = samples[:count]
    return timed(lambda: bottleneck.move_mean(signal, window))


def npy(_, window):
    def all_of_it():
        numpy.save(OUT, bottleneck.move_mean(numpy.load(IN), window)[window - 1:])

    return timed(all_of_it)


def loadtxt():
    return numpy.loadtxt(IN)


def read_csv():
    return pandas.read_csv(IN, header=None)[0].to_numpy()


def savetxt(averages):
    numpy.savetxt(OUT, averages, fmt="%.17g")


def to_csv(averages):
    pandas.Series(averages).to_csv(OUT, header=False, index=False)


def text(read, write):
    def run(_, window):
        return timed(lambda: write(bottleneck.move_mean(read(), window)[window - 1:]))

    return run


def timed(function):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(OUT)
    begun = time.perf_counter_ns()
    function()
    return time.perf_counter_ns() - begun


READERS, WRITERS = (loadtxt, read_csv), (savetxt, to_csv)


def read_only(read):
    return lambda count, window: timed(read)


def write_only(write):
    def run(count, window):
        averages = read_csv()
        return timed(lambda: write(averages))

    return run


COMMANDS = {"mean": mean, "npy": npy}
COMMANDS |= {read.__name__: read_only(read) for read in READERS}
COMMANDS |= {write.__name__: write_only(write) for write in WRITERS}
COMMANDS |= {f"{read.__name__}+{write.__name__}": text(read, write)
             for read in READERS for write in WRITERS}


def serve():
    for line in sys.stdin:
        name, count, value, calls = line.split()
        if name not in COMMANDS:
            sys.exit(f"no such command: {name}")
        print(sum(COMMANDS[name](int(count), int(value)) for _ in range(int(calls))), flush=True)


if __name__ == "__main__":
    IN, OUT = sys.argv[1:3] if len(sys.argv) == 3 else ("", "")
    if IN.endswith(".txt"):
        import pandas
    serve()

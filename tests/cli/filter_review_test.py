"""filter_review_test.py CREW [sound] - crew filter where sizes, memory and errors come together.

Description: a chunk beyond all memory that loses the signal, a line's number that is wrong because
workers were busy, samples that go astray between channels.
"""
import os
import resource
import sys
import tempfile

from cli import case, expect, main, namespace, run, shown
from signals import noise, npy, raw, unnpy, unraw, valid

KINDS = ("sequential", "threads", "processes", "auto")
X = noise(3000, 11)


def averages(*words, input, form="f64", status=0):
    done = run(["filter", "-f", form, *words, "-"], input=input)
    expect(done.status == status, shown(words), "status", done.status, done.text())
    return done


for _kind in KINDS:
    @case(f"a chunk of any size is a chunk, through a pipe too: {_kind}")
    def _chunk(kind=_kind):
        wanted = averages("-w", "3", "-e", "same", input=raw(X)).out
        text = " ".join(map(repr, X)).encode()
        for chunk in ("18446744073709551615", "2^63", "2305843009213693951", "2^61", "2^40"):
            words = ("-w", "3", "-e", "same", "--chunk", chunk, "-x", kind, "-j", "2")
            expect(averages(*words, input=raw(X)).out == wanted, "another result with", chunk)
            expect(unraw(wanted) == [float(v) for v in averages(*words, input=text, form="text")
                                     .out.split()], "another result of text with", chunk)


@case("a window beyond all memory is longer than a signal that comes by a pipe: both are named")
def _window():
    for window in ("2^40", "2^41", "2^63", "18446744073709551615"):
        for form, data in (("f64", raw(X)), ("text", b"1 2 3\n" * 1000), ("csv", b"a,b\n" + b"1,2\n" * 3000),
                           ("npy", npy(X))):
            done = averages("-w", window, input=data, form=form, status=2)
            expect(b"longer than the signal, which has 3000" in done.err, form, window, done.text())


@case("a window beyond all memory and an endless signal: no memory, and none is eaten")
def _endless():
    done = run(["filter", "-w", "2^38", "-f", "f64", "/dev/zero"],
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)))
    expect(done.status == 1 and b"no memory" in done.err, done.status, done.text())


@case("a line that is too long has its number, however many tasks are under way")
def _long_line():
    long = b"1" * (66 << 20)
    for kind in ("sequential", "processes"):
        words = ("-w", "2", "-x", kind, "-j", "3", "-o", "/dev/null")
        done = averages(*words, input=b"1\n" * 300000 + long, form="text", status=1)
        expect(b"line 300001 " in done.err, kind, done.text())
        done = averages(*words, input=b'"a\n"\n' + b"1\n" * 300000 + b'"' + long, form="csv", status=1)
        expect(b"line 300003 " in done.err, kind, done.text())


@case("what is wrong in an early piece is told, not what is wrong in a later one")
def _first_error():
    text = b"1.5\n" * 100000 + b"bad\n" + b"1.5\n" * 100000 + b"worse\n" + b"1" * (66 << 20)
    for kind in KINDS:
        for edges in ("valid", "same", "reflect", "wrap"):
            done = averages("-w", "5", "-e", edges, "-x", kind, "-j", "4", "-o", "/dev/null", input=text,
                            form="text", status=1)
            expect(b"line 100001, column 1: 'bad' is not a number" in done.err and
                   done.err.count(b"\n") == 1, kind, edges, done.text())


@case("a full disk for temporary files is named as such")
def _spool():
    done = namespace('mount -t tmpfs -o size=64k none /mnt && seq 100000 | TMPDIR=/mnt "$@" >/dev/null',
                     run_path(), "filter", "-w", "3", "-e", "wrap", "-")
    expect(done.status == 1 and b"writing a temporary file: No space left" in done.err, done.status,
           done.text())


def run_path():
    return os.path.abspath(sys.argv[1])


@case("every channel of many is filtered as if it was alone")
def _channels():
    for channels in (2, 7, 8, 9, 17, 129):
        rows = 150
        x = noise(rows * channels, channels)
        wanted = [valid(x[c::channels], 4) for c in range(channels)]
        by_channel = [v for c in range(channels) for v in x[c::channels]]
        csv = "".join(",".join(map(repr, x[i:i + channels])) + "\n" for i in range(0, len(x), channels))
        shape = (rows, channels)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "x.npy")
            for data, form in ((npy(x, shape), "npy"), (npy(by_channel, shape, fortran=True), None),
                               (csv.encode(), "csv")):
                with open(file, "wb") as f:
                    f.write(data)
                ways = [(["-f", form or "npy", file], None)]
                ways += [(["-f", form, "-"], data)] if form else []
                for way, data in ways:
                    done = run(["filter", "-w", "4", "--chunk", "70", "-o", file + ".npy", *way], input=data)
                    expect(done.status == 0, shown(way), done.text())
                    with open(file + ".npy", "rb") as f:
                        got, head = unnpy(f.read())
                    expect(head["shape"] == (rows - 3, channels), head)
                    for c in range(channels):
                        expect(got[c::channels] == wanted[c], channels, "channels, number", c, shown(way))


@case("the name of a file with tabs may be in capitals")
def _tabs():
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "X.TSV")
        averages("-w", "1", "-o", file, input=b"a,b\n1,2\n", form="csv")
        with open(file, "rb") as f:
            expect(f.read() == b"a\tb\n1\t2\n", "no tabs")


if __name__ == "__main__":
    sys.exit(main())

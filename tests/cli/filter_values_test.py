"""filter_values_test.py CREW [sound] - crew filter's numbers, whatever the samples and the workers.

Description: a sum that drifts, one 1e300 that harms windows it is not in, a result that is another one
with four workers or another chunk.
"""
import math
import os
import random
import sys
import tempfile

from cli import case, expect, main, run, shown
from signals import averages, csv, f32, mean, near, noise, npy, raw, same, slack, text, unraw, valid, wav

SOUND = "sound" in sys.argv[2:]


def filtered(x, w, *words, kind="f8"):
    data = x if isinstance(x, bytes) else raw(x, kind)
    form = {"f8": "f64", "f4": "f32"}[kind]
    done = run(["filter", "-w", str(w), "-f", form, *words, "-"], input=data)
    expect(done.status == 0 and done.err == b"", shown(words), "W =", w, "status", done.status,
           done.text())
    return done.out


def exact(x, w, *words):
    """Each mean within the rounding of its own window."""
    got = unraw(filtered(x, w, *words))
    expect(len(got) == len(x) - w + 1, len(got), "values")
    for i, v in enumerate(got):
        window = x[i:i + w]
        finite = [abs(u) for u in window if math.isfinite(u)]
        power = math.frexp(max(finite, default=0))[1]
        wanted = mean(window) if not finite or max(finite) < 1e305 else \
            mean([u / 1024 for u in window]) * 1024
        expect(same(v, wanted, slack(power, w)), "W =", w, "value", i, "is", repr(v), "not",
               repr(wanted), window[:9])


# -- values ---------------------------------------------------------------------------------

def put(x, **at):
    x = list(x)
    for place, v in at.items():
        x[int(place[1:])] = v
    return x


BASE = [v / 256 for v in noise(700, 5)]
VALUES = {
    "noise": BASE, "one value": [0.1] * 700, "NaN": put(BASE, _0=math.nan, _300=math.nan,
                                                        _301=math.nan, _699=math.nan),
    "Inf": put(BASE, _100=math.inf, _400=-math.inf), "both Inf in a window": put(BASE,
            _300=math.inf, _304=-math.inf),
    "Inf and NaN": put(BASE, _300=math.inf, _303=math.nan), "-0.0": [-0.0] * 700,
    "1e300 once": put(BASE, _200=1e300),
    "1e300 up and down": [1e300 * (-1) ** i for i in range(700)],
    "1e300 and back": put(BASE, _200=1e300, _203=-1e300),
    "1e16 + 1": [1e16 if i % 7 == 0 else 1.0 for i in range(700)],
    "1e16 and -1e16": [(1e16, 1.0, -1e16)[i % 3] for i in range(700)],
    "smallest numbers": [5e-324 * (i % 11 - 5) for i in range(700)],
    "subnormal numbers": [1e-310 * math.sin(i) for i in range(700)],
    "numbers of all sizes": [random.Random(i).uniform(-1, 1) * 10.0 ** (i * 37 % 600 - 300)
                             for i in range(700)],
    "a ramp": [float(i) for i in range(700)], "2^53": [2.0 ** 53 + 2 * (i % 5) for i in range(700)],
    "sums above 1e308": [1.7e308 if i % 5 else 1.2e308 for i in range(700)],
    "1.7e308 up and down": [1.7e308 * (-1) ** (i // 3) for i in range(700)],
}

for _name, _x in VALUES.items():
    @case(f"exact within the rounding of the window: {_name}")
    def _values(x=_x):
        for w in (1, 2, 3, 8, 101, 257, 699, 700):
            exact(x, w)
        exact(x, 101, "-x", "processes", "-j", "3", "--chunk", "50")


@case("a sample changes no bit of a window that it is not in")
def _local():
    for w in (2, 5, 101, 300):
        plain = filtered(BASE, w)
        for v in (1e300, -1e308, math.nan, math.inf, -math.inf, 5e-324, 0.0):
            for at in (0, 350, 699):
                other = filtered(put(BASE, **{f"_{at}": v}), w)
                low, high = max(0, at - w + 1), min(at, 700 - w)
                expect(other[:8 * low] == plain[:8 * low]
                       and other[8 * high + 8:] == plain[8 * high + 8:],
                       v, "at", at, "harms others, W =", w)


@case("no more error than each window summed by itself, for W to 1001, whatever came before")
def _naive():
    for seed in range(3):
        chance = random.Random(seed)
        x = [chance.gauss(0, 1) for _ in range(3000)]
        x[100] = 1e300
        for w in (3, 10, 101, 1001):
            got = unraw(filtered(x, w))
            worst, naive = 0.0, 0.0
            for i in range(101, len(x) - w + 1, 1 if w < 1000 else 3):
                wanted = math.fsum(x[i:i + w]) / w
                total = 0.0
                for v in x[i:i + w]:
                    total += v
                worst, naive = max(worst, abs(got[i] - wanted)), max(naive, abs(total / w - wanted))
            expect(worst <= naive, "W =", w, "off by", worst, "where summing is off by", naive)


@case("f32 is summed in f64: each mean is the nearest f32, or the one beside it")
def _single():
    x = [f32(v) for v in put(BASE, _50=3e38, _51=3e38, _52=-3e38, _90=1e-45)]
    for w in (1, 2, 3, 101, 700):
        got = unraw(filtered(x, w, kind="f4"), "f4")
        wanted = valid(x, w)
        for i, (a, b) in enumerate(zip(got, wanted)):
            expect(same(a, f32(b), abs(b) * 2 ** -23 + 2e-45), "W =", w, "value", i, "is", repr(a),
                   "not", repr(b))
        expect(len(got) == len(wanted), "W =", w, len(got))


# -- the same bytes -------------------------------------------------------------------------

@case("every length, window and chunk gives the same bytes with 1 to 16 workers")
def _lengths():
    turn = 0
    for w in (1, 2, 3, 8, 101):
        for n in sorted({1, 2, 3, 5, 7, 16, 17, w, w + 1, w + 2, 2 * w - 1, 2 * w, 2 * w + 1, 101,
                         211, 1009}):
            if n < w:
                continue
            x = raw(noise(n, w))
            wanted = filtered(x, w, "-x", "sequential")
            for kind in ("processes", "threads"):
                workers = (1, 2, 3, 4, 5, 8, 16)[turn % 7]
                chunk = (1, 2, 7, w, w + 1, max(1, w - 1), 64, 1 << 40)[turn % 8]
                turn += 1
                words = ["-x", kind, "-j", str(workers), "--chunk", str(chunk)]
                expect(filtered(x, w, *words) == wanted, n, "samples, W =", w, shown(words))


@case("lengths around the chunk give the same bytes, with every kind of edge")
def _around():
    for edges in ("valid", "same", "full", "reflect", "mirror", "nearest", "wrap", "constant",
                  "shrink"):
        for nan in ("propagate", "skip"):
            for n in (63, 64, 65, 128, 129):
                x = noise(n, n)
                x[n // 2] = math.nan
                more = ["-e", edges, "--nan", nan]
                for w in (5, 100) if edges != "valid" else (5,):
                    wanted = filtered(x, w, "-x", "sequential", *more)
                    kind = ("threads", "processes")[n % 2]
                    got = filtered(x, w, "-x", kind, "-j", "2", "--chunk", "64", *more)
                    expect(got == wanted, edges, nan, n, "samples, W =", w, kind)
        x = noise(300, 3)
        wanted = filtered(x, 7, "-x", "sequential", "-e", edges)
        for kind, chunk in (("sequential", "1"), ("processes", "1"), ("threads", "3"),
                            ("processes", "299"), ("auto", "10")):
            expect(filtered(x, 7, "-x", kind, "--chunk", chunk, "-e", edges) == wanted, edges, kind,
                   chunk)


LONG = noise(4001, 9)
FORMATS = {"text": text(LONG), "csv": csv([LONG, LONG[::-1]], ["a", "b"]),
           "npy": npy(LONG + LONG, (4001, 2)),
           "f64": raw(LONG), "f32": raw(LONG, "f4")}
if SOUND:
    FORMATS["wav"] = wav([v / 9000 for v in LONG] * 2, "f4", 2)

for _form, _data in FORMATS.items():
    @case(f"{_form}: the same bytes on every executor, with 1 to 4 workers, in chunks of any size")
    def _same(form=_form, data=_data):
        def result(*words):
            done = run(["filter", "-w", "101", "-f", form, *words, "-"], input=data)
            expect(done.status == 0 and done.err == b"", form, shown(words), done.status,
                   done.text())
            return done.out
        wanted = result("-x", "sequential")
        chunks = (["--chunk", "1"], ["--chunk", "997"], ["--chunk", "1e15"], [])
        for turn, kind in enumerate(("sequential", "threads", "processes", "auto")):
            for workers in range(1, 5):
                words = ["-x", kind, "-j", str(workers), *chunks[(workers + turn) % 4]]
                expect(result(*words) == wanted, form, shown(words), "other bytes")
        for kind in ("threads", "processes"):
            words = ["-x", kind, "-j", "2", "--chunk", "13"]
            expect(result(*words) == wanted, form, shown(words), "other bytes")


EDGES = ("valid", "same", "full", "reflect", "mirror", "nearest", "wrap", "constant", "shrink")


def file_of(form, channels, chance):
    """These signals, of one length, in a format: bytes, its name, and whether a pipe can bring it."""
    rows = [row[c] for row in zip(*channels) for c in range(len(channels))]
    shape = (len(channels[0]), len(channels))
    if form == "text":
        words = "".join(f"{v!r}{chance.choice((' ', chr(10), chr(9), chr(13) + chr(10), '  '))}"
                        for v in channels[0])
        return words.encode(), "text", True
    if form == "csv":
        header = [f"c{i}" for i in range(len(channels))] if chance.random() < 0.5 else None
        end = chance.choice(("\n", "\r\n"))
        return csv(channels, header, chance.choice(",;\t"), end), "csv", True
    if form == "npy, columns":
        return npy([v for x in channels for v in x], shape, fortran=True), "npy", shape[1] == 1
    if form == "npy, rows":
        return npy(rows, shape, chance.choice(("<f8", ">f8"))), "npy", True
    if form == "npy, whole numbers":
        kind = chance.choice(("<i4", ">i4", "<i8", ">i8"))
        return npy([int(v) for v in rows], shape, kind), "npy", True
    return raw(channels[0]), "f64", True


@case("chosen by chance: signals, windows, edges, formats, executors and chunks, against the definition")
def _by_chance():
    for seed in range(120):
        chance = random.Random(seed)
        form = chance.choice(("text", "csv", "npy, columns", "npy, rows", "npy, whole numbers",
                              "f64"))
        n = chance.choice((1, 2, 3, 17, 64, 100, chance.randrange(1, 400)))
        w = chance.choice((1, 2, 3, 7, 16, 33, 101, n, n + 1, 2 * n + 3, chance.randrange(1, 200)))
        edges, nan = chance.choice(EDGES), chance.choice(("propagate", "skip"))
        fill = chance.choice((0.0, 2.5, -1e9)) if edges == "constant" else 0.0
        channels = [noise(n, 1000 * seed + c) for c in range(chance.choice((1, 1, 2, 3)))]
        if form in ("text", "f64"):
            channels = channels[:1]
        if form == "npy, whole numbers":
            channels = [[float(int(v)) for v in x] for x in channels]
        else:
            for x in channels:
                for _ in range(chance.choice((0, 0, 2, 9)) if n > 9 else 0):
                    x[chance.randrange(1, n)] = chance.choice((math.nan, math.inf, -math.inf, 1e15))
        if edges == "valid" and w > n:
            w = n
        data, name, pipe = file_of(form, channels, chance)
        words = ["filter", "-w", str(w), "-e", edges, "--nan", nan, "-f", name,
                 "-x", chance.choice(("sequential", "threads", "processes", "auto")),
                 "-j", str(chance.choice((1, 2, 3, 5))),
                 *(["--chunk", str(chance.choice((1, 2, 7, 64, w, w + 1, 1 << 62, 2 ** 64 - 1)))]
                   if chance.random() < 0.7 else []),
                 *([f"--fill={fill!r}"] if edges == "constant" else [])]
        about = f"seed {seed}: {shown(words)} of {form}, {n} rows of {len(channels)}"
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.f64")
            if pipe and chance.random() < 0.5:
                done = run([*words, "-", "-o", out], input=data)
            else:
                with open(os.path.join(folder, "in"), "wb") as f:
                    f.write(data)
                done = run([*words, os.path.join(folder, "in"), "-o", out])
            expect(done.status == 0 and done.out + done.err == b"", about, done.status, done.text())
            with open(out, "rb") as f:
                values = unraw(f.read())
        for c, x in enumerate(channels):
            size = max([abs(v) for v in x if math.isfinite(v)] + [abs(fill)])
            near(values[c::len(channels)], averages(x, w, edges, fill, nan), w, about, size)


@case("large signals: the same bytes on every executor")
def _large():
    for words in (["-w", "1001"], ["-w", "3", "-t", "f32"], ["-w", "101", "-e", "wrap"],
                  ["-w", "101", "--nan", "skip"],
                  ["-w", "50001", "-e", "reflect"]):
        outs = set()
        for kind in (["sequential"], ["threads", "-j", "2"], ["processes", "-j", "3"],
                     ["processes", "-j", "2", "--chunk", "99991"],
                     ["auto"]):
            done = run(["filter", *words, "--generate", "1e6:7", "-f", "f64", "-x", *kind])
            expect(done.status == 0, kind, done.text())
            outs.add(done.out)
        expect(len(outs) == 1, words, "other bytes")


if __name__ == "__main__":
    sys.exit(main())

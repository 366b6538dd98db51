#!/usr/bin/env python3
"""make.py [FOLDER] - makes the golden files of `crew filter` again: convolve.txt, uniform.txt, rolling.txt.

What is expected of `--edges` and `--nan` is what others do: numpy.convolve, scipy.ndimage.uniform_filter1d,
pandas' rolling() and bottleneck's move_mean(). This script asks them (Debian: python3-numpy python3-scipy
python3-pandas python3-bottleneck). But their sums drift, one 1e300 or NaN harms all that comes after it,
and numpy multiplies by a rounded 1/W. So the files hold the exact mean of each window, and this script
first proves, on signals that are kind to the originals, that the windows are theirs.

A line of a file is one of

    # ...
    signal NAME: VALUES
    EDGES WINDOW NAN SIGNAL: VALUES; SCALE

EDGES is the mode, for constant with its fill value: constant=2.5. SCALE is one number for each value, or
one for all: the mean of the absolute values in the window is at most 2^SCALE. The test knows by it
how much rounding may cost.
"""
import math
import os
import random
import sys
from fractions import Fraction

import bottleneck
import numpy
import pandas
import scipy
from scipy.ndimage import uniform_filter1d

NAN, INF = math.nan, math.inf
LENGTHS = (1, 2, 3, 7, 10, 64, 257)
UNIFORM = ("reflect", "mirror", "nearest", "wrap", "constant")


# -- the definition: which samples a window is made of --------------------------------------

def outside(x, i, edges, fill):
    """Sample i of a signal that goes on without end on both sides."""
    n = len(x)
    if 0 <= i < n:
        return x[i]
    if edges == "reflect":           # d c b a | a b c d | d c b a
        i %= 2 * n
        return x[min(i, 2 * n - 1 - i)]
    if edges == "mirror":            # d c b | a b c d | c b a
        i = i % (2 * n - 2) if n > 1 else 0
        return x[min(i, 2 * n - 2 - i) if n > 1 else 0]
    if edges == "nearest":           # a a a | a b c d | d d d
        return x[0 if i < 0 else n - 1]
    if edges == "wrap":              # b c d | a b c d | a b c
        return x[i % n]
    return fill if edges == "constant" else 0.0


def windows(x, w, edges, fill=0.0):
    n = len(x)
    if n == 0:
        return []
    if edges == "shrink":
        return [x[max(0, i - w + 1):i + 1] for i in range(n)]
    if edges == "valid":
        first, count = 0, n - w + 1
    elif edges == "full":
        first, count = 1 - w, n + w - 1
    elif edges == "same":
        first, count = 1 - w + (min(n, w) - 1) // 2, max(n, w)
    else:
        first, count = -(w // 2), n
    return [[outside(x, first + o + j, edges, fill) for j in range(w)] for o in range(count)]


def mean(window, nan):
    """Correctly rounded but for the division, whatever stands in the window."""
    if nan == "skip":
        window = [v for v in window if v == v]
    if not window or any(v != v for v in window) or (INF in window and -INF in window):
        return NAN
    if INF in window or -INF in window:
        return INF if INF in window else -INF
    try:
        return math.fsum(window) / len(window)
    except OverflowError:
        return float(sum(map(Fraction, window)) / len(window))


def scale(window):
    finite = [abs(Fraction(v)) for v in window if math.isfinite(v)]
    size = sum(finite) / len(finite) if finite else 0
    power = 1 - 1074
    if size:
        power = max(power, size.numerator.bit_length() - size.denominator.bit_length() + 1)
    return power


def means(x, w, edges, fill=0.0, nan="propagate"):
    return [mean(window, nan) for window in windows(x, w, edges, fill)]


# -- that it is the originals' definition ---------------------------------------------------

def agree(about, ours, theirs):
    theirs = list(theirs)
    assert len(ours) == len(theirs), (about, len(ours), len(theirs))
    for a, b in zip(ours, theirs):
        assert (a != a and b != b) or abs(a - b) <= 1e-12 * (1 + abs(a)), (about, ours, theirs)


def prove(chance):
    for n in (1, 2, 3, 4, 5, 7, 10, 33):
        x = [chance.uniform(-1, 1) for _ in range(n)]
        holes = [NAN if chance.random() < 0.4 else v for v in x]
        for w in sorted({1, 2, 3, 4, 5, 8, n - 1, n, n + 1, 2 * n, 2 * n + 1, 3 * n - 1, 5 * n + 2, 37} - {0}):
            box = numpy.ones(w) / w
            for edges in ("same", "full") + (("valid",) if w <= n else ()):
                agree((edges, n, w), means(x, w, edges), numpy.convolve(x, box, edges))
            for edges in UNIFORM:
                fill = 2.5 if edges == "constant" else 0.0
                agree((edges, n, w), means(x, w, edges, fill),
                      uniform_filter1d(numpy.array(x), w, mode=edges, cval=fill))
            agree(("shrink", n, w), means(x, w, "shrink"),
                  pandas.Series(x).rolling(w, min_periods=1).mean())
            agree(("shrink, skip", n, w), means(holes, w, "shrink", nan="skip"),
                  pandas.Series(holes).rolling(w, min_periods=1).mean())
            if w > n:
                continue
            agree(("shrink, skip", n, w), means(holes, w, "shrink", nan="skip"),
                  bottleneck.move_mean(numpy.array(holes), w, min_count=1))
            agree(("valid, skip", n, w), means(holes, w, "valid", nan="skip"),
                  pandas.Series(holes).rolling(w, min_periods=1).mean()[w - 1:])
            agree(("valid, propagate", n, w), means(holes, w, "valid"),
                  [part.mean() for part in numpy.lib.stride_tricks.sliding_window_view(holes, w)])


# -- signals --------------------------------------------------------------------------------

def signals(chance):
    """The plain ones are multiples of 1/256 below 2^16, so that they are f32 as well."""
    made = {"nothing": []}
    for n in LENGTHS:
        made[f"plain{n}"] = [chance.randrange(-1 << 15, 1 << 15) / 256 for _ in range(n)]
    for n in (10, 64):
        plain = [chance.randrange(-999, 1000) / 8 for _ in range(n)]

        def put(**at):
            x = list(plain)
            for place, v in at.items():
                x[int(place[1:])] = v
            return x
        made[f"integers{n}"] = [float(i * i) for i in range(n)]
        made[f"deep{n}"] = [chance.uniform(-1, 1) * 10 ** chance.uniform(-9, 9) for _ in range(n)]
        made[f"spike{n}"] = put(_4=1e300)
        made[f"spikes{n}"] = put(_2=1e300, _5=-1e300)
        made[f"beyond{n}"] = [1e16 + 2 * (i % 3) if i % 2 else 1.0 for i in range(n)]
        made[f"cancel{n}"] = [(1e16, 1.0, -1e16)[i % 3] for i in range(n)]
        made[f"zeros{n}"] = [-0.0 if i % 3 else 0.0 for i in range(n)]
        made[f"tiny{n}"] = [5e-324 * chance.randrange(-9, 10) for _ in range(n)]
        made[f"large{n}"] = [1.5e308, -1.7e308, 1.6e308, 1.1e308, -1e308] * (n // 5) + [1e308] * (n % 5)
        made[f"nan{n}"] = put(_0=NAN, _5=NAN)
        made[f"nans{n}"] = put(_2=NAN, _3=NAN, _4=NAN, _9=NAN)
        made[f"inf{n}"] = put(_3=INF, _8=-INF)
        made[f"all{n}"] = put(_1=NAN, _3=-INF, _4=1e300, _6=INF, _7=-0.0)
    made["none10"] = [NAN] * 10
    return made


def some_windows(n):
    if n == 257:
        return [101, 600]
    if n == 64:
        return [1, 2, 5, 32, 63, 64, 65, 130]
    return sorted({1, 2, 3, 4, n - 1, n, n + 1, 2 * n, 2 * n + 1, 3 * n + 1, 6 * n + 1} - {0})


def number(v):
    text = repr(v)
    return text[:-2] if text.endswith(".0") else text


def line(edges, w, nan, name, x, fill):
    made = windows(x, w, edges, fill)
    kept = [[v for v in window if v == v] if nan == "skip" else window for window in made]
    powers = [scale(window) for window in kept]
    if len(set(powers)) == 1:
        powers = powers[:1]
    mode = f"constant={number(fill)}" if edges == "constant" else edges
    return (f"{mode} {w} {nan} {name}: {' '.join(number(mean(window, nan)) for window in made)}"
            f"; {' '.join(map(str, powers))}")


def cases(made, edges, fill=0.0, nans=("propagate",), only=None):
    for name, x in made.items():
        n = len(x)
        kind = name.rstrip("0123456789")
        if only and kind not in only:
            continue
        if n == 0:
            some = [1, 2, 5] if edges != "valid" else []
        elif kind == "plain":
            some = some_windows(n)
        elif n == 10:
            some = [1, 3, 4]
        else:
            some = [7] if edges in ("valid", "shrink", "wrap") else []
        for nan in nans:
            for w in some:
                if edges != "valid" or w <= n:
                    yield line(edges, w, nan, name, x, fill)


def write(path, what, made, lines):
    lines = list(lines)
    used = {text.split(":")[0].split()[3] for text in lines}
    with open(path, "w", encoding="ascii") as f:
        f.write(f"# Made by make.py, which says what this is. {what}\n")
        for name, x in made.items():
            if name in used:
                f.write(f"signal {name}: {' '.join(map(number, x))}\n")
        f.writelines(text + "\n" for text in lines)
    print(f"{path}: {len(lines)} cases, {os.path.getsize(path)} bytes")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    prove(random.Random(1))
    made = signals(random.Random(2))
    holes = ("nan", "nans", "all", "none")
    narrow = {name: x for name, x in made.items() if len(x) == 10}
    write(os.path.join(folder, "convolve.txt"), f"Windows as numpy.convolve {numpy.__version__}.", made,
          [text for edges in ("valid", "same", "full") for text in cases(made, edges)])
    write(os.path.join(folder, "uniform.txt"),
          f"Windows as scipy.ndimage.uniform_filter1d {scipy.__version__}.", made,
          [text for edges in UNIFORM for text in cases(made, edges, 2.5 if edges == "constant" else 0.0)] +
          [text for fill in (0.0, -1e300, NAN, INF)
           for text in cases(narrow, "constant", fill, only=("plain", "all"))])
    write(os.path.join(folder, "rolling.txt"),
          f"Windows as pandas {pandas.__version__} and bottleneck {bottleneck.__version__}.", made,
          [*cases(made, "shrink"),
           *cases(made, "shrink", nans=("skip",), only=("plain", *holes)),
           *cases(made, "valid", nans=("skip",), only=("plain", *holes)),
           *(text for edges in ("same", "full", *UNIFORM)
             for text in cases(narrow, edges, 2.5 if edges == "constant" else 0.0, nans=("skip",), only=holes)),
           *cases(narrow, "constant", NAN, nans=("skip",), only=("plain", *holes))])


if __name__ == "__main__":
    main()

"""filter_golden_test.py CREW - crew filter against numpy, scipy, pandas and bottleneck.

Description: an average over other samples than a user of numpy.convolve, uniform_filter1d or rolling()
has learned to expect; a mean that is off by more than the rounding of its own window.

What is expected stands in tests/golden, made by make.py there from the originals.
"""
import os
import sys

from cli import case, expect, main, run
from signals import f32, npy, raw, same, slack, unnpy, unraw

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")


class Golden:
    def __init__(self, line, signals):
        head, _, rest = line.partition(": ")
        values, _, powers = rest.partition("; ")
        self.mode, self.window, self.nan, self.name = head.split()
        self.edges, _, self.fill = self.mode.partition("=")
        self.signal = signals[self.name]
        self.wanted = list(map(float, values.split()))
        self.powers = list(map(int, powers.split()))
        if len(self.powers) == 1:
            self.powers *= len(self.wanted)

    def words(self):
        return ["filter", "-w", self.window, "-e", self.edges, "--nan", self.nan,
                *(["--fill=" + self.fill] if self.fill else [])]

    def about(self):
        return f"{' '.join(self.words()[1:])} of {self.name}: {self.signal[:12]}"

    def check(self, got, single=False):
        expect(len(got) == len(self.wanted), self.about(), "gives", len(got), "values, not",
               len(self.wanted))
        for i, (a, b, power) in enumerate(zip(got, self.wanted, self.powers)):
            tolerance = slack(power, int(self.window))
            if single:
                tolerance += abs(b) * 2 ** -23
            expect(same(a, b, tolerance), self.about(), "value", i, "is", repr(a), "not", repr(b))


def read(name):
    signals, found = {}, []
    with open(os.path.join(FOLDER, name), encoding="ascii") as f:
        for line in f:
            if line.startswith("signal "):
                head, _, values = line[7:].partition(":")
                signals[head] = list(map(float, values.split()))
            elif not line.startswith("#"):
                found.append(Golden(line, signals))
    return found


def groups(found):
    """Cases that one command line and one array of several channels can serve."""
    made = {}
    for golden in found:
        made.setdefault((golden.mode, golden.window, golden.nan, len(golden.signal)),
                        []).append(golden)
    return made.values()


def alone(golden, kind="f8"):
    form = {"f8": "f64", "f4": "f32"}[kind]
    done = run([*golden.words(), "-f", form, "-"], input=raw(golden.signal, kind))
    expect(done.status == 0 and done.err == b"", golden.about(), "status", done.status, done.text())
    return unraw(done.out, kind)


def together(group):
    n, channels = len(group[0].signal), len(group)
    rows = [golden.signal[i] for i in range(n) for golden in group]
    done = run([*group[0].words(), "-f", "npy", "-"], input=npy(rows, (n, channels)))
    expect(done.status == 0 and done.err == b"", group[0].about(), "and others: status",
           done.status,
           done.text())
    values, head = unnpy(done.out)
    expect(head["shape"] == (len(group[0].wanted), channels), group[0].about(), head)
    return [values[i::channels] for i in range(channels)]


def check(some):
    for group in groups(some):
        if len(group) == 1:
            group[0].check(alone(group[0]))
            continue
        for golden, got in zip(group, together(group)):
            golden.check(got)


LARGE = []  # finite means whose sums are beyond the largest number

for _name in ("convolve", "uniform", "rolling"):
    _all = read(_name + ".txt")
    LARGE += [golden for golden in _all if golden.name.startswith("large")]
    for _edges, _nan in dict.fromkeys((golden.edges, golden.nan) for golden in _all):
        _some = [golden for golden in _all if (golden.edges, golden.nan) == (_edges, _nan)
                 and golden not in LARGE]

        @case(f"{_edges}, NaN: {_nan}: {len(_some)} signals as {_name}.txt has them")
        def _golden(some=_some):
            check(some)

        @case(f"{_edges}, NaN: {_nan}: the same in f32")
        def _single(some=_some):
            for golden in some:
                if golden.name in ("plain10", "plain64") and golden.fill in ("", "0", "2.5", "nan"):
                    expect(golden.signal == list(map(f32, golden.signal)), "no f32:", golden.name)
                    golden.check(alone(golden, "f4"), single=True)


@case("a mean is finite where the sum is beyond the largest number")
def _large():
    check(LARGE)


if __name__ == "__main__":
    sys.exit(main())

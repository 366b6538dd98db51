"""filter_words_test.py CREW - the words of the command line of crew filter, good and bad.

Description: a window that is cut short or wraps to another number, a typing error that is taken for
something, a file taken for a format that it is not, a result that depends on the locale.
"""
import json
import os
import re
import sys
import tempfile

import signals
from cli import case, environment, expect, main, run, shown
from signals import near, noise, npy, raw, unnpy, unraw, untext, valid

LOCALES = ("C", "de_DE.UTF-8", "tr_TR.UTF-8")
TWO_64 = "18446744073709551616"
NOT_WHOLE, TOO_BIG = "is not a whole number", "is more than 2^64-1"
SIGN, EMPTY = "has a sign", "is empty"

# What is refused: words, what the message must contain. Always status 2, nothing on standard output.
# Standard input holds the numbers 1 to 10.
REFUSED = [
    (["-"], "--window"), ([], "INPUT"), (["-w", "3"], "INPUT"), (["-w"], "needs a value"),
    (["-w", "3", "-", "x"], "'x'"), (["-w", "3", "--frob", "-"], "'--frob'"),
    (["-w", "0", "-"], "less than 1"), (["-w", "-1", "-"], SIGN), (["-w", "+1", "-"], SIGN),
    (["-w", "-0", "-"], SIGN), (["-w", "1.5", "-"], NOT_WHOLE), (["-w", "", "-"], EMPTY),
    (["-w", "x", "-"], NOT_WHOLE), (["-w", "3x", "-"], NOT_WHOLE), (["-w", " 3", "-"], NOT_WHOLE),
    (["-w", "0x3", "-"], NOT_WHOLE), (["-w", "nan", "-"], NOT_WHOLE),
    (["-w", "3,0", "-"], NOT_WHOLE),
    (["-w", "1e-1", "-"], NOT_WHOLE), (["-w", TWO_64, "-"], TOO_BIG),
    (["-w", "1e20", "-"], TOO_BIG),
    (["-w", "9" * 5000, "-"], TOO_BIG), ([b"-w", b"\xff", b"-"], NOT_WHOLE),
    (["-w", "3", "-e", "sideways", "-"], "'sideways'"), (["-w", "3", "-e", "", "-"], "''"),
    (["-w", "3", "-e", "SAME", "-"], "'SAME'"), (["-w", "3", "--nan", "drop", "-"], "'drop'"),
    (["-w", "3", "-t", "f16", "-"], "'f16'"), (["-w", "3", "-f", "xml", "-"], "'xml'"),
    (["-w", "3", "-e", "constant", "--fill", "x", "-"], "'x'"),
    (["-w", "3", "-e", "constant", "--fill", "", "-"], "''"),
    (["-w", "3", "-e", "constant", "--fill", "1,5", "-"], "'1,5'"),
    (["-w", "3", "-e", "constant", "--fill", "1 ", "-"], "'1 '"),
    (["-w", "3", "-e", "constant", "--fill", "1e999", "-"], "'1e999'"),
    (["-w", "3", "-e", "constant", "--fill", "0x1p3", "-"], "'0x1p3'"),
    (["-w", "3", "--generate", "-5"], SIGN), (["-w", "3", "--generate", "x"], NOT_WHOLE),
    (["-w", "3", "--generate", ""], EMPTY), (["-w", "3", "--generate", "10:"], EMPTY),
    (["-w", "3", "--generate", "10:x"], NOT_WHOLE), (["-w", "3", "--generate", "10:1:2"],
                                                     NOT_WHOLE),
    (["-w", "3", "--generate", TWO_64], TOO_BIG), (["-w", "3", "--generate", "10", "-"],
                                                   "--generate"),
    (["-w", "3", "-x", "fibers", "-"], "'fibers'"), (["-w", "3", "-j", "0", "-"], "less than 1"),
    (["-w", "3", "--chunk", "0", "-"], "less than 1"), (["-w", "3", "--chunk", "many", "-"],
                                                        NOT_WHOLE),
    (["-w", "3", "-v", "-q", "-"], "exclude"),
]

ONE_TO_TEN = [float(i) for i in range(1, 11)]
TEXT = b"1 2\n3\t4 5\n\n6 7 8\r\n9 10"

# What is accepted: words, and the values to come of 1 to 10.
ACCEPTED = [
    (["-w", "1", "-"], ONE_TO_TEN), (["-w", "10", "-"], [5.5]), (["-w", "3", "-"], ONE_TO_TEN[1:9]),
    (["-", "-w3"], ONE_TO_TEN[1:9]), (["--window=3", "--", "-"], ONE_TO_TEN[1:9]),
    (["-w", "3e0", "-"], ONE_TO_TEN[1:9]), (["-w", "1_0", "-"], [5.5]),
    (["-w", "10^1", "-"], [5.5]),
    (["-w", "2", "-e", "valid", "-"], [i + 0.5 for i in range(1, 10)]),
    (["-w", "9", "--edges", "valid", "-"], [5, 6]),
    (["-w", "2", "-e", "shrink", "-"], [1, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5]),
    (["-w", "3", "-e", "constant", "-"], [1, 2, 3, 4, 5, 6, 7, 8, 9, 19 / 3]),
    (["-w", "3", "-e", "constant", "--fill", "-1.5e0", "-"],
     [0.5, 2, 3, 4, 5, 6, 7, 8, 9, 17.5 / 3]),
    (["-w", "3", "-j", "1000", "-x", "sequential", "-"], ONE_TO_TEN[1:9]),
    (["-w", "3", "--chunk", "18446744073709551615", "-"], ONE_TO_TEN[1:9]),
    (["-w", "3", "-t", "f64", "-q", "-"], ONE_TO_TEN[1:9]),
    (["-w", "3", "-t", "f32", "-"], ONE_TO_TEN[1:9]),
    (["-w", "3", "-f", "text", "-o-", "-"], ONE_TO_TEN[1:9]),
    (["-w", "3", "--prog", "never", "-"], ONE_TO_TEN[1:9]),
    (["-w", "3", "--nan", "skip", "-"], ONE_TO_TEN[1:9]),
]


def refused(words, what, locale):
    done = run(["filter", *words], env=environment(LC_ALL=locale), input=TEXT)
    lines = done.err.split(b"\n")
    about = f"{shown(words)} under {locale}: status {done.status}, {done.text()!r}"
    expect(done.status == 2, about)
    expect(done.out == b"", about, "printed", done.out)
    expect(len(lines) == 3 and lines[2] == b"", about, "(two lines are wanted)")
    expect(lines[0].startswith(b"crew filter: "), about)
    expect(lines[1] == b"try 'crew filter --help'", about)
    expect(what in done.text(), about, f"({what!r} is wanted)")
    expect(all(0x20 <= c < 0x7f for line in lines for c in line), about, "(plain text is wanted)")
    expect(len(done.err) < 400, about)


for _words, _what in REFUSED:
    @case(f"refused: crew filter {shown(_words)!r}")
    def _refused(words=_words, what=_what):
        for locale in LOCALES[:2]:
            refused(words, what, locale)

for _words, _wanted in ACCEPTED:
    @case(f"accepted: crew filter {shown(_words)!r}")
    def _accepted(words=_words, wanted=_wanted):
        for locale in LOCALES:
            done = run(["filter", *words], env=environment(LC_ALL=locale), input=TEXT)
            expect(done.status == 0 and done.err == b"", f"status {done.status}: {done.text()}")
            near(untext(done.out), wanted, about=shown(words), size=10)


@case("a window that is longer than the signal is refused with both numbers, in every format")
def _too_long():
    for n, w in ((0, 1), (0, 3), (1, 2), (10, 11), (10, 2 ** 31), (10, 2 ** 32), (10, 2 ** 63),
                 (10, 2 ** 64 - 1)):
        x = noise(n)
        for form, data in (("text", signals.text(x)), ("npy", npy(x)), ("f64", raw(x)),
                           ("f32", raw(x, "f4"))):
            for kind in ("sequential", "processes"):
                words = ["filter", "-x", kind, "-w", str(w), "-f", form, "-"]
                done = run(words, input=data)
                first, _, rest = done.text().partition("\n")
                about = f"{shown(words)} of {n}: status {done.status}, {done.text()!r}"
                expect(done.status == 2 and done.out == b"", about)
                expect(first.startswith("crew filter: ")
                       and rest in ("", "try 'crew filter --help'\n"), about)
                expect(re.search(rf"\b{w}\b", first) and re.search(rf"\b{n}\b", first), about)


@case("with other edges the window may be longer, and a signal of nothing gives nothing")
def _longer():
    for edges in ("same", "full", "reflect", "mirror", "nearest", "wrap", "constant", "shrink"):
        for w in ("1", "2", "1001"):
            for form in ("text", "f64", "f32"):
                done = run(["filter", "-w", w, "-e", edges, "-f", form, "-"], input=b"")
                expect(done.status == 0 and done.out + done.err == b"", edges, w, form, done.status,
                       done.text())
            done = run(["filter", "-w", w, "-e", edges, "-f", "npy", "-"], input=npy([]))
            expect(done.status == 0 and unnpy(done.out)[1]["shape"] == (0,), edges, w, done.status,
                   done.text())
        done = run(["filter", "-w", "100001", "-e", edges, "-f", "f64", "-"], input=raw([0.25]))
        values = unraw(done.out)
        wanted = 0.25 / 100001 if edges in ("same", "full", "constant") else 0.25
        count = 100001 if edges in ("same", "full") else 1
        expect(done.status == 0 and len(values) == count, edges, len(values), done.text())
        near(values, [wanted] * count, 100001, edges)


@case("a window of 1 is a copy, bit for bit")
def _copy():
    odd = (b"\x01\x00\x00\x00\x00\x00\xf0\x7f" + b"\xef\xbe\xad\xde\x00\x00\xf8\xff"
           +  # NaN, with something in it
           raw([-0.0, 5e-324, -1e308, float("inf")]))
    for kind in ("sequential", "threads", "processes"):
        for edges in ("valid", "same", "full", "reflect", "mirror", "nearest", "wrap", "constant",
                      "shrink"):
            done = run(["filter", "-x", kind, "-w", "1", "-e", edges, "-f", "f64", "-"], input=odd)
            expect(done.status == 0 and done.out == odd, kind, edges, done.out, done.text())
    single = b"\x01\x00\x80\x7f\xad\xde\xc0\xff" + raw([-0.0, 1e-45], "f4")
    done = run(["filter", "-w", "1", "-f", "f32", "-"], input=single)
    expect(done.status == 0 and done.out == single, done.out, done.text())


@case("the name of a file says its format, and -f says it for any name")
def _names():
    x = noise(20)
    wanted = valid(x, 4)
    made = {"text": signals.text(x), "csv": signals.csv([x], ["x"]), "npy": npy(x), "f64": raw(x),
            "f32": raw(x, "f4")}

    def values(form, data):
        if form == "csv":
            head, columns = signals.uncsv(data)
            expect(head == "x", "header", head)
            return columns[0]
        if form == "npy":
            return unnpy(data)[0]
        return untext(data) if form == "text" else unraw(data, {"f64": "f8", "f32": "f4"}[form])

    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            return os.path.join(folder, name)
        for form, data in made.items():
            endings = {"text": ("", ".txt", ".dat")}.get(form, ("." + form, "." + form.upper()))
            for ending in endings[:1] if form != "text" else endings:
                with open(path("in" + ending), "wb") as f:
                    f.write(data)
                done = run(["filter", "-w", "4", path("in" + ending), "-o", path("out" + ending)])
                expect(done.status == 0 and done.out + done.err == b"", ending, done.status,
                       done.text())
                with open(path("out" + ending), "rb") as f:
                    near(values(form, f.read()), wanted if form != "f32"
                         else list(map(signals.f32, wanted)), 4, form)
            with open(path("plain"), "wb") as f:
                f.write(data)
            done = run(["filter", "-w", "4", "-f", form, path("plain")])
            expect(done.status == 0, form, done.status, done.text())
            for other in made:
                name = path("out." + other)
                done = run(["filter", "-w", "4", "-t", "f64", "-f", form, path("plain"), "-o",
                            name])
                expect(done.status == 0, form, "to", other, done.status, done.text())


@case("the result does not depend on the locale")
def _locale():
    x = [0.5, 1.25, -2.75, 1e-7, 3e22]
    outs = set()
    for locale in LOCALES:
        for form, data in (("text", signals.text(x)), ("csv", signals.csv([x]))):
            done = run(["filter", "-w", "2", "-f", form, "-"],
                       env=environment(LC_ALL=locale, LANG=locale), input=data)
            expect(done.status == 0, locale, done.text())
            outs.add(done.out)
        done = run(["filter", "-w", "2", "-"], env=environment(LC_ALL=locale), input=b"1,5 2,5")
        expect(done.status == 1 and done.out == b"", "a decimal comma, under", locale, done.status,
               done.out)
    expect(len(outs) == 1, outs)


@case("numbers are written as short as they can be and read back the same")
def _shortest():
    x = [0.1, 1 / 3, 1e16, 123456789012345680.0, 1e22, 1e23, 5e-324, 1.7976931348623157e308, -0.0,
         2 ** 53 + 2.0,
         float("nan"), float("inf"), float("-inf"), 1.0, 100.0, 9007199254740993.0, 0.3, 1e-5, 4.35]
    for form, data in (("f64", raw(x)), ("text", signals.text(x))):
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "out.txt")
            done = run(["filter", "-w", "1", "-f", form, "-", "-o", name], input=data)
            expect(done.status == 0, done.text())
            with open(name, "rb") as f:
                words = f.read().decode().split()
        expect(raw(list(map(float, words)))[:64] == raw(x)[:64], words)
        for word, v in zip(words, x):
            digits = re.sub(r"[^0-9]", "", re.split("e", word)[0]).strip("0")
            least = re.sub(r"[^0-9]", "", re.split("e", repr(v))[0]).strip("0")
            expect(v != v or float(word) == v, word, "is not", v)
            expect(v != v or abs(v) == float("inf") or len(digits) <= len(least), word, "for",
                   repr(v))


# -- what is made up --------------------------------------------------------------------------

def generated(*words):
    done = run(["filter", *words])
    expect(done.status == 0 and done.err == b"", shown(words), done.status, done.text())
    return done.out


@case("--generate makes the same signal again; a longer one begins with it; seeds differ")
def _generate():
    long = generated("-w", "1", "--generate", "1000")
    expect(len(untext(long)) == 1000 and len(set(untext(long))) > 900, "not a signal:", long[:100])
    expect(generated("-w", "1", "--generate", "1000", "-x", "processes", "-j", "3", "--chunk",
                     "7") == long, "chunks")
    expect(generated("-w", "1", "--generate", "1e3") == long, "1e3")
    expect(long.startswith(generated("-w", "1", "--generate", "100")), "it depends on the length")
    first, again, other = (generated("-w", "1", "--generate", f"1000:{seed}") for seed in (1, 1, 2))
    expect(first == again and first != other, "seeds")
    near(untext(generated("-w", "101", "--generate", "1000:1")), valid(untext(first), 101), 101,
         "W = 101")
    expect(generated("-w", "1", "-e", "same", "--generate", "0") == b"", "nothing")
    expect(run(["filter", "-w", "2", "--generate", "1"]).status == 2, "W > n")


# -- results as JSON, tables ------------------------------------------------------------------

def numbers_in(value):
    """All lists of numbers in a JSON value."""
    if isinstance(value, list) and value and all(isinstance(v, (int, float)) or v is None
                                                 for v in value):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(part)


@case("--json is one object with the values, and NaN is null")
def _json():
    def no_constant(text):
        raise ValueError(text)
    x = noise(12)
    done = run(["filter", "-w", "3", "--json", "-"], input=signals.text(x))
    expect(done.status == 0 and done.err == b"" and done.out.endswith(b"}\n"), done.status,
           done.text())
    lists = list(numbers_in(json.loads(done.out)))
    expect(len(lists) == 1, done.out)
    near(lists[0], valid(x, 3), 3, "json")
    done = run(["filter", "-w", "1", "--json", "-"], input=b"1 nan inf 2")
    lists = list(numbers_in(json.loads(done.out, parse_constant=no_constant)))
    expect(lists == [[1, None, None, 2]], done.out)
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "out")
        done = run(["filter", "-w", "3", "--json", "-", "-o", name], input=signals.text(x))
        expect(done.status == 0 and done.out == b"", done.text())
        with open(name, "rb") as f:
            expect(len(list(numbers_in(json.load(f)))) == 1, "in a file")


@case("--compare prints a row for each executor and where parallel begins to pay, workers awake and asleep")
def _compare():
    base = ["filter", "--generate", "10000", "-w", "1001", "--compare", "-j", "3", "--runs", "2"]
    done = run(base)
    expect(done.status == 0, done.status, done.text())
    out = done.out.decode()
    rows = [line.split()[:2] for line in out.split("\n") if line.startswith(("seq", "thr", "proc"))]
    wanted = [["sequential", "1"]] + [[k, w] for k in ("threads", "processes") for w in "123"]
    expect(rows[:7] == wanted, rows)
    for word in ("awake", "asleep"):
        expect(any(word in line for line in out.split("\n")), f"no line on '{word}':", out)


@case("--compare --json has the same, in figures")
def _compare_json():
    done = run(["filter", "--generate", "10000:3", "-w", "1001", "--compare", "-j", "2", "--runs",
                "1", "--json"])
    expect(done.status == 0, done.status, done.text())
    table = json.loads(done.out)
    expect([(r["executor"], r["workers"]) for r in table["rows"] if r["executor"] != "auto"] ==
           [("sequential", 1), ("threads", 1), ("threads", 2), ("processes", 1), ("processes", 2)],
           table)
    for row in table["rows"]:
        expect(row["median_s"] > 0 and row["least_s"] <= row["median_s"] <= row["most_s"], row)
    for word in ("awake", "asleep"):
        expect(word in json.dumps(table), f"nothing on '{word}':", table)


@case("--compare works on files of every format, and leaves no output behind")
def _compare_file():
    x = noise(3000)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("a.txt", signals.text(x)), ("a.csv", signals.csv([x, x], ["a", "b"])),
                           ("a.npy", npy(x)),
                           ("a.f64", raw(x)), ("a.f32", raw(x, "f4"))):
            path = os.path.join(folder, name)
            with open(path, "wb") as f:
                f.write(data)
            done = run(["filter", "-w", "11", "--compare", "-j", "2", "--runs", "1", path])
            expect(done.status == 0 and b"processes" in done.out, name, done.status, done.text())
        expect(len(os.listdir(folder)) == 5, os.listdir(folder))


@case("--verbose says what was chosen, --quiet nothing, the result stays the same")
def _verbose():
    data = signals.text(noise(1000))
    for words in ([], ["-x", "threads"], ["-x", "processes"]):
        plain, loud, quiet = (run(["filter", "-w", "5", *words, *more, "-"], input=data)
                              for more in ([], ["-v"], ["-q"]))
        expect(plain.out == loud.out == quiet.out, words)
        expect(plain.err == b"" and quiet.err == b"", plain.text(), quiet.text())
        expect(loud.err.count(b"\n") >= 1 and
               all(line.startswith(b"crew filter: ") for line in loud.err.splitlines()),
               loud.text())


@case("a progress bar goes to standard error alone, and only when asked for without a terminal")
def _progress():
    for kind in ("sequential", "threads", "processes"):
        base = ["filter", "-x", kind, "-w", "101", "--generate", "2e6", "-o", "/dev/null"]
        plain, barred = run(base), run([*base, "--progress", "always"])
        expect(plain.err == b"" and plain.status == barred.status == 0, kind, plain.text(),
               barred.text())
        expect(b"%" in barred.err and barred.err.endswith(b"\r\x1b[K"), barred.err)


@case("help goes to standard output, with status 0, and tells every option")
def _help():
    texts = [run(words).out for words in (["filter", "--help"], ["filter", "-h"],
                                          ["help", "filter"],
                                          ["filter", "x", "--help", "y"])]
    expect(texts[0].startswith(b"Usage: crew filter"), texts[0])
    expect(len(set(texts)) == 1, "four ways to help, not one text")
    for option in ("executor", "workers", "chunk", "compare", "runs", "json", "progress", "verbose",
                   "quiet", "window",
                   "edges", "fill", "nan", "type", "format", "column", "output", "generate", "help",
                   "version"):
        expect(f"--{option}".encode() in texts[0], f"--{option} is not in the help")
    for word in ("valid", "same", "full", "reflect", "mirror", "nearest", "wrap", "constant",
                 "shrink", "skip"):
        expect(word.encode() in texts[0], f"{word} is not in the help")
    expect(max(len(line) for line in texts[0].split(b"\n")) <= 100, "a line of help is too long")
    expect(b"filter" in run(["--help"]).out, "crew --help does not know it")
    expect(run(["filter", "--version"]).out.startswith(b"crew "), "--version")


if __name__ == "__main__":
    sys.exit(main())

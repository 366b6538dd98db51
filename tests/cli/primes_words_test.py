"""primes_words_test.py CREW - the words of the command line of crew primes, good and bad.

Description: a number that is cut short, a typing error that is taken for something, a message that
does not say what was wrong; nothing of this may depend on the locale.
"""
import ast
import json
import os
import struct
import subprocess
import sys
import tempfile

from cli import CREW, case, environment, expect, main, run, shell, shown

FIRST = b"2\n3\n5\n7\n11\n13\n17\n19\n23\n29\n"
LOCALES = ("C", "de_DE.UTF-8", "tr_TR.UTF-8")

TWO_64 = "18446744073709551616"
NOT_WHOLE, TOO_BIG, SIGN, EMPTY = "is not a whole number", "is more than 2^64-1", "has a sign", "is empty"

# What is refused: words, and what the message must contain. Always status 2, nothing on standard
# output, one line on what is wrong and one on where to look.
REFUSED = [
    ([], "N is missing"),
    (["--"], "N is missing"),
    (["1", "2", "3"], "'3'"),
    (["--nonsense", "5"], "'--nonsense'"),
    (["-Z", "5"], "'-Z'"),
    (["--count=3", "5"], "takes no value"),
    (["-c", "--nth", "3", "5"], "exclude"),
    (["--nth", "3", "1", "2"], "START"),
    (["-j"], "needs a value"),
    (["--chunk"], "needs a value"),
    (["-v", "-q", "5"], "exclude"),
    (["-f", "xml", "5"], "'xml'"),
    (["-c", "-f", "npy", "5"], "npy"),
    (["--json", "-f", "u64", "5"], "u64"),
    (["-x", "mpi", "5"], "mpi"),
    (["-x", "fibers", "5"], "'fibers'"),
    (["-x", "", "5"], "--executor"),
    (["--progress", "often", "5"], "'often'"),
    (["-c", "--compare", "-o", "x", "5"], "--output"),
    # numbers
    (["-1"], SIGN), (["-0"], SIGN), (["-18446744073709551615"], SIGN), (["--", "-1"], SIGN),
    (["--", "-0"], SIGN), (["+7"], SIGN), (["5", "-7"], SIGN), (["-c", "-17"], SIGN),
    ([TWO_64], TOO_BIG), (["1" + "0" * 20], TOO_BIG), (["9" * 100000], TOO_BIG),
    (["1e20"], TOO_BIG), (["1e400"], TOO_BIG), (["2^64"], TOO_BIG), (["10^20"], TOO_BIG),
    (["18446745T"], TOO_BIG), (["16777216Ti"], TOO_BIG), (["2", TWO_64], TOO_BIG),
    ([TWO_64, "2"], TOO_BIG),
    (["1.5e3"], NOT_WHOLE), (["1e-1"], NOT_WHOLE), (["1e-3"], NOT_WHOLE), (["1.5"], NOT_WHOLE),
    (["0x10"], NOT_WHOLE), (["010"], NOT_WHOLE), ([" 7"], NOT_WHOLE), (["7 "], NOT_WHOLE),
    (["7\n"], NOT_WHOLE), (["\n7"], NOT_WHOLE), (["7\n8"], NOT_WHOLE), (["7a"], NOT_WHOLE),
    (["a7"], NOT_WHOLE), (["1,000"], NOT_WHOLE), (["1.000"], NOT_WHOLE), (["1__000"], NOT_WHOLE),
    (["_1"], NOT_WHOLE), (["1_"], NOT_WHOLE), ([""], EMPTY), (["NaN"], NOT_WHOLE),
    (["inf"], NOT_WHOLE), (["1E9"], NOT_WHOLE), (["1e+9"], NOT_WHOLE), (["1e"], NOT_WHOLE),
    (["e9"], NOT_WHOLE), (["2^"], NOT_WHOLE), (["^2"], NOT_WHOLE), (["2^3^2"], NOT_WHOLE),
    (["2^64-1"], NOT_WHOLE), (["1K"], NOT_WHOLE), (["1ki"], NOT_WHOLE), (["1 k"], NOT_WHOLE),
    (["1e3k"], NOT_WHOLE), (["k"], NOT_WHOLE), (["1\u00a0000"], NOT_WHOLE),
    (["\uff17"], NOT_WHOLE), (["\u0667"], NOT_WHOLE), ([b"7\xff"], NOT_WHOLE),
    ([b"\xc3\x28"], NOT_WHOLE), (["7\u0131"], NOT_WHOLE),
    # numbers of options
    (["-j", "0", "5"], "less than 1"), (["-j", "-1", "5"], SIGN), (["-j", "1e6", "5"], "more than 1000"),
    (["-j", "two", "5"], NOT_WHOLE), (["-j", "", "5"], EMPTY), (["-j", TWO_64, "5"], TOO_BIG),
    (["--workers", "1.5", "5"], NOT_WHOLE),
    (["--chunk", "0", "5"], "less than 1"), (["--chunk", "-5", "5"], SIGN),
    (["--chunk", "many", "5"], NOT_WHOLE),
    (["--runs", "0", "5"], "less than 1"), (["--runs", "x", "5"], NOT_WHOLE),
    (["--nth", "0"], "less than 1"), (["--nth", "x"], NOT_WHOLE), (["--nth", "-1"], SIGN),
    (["--nth", "5", "x"], NOT_WHOLE),
]

# What is accepted: words, and all of standard output.
ACCEPTED = [
    (["0"], b""), (["1"], b""), (["2"], b"2\n"), (["3"], b"2\n3\n"), (["4"], b"2\n3\n"),
    (["5"], b"2\n3\n5\n"), (["30"], FIRST), (["31"], FIRST + b"31\n"), (["3_0"], FIRST),
    (["3e1"], FIRST), (["30e0"], FIRST), (["--", "30"], FIRST), (["2", "30"], FIRST),
    (["2^4"], b"2\n3\n5\n7\n11\n13\n"), (["10^1"], b"2\n3\n5\n7\n"), (["24", "30"], b"29\n"),
    (["30", "24"], b""), (["29", "29"], b"29\n"), (["28", "28"], b""),
    (["18446744073709551615", "0"], b""),
    (["-c", "0"], b"0\n"), (["-c", "1"], b"0\n"), (["-c", "210"], b"46\n"),
    (["-c", "65536"], b"6542\n"), (["-c", "65537"], b"6543\n"), (["-c", "64Ki"], b"6542\n"),
    (["-c", "1M"], b"78498\n"), (["-c", "1000k"], b"78498\n"), (["-c", "1Mi"], b"82025\n"),
    (["-c", "10^6"], b"78498\n"), (["-c", "1e7"], b"664579\n"), (["-c", "10_000_000"], b"664579\n"),
    (["-c", "100", "1"], b"0\n"), (["1e1", "--count"], b"4\n"),
    (["-c", "2^32"], b"203280221\n"), (["-c", "4294967295"], b"203280221\n"),
    (["2^32", "4294967311"], b"4294967311\n"),
    (["4294967280", "2^32"], b"4294967291\n"),
    (["9223372036854775783", "9223372036854775807"], b"9223372036854775783\n"),
    (["9223372036854775807", "2^63"], b""),
    (["18446744073709551550", "18446744073709551615"], b"18446744073709551557\n"),
    (["18446744073709551558", "18446744073709551615"], b""),
    (["18446744073709551615", "18446744073709551615"], b""),
    (["-c", "18446744073709550615", "18446744073709551615"], b"21\n"),
    (["--nth", "1"], b"2\n"), (["--nth", "10"], b"29\n"), (["--nth", "1e6"], b"15485863\n"),
    (["--nth", "1", "24"], b"29\n"), (["--nth", "1", "29"], b"29\n"),
    (["-f", "text", "5"], b"2\n3\n5\n"), (["-f", "list", "5"], b"[2, 3, 5]\n"),
    (["-f", "list", "1"], b"[]\n"), (["-f", "list", "2"], b"[2]\n"),
    (["-f", "json", "5"], b'{"start": 0, "stop": 5, "primes": [2, 3, 5], "count": 3}\n'),
    (["--json", "8", "9"], b'{"start": 8, "stop": 9, "primes": [], "count": 0}\n'),
    (["--json", "-c", "100"], b'{"start": 0, "stop": 100, "count": 25}\n'),
    (["--json", "--nth", "3"], b'{"start": 0, "nth": 3, "prime": 5}\n'),
    (["-f", "u64", "5"], struct.pack("<3Q", 2, 3, 5)), (["-f", "u64", "1"], b""),
    (["-o", "-", "5"], b"2\n3\n5\n"), (["-o-", "5"], b"2\n3\n5\n"),
    (["-j", "1000", "-x", "sequential", "5"], b"2\n3\n5\n"),
    (["-j", "3", "-x", "threads", "5"], b"2\n3\n5\n"),
    (["-j", "3", "-x", "processes", "5"], b"2\n3\n5\n"),
    (["--chunk", "1", "5"], b"2\n3\n5\n"), (["--chunk", "18446744073709551615", "5"], b"2\n3\n5\n"),
    (["--prog", "never", "5"], b"2\n3\n5\n"), (["-q", "5"], b"2\n3\n5\n"),
]


def refused(words, what, locale):
    done = run(["primes", *words], env=environment(LC_ALL=locale))
    lines = done.err.split(b"\n")
    about = f"{shown(words)} under {locale}: status {done.status}, {done.text()!r}"
    expect(done.status == 2, about)
    expect(done.out == b"", about, "printed", done.out)
    expect(len(lines) == 3 and lines[2] == b"", about, "(two lines are wanted)")
    expect(lines[0].startswith(b"crew primes: "), about)
    expect(lines[1] == b"try 'crew primes --help'", about)
    expect(what in done.text(), about, f"({what!r} is wanted)")
    expect(all(0x20 <= c < 0x7f for line in lines for c in line), about, "(plain text is wanted)")
    expect(len(done.err) < 400, about)


for _words, _what in REFUSED:
    @case(f"refused: crew primes {shown(_words)!r}")
    def _refused(words=_words, what=_what):
        for locale in LOCALES:
            refused(words, what, locale)

for _words, _out in ACCEPTED:
    @case(f"accepted: crew primes {shown(_words)!r}")
    def _accepted(words=_words, out=_out):
        for locale in LOCALES[:1] if "18446744073709550615" in words else LOCALES:
            done = run(["primes", *words], env=environment(LC_ALL=locale))
            expect(done.status == 0, f"status {done.status}: {done.text()}")
            expect(done.out == out, "printed", done.out, "not", out)
            expect(done.err == b"", "said", done.err)


@case("there is no prime above 2^64: it fails and says so")
def _no_such():
    for words in (["--nth", "1", "18446744073709551558"], ["--nth", "425656284035217744"],
                  ["--nth", "18446744073709551615"]):
        done = run(["primes", *words])
        expect(done.status == 1 and done.out == b"", shown(words), done.status, done.text())
        expect(done.err.startswith(b"crew primes: there is no prime number"), done.text())


@case("help and version go to standard output, with status 0")
def _help():
    texts = [run(words).out for words in (["primes", "--help"], ["primes", "-h"],
                                          ["help", "primes"], ["primes", "5", "--help", "x"])]
    expect(texts[0].startswith(b"Usage: crew primes"), texts[0])
    expect(len(set(texts)) == 1, "four ways to help, not one text")
    for option in ("executor", "workers", "chunk", "compare", "runs", "json", "progress", "verbose",
                   "quiet", "count", "nth", "output", "format", "help", "version"):
        expect(f"--{option}".encode() in texts[0], f"--{option} is not in the help")
    expect(max(len(line) for line in texts[0].split(b"\n")) <= 100, "a line of help is too long")
    for words in (["--help"], ["-h"], ["help"]):
        done = run(words)
        expect(done.status == 0 and done.out.startswith(b"Usage: crew ") and b"primes" in done.out,
               shown(words), done.out, done.err)
    for words in (["--version"], ["primes", "--version"]):
        done = run(words)
        expect(done.status == 0 and done.out.startswith(b"crew ") and done.out.count(b"\n") == 1,
               shown(words), done.out)


@case("what is no subcommand is refused")
def _subcommand():
    for words, what in (([], "which subcommand"), ([""], "''"), (["prime"], "'prime'"),
                        (["--frob"], "'--frob'"), (["help", "x"], "'x'"), (["help", "primes", "x"], "'x'"),
                        (["--help", "x"], "'x'"), (["primes\n"], "x0a")):
        done = run(words)
        expect(done.status == 2 and done.out == b"" and what in done.text(), shown(words),
               done.status, done.text())


@case("the count of arguments may be 0")
def _argc_0():
    script = ("import ctypes, os, sys\n"
              "libc = ctypes.CDLL(None)\n"
              "none = (ctypes.c_char_p * 1)(None)\n"
              "libc.execve(os.fsencode(sys.argv[1]), none, none)\n")
    done = subprocess.run([sys.executable, "-c", script, CREW], capture_output=True, check=False)
    expect(done.returncode == 2 and b"which subcommand" in done.stderr, done)


def numpy_array(data):
    """What numpy.load() would read, read without numpy."""
    expect(data[:8] == b"\x93NUMPY\x01\x00", "no npy header:", data[:16])
    size = struct.unpack("<H", data[8:10])[0]
    expect((10 + size) % 64 == 0, "the data is not aligned")
    head = ast.literal_eval(data[10:10 + size].decode("latin1"))
    expect(head["descr"] == "<u8" and head["fortran_order"] is False, head)
    count, = head["shape"]
    expect(len(data) == 10 + size + 8 * count, "length", len(data), "for", count)
    return struct.unpack(f"<{count}Q", data[10 + size:])


def primes(words):
    done = run(["primes", *words])
    expect(done.status == 0 and done.err == b"", shown(words), done.status, done.text())
    return done.out


@case("all formats hold the same primes, on every executor")
def _formats():
    for stop in ("1", "2", "300000"):
        text = [int(n) for n in primes(["-x", "sequential", stop]).split()]
        for kind in ("sequential", "threads", "processes", "auto"):
            base = ["-x", kind, "-j", "3", "--chunk", "10007", stop]
            expect(json.loads(primes(base + ["-f", "list"])) == text, kind, "list")
            whole = json.loads(primes(base + ["-f", "json"]))
            expect(whole == {"start": 0, "stop": int(stop), "primes": text, "count": len(text)},
                   kind, "json")
            data = primes(base + ["-f", "u64"])
            expect(list(struct.unpack(f"<{len(text)}Q", data)) == text, kind, "u64")
            expect(list(numpy_array(primes(base + ["-f", "npy"]))) == text, kind, "npy to a pipe")


@case("far up, where tasks are long and answer packed, all executors list the same bytes")
def _far_up():
    for form in ("text", "list", "u64"):
        low, high = "1000000000000000", "1000000150000000"
        sums = {kind: shell(f'"$0" primes -x {kind} -j 3 -f {form} {low} {high} | sha256sum').out
                for kind in ("sequential", "threads", "processes", "auto")}
        expect(len(set(sums.values())) == 1, form, sums)
    table = json.loads(primes(["--compare", "--json", "--runs", "1", "-j", "3", low, high]))
    expect(table["result"]["count"] == 4341244, table)


@case("npy into a file that is appended to, and into one that begins in the middle")
def _npy_in_place():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a")
        for redirect in (">>", ">"):
            with open(path, "wb") as f:
                f.write(b"head")
            script = f'{{ printf head; "$0" primes -f npy 1000; }} {redirect} "$1"'
            done = shell(script, path)
            with open(path, "rb") as f:
                data = f.read()
            data = data[8:] if redirect == ">>" else data[4:]
            expect(done.status == 0 and len(numpy_array(data)) == 168, redirect, done.text())


@case("--compare prints a row for each executor, and as JSON the same")
def _compare():
    out = primes(["--compare", "-j", "3", "--runs", "2", "100000"]).decode()
    rows = [line.split()[:2] for line in out.split("\n") if line.startswith(("seq", "thr", "proc"))]
    wanted = [["sequential", "1"]] + [[k, w] for k in ("threads", "processes") for w in "123"]
    expect(rows == wanted, rows)
    expect("9592 primes" in out, out)
    for extra, result in (([], 9592), (["-c"], 9592)):
        table = json.loads(primes(["--compare", "-j", "2", "--runs", "1", "--json", "100000", *extra]))
        expect([(r["executor"], r["workers"]) for r in table["rows"]] ==
               [("sequential", 1), ("threads", 1), ("threads", 2), ("processes", 1),
                ("processes", 2)], table)
        expect(table["result"]["count"] == result and table["runs"] == 1, table)
        for row in table["rows"]:
            expect(row["median_s"] > 0 and row["least_s"] <= row["median_s"] <= row["most_s"], row)
            expect((row["serial_fraction"] is None) == (row["workers"] == 1), row)
            speedup = table["rows"][0]["median_s"] / row["median_s"]
            expect(abs(row["speedup"] - speedup) < 1e-6 * speedup, row)
            expect(abs(row["efficiency"] * row["workers"] - speedup) < 1e-6 * speedup, row)
    nth = json.loads(primes(["--compare", "--runs", "1", "--json", "--nth", "1000"]))
    expect(nth["result"]["prime"] == 7919, nth)


@case("--verbose says what was chosen, --quiet nothing, the result stays the same")
def _verbose():
    for words in (["1000"], ["-c", "1000"], ["-x", "threads", "1000"]):
        plain, loud, quiet = (run(["primes", *words, *more]) for more in ([], ["-v"], ["-q"]))
        expect(plain.out == loud.out == quiet.out, words)
        expect(plain.err == b"" and quiet.err == b"", plain.text(), quiet.text())
        expect(loud.err.count(b"\n") >= 1 and
               all(line.startswith(b"crew primes: ") for line in loud.err.splitlines()), loud.text())
    expect("sequential" in run(["primes", "-v", "1000"]).text(), "auto does not say what it chose")


@case("a progress bar goes to standard error alone, and only when asked for without a terminal")
def _progress():
    for kind in ("sequential", "threads", "processes"):
        for what in ([], ["-c"]):
            base = ["primes", "-x", kind, "1e7", *what]
            plain, barred = run(base), run([*base, "--progress", "always"])
            expect(plain.err == b"" and plain.out == barred.out, kind)
            expect(b"%" in barred.err and barred.err.endswith(b"\r\x1b[K"), barred.err)


if __name__ == "__main__":
    sys.exit(main())

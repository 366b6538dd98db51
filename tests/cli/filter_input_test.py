"""filter_input_test.py CREW [sound] - crew filter and what may stand in a file.

Description: a wrong number that becomes a sample, a header that is believed and fills the memory, a
message that does not say where in a million lines it is, half a result under the name of a whole one.

'sound' says that the command was built with libsndfile.
"""
import math
import os
import re
import struct
import sys
import tempfile

import cli
from cli import Skip, case, expect, main, run
from signals import (GUID, chunk, csv, f32, near, noise, npy, npy_head, raw, riff, text, uncsv,
                     unnpy, unraw, untext,
                     unwav, valid, wav, wav_fmt)

SOUND = "sound" in sys.argv[2:]
MEMORY = 1 << 20  # KiB that nothing here may need; a header that is believed asks for more


def look(folder):
    return sorted(os.listdir(folder))


def why(done, name, about, place=None):
    """It failed as it should: status 1 and one line that names the file and the place in it.
    place: (line, first column, last column); columns may be left out."""
    expect(done.status == 1 and done.out == b"", about, "status", done.status, done.out,
           done.text())
    expect(done.err.startswith(b"crew filter: ") and done.err.count(b"\n") == 1, about, done.text())
    expect(name in done.text(), about, f"does not name {name}:", done.text())
    expect(all(0x20 <= c < 0x7f for c in done.err[:-1]), about, done.err)
    if place:
        at = re.search(r"line (\d+), column (\d+)", done.text())
        expect(at, about, "does not say where:", done.text())
        line, column = int(at[1]), int(at[2])
        low, high = place[1:] if len(place) == 3 else (1, 1 << 60)
        expect(line == place[0] and low <= column <= high, about, "is at", place, "not at", line,
               column)


def limits():
    """A header that is believed hits this."""
    import resource
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY << 10, MEMORY << 10))


def tried(ending, data, words, check, pipes=True):
    """By its name, over an older output; and from a pipe. Calls check(done, name, values or None)."""
    own = {} if cli.is_sanitized() else {"preexec_fn": limits}
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "in" + ending), os.path.join(folder, "out.f64")
        with open(path, "wb") as f:
            f.write(data)
        with open(out, "wb") as f:
            f.write(b"old")
        done = run(["filter", *words, path, "-o", out], **own)
        with open(out, "rb") as f:
            result = f.read()
        expect(look(folder) == ["in" + ending, "out.f64"], "left:", look(folder))
        expect(done.status == 0 or result == b"old", "it failed, and the older output is gone")
        expect(done.status != 0 or result != b"old" and done.err == b"", "status 0, and no output",
               done.text())
        check(done, "in" + ending, unraw(result) if done.status == 0 else None)
    if pipes:
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.f64")
            form = {"": "text"}.get(ending, ending[1:])
            done = run(["filter", *words, "-f", form, "-", "-o", out], input=data, **own)
            expect(look(folder) == ["out.f64"][:done.status == 0], "left:", look(folder))
            result = b""
            if done.status == 0:
                with open(out, "rb") as f:
                    result = f.read()
            check(done, "", unraw(result) if done.status == 0 else None)


def bad(ending, data, place=None, words=(), pipes=True):
    def check(done, name, _):
        why(done, name, data[:100], place)
    for kind in (["-x", "sequential"], ["-x", "processes", "-j", "2", "--chunk",
                                        "1"]) if place else ([],):
        tried(ending, data, ["-w", "1", *kind, *words], check, pipes)


def good(ending, data, wanted, words=(), w=1):
    def check(done, _, values):
        expect(done.status == 0, data[:200], "status", done.status, done.text())
        near(values, wanted, w, data[:200])
    tried(ending, data, ["-w", str(w), *words], check)


def either(ending, data, wanted, words=()):
    """Files on which reasonable readers differ: the right values, or an error."""
    def check(done, name, values):
        if done.status != 0:
            why(done, name, data[:100])
        else:
            near(values, wanted, 1, data[:100])
    tried(ending, data, ["-w", "1", *words], check)


# -- text -----------------------------------------------------------------------------------

BAD_TEXT = [
    ("a word", b"1 2 x 4\n", (1, 5, 5)), ("a word in line 3", b"1\n2\n3 four\n", (3, 3, 3)),
    ("a word behind a number", b"1 2three 4\n", (1, 3, 4)), ("two points", b"1.2.3", (1, 1, 4)),
    ("two signs", b"1\n--1\n", (2, 1, 2)), ("hexadecimal", b"1 0x1p3", (1, 3, 4)),
    ("too large", b"1\n\n 1e999", (3, 2, 6)),
    ("too small", b"-1e999 1", (1, 1, 6)), ("a decimal comma", b"1 2,5 3", (1, 3, 4)),
    ("commas", b"1,2,3", (1, 1, 2)),
    ("NUL", b"1 2\n3 \0 4", (2, 3, 3)), ("UTF-16", b"\xff\xfe1\x000\x00 \x002\x00", (1, 1, 2)),
    ("invalid UTF-8", b"1\n\xc3\x28\n", (2, 1, 1)), ("a no-break space", b"1\xc2\xa02", (1, 1, 2)),
    ("a full-width digit", "1 \uff17".encode(), (1, 3, 3)), ("e alone", b"1 2e", (1, 3, 4)),
    ("a sign alone", b"1 -", (1, 3, 4)),
    ("a point alone", b"1 . 2", (1, 3, 3)), ("1_000", b"1_000", (1, 1, 2)),
    ("quotes", b'1 "2"', (1, 3, 3)),
    ("nanx", b"1 nanx", (1, 3, 6)), ("infinit", b"1 infinit", (1, 3, 6)),
    ("nan(0)", b"1 nan(0)", (1, 3, 6)),
    ("a comment", b"1\n# 2\n3\n", (2, 1, 1)), ("CRLF and a word", b"1\r\n2\r\nx\r\n", (3, 1, 1)),
    ("a word in the last line, not ended", b"1\n2\nx", (3, 1, 1)),
    ("a word in line 1000000", b"1\n" * 999999 + b" no\n" + b"1\n" * 10, (1000000, 2, 2)),
    ("a word at the end of a long line", b"1 " * 300000 + b"x", (1, 600001, 600001)),
]

GOOD_TEXT = [
    ("one number", b"1", [1]), ("signs", b"+1 -1 -0", [1, -1, 0]),
    ("points", b"1. .5 -.25 0.5", [1, .5, -.25, .5]),
    ("exponents", b"1e3 1E-3 1e+3 5e-324 1e-999", [1e3, 1e-3, 1e3, 5e-324, 0]),
    ("nan and inf", b"nan NaN inf -Inf infinity -INFINITY +inf",
     [math.nan] * 2 + [math.inf, -math.inf] * 2 + [math.inf]),
    ("white space of all kinds", b"\n\n 1\t2\r\n\r\n3 \n\t4\v5\f6\n\n", [1, 2, 3, 4, 5, 6]),
    ("CRLF", b"1\r\n2\r\n", [1, 2]),
    ("many digits", b"0." + b"3" * 5000 + b" " + b"0" * 5000 + b"7", [1 / 3, 7]),
    ("halfway cases",
     b"9007199254740993 9007199254740992.99999999999999999999999999 1.00000000000000011102230246251565",
     [9007199254740992, 9007199254740992, 1]),
    ("halfway and a bit", b"9007199254740993.00000000000000000000000000000000000000001",
     [9007199254740994]),
    ("the largest", b"1.7976931348623157e308 179769313486231570e291", [sys.float_info.max] * 2),
]

for _name, _data, _place in BAD_TEXT:
    @case(f"text with {_name}: an error that says where")
    def _bad_text(data=_data, place=_place):
        bad("", data, place, pipes=len(data) < 1000)

for _name, _data, _wanted in GOOD_TEXT:
    @case(f"text with {_name} is read")
    def _good_text(data=_data, wanted=_wanted):
        good("", data, wanted)


@case("with long windows and other edges the place is right too")
def _far():
    lines = b"1\n" * 5000 + b"2 x\n" + b"1\n" * 100
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")  # to a pipe goes what is right before it
        for edges in ("valid", "same", "full", "reflect", "mirror", "nearest", "wrap", "constant",
                      "shrink"):
            for kind in (["-x", "sequential"], ["-x", "processes", "-j", "2", "--chunk", "100"]):
                for w in ("7", "30000"):
                    words = ["filter", "-w", w, "-e", edges, *kind, "-o", out, "-", "-f"]
                    why(run([*words, "text"], input=lines), "", edges, (5001, 3, 3))
                    why(run([*words, "csv"], input=b"a\n" + lines), "", edges, (5002, 1, 3))
                    expect(look(folder) == [], edges, look(folder))


@case("a text that is one endless word is refused, whole or in a pipe, in little memory")
def _long_word():
    # 48 million digits are no number that anybody means, nor one that f64 has.
    for ending, byte, mib in ((ending, byte, 48 if (ending, byte) in (("", b"1"), (".csv", b"x"))
                               else 1)
                              for ending in ("", ".csv")
                              for byte in (b"x", b"1", b"-", b'"', b"\0")):
        tried(ending, byte * (mib << 20), ["-w", "1"],
              lambda done, name, _, ending=ending: why(done, name, ending), pipes=mib == 1)


# -- CSV ------------------------------------------------------------------------------------

BAD_CSV = [
    ("text in a cell", b"a,b\n1,2\n3,x\n", (3, 3, 3)),
    ("text in the first column", b"a,b\n1,2\nx,3\n", (3, 1, 1)),
    ("text in the last row, not ended", b"a\n1\nx", (3, 1, 1)),
    ("text behind a number", b"a\n1\n2 x\n", (3, 1, 3)),
    ("text in row 1000000", b"a\n" + b"1\n" * 999999 + b"x\n", (1000001, 1, 1)),
    ("CRLF and text", b"a\r\n1\r\nx\r\n", (3, 1, 1)), ("hexadecimal", b"a\n1\n0x1p3\n", (3, 1, 2)),
    ("too large a number", b"a,b\n1,2\n3,1e999\n", (3, 3, 7)),
    ("two signs", b"a\n1\n--1\n", (3, 1, 2)),
    ("NUL", b"a\n1\n2\0\n3\n", (3, 1, 2)), ("NUL alone", b"a,b\n1,2\n\0,3\n", (3, 1, 1)),
    ("another delimiter in a row", b"a,b\n1,2\n3;4\n", (3, 1, 4)),
    ("a decimal comma", b"a;b\n1;2\n1,5;2\n", (3, 1, 2)),
    ("a quote that does not end", b'a,b\n1,2\n3,"4\n5,6\n', (3,)),
    ("text in quotes", b'a,b\n1,2\n3,"x"\n', (3, 3, 4)),
    ("a number and more behind a quote", b'a,b\n1,2\n3,"4"5\n', (3, 3, 6)),
    ("more cells than columns", b"a,b\n1,2\n3,4,5\n", (3,)),
    ("a comment", b"a\n1\n# no\n", (3, 1, 1)),
    ("text after a quoted newline", b'"a\nb",c\n1,2\n3,x\n', (4, 3, 3)),
    ("invalid UTF-8", b"a\n1\n\xc3\x28\n", (3, 1, 1)), ("1_000", b"a\n1\n1_000\n", (3, 1, 2)),
    ("a second byte order mark", b"a\n1\n\xef\xbb\xbf2\n", (3, 1, 1)),
]

# Name, data, words, the columns that come, the header.
GOOD_CSV = [
    ("all", b"a,b\n1,2\n3,4\n", [], [[1, 3], [2, 4]], "a,b"),
    ("no header", b"1,2\n3,4\n", [], [[1, 3], [2, 4]], None),
    ("one column", b"a\n1\n3\n", [], [[1, 3]], "a"),
    ("one column without a header", b"1\n3\n", [], [[1, 3]], None),
    ("no newline at the end", b"a,b\n1,2\n3,4", [], [[1, 3], [2, 4]], "a,b"),
    ("CRLF", b"a,b\r\n1,2\r\n3,4\r\n", [], [[1, 3], [2, 4]], "a,b"),
    ("a byte order mark", b"\xef\xbb\xbfa,b\n1,2\n3,4\n", ["-c", "a"], [[1, 3]], "a"),
    ("a byte order mark and no header", b"\xef\xbb\xbf1,2\n3,4\n", [], [[1, 3], [2, 4]], None),
    ("quotes", b'"a","b"\n"1","2"\n"3",4\n', [], [[1, 3], [2, 4]], None),
    ("a quoted comma in the header", b'"a,1",b\n1,2\n3,4\n', ["-c", "b"], [[2, 4]], "b"),
    ("a quoted name", b'"a,1",b\n1,2\n3,4\n', ["-c", "a,1"], [[1, 3]], '"a,1"'),
    ("quotes in a name", b'"a ""1""",b\n1,2\n3,4\n', ["-c", 'a "1"'], [[1, 3]], '"a ""1"""'),
    ("text columns beside", b"name,a\nx,1\ny,2\n", [], [[1, 2]], "a"),
    ("quoted newlines beside", b'name,a\n"x\ny",1\n"z",2\n', [], [[1, 2]], "a"),
    ("quoted delimiters beside", b'name,a\n"x,7",1\n",,",2\n', [], [[1, 2]], "a"),
    ("a column by name", b"a,b,c\n1,2,3\n4,5,6\n", ["-c", "b"], [[2, 5]], "b"),
    ("a column by number", b"a,b,c\n1,2,3\n4,5,6\n", ["-c", "3"], [[3, 6]], "c"),
    ("columns by name and number", b"a,b,c\n1,2,3\n4,5,6\n", ["-c", "c", "--column=1"], None, None),
    ("a number without a header", b"1,2,3\n4,5,6\n", ["-c", "2"], [[2, 5]], None),
    ("semicolons", b"a;b\n1;2\n3;4\n", [], [[1, 3], [2, 4]], "a;b"),
    ("tabs", b"a\tb\n1\t2\n3\t4\n", [], [[1, 3], [2, 4]], "a\tb"),
    ("spaces around", b"a, b\n1, 2\n 3 ,4\n", ["-c", "1"], [[1, 3]], "a"),
    ("missing cells", b"a,b\n1,2\n,4\n5,\n7,8\n", [], [[1, math.nan, 5, 7], [2, 4, math.nan, 8]],
     "a,b"),
    ("empty cells in quotes", b'a,b\n1,2\n"",4\n', [], [[1, math.nan], [2, 4]], "a,b"),
    ("nan and inf", b"a\n1\nnan\n-inf\nNaN\n", [], [[1, math.nan, -math.inf, math.nan]], "a"),
    ("small numbers", b"a\n1\n1e-999\n5e-324\n", [], [[1, 0, 5e-324]], "a"),
    ("a comma behind each row", b"a,b,\n1,2,\n3,4,\n", ["-c", "1", "-c", "2"], [[1, 3], [2, 4]],
     "a,b"),
    ("200000 lines", b"a\n" + b"1.5\n" * 200000, [], [[1.5] * 200000], "a"),
]


def cells(data, delimiter, head):
    lines = data.decode().split("\n")
    expect(lines.pop() == "", "the last line does not end")
    if head is not None:
        expect(lines[0] == head or lines[0].replace('"', "") == head, "the header is", lines[0],
               "not", head)
        lines.pop(0)
    rows = [[float(word or "nan") for word in line.split(delimiter)] for line in lines]
    return [list(column) for column in zip(*rows)]


for _name, _data, _place in BAD_CSV:
    @case(f"CSV with {_name}: an error that says where")
    def _bad_csv(data=_data, place=_place):
        bad(".csv", data, place, pipes=len(data) < 1000)

for _name, _data, _words, _wanted, _head in GOOD_CSV:
    @case(f"CSV with {_name} is read")
    def _good_csv(data=_data, words=_words, wanted=_wanted, head=_head):
        for kind in (["-x", "sequential"], ["-x", "processes", "-j", "2"]
                     + ["--chunk", "1"][:2 * (len(data) < 1000)]):
            done = run(["filter", "-w", "1", "-f", "csv", *kind, *words, "-"], input=data)
            expect(done.status == 0 and done.err == b"", data[:100], done.status, done.text())
            if wanted is None:  # in the order of the question, or of the file
                expect(done.out in (b"c,a\n3,1\n6,4\n", b"a,c\n1,3\n4,6\n"), done.out)
                continue
            first = done.out.split(b"\n")[0].decode()
            if head is None and data[:1] == b'"':
                head = first
            delimiter = next((d for d in ";\t" if d in first), ",")
            columns = cells(done.out, delimiter, head)
            expect(len(columns) == len(wanted), len(columns), "columns:", done.out)
            for got, those in zip(columns, wanted):
                near(got, those, 1, data[:100])


@case("CSV: every column is filtered by itself, whatever executor and chunk")
def _csv_columns():
    a, b, c = noise(500, 1), noise(500, 2), noise(500, 3)
    data = csv([a, b, c], ["a", "b", "c"])
    outs = set()
    for words in (["-x", "sequential"], ["-x", "threads", "--chunk", "7"],
                  ["-x", "processes", "-j", "3", "--chunk", "1"]):
        done = run(["filter", "-w", "9", "-f", "csv", *words, "-"], input=data)
        expect(done.status == 0, done.text())
        head, columns = uncsv(done.out)
        expect(head == "a,b,c" and len(columns) == 3, head)
        for got, x in zip(columns, (a, b, c)):
            near(got, valid(x, 9), 9, words, size=8192)
        outs.add(done.out)
    expect(len(outs) == 1, "not the same bytes")


@case("CSV: a column that is not there is told")
def _no_column():
    for data, column in ((b"a,b\n1,2\n", "c"), (b"a,b\n1,2\n", "3"), (b"a,b\n1,2\n", "0"),
                         (b"a,b\n1,2\n", "-1"),
                         (b"a,b\n1,2\n", ""), (b"a,b\n1,2\n", "A"), (b"a,b\n1,2\n", "1.5"),
                         (b"1,2\n3,4\n", "a"),
                         (b"a,b\n1,2\n", "18446744073709551617"), (b"a,b\n1,2\n", "4294967297"),
                         (b"", "1"), (b"", "a")):
        done = run(["filter", "-w", "1", "-f", "csv", "-c", column, "-"], input=data)
        first, _, rest = done.text().partition("\n")
        expect(done.status in (1, 2) and done.out == b"", data, column, done.status, done.out,
               done.text())
        expect(first.startswith("crew filter: ") and rest in ("", "try 'crew filter --help'\n"),
               done.text())
    done = run(["filter", "-w", "1", "-f", "csv", "-c", "b", "-"], input=b"a,b\n1,x\n2,y\n")
    why(done, "", "a column of text", (2, 3, 3))


@case("CSV: an empty file, a header alone, no numeric column")
def _csv_empty():
    for data in (b"", b"\n", b"a,b\n", b"a,b", b"\xef\xbb\xbf", b"a\nx\ny\n", b"\r\n"):
        for edges in ("valid", "same"):
            done = run(["filter", "-w", "3", "-e", edges, "-f", "csv", "-"], input=data)
            if done.status == 0:
                expect(edges == "same" and done.out.strip() in (b"", b"a,b") and done.err == b"",
                       data, done.out)
            else:
                first, _, rest = done.text().partition("\n")
                expect(done.status in (1, 2) and done.out == b""
                       and first.startswith("crew filter: ") and
                       rest in ("", "try 'crew filter --help'\n"), data, done.status, done.text())


@case("CSV: files on which readers differ are read right or refused")
def _csv_either():
    for data, wanted in ((b"a\r1\r2\r", [1, 2]), (b"a\n1\n\n2\n", [1, 2]),
                         (b"a\n1\n2\n\n\n", [1, 2]),
                         (b"\xff\xfea\0\n\x001\0\n\0", [1]), (b"\xfe\xff\0a\0\n\x001\0\n", [1]),
                         (b"a\n1\n+2\n", [1, 2]),
                         (b"a,b\n1,2\n3\n", [1, 2, 3, math.nan]),
                         (b"a,b,\n1,2,\n3,4,\n", [1, 2, 3, 4]), (b"1\r\n2\n3\r\n", [1, 2, 3]),
                         (b"a\n\x1a", []), (b"a,a\n1,2\n", [1, 2]), (b"1,5\n2,5\n", [1, 5, 2, 5]),
                         (b"nan\ninf\n", [math.nan, math.inf])):
        def check(done, name, values, data=data, wanted=wanted):
            if done.status == 2 and not wanted:
                return
            if done.status != 0:
                why(done, name, data)
            else:
                near(values, wanted, 1, data)
        tried(".csv", data, ["-w", "1"], check)


@case("CSV: a million columns are filtered or refused")
def _wide():
    row = b",".join([b"1"] * 1000000) + b"\n"
    done = run(["filter", "-w", "2", "-f", "csv", "-"], input=row * 2)
    if done.status == 0:
        expect(done.out == row, "other bytes:", len(done.out))
    else:
        why(done, "", "a million columns")


# -- NPY ------------------------------------------------------------------------------------

def head(text, version=(1, 0)):
    return npy_head(text, version)


def form(shape, descr="'<f8'", fortran="False", more=""):
    return head(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, {more}}}")


EIGHT = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
BYTES = raw(EIGHT)

BAD_NPY = [
    ("nothing", b""), ("a bad magic", b"\x93NUMPX" + npy(EIGHT)[6:]), ("text", b"1 2 3\n" * 40),
    ("version 0", npy(EIGHT, version=(0, 0))), ("version 9.9", npy(EIGHT, version=(9, 9))),
    ("version 4", npy(EIGHT, version=(4, 0))),
    ("an empty header", b"\x93NUMPY\x01\x00\x00\x00" + BYTES),
    ("header length 65535", b"\x93NUMPY\x01\x00\xff\xff" + npy(EIGHT)[10:]),
    ("header length 2^32-1", b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + npy(EIGHT)[10:]),
    ("header length 2^31", b"\x93NUMPY\x03\x00\x00\x00\x00\x80" + npy(EIGHT)[10:]),
    ("a list for a header", head("['<f8', False, (8,)]") + BYTES),
    ("code for a header", head("__import__('os').system('touch x')") + BYTES),
    ("code for a shape", form("(len('12345678'),)") + BYTES),
    ("no descr", head("{'fortran_order': False, 'shape': (8,), }") + BYTES),
    ("no shape", head("{'descr': '<f8', 'fortran_order': False, }") + BYTES),
    ("no order", head("{'descr': '<f8', 'shape': (8,), }") + BYTES),
    ("text behind the header", head("{'descr': '<f8', 'fortran_order': False, 'shape': (8,), } x")
     + BYTES),
    ("a header that does not end", head("{'descr': '<f8', 'fortran_order': False, 'shape': (8,), ")
     + BYTES),
    ("NUL in the header", head("{'descr': '<f8', 'fortran_order': False, \0'shape': (8,), }")
     + BYTES),
    ("-1 rows", form("(-1,)") + BYTES), ("-8 rows", form("(-8, -1)") + BYTES),
    ("2^63 rows", form("(9223372036854775808,)") + BYTES),
    ("2^61 rows", form("(2305843009213693953,)") + BYTES),
    ("2^64 + 8 rows", form("(18446744073709551624,)") + BYTES),
    ("2^32 times 2^32", form("(4294967296, 4294967296)") + BYTES),
    ("2^33 times 2^31", form("(8589934592, 2147483648)") + BYTES),
    ("more rows than bytes", form("(9,)") + BYTES),
    ("10^15 rows", form("(1000000000000000,)") + BYTES),
    ("many channels and no rows", form("(1, 1000000000000)") + BYTES),
    ("a shape of text", form("('8',)") + BYTES),
    ("a shape with a point", form("(8.0,)") + BYTES), ("3 dimensions", form("(2, 2, 2)") + BYTES),
    ("32 dimensions", form("(" + "1," * 32 + ")") + BYTES),
    ("complex numbers", form("(4,)", "'<c16'") + BYTES), ("bytes", form("(8,)", "'|S8'") + BYTES),
    ("text", form("(2,)", "'<U8'") + BYTES),
    ("objects", form("(1,)", "'|O'") + b"\x80\x04cos\nsystem\n(S'touch x'\ntR."),
    ("objects of 8 bytes", form("(8,)", "'|O8'") + BYTES),
    ("structures", form("(4,)", "[('a', '<f8'), ('b', '<f8')]") + BYTES),
    ("times", form("(8,)", "'<M8[ns]'") + BYTES),
    ("f3", form("(8,)", "'<f3'") + BYTES), ("an empty type", form("(8,)", "''") + BYTES),
    ("f999999999999999999999", form("(8,)", "'<f999999999999999999999'") + BYTES),
    ("no byte order", form("(8,)", "'?f8'") + BYTES),
    ("a number for a type", form("(8,)", "8") + BYTES),
    ("an order of 2", form("(8,)", fortran="2") + BYTES),
]

for _name, _data in BAD_NPY:
    @case(f"NPY with {_name} is refused")
    def _bad_npy(data=_data):
        bad(".npy", data)


@case("NPY cut after each byte is refused, and written nothing of")
def _cut_npy():
    for version in ((1, 0), (2, 0)):
        whole = npy(EIGHT, (4, 2), version=version)
        for size in range(len(whole)):
            if version == (2, 0) and 20 < size < 120:
                continue
            words = ["filter", "-w", "1", "-f", "npy", "-"]
            done = run(words, input=whole[:size])
            why(done, "", f"{size} bytes of {len(whole)}")
        with tempfile.TemporaryDirectory() as folder:
            for size in (0, 1, 9, 10, 64, 127, 128, 129, 135, 136, len(whole) - 1):
                path = os.path.join(folder, "in.npy")
                with open(path, "wb") as f:
                    f.write(whole[:size])
                why(run(["filter", "-w", "1", path, "-o", os.path.join(folder, "out.npy")]),
                    "in.npy", f"{size} bytes")
                expect(look(folder) == ["in.npy"], look(folder))


@case("NPY of all kinds of numbers and both byte orders is read")
def _npy_kinds():
    whole = [0, 1, 100, 127, 3, 5, 9, 50]
    for kind in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        x = list(whole)
        if kind[0] == "f":
            x = [0.1, -2.5, 1e30, 7.0, math.inf, -0.0, math.nan, 1e-40]
            x = [f32(v) for v in x] if kind == "f4" else x
        elif kind[0] == "i":
            x[0], x[1] = -(1 << 8 * int(kind[1]) - 1), (1 << 8 * int(kind[1]) - 1) - 1
        else:
            x[0] = (1 << 8 * int(kind[1])) - 1
        for order in "<>" if kind[1] != "1" else "|":
            for version in ((1, 0), (2, 0), (3, 0)):
                data = npy(x, descr=order + kind, version=version)
                done = run(["filter", "-w", "1", "-t", "f64", "-f", "npy", "-"], input=data)
                expect(done.status == 0 and done.err == b"", order, kind, done.status, done.text())
                values, info = unnpy(done.out)
                expect(info == {"descr": "<f8", "fortran_order": False, "shape": (8,)}, info)
                wanted = [float(v) for v in x]
                expect(all(a == b or a != a and b != b for a, b in zip(values, wanted)), order,
                       kind, values)
            done = run(["filter", "-w", "1", "-f", "npy", "-"], input=data)
            expect(unnpy(done.out)[1]["descr"] == ("<f4" if kind == "f4" else "<f8"), order, kind,
                   "becomes", unnpy(done.out)[1])


@case("NPY of one and two dimensions, in C and Fortran order")
def _npy_shapes():
    x = noise(60)
    for fortran in (False, True):
        for rows, channels in ((60, 1), (30, 2), (20, 3), (12, 5), (5, 12), (4, 15)):
            data = npy(x, (rows, channels), fortran=fortran)
            columns = [x[c * rows:(c + 1) * rows] if fortran else x[c::channels]
                       for c in range(channels)]

            def check(done, about):
                expect(done.status == 0 and done.err == b"", about, done.status, done.text())
                values, info = unnpy(done.out)
                expect(info["shape"] == (rows - 3, channels), about, info)
                for c, column in enumerate(columns):
                    near(values[c::channels], valid(column, 4), 4, about, size=4096)
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "in.npy")
                with open(path, "wb") as f:
                    f.write(data)
                for words in ([], ["-x", "processes", "-j", "3", "--chunk", "3"]):
                    check(run(["filter", "-w", "4", "-f", "npy", *words, path]),
                          (rows, channels, fortran, words))
            done = run(["filter", "-w", "4", "-f", "npy", "-"], input=data)
            if fortran and channels > 1:  # its first row is whole when all of it has come
                why(done, "Fortran", "from a pipe")
            else:
                check(done, (rows, channels, fortran, "from a pipe"))
        done = run(["filter", "-w", "3", "-f", "npy", "-"], input=npy(x, fortran=fortran))
        expect(done.status == 0 and unnpy(done.out)[1]["shape"] == (58,), done.text())


@case("NPY: headers as others write them")
def _npy_heads():
    for data in (head('{"descr": "<f8", "fortran_order": False, "shape": (8,)}') + BYTES,
                 head("{'shape':(8,),'fortran_order':False,'descr':'<f8'}") + BYTES,
                 head("{ 'shape' : ( 8 , ) , 'fortran_order' : True , 'descr' : '=f8' , }") + BYTES,
                 b"\x93NUMPY\x01\x00" + struct.pack("<H", 60)
                 + b"{'descr': '<f8', 'fortran_order': False, 'shape': (8,)}    \n" + BYTES):
        either(".npy", data, EIGHT)
    either(".npy", form("(8L,)") + BYTES, EIGHT)  # NumPy under Python 2
    either(".npy", form("(8,)", more="'extra': 1, ") + BYTES, EIGHT)
    either(".npy", npy(EIGHT) + b"trailing", EIGHT)
    either(".npy", form("()") + BYTES[:8], [1])
    either(".npy", form("(8)") + BYTES, EIGHT)
    good(".npy", npy(EIGHT), EIGHT)
    good(".npy", form("(1,)") + BYTES[:8], [1])
    for shape in ("(0,)", "(0, 3)"):
        done = run(["filter", "-w", "3", "-e", "same", "-f", "npy", "-"], input=form(shape))
        expect(done.status == 0, shape, done.text())
        done = run(["filter", "-w", "3", "-f", "npy", "-"], input=form(shape))
        expect(done.status == 2 and "3" in done.text() and "0" in done.text(), shape, done.text())
    done = run(["filter", "-w", "1", "-f", "npy", "-"], input=form("(3, 0)"))
    expect(done.status in (0, 1), done.status, done.text())


@case("raw samples that end in the middle of one are told")
def _raw_cut():
    for kind, ending, size in (("f8", ".f64", 8), ("f4", ".f32", 4)):
        for more in range(1, size):
            bad(ending, raw(EIGHT, kind) + b"\0" * more)
        good(ending, raw(EIGHT, kind), EIGHT)


# -- sound ----------------------------------------------------------------------------------

def sound(function):
    def asked():
        if not SOUND:
            raise Skip("built without libsndfile")
        function()
    return asked


PCM = [0, 1, -1, 1000, -1000, 32767, -32768, 5]
WANTED = [v / 32768 for v in PCM]
DATA = raw(PCM, "i2")
FMT = chunk(b"fmt ", wav_fmt())
EXTRA = struct.pack("<HHIH", 22, 16, 4, 1)  # its size, bits, where the loudspeaker is, PCM


def right_or_error(data, wanted=None):
    """wanted: None: an error, or anything that has not more samples than there are bytes."""
    def check(done, name, values):
        if done.status == 2 and "1" in done.text() and "0" in done.text():
            return  # no sample at all: the window is longer
        if done.status != 0:
            why(done, name, data[:60])
        elif wanted is not None:
            near(values, wanted, 1, data[:60])
        else:
            expect(len(values) <= 8 * len(data), data[:60], len(values), "values")
    tried(".wav", data, ["-w", "1", "-t", "f64"], check)


@case("WAV cut after each byte is refused, or read as far as it goes")
@sound
def _cut_wav():
    whole = wav(PCM)
    for size in range(len(whole) + 1):
        done = run(["filter", "-w", "1", "-t", "f64", "-f", "wav", "-", "-o", "/dev/null"],
                   input=whole[:size])
        if size <= 44:
            expect(done.status in (1, 2), size, "bytes: status", done.status)
        if done.status != 0:
            expect(done.err.startswith(b"crew filter: ") and done.err.count(b"\n") == done.status,
                   size, done.text())
    for size in (0, 11, 12, 20, 35, 36, 43, 44, 45, 50, 59, 60):
        right_or_error(whole[:size], None if size < 60 else WANTED)


WAVS = [
    ("RIFF size 0", riff(FMT, chunk(b"data", DATA), size=0), WANTED),
    ("a RIFF size too small", riff(FMT, chunk(b"data", DATA), size=20), WANTED),
    ("RIFF size 2^32-1", riff(FMT, chunk(b"data", DATA), size=0xffffffff), WANTED),
    ("data before fmt", riff(chunk(b"data", DATA), FMT), WANTED), ("no data", riff(FMT), []),
    ("no fmt", riff(chunk(b"data", DATA)), None),
    ("two data", riff(FMT, chunk(b"data", DATA), chunk(b"data", DATA)), None),
    ("nothing in data", riff(FMT, chunk(b"data", b"")), []),
    ("an odd chunk without a pad", riff(FMT, chunk(b"LIST", b"abc")[:-1], chunk(b"data", DATA)),
     None),
    ("an odd chunk", riff(FMT, chunk(b"junk", b"abc"), chunk(b"data", DATA)), WANTED),
    ("a chunk longer than the file", riff(FMT, chunk(b"junk", b"abcd", size=1 << 30),
                                          chunk(b"data", DATA)), None),
    ("data longer than the file", riff(FMT, chunk(b"data", DATA, size=1 << 30)), WANTED),
    ("data of 2^32-1", riff(FMT, chunk(b"data", DATA, size=0xffffffff)), WANTED),
    ("data of 2^31", riff(FMT, chunk(b"data", DATA, size=0x80000000)), WANTED),
    ("LIST, JUNK and bext first", riff(chunk(b"JUNK", bytes(28)), chunk(b"bext", bytes(602)),
                                       chunk(b"LIST", b"INFO"), FMT, chunk(b"data", DATA)), WANTED),
    ("RF64", riff(chunk(b"ds64", struct.pack("<QQQI", 36 + 36 + len(DATA), len(DATA), len(PCM), 0)),
                  FMT, chunk(b"data", DATA, size=0xffffffff), size=0xffffffff,
                  name=b"RF64"), WANTED),
    ("RF64 that lies", riff(chunk(b"ds64", struct.pack("<QQQI", 1 << 62, 1 << 62, 1 << 61, 0)), FMT,
                            chunk(b"data", DATA, size=0xffffffff), size=0xffffffff,
                            name=b"RF64"), WANTED),
    ("0 channels", riff(chunk(b"fmt ", wav_fmt(channels=0)), chunk(b"data", DATA)), None),
    ("65535 channels", riff(chunk(b"fmt ", wav_fmt(channels=65535)), chunk(b"data", DATA)), None),
    ("rate 0", riff(chunk(b"fmt ", wav_fmt(rate=0)), chunk(b"data", DATA)), WANTED),
    ("rate 2^32-1", riff(chunk(b"fmt ", wav_fmt(rate=0xffffffff)), chunk(b"data", DATA)), WANTED),
    ("0 bits", riff(chunk(b"fmt ", wav_fmt(bits=0)), chunk(b"data", DATA)), None),
    ("1 bit", riff(chunk(b"fmt ", wav_fmt(bits=1)), chunk(b"data", DATA)), None),
    ("12 bits", riff(chunk(b"fmt ", wav_fmt(bits=12, align=2)), chunk(b"data", DATA)), None),
    ("24 bits", riff(chunk(b"fmt ", wav_fmt(bits=24)), chunk(b"data", b"\0\0\x40" + b"\0\0\xc0")),
     [0.5, -0.5]),
    ("64 bits", riff(chunk(b"fmt ", wav_fmt(bits=64)), chunk(b"data", DATA)), None),
    ("8 bits", wav([0, 128, 192, 255], "u1"), [-1, 0, 0.5, 127 / 128]),
    ("32 bits", wav([1 << 30, -(1 << 31)], "i4"), [0.5, -1]),
    ("f32", wav([0.25, -3.5], "f4"), [0.25, -3.5]), ("f64", wav([0.1, -1e10], "f8"), [0.1, -1e10]),
    ("f32 with NaN and Inf", wav([math.nan, math.inf, 1.0], "f4"), [math.nan, math.inf, 1.0]),
    ("A-law", riff(chunk(b"fmt ", wav_fmt(6, bits=8)), chunk(b"data", bytes([0x55, 0xd5]))),
     [-8 / 32768, 8 / 32768]),
    ("EXTENSIBLE", riff(chunk(b"fmt ", wav_fmt(0xfffe, extra=EXTRA + GUID)), chunk(b"data", DATA)),
     WANTED),
    ("EXTENSIBLE and another GUID", riff(chunk(b"fmt ", wav_fmt(0xfffe, extra=EXTRA + b"x" * 14)),
                                         chunk(b"data", DATA)), None),
    ("a wrong block_align", riff(chunk(b"fmt ", wav_fmt(align=7)), chunk(b"data", DATA)), None),
    ("block_align 0", riff(chunk(b"fmt ", wav_fmt(align=0)), chunk(b"data", DATA)), None),
    ("RIFX", riff(chunk(b"fmt ", struct.pack(">HHIIHH", 1, 1, 8000, 16000, 2, 16), order=">"),
                  chunk(b"data", raw(PCM, "i2", ">"), order=">"), name=b"RIFX"), WANTED),
    ("an unknown tag", riff(chunk(b"fmt ", wav_fmt(0x7777)), chunk(b"data", DATA)), None),
    ("text", b"1 2 3 4\n" * 20, None),
    ("nothing", b"", None), ("NPY", npy(EIGHT), None),
    ("an fmt of 2^32-1 bytes",
     riff(chunk(b"fmt ", wav_fmt(), size=0xffffffff), chunk(b"data", DATA)), None),
]

for _name, _data, _wanted in WAVS:
    @case(f"WAV with {_name}: right, or an error")
    @sound
    def _wavs(data=_data, wanted=_wanted):
        right_or_error(data, wanted)


@case("WAV: every channel is filtered, and what it was is kept")
@sound
def _wav_channels():
    for kind, peak in (("f4", 1), ("f8", 1), ("i2", 32768), ("i4", 1 << 31), ("u1", 128)):
        for channels in (1, 2, 6):
            x = [v / (1 << 13) for v in noise(60 * channels)] if kind[0] == "f" else \
                [int(v) % 200 + (0 if kind == "u1" else -100) for v in noise(60 * channels)]
            data = wav(x, kind, channels)
            with tempfile.TemporaryDirectory() as folder:
                for name in ("in.wav", "out.wav", "out.f64"):
                    open(os.path.join(folder, name), "wb").close()
                with open(os.path.join(folder, "in.wav"), "wb") as f:
                    f.write(data)
                for words in (["-x", "sequential"], ["-x", "processes", "-j", "3", "--chunk", "7"]):
                    done = run(["filter", *words, "-w", "1", "in.wav", "-o", "out.wav"], cwd=folder)
                    expect(done.status == 0 and done.out + done.err == b"", kind, done.status,
                           done.text())
                    with open(os.path.join(folder, "out.wav"), "rb") as f:
                        values, count, made = unwav(f.read())
                    expect((values, count, made) == (x, channels, kind), kind, channels,
                           "W = 1 gives", made, values[:9])
                    done = run(["filter", *words, "-w", "5", "-t", "f64", "in.wav", "-o",
                                "out.f64"], cwd=folder)
                    expect(done.status == 0, done.text())
                    with open(os.path.join(folder, "out.f64"), "rb") as f:
                        values = unraw(f.read())
                    for c in range(channels):
                        zero = 128 if kind == "u1" else 0
                        wanted = valid([(v - zero) / peak for v in x[c::channels]], 5)
                        near(values[c::channels], wanted, 5, (kind, channels), size=1)


@case("WAV: to a pipe and from a pipe, and another sound format by its name")
@sound
def _wav_pipe():
    x = [v / (1 << 13) for v in noise(1000)]
    data = wav(x, "f4", 2)
    done = run(["filter", "-w", "3", "-f", "wav", "-"], input=data)
    expect(done.status == 0 and done.err == b"", done.status, done.text())
    values, channels, kind = unwav(done.out)
    expect((channels, kind, len(values)) == (2, "f4", 996), channels, kind, len(values))
    for c in range(2):
        near(values[c::2], list(map(f32, valid(x[c::2], 3))), 3, "pipe", size=2 ** 29)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "in.wav"), "wb") as f:
            f.write(wav(PCM * 40))
        for name, magic in (("a.aiff", b"FORM"), ("a.flac", b"fLaC"), ("a.au", b".snd"),
                            ("a.w64", b"riff")):
            done = run(["filter", "-w", "1", "in.wav", "-o", name], cwd=folder)
            expect(done.status == 0, name, done.status, done.text())
            with open(os.path.join(folder, name), "rb") as f:
                expect(f.read(4) == magic, name)
            done = run(["filter", "-w", "1", name, "-o", "back.wav"], cwd=folder)
            expect(done.status == 0, name, "back", done.status, done.text())
            with open(os.path.join(folder, "back.wav"), "rb") as f:
                expect(unwav(f.read())[0] == PCM * 40, name, "comes back as something else")


@case("without libsndfile, sound is refused")
def _no_sound():
    if SOUND:
        raise Skip("built with libsndfile")
    done = run(["filter", "-w", "1", "-f", "wav", "-"], input=wav(PCM))
    expect(done.status in (1, 2) and done.out == b"" and "sound" in done.text(), done.status,
           done.text())


# -- pieces ---------------------------------------------------------------------------------

@case("input that comes in small pieces is read like a whole one")
def _pieces():
    import random
    x = noise(2000)
    chance = random.Random(1)
    made = [("text", text(x)), ("csv", csv([x, x], ["a", "b"])), ("npy", npy(x)), ("f64", raw(x)),
            ("f32", raw(x, "f4"))]
    for name, data in made + ([("wav", wav([v / 9000 for v in x], "f4"))] if SOUND else []):
        wanted = run(["filter", "-x", "sequential", "-w", "7", "-f", name, "-"], input=data)
        expect(wanted.status == 0 and wanted.out, name, wanted.text())
        for kind in ("sequential", "processes", "auto"):
            for most in (1, 1000, 9973):
                process = cli.start(["filter", "-x", kind, "-j", "2", "-w", "7", "-f", name, "-"],
                                    stdin=-1)
                at = 0
                limit = len(data) if most > 1 else 300  # one by one to begin with, then the rest
                while at < limit:
                    size = chance.randint(1, most)
                    at += os.write(process.stdin.fileno(), data[at:at + size])
                out, err = process.communicate(data[at:])
                expect(process.returncode == 0 and out == wanted.out, name, kind, most,
                       process.returncode, err)


@case("text, CSV, NPY, f64 and f32 hold the same values, and go from each to each")
def _each_to_each():
    x = [f32(v) for v in noise(300)]
    wanted = valid(x, 8)
    made = {".txt": text(x), ".csv": csv([x], ["x"]), ".npy": npy(x), ".f64": raw(x),
            ".f32": raw(x, "f4")}
    read = {".txt": untext, ".csv": lambda data: uncsv(data, b"x" == data[:1])[1][0],
            ".npy": lambda data: unnpy(data)[0],
            ".f64": unraw, ".f32": lambda data: unraw(data, "f4")}
    with tempfile.TemporaryDirectory() as folder:
        for first, data in made.items():
            with open(os.path.join(folder, "in" + first), "wb") as f:
                f.write(data)
            for second, reader in read.items():
                done = run(["filter", "-w", "8", "in" + first, "-o", "out" + second], cwd=folder)
                expect(done.status == 0 and done.out + done.err == b"", first, second, done.status,
                       done.text())
                with open(os.path.join(folder, "out" + second), "rb") as f:
                    values = reader(f.read())
                single = ".f32" in (first, second)
                near(values, wanted, 8, (first, second), size=4096 * (2 ** 29 if single else 1))
            for more, kind in (("f64", "<f8"), ("f32", "<f4")):
                done = run(["filter", "-w", "8", "-t", more, "in" + first, "-o", "out.npy"],
                           cwd=folder)
                with open(os.path.join(folder, "out.npy"), "rb") as f:
                    expect(unnpy(f.read())[1]["descr"] == kind, first, "-t", more)


if __name__ == "__main__":
    sys.exit(main())

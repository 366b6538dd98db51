"""signals.py - signals in the bytes of files: raw, NPY, WAV, CSV and text; and back."""
import ast
import math
import random
import struct

from cli import expect

LETTERS = {"f8": "d", "f4": "f", "i1": "b", "i2": "h", "i4": "i", "i8": "q",
           "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def noise(n, seed=1):
    chance = random.Random(seed)
    return [chance.randrange(-1 << 20, 1 << 20) / 256 for _ in range(n)]


def raw(values, kind="f8", order="<"):
    return struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)


def unraw(data, kind="f8"):
    count = len(data) // struct.calcsize(LETTERS[kind])
    return list(struct.unpack(f"<{count}{LETTERS[kind]}", data))


def f32(value):
    """The nearest number that f32 has."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


# -- NPY ------------------------------------------------------------------------------------

def npy_head(text, version=(1, 0), align=64):
    form = "<H" if version[0] == 1 else "<I"
    before = 8 + struct.calcsize(form)
    body = text.encode("utf-8") + b" " * (-(before + len(text.encode("utf-8")) + 1) % align) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(body)) + body


def npy(values, shape=None, descr="<f8", fortran=False, version=(1, 0)):
    """'values' in the order of the file."""
    shape = (len(values),) if shape is None else shape
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    return npy_head(text, version) + raw(values, descr[1:], ">" if descr[0] == ">" else "<")


def unnpy(data):
    """(values in the order of the file, head)."""
    expect(data[:8] == b"\x93NUMPY\x01\x00", "no npy header:", data[:16])
    size, = struct.unpack("<H", data[8:10])
    expect((10 + size) % 64 == 0, "the data is not aligned")
    head = ast.literal_eval(data[10:10 + size].decode("latin1"))
    expect(head["fortran_order"] is False and head["descr"] in ("<f8", "<f4"), head)
    values = unraw(data[10 + size:], head["descr"][1:])
    expect(math.prod(head["shape"]) == len(values), head, "and", len(values), "values")
    return values, head


# -- WAV ------------------------------------------------------------------------------------

GUID = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


def wav_fmt(tag=1, channels=1, rate=8000, bits=16, align=None, extra=b""):
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", tag, channels & 0xffff, rate, rate * align & 0xffffffff,
                       align & 0xffff, bits) + extra


def chunk(name, body, size=None, order="<"):
    return name + struct.pack(order + "I", len(body) if size is None
                              else size) + body + b"\0" * (len(body) % 2)


def riff(*chunks, size=None, name=b"RIFF", form=b"WAVE"):
    body = form + b"".join(chunks)
    return name + struct.pack(">I" if name == b"RIFX" else "<I", len(body) if size is None
                              else size) + body


def wav(values, kind="i2", channels=1, **fmt):
    tag, bits = {"u1": (1, 8), "i2": (1, 16), "i4": (1, 32), "f4": (3, 32), "f8": (3, 64)}[kind]
    return riff(chunk(b"fmt ", wav_fmt(tag, channels, bits=bits, **fmt)),
                chunk(b"data", raw(values, kind)))


def unwav(data):
    """(values of all channels, interleaved, as numbers of the file; channels; what they are). In a
    pipe the data may be as long as it comes: its size is 2^32-1 then."""
    expect(data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE", "no WAV:", data[:16])
    at, form, body = 12, None, None
    while at + 8 <= len(data):
        name, size = data[at:at + 4], struct.unpack("<I", data[at + 4:at + 8])[0]
        if name == b"fmt ":
            tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", data[at + 8:at + 24])
            if tag == 0xfffe:
                tag, = struct.unpack("<H", data[at + 32:at + 34])
            form = tag, channels, rate, bits
        elif name == b"data":
            body = data[at + 8:at + 8 + size]
            expect(size in (len(body), 0xffffffff), "data of", size, "bytes that are", len(body))
        at += 8 + size + size % 2
    expect(form and body is not None, "no format or no data")
    kind = {(1, 8): "u1", (1, 16): "i2", (1, 32): "i4", (3, 32): "f4", (3, 64): "f8"}[form[0],
                                                                                      form[3]]
    return unraw(body, kind), form[1], kind


# -- text -----------------------------------------------------------------------------------

def text(values):
    return "".join(f"{v!r}\n" for v in values).encode()


def untext(data):
    return [float(word) for word in data.split()]


def csv(columns, header=None, delimiter=",", end="\n"):
    rows = [delimiter.join(header)] if header else []
    rows += [delimiter.join(map(repr, row)) for row in zip(*columns)]
    return "".join(row + end for row in rows).encode()


def uncsv(data, header=True):
    """(the header's line or None, columns)."""
    lines = data.decode().split("\n")
    expect(lines[-1] == "", "the last line does not end")
    head = lines.pop(0) if header else None
    return head, [list(map(float, column)) for column in zip(*(line.split(",")
                                                               for line in lines[:-1]))]


# -- what is to come of it ------------------------------------------------------------------

def mean(window):
    """Exact but for the last rounding."""
    if any(v != v for v in window) or (math.inf in window and -math.inf in window):
        return math.nan
    for endless in (math.inf, -math.inf):
        if endless in window:
            return endless
    return math.fsum(window) / len(window)


def valid(values, w):
    return [mean(values[i:i + w]) for i in range(len(values) - w + 1)]


def outside(x, i, edges, fill):
    """Sample i of a signal that goes on beyond its ends."""
    n = len(x)
    if 0 <= i < n:
        return x[i]
    if edges == "reflect":
        i %= 2 * n
        return x[min(i, 2 * n - 1 - i)]
    if edges == "mirror":
        i = i % (2 * n - 2) if n > 1 else 0
        return x[min(i, 2 * n - 2 - i) if n > 1 else 0]
    if edges == "nearest":
        return x[0 if i < 0 else n - 1]
    if edges == "wrap":
        return x[i % n]
    return fill if edges == "constant" else 0.0


def averages(x, w, edges, fill=0.0, nan="propagate"):
    """What crew filter is to answer; tests/golden proves that numpy, scipy and pandas agree."""
    n = len(x)
    if n == 0:
        return []
    first, count = {"valid": (0, n - w + 1), "full": (1 - w, n + w - 1), "shrink": (1 - w, n),
                    "same": (1 - w + (min(n, w) - 1) // 2, max(n, w))}.get(edges, (-(w // 2), n))
    made = []
    for o in range(first, first + count):
        if edges == "shrink":
            window = x[max(0, o):o + w]
        else:
            window = [outside(x, i, edges, fill) for i in range(o, o + w)]
        if nan == "skip":
            window = [v for v in window if v == v] or [math.nan]
        made.append(mean(window))
    return made


def slack(power, w):
    """What rounding may cost a mean of w samples of this size: 2^power is at least the mean of their
    absolute values. Summed one by one they could lose w * 2^-53 of it, and lose its root."""
    return math.ldexp(4 + 2 * math.sqrt(w), power - 53) + 5e-324


def same(got, wanted, tolerance):
    return (got != got and wanted != wanted) or got == wanted or abs(got - wanted) <= tolerance


def near(got, wanted, w=1, about="", size=None):
    """'size': the largest sample; else the largest mean."""
    expect(len(got) == len(wanted), about, len(got), "values, not", len(wanted))
    finite = [abs(v) for v in wanted if math.isfinite(v)]
    power = math.frexp(size or max(finite, default=0))[1]
    for i, (a, b) in enumerate(zip(got, wanted)):
        expect(same(a, b, slack(power, w)), about, "value", i, "is", repr(a), "not", repr(b))

"""filter_life_test.py CREW [sound] - crew filter when the world does not play along.

Description: half a result that looks whole, an older result that is lost, a crash because a file became
shorter while it was read, memory that grows with the input, a killed worker that changes a number.
"""
import hashlib
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

import cli
from cli import (Skip, case, children, drain, environment, expect, main, namespace,
                 nothing_left, rlimit,
                 run, shell, shown, start, unprivileged)
from signals import csv, near, noise, npy, raw, text, unraw, valid, wav

KINDS = ("sequential", "threads", "processes", "auto")
SANITIZED = cli.is_sanitized()
SOUND = "sound" in sys.argv[2:]

# So long that every signal finds it at work, and its first lines come at once.
ENDLESS = ["filter", "-w", "101", "--generate", "1e15"]
X = noise(2000)
MEAN = valid(X, 11)


def one_line(done, words, what=""):
    """It failed as it should: status 1, and one line that says why."""
    expect(done.status == 1, shown(words), "status", done.status, done.text())
    expect(done.err.startswith(b"crew filter: ") and done.err.count(b"\n") == 1, shown(words),
           done.text())
    expect(all(0x20 <= c < 0x7f for c in done.err[:-1]), shown(words), done.err)
    expect(what in done.text(), shown(words), "does not say", what, "but", done.text())


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


# -- standard streams ---------------------------------------------------------------------

@case("a full device is told, with status 1, in every format")
def _full():
    for words in (["--generate", "1e5"], ["--generate", "10"], ["-f", "f64", "--generate", "1e5"],
                  ["-f", "npy", "--generate", "1e5"], ["-f", "csv", "--generate", "1e5"],
                  ["--json", "--generate", "10"],
                  ["--help"], ["--compare", "--runs", "1", "--generate", "1000"],
                  ["-o", "/dev/full", "--generate", "1e5"]):
        for kind in KINDS[:1] if words[0] in ("--help", "--compare") else KINDS:
            with open("/dev/full", "wb") as full:
                done = run(["filter", "-w", "3", "-x", kind, *words], stdout=full)
            one_line(done, words, "No space left")


@case("a closed standard output is told, and no other file is written instead")
def _closed():
    with tempfile.TemporaryDirectory() as folder:
        path = write(os.path.join(folder, "in"), text(X))
        for words in ("", "-x processes", "-x threads", "-f f64"):
            one_line(shell(f'"$0" filter -w 1000 {words} --generate 1e5 >&-'), [words])
            one_line(shell('"$0" filter -w 11 -x processes "$1" >&-', path), [words])
        expect(read(path) == text(X), "the input was written to")
        one_line(shell('"$0" filter -w 11 - <&-'), ["<&-"])
        for kind in KINDS:
            done = shell(f'"$0" filter -w 11 -x {kind} "$1" <&- 2>&-', path)
            expect(done.status == 0 and len(done.out.split()) == len(MEAN), kind, done.status)
            out = os.path.join(folder, "out.f64")
            done = shell(f'"$0" filter -w 11 -x {kind} "$1" -o "$2" <&- >&- 2>&-', path, out)
            expect(done.status == 0 and len(read(out)) == 8 * len(MEAN), kind, done.status)


@case("a reader that goes away ends it in silence, with status 0")
def _head():
    for kind in KINDS:
        for words in ([], ["-f", "csv"], ["-f", "f64"], ["-f", "f32"], ["-f", "npy"], ["--json"]):
            process = start([*ENDLESS, *words, "-x", kind, "-j", "3"])
            got = os.read(process.stdout.fileno(), 5)
            process.stdout.close()
            err = process.stderr.read()
            process.stderr.close()
            status = process.wait(cli.LIMIT)
            expect(got and status == 0 and err == b"", words, kind, "status", status, err)
            nothing_left()
    for prefix in ("", "trap '' PIPE; "):
        done = shell(prefix
                     + '"$0" filter -w 3 --generate 1e15 | head -1 | wc -l; echo "${PIPESTATUS[0]}"')
        expect(done.out == b"1\n0\n" and done.err == b"", done.out, done.text())


@case("between an endless writer and a reader of one line it ends, with status 0")
def _middle():
    for kind in KINDS:
        done = shell(f'yes 1.5 2.5 | "$0" filter -w 2 -x {kind} - | head -1; echo "${{PIPESTATUS[1]}}"')
        expect(done.out == b"2\n0\n" and done.err == b"", kind, done.out, done.text())
        done = shell(f'(echo a,b; yes 1.5,2.5) | "$0" filter -w 2 -f csv -x {kind} - | head -2; '
                     'echo "${PIPESTATUS[1]}"')
        expect(done.out == b"a,b\n1.5,2.5\n0\n" and done.err == b"", kind, done.out, done.text())
        done = shell(f'"$0" filter -w 2 -x {kind} -f f64 /dev/zero | head -c 80 | wc -c; '
                     'echo "${PIPESTATUS[0]}"')
        expect(done.out == b"80\n0\n" and done.err == b"", kind, done.out, done.text())


@case("the first averages of a slow writer come before its last numbers")
def _slow():
    for kind in KINDS:
        process = start(["filter", "-w", "2", "-x", kind, "-"], stdin=subprocess.PIPE)
        os.write(process.stdin.fileno(), b"1 2 3\n4 5 6\n" * 100000)
        expect(os.read(process.stdout.fileno(), 4) == b"1.5\n", kind)
        out, err = process.communicate(b"7\n")
        expect(process.returncode == 0 and out.endswith(b"6.5\n") and out.count(b"\n") == 599999,
               kind, len(out), err)


@case("/dev/null and an empty input are signals of nothing")
def _null():
    for words in (["/dev/null"], ["-"]):
        for kind in KINDS:
            done = run(["filter", "-x", kind, "-w", "3", "-e", "same", *words])
            expect(done.status == 0 and done.out + done.err == b"", words, kind, done.status,
                   done.text())
            done = run(["filter", "-x", kind, "-w", "3", *words])
            expect(done.status == 2 and done.out == b"", words, kind, done.status, done.text())
    done = run(["filter", "-w", "3", "/dev/zero"])
    one_line(done, ["/dev/zero"], "line 1")


@case("named pipes: read, written, and closed by their reader")
def _fifo():
    with tempfile.TemporaryDirectory() as folder:
        first, last = os.path.join(folder, "in.f64"), os.path.join(folder, "out.f64")
        os.mkfifo(first)
        os.mkfifo(last)
        for kind in KINDS:
            process = start(["filter", "-x", kind, "-w", "11", first, "-o", last])
            writer = threading.Thread(target=write, args=(first, raw(X)))
            writer.start()
            near(unraw(read(last)), MEAN, 11, kind, size=8192)
            writer.join()
            expect(process.communicate() == (b"", b"") and process.returncode == 0, kind,
                   process.returncode)
            process = start([*ENDLESS, "-x", kind, "-o", last])
            with open(last, "rb") as reader:
                expect(len(reader.read(8)) == 8, kind)
            expect(process.communicate() == (b"", b"") and process.returncode == 0, kind,
                   process.returncode)
            expect(stat.S_ISFIFO(os.stat(last).st_mode) and len(os.listdir(folder)) == 2,
                   "the pipe was replaced")


@case("pipes that do not wait: every byte is read and written")
def _nonblocking():
    for kind in KINDS:
        ours, theirs = os.pipe()
        source, sink = os.pipe()
        os.set_blocking(theirs, False)
        os.set_blocking(source, False)
        process = start(["filter", "-x", kind, "-w", "11", "-f", "f64", "-"], stdin=source,
                        stdout=theirs)
        os.close(theirs)
        os.close(source)
        data = raw(X * 50)

        def feed(sink=sink, data=data):
            for at in range(0, len(data), 50001):
                os.write(sink, data[at:at + 50001])
            os.close(sink)
        writer = threading.Thread(target=feed)
        writer.start()
        with os.fdopen(ours, "rb") as reader:
            got = reader.read()
        writer.join()
        _, err = process.communicate()
        expect(process.returncode == 0 and len(got) == len(data) - 80, kind, len(got),
               process.returncode, err)


# -- files --------------------------------------------------------------------------------

FORMATS = {"txt": text(X), "csv": csv([X], ["x"]), "npy": npy(X), "f64": raw(X),
           "f32": raw(X, "f4")}
if SOUND:
    FORMATS["wav"] = wav([v / 9000 for v in X], "f4")


@case("an output appears whole: replaced, its mode and links kept, with nothing beside it")
def _file():
    for ending, data in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            first, path, link = (os.path.join(folder, name + "." + ending)
                                 for name in ("in", "out", "link"))
            write(first, data)
            wholes = set()
            for kind in KINDS:
                done = run(["filter", "-x", kind, "-w", "11", first, "-o", path])
                expect(done.status == 0 and done.out + done.err == b"", ending, done.text())
                wholes.add(read(path))
                expect(len(os.listdir(folder)) == 2, os.listdir(folder))
            expect(len(wholes) == 1, ending, "another result in the file")
            os.chmod(path, 0o640)
            os.symlink("out." + ending, link)
            done = run(["filter", "-w", "1", first, "-o", link])
            expect(done.status == 0, "through a link", done.text())
            expect(os.path.islink(link) and len(read(path)) >= len(data) - 80,
                   "the link was replaced")
            expect(stat.S_IMODE(os.stat(path).st_mode) == 0o640, "the mode was lost")
            expect(len(os.listdir(folder)) == 3, os.listdir(folder))


@case("input and output may be the same file, by one name, two, or a link")
def _itself():
    for ending, data in FORMATS.items():
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                path, second, link = (os.path.join(folder, name + "." + ending)
                                      for name in ("a", "b", "c"))
                write(path, data)
                wanted = run(["filter", "-w", "11", path, "-o", second])
                wanted = read(second)
                os.unlink(second)
                os.link(path, second)
                os.symlink("a." + ending, link)
                for out in (second, link):
                    expect(run(["filter", "-x", kind, "-w", "11", path, "-o", out]).status == 0,
                           ending, kind)
                    expect(read(out) == wanted, ending, kind, "another result")
                    write(path, data)


@case("into a file of numbers, which workers write themselves: the bytes of a pipe")
def _places():
    x, n = noise(30011), 10003
    with tempfile.TemporaryDirectory() as folder:
        def same_bytes(words, ending, more):
            out = os.path.join(folder, "out." + ending)
            wanted = run(["filter", *words, "-x", "sequential", "-f", ending, *more])
            expect(wanted.status == 0, shown(words), wanted.text())
            for kind in KINDS:
                for chunk in ([], ["--chunk", "777"], ["--chunk", "1e9"]):
                    if chunk and kind == "auto":
                        continue
                    done = run(["filter", *words, "-x", kind, "-j", "3", *chunk, "-f", ending, *more,
                                "-o", out])
                    expect(done.status == 0 and done.out + done.err == b"", shown(words), kind,
                           done.text())
                    expect(read(out) == wanted.out, shown(words), kind, chunk, "other bytes")

        inputs = {"f64": raw(x), "f32": raw(x, "f4")}
        made = {name: write(os.path.join(folder, "in." + name), data) for name, data in inputs.items()}
        rows = write(os.path.join(folder, "in.npy"), npy(x[:3 * n], (n, 3), "<f4"))
        columns = write(os.path.join(folder, "columns.npy"), npy(x[:3 * n], (n, 3), ">f8", True))
        whole = write(os.path.join(folder, "whole.npy"), npy(list(range(n)), (n,), "<i4"))
        none = write(os.path.join(folder, "none.npy"), npy([], (0, 3)))
        for edges in ("valid", "same", "full", "reflect", "mirror", "nearest", "wrap", "shrink"):
            same_bytes(["-w", "1001", "-e", edges], "f64", [made["f64"]])
            same_bytes(["-w", "101", "-e", edges], "npy", [rows])
        same_bytes(["-w", "20001"], "f32", [made["f32"]])
        same_bytes(["-w", "7", "--nan", "skip"], "npy", [columns])
        same_bytes(["-w", "7", "-t", "f32"], "npy", [whole])
        same_bytes(["-w", "7", "-e", "same"], "npy", [none])
        same_bytes(["-w", "501"], "f64", ["--generate", "300000"])


@case("an output that exists stays as it was when the run fails")
def _kept():
    for ending, data in (("txt", text(X) + b"x"), ("csv", csv([X]) + b"x\n"), ("npy", npy(X)[:-1]),
                         ("f64", raw(X) + b"x")):
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                path, out = os.path.join(folder, "in." + ending), os.path.join(folder, "out."
                                                                               + ending)
                write(path, data)
                for old in (b"old", None):
                    if old:
                        write(out, old)
                    elif os.path.exists(out):
                        os.unlink(out)
                    one_line(run(["filter", "-x", kind, "-w", "11", path, "-o", out]),
                             [ending, kind], "in." + ending)
                    expect(len(os.listdir(folder)) == (2 if old else 1), os.listdir(folder))
                    expect(not old or read(out) == old, "the old output is gone")
                    done = run(["filter", "-x", kind, "-w", "11", path, "-o", path])
                    expect(done.status == 1 and read(path) == data,
                           "input = output: the input is gone")


@case("a file that can't be read or made is told, in plain text")
def _no_file():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        good = write(os.path.join(folder, "good"), text(X))
        loop = os.path.join(folder, "loop")
        os.symlink("loop", loop)
        os.symlink("nowhere", os.path.join(folder, "dangling"))
        names = len(os.listdir(folder))
        where = os.fsencode(folder)
        for path, what in ((b"none", "No such file"), (b".", "directory"),
                           (b"loop", "symbolic links"), (b"dangling", "No such file"),
                           (b"x" * 300, "too long"), (b"x/" * 2500, "too long"),
                           (b"no\nsuch\nfile", "x0a"), (b"no\xff\xc3", "xff"),
                           (b"good/x", "Not a directory"), (b"\x1b[31m", "x1b")):
            one_line(run(["filter", "-w", "3", os.path.join(where, path)]), [path], what)
            one_line(run(["filter", "-w", "3", "-x", "processes", os.path.join(where, path), "-o",
                          folder + "/out"]), [path], what)
        one_line(run(["filter", "-w", "3", ""]), ["no name"])
        for path in (b".", b"none/out", b"loop", b"x" * 300, b"good/x", b"", b"/proc/crew"):
            one_line(run(["filter", "-w", "3", good, "-o", os.path.join(where, path) if path
                          else b""]), ["-o", path])
        expect(len(os.listdir(folder)) == names, os.listdir(folder))
        for name in (b"two\nlines", b"\xff\xc3\x28", b"-", b"x" * 255):
            path = os.path.join(where, name)
            write(path, text(X))
            done = run(["filter", "-w", "11", path, "-o", path])
            expect(done.status == 0 and done.err == b"" and len(read(path).split()) == len(MEAN),
                   name, done.text())
            os.unlink(path)
        write(os.path.join(where, b"bad\n\xff"), b"1 x")
        one_line(run(["filter", "-w", "1", os.path.join(where, b"bad\n\xff")]), ["bad"],
                 "line 1, column 3")
        readable = write(os.path.join(folder, "readable"), text(X))
        readonly = write(os.path.join(folder, "readonly"), b"old")
        for path, mode in ((good, 0), (readonly, 0o444), (folder, 0o555)):
            os.chmod(path, mode)
        try:
            with unprivileged() as (prefix, crew):
                for words in ([good], [readable, "-o", readonly], [readable, "-o", folder + "/new"]):
                    done = subprocess.run([*prefix, crew, "filter", "-w", "3", *words],
                                          env=environment(), capture_output=True, check=False)
                    expect(done.returncode == 1 and b"Permission denied" in done.stderr
                           and done.stderr.count(b"\n") == 1, words, done)
        finally:
            os.chmod(folder, 0o755)
        expect(read(readonly) == b"old", "it was replaced")


@case("a file that becomes shorter while it is read is an error or an end, no crash and no half output")
def _shrinks():
    size = 64 << 20
    for ending in ("f64", "npy", "txt"):
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "in." + ending)
                with open(path, "wb") as f:
                    if ending == "txt":
                        f.write(b"1.5\n" * (size // 32))
                    else:
                        f.write(npy([], (size // 8,)) if ending == "npy" else b"")
                        f.truncate(f.tell() + size)
                process = start(["filter", "-x", kind, "-j", "2", "-w", "11", "-f",
                                 {"txt": "text"}.get(ending, ending), path])
                expect(os.read(process.stdout.fileno(), 1), "nothing comes")
                os.truncate(path, 4096)
                _, err = drain(process)
                about = f"{ending}, {kind}: status {process.returncode}, {err!r}"
                expect(process.returncode == 1 or ending == "txt" and process.returncode == 0,
                       about)
                expect(err.count(b"\n") == process.returncode, about)


@case("a file that grows while it is read is read to some end")
def _grows():
    for ending in ("f64", "txt"):
        with tempfile.TemporaryDirectory() as folder:
            path = write(os.path.join(folder, "in." + ending), b"1.5 1.5\n" * 1000000)
            process = start(["filter", "-w", "11", "-f", {"txt": "text"}.get(ending, ending), path])
            os.read(process.stdout.fileno(), 1)
            with open(path, "ab") as f:
                f.write(b"1.5 1.5\n" * 1000)
            _, err = drain(process)
            expect(process.returncode == 0 and err == b"", ending, process.returncode, err)


@case("a file of more than 2 GB, and one of a terabyte that is mostly holes")
def _sparse():
    if SANITIZED:
        raise Skip("takes too long with a sanitizer")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.f32")
        try:
            with open(path, "wb") as f:
                f.truncate((1 << 31) + 4000)
                f.seek((1 << 31) + 3996)
                f.write(raw([4.0], "f4"))
            done = shell('"$0" filter -w 4 -f f32 "$1" | { head -c 16; tail -c 8; }; '
                         'echo "${PIPESTATUS[0]}"', path)
            expect(done.out == bytes(16) + raw([0.0, 1.0], "f4") + b"0\n" and done.err == b"",
                   done.out, done.text())
            os.truncate(path, 1 << 40)
        except OSError as error:
            raise Skip(f"no such file can be made here: {error}")
        for kind in KINDS:
            done = shell(f'"$0" filter -x {kind} -w 1001 -f f32 "$1" | head -c 800 | wc -c; '
                         'echo "${PIPESTATUS[0]}"', path)
            expect(done.out == b"800\n0\n" and done.err == b"", kind, done.out, done.text())


@case("a disk that is full at any byte is told, and no part of the output stays")
def _disk_full():
    whole = raw(noise(150000))
    with tempfile.TemporaryDirectory() as folder:
        path = write(os.path.join(folder, "in.f64"), whole)
        for size in ("4k", "64k", "1100k"):
            for ending in ("f64", "npy", "txt"):
                for kind in KINDS[:3]:
                    script = (f'mount -t tmpfs -o size={size} none /mnt && cd /mnt && '
                              f'echo old >out.{ending} && '
                              f'"$0" filter -x {kind} -w 3 "$1" -o out.{ending}; '
                              f'echo "$? $(cat out.{ending}) $(ls -A)"')
                    done = namespace(script, path)
                    expect(done.out == f"1 old out.{ending}\n".encode(), size, ending, kind,
                           done.out, done.text())
                    expect("No space left" in done.text() and done.err.count(b"\n") == 1,
                           done.text())
        for size in ("5m", "15m"): # some of it is reserved, or nearly all
            for kind in KINDS:
                done = namespace(f'mount -t tmpfs -o size={size} none /mnt && cd /mnt && '
                                 f'"$0" filter -x {kind} -w 3 --generate 2e6 -o out.npy; '
                                 'echo "$? $(ls -A)"')
                expect(done.out == b"1 \n", size, kind, done.out, done.text())
                expect("No space left" in done.text() and done.err.count(b"\n") == 1, done.text())


@case("an output whose folder is removed is told")
def _folder_gone():
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            inner = os.path.join(folder, "inner")
            os.mkdir(inner)
            process = start(["filter", "-x", kind, "-w", "2", "-f", "text", "-v", "-", "-o", inner
                             + "/out"], stdin=subprocess.PIPE)
            os.write(process.stdin.fileno(), b"1 2 3\n" * 10000)
            deadline = time.monotonic() + cli.LIMIT
            while open_in(process.pid,
                          inner) == 0 and process.poll() is None and time.monotonic() < deadline:
                os.sched_yield()
            shutil.rmtree(inner)
            _, err = process.communicate(b"4 5 6\n")
            expect(process.returncode == 1 and b"No such file" in err, kind, process.returncode,
                   err)
            expect(os.listdir(folder) == [], os.listdir(folder))


def open_in(pid, folder):
    """How many descriptors of a process are for files of this folder."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith(folder + "/")
        except OSError:
            pass
    return count


@case("a pipe into an NPY on a pipe: the right bytes, and no temporary file is left, however it ends")
def _spool():
    with tempfile.TemporaryDirectory() as folder:
        env = environment(TMPDIR=folder)
        data = text(X)
        wanted = run(["filter", "-w", "11", "-f", "text", "-", "-o", folder + "/a.npy"], input=data)
        wanted = read(folder + "/a.npy")
        os.unlink(folder + "/a.npy")
        for kind in KINDS:
            done = run(["filter", "-x", kind, "-w", "11", "-f", "npy", "-"], input=npy(X), env=env)
            expect(done.status == 0 and done.out == wanted and os.listdir(folder) == [], kind,
                   done.text(), os.listdir(folder))
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = start(["filter", "-w", "11", "-e", "wrap", "-f", "text", "-"],
                            stdin=subprocess.PIPE, env=env)
            os.write(process.stdin.fileno(), data * 20)
            os.kill(process.pid, number)
            process.communicate()
            expect(process.returncode == -number and os.listdir(folder) == [], number,
                   process.returncode, os.listdir(folder))
        done = run(["filter", "-w", "11", "-e", "wrap", "-f", "text", "-"], input=data,
                   env=environment(TMPDIR=folder + "/none"))
        if done.status:
            one_line(done, ["TMPDIR"])


# -- signals ------------------------------------------------------------------------------

@case("signals end it at once and at the end of a line, with the status of the signal")
def _signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        for kind in KINDS:
            for after in (0, 1, 100000, 3000000):
                process = start([*ENDLESS, "-x", kind, "-j", "3"])
                got = b""
                while len(got) < after:
                    got += os.read(process.stdout.fileno(), min(1 << 16, after - len(got)))
                os.kill(process.pid, number)
                rest, err = drain(process)
                nothing_left()
                out = got + rest
                about = f"{signal.Signals(number).name} after {after} bytes, {kind}"
                expect(process.returncode == -number, about, "status", process.returncode)
                expect(err == b"" and (out == b"" or out.endswith(b"\n")), about, err, "ends with",
                       out[-30:])
    done = shell('"$0" filter -w 3 --generate 1e15 >/dev/null & sleep 0.05; kill -TERM $!; '
                 'wait $!; echo $?')
    expect(done.out == b"143\n", "as a shell sees it:", done.out, done.text())


@case("signals end it while it waits for its input or its reader")
def _waiting():
    for kind in KINDS:
        for number in (signal.SIGINT, signal.SIGTERM):
            process = start(["filter", "-x", kind, "-w", "2", "-"], stdin=subprocess.PIPE)
            os.write(process.stdin.fileno(), b"1 2 3\n")
            wait_asleep(process)
            os.kill(process.pid, number)
            expect(process.wait(cli.LIMIT) == -number, kind, process.returncode)
            drain(process)
            nothing_left()
            process = start([*ENDLESS, "-x", kind])
            os.read(process.stdout.fileno(), 1)
            wait_asleep(process)
            os.kill(process.pid, number)
            expect(process.wait(cli.LIMIT) == -number, kind, process.returncode)
            drain(process)
            nothing_left()


def wait_asleep(process):
    """Until it sleeps, most likely for whom it waits; the test holds whenever it is."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with open(f"/proc/{process.pid}/stat", "rb") as f:
            if f.read().rsplit(b") ", 1)[1][:1] == b"S":
                return
        os.sched_yield()


@case("signals at any moment leave nothing behind, and an older file as it was")
def _moments():
    chance = random.Random(os.getpid())
    with tempfile.TemporaryDirectory() as folder:
        endings = ("txt", "npy", "f64", "csv") + (("wav",) if SOUND else ())
        for turn in range(40):
            kind = KINDS[turn % 4]
            name = "out." + endings[turn % len(endings)]
            path = os.path.join(folder, name)
            if turn % 2:
                write(path, b"old")
            number = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
            process = start(["filter", "-w", "101", "-x", kind, "--generate", "1e11", "-o", path])
            time.sleep(0.001 * 300 ** chance.random())  # the moment is what is tried out
            os.kill(process.pid, number)
            _, err = process.communicate()
            expect(process.returncode == -number, kind, name, "status", process.returncode, err)
            nothing_left()
            expect(os.listdir(folder) == [name] * (turn % 2), "left:", os.listdir(folder))
            if turn % 2:
                expect(read(path) == b"old", kind, name, "the old file is gone")
                os.unlink(path)


@case("stopped and continued, it goes on where it was")
def _stopped():
    words = ["filter", "-w", "101", "--generate", "1e6", "-f", "f64"]
    whole = run([*words, "-x", "sequential"]).out
    for kind in KINDS:
        process = start([*words, "-x", kind, "-j", "2"], preexec_fn=os.setpgrp)
        got = os.read(process.stdout.fileno(), 1000)
        os.kill(process.pid, signal.SIGTSTP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        os.kill(process.pid, signal.SIGCONT)
        rest, _ = drain(process)
        expect(process.returncode == 0 and got + rest == whole, kind, process.returncode)


@case("with all signals blocked and SIGCHLD ignored the result is the same")
def _blocked():
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    wanted = run(["filter", "-w", "11", "-"], input=text(X)).out
    for kind in KINDS:
        done = run(["filter", "-x", kind, "-w", "11", "-"], input=text(X), preexec_fn=block)
        expect(done.status == 0 and done.out == wanted, kind, done.status, done.text())


# -- dying workers ------------------------------------------------------------------------

def killed(words, feed=None):
    """Kills a worker whenever another 64 KiB have come: the digest of what came, how often."""
    got, count = hashlib.sha256(), 0
    process = start([*words, "-x", "processes", "-j", "2", "-v"], env=cli.without_leak_checker(),
                    **({"stdin": subprocess.PIPE} if feed else {}))
    writer = threading.Thread(target=feed, args=(process.stdin,)) if feed else None
    if writer:
        writer.start()
    # A worker that never lives to the end of a task gets nothing done.
    every = 0.200 if SANITIZED else 0.005
    due = time.monotonic()
    while data := os.read(process.stdout.fileno(), 1 << 16):
        got.update(data)
        if time.monotonic() < due:
            continue
        for pid in children(process.pid)[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
                count += 1
            except ProcessLookupError:
                pass
        due = time.monotonic() + every
    err = process.stderr.read()
    process.wait(cli.LIMIT)
    if writer:
        writer.join()
        process.stdin = None
    process.communicate()
    expect(process.returncode == 0, shown(words), "status", process.returncode, err)
    expect(count > 0 and b"died" in err, shown(words), count, "killed", err)
    return got.digest(), count


@case("a worker killed again and again changes no byte, in every format")
def _killed():
    n = "1e6" if SANITIZED else "8e6"
    with tempfile.TemporaryDirectory() as folder:
        for ending, words in (("f64", []), ("npy", ["-e", "reflect"]), ("txt", ["--nan", "skip"]),
                              ("csv", [])):
            path = os.path.join(folder, "in." + ending)
            form = {"txt": "text"}.get(ending, ending)
            more = n if ending in ("f64", "npy") else str(int(float(n)) // 4)
            run(["filter", "-w", "1", "--generate", more, "-o", path])
            base = ["filter", "-w", "101", *words, "-f", form]
            process = start([*base, "-x", "sequential", path])
            wanted = hashlib.sha256()
            while data := os.read(process.stdout.fileno(), 1 << 20):
                wanted.update(data)
            process.communicate()
            expect(process.returncode == 0, ending, process.returncode)
            for more in ([path], ["--chunk", "30011", path]):
                expect(killed([*base, *more])[0] == wanted.digest(), ending, shown(more),
                       "other bytes")

            def feed(pipe, path=path):
                with open(path, "rb") as f:
                    shutil.copyfileobj(f, pipe, 1 << 16)
                pipe.close()
            if ending != "npy":
                expect(killed([*base, "-"], feed)[0] == wanted.digest(), ending,
                       "from a pipe: other bytes")
            os.unlink(path)


@case("a worker killed again and again while it writes its part of a file changes no byte")
def _killed_at_place():
    if SANITIZED:
        raise Skip("when a sanitized worker starts and ends is too uncertain to hit it; the release build does")
    every = 0.004
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.npy")
        for words in (["--generate", "3e7"], ["--chunk", "30011", "--generate", "2e7"]):
            base = ["filter", "-w", "101", "-o", out, *words]
            expect(run([*base, "-x", "sequential"]).status == 0, shown(words))
            wanted = hashlib.sha256(read(out)).digest()
            os.unlink(out)
            process = start([*base, "-x", "processes", "-j", "2", "-v"], env=cli.without_leak_checker())
            count = 0
            while process.poll() is None:
                for pid in children(process.pid)[:1]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                        count += 1
                    except ProcessLookupError:
                        pass
                try:
                    process.wait(every)
                except subprocess.TimeoutExpired:
                    pass
            _, err = process.communicate()
            expect(process.returncode == 0 and count > 0 and b"died" in err, shown(words),
                   process.returncode, count, "killed", err)
            expect(hashlib.sha256(read(out)).digest() == wanted, shown(words), "other bytes")
            expect(os.listdir(folder) == ["out.npy"], os.listdir(folder))


@case("a worker killed at each chunk changes no byte")
def _each_chunk():
    x = noise(20000)
    for form, data in (("f64", raw(x)), ("text", text(x))):
        base = ["filter", "-w", "11", "-f", form, "--chunk", "500", "-"]
        wanted = run(base, input=data).out
        process = start([*base, "-x", "processes", "-j", "2"], stdin=subprocess.PIPE,
                        env=cli.without_leak_checker())
        out = []
        reader = threading.Thread(target=lambda: out.append(process.stdout.read()))
        reader.start()
        step = len(data) // 12
        for at in range(0, len(data), step):
            os.write(process.stdin.fileno(), data[at:at + step])
            for pid in children(process.pid)[:1]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        process.stdin.close()
        reader.join()
        err = process.stderr.read()
        process.wait(cli.LIMIT)
        expect(process.returncode == 0 and out[0] == wanted, form, process.returncode, len(out[0]),
               err)


@case("when it is killed, its workers end, also while it waits for input")
def _root_killed():
    for kind in ("processes", "auto", "threads"):
        process = start([*ENDLESS, "-x", kind, "-j", "3"])
        got = 0
        while got < 3_000_000:
            got += len(os.read(process.stdout.fileno(), 1 << 20))
        os.kill(process.pid, signal.SIGKILL)
        drain(process)
        nothing_left()
        process = start(["filter", "-w", "2", "-x", kind, "-j", "3", "-"], stdin=subprocess.PIPE)
        os.write(process.stdin.fileno(), b"1 2 3\n" * 10000)
        os.kill(process.pid, signal.SIGKILL)
        drain(process)
        nothing_left()


# -- limits -------------------------------------------------------------------------------

def fed(words, block, size):
    """The most memory that the command or one of its workers had, in KiB, for 'size' bytes of input."""
    process = start(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
    for _ in range(size // len(block)):
        process.stdin.write(block)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    expect(status == 0, shown(words), status)
    return usage.ru_maxrss


@case("memory does not grow with an endless pipe, in any format")
def _flat():
    if SANITIZED:
        raise Skip("the sanitizer keeps freed memory")
    x = noise(1 << 15)
    for form, data, small, large in (("f64", raw(x), 40, 300), ("text", text(x), 20, 100),
                                     ("csv", csv([x, x]), 20, 100)):
        for kind in KINDS:
            words = ["filter", "-w", "1001", "-x", kind, "-j", "2", "-f", form, "-"]
            least, most = (fed(words, data, mib << 20) for mib in (small, large))
            expect(most < least + (16 << 10), form, kind, least, "KiB for", small, "MiB,", most,
                   "KiB for", large, "MiB")


@case("memory does not grow with a file")
def _flat_file():
    if SANITIZED:
        raise Skip("the sanitizer keeps freed memory")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.f64")

        def peak(kind, size):
            with open(path, "wb") as f:
                f.truncate(size)
            process = start(["filter", "-x", kind, "-j", "2", "-w", "1001", path, "-o",
                             "/dev/null"], stderr=subprocess.DEVNULL)
            process.stdout.close()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
            expect(status == 0, kind, status)
            return usage.ru_maxrss
        for kind in KINDS:
            small, large = (peak(kind, mib << 20) for mib in (60, 400))
            expect(large < small + (16 << 10), kind, "peak", small, "KiB for 60 MiB,", large,
                   "KiB for 400 MiB")


@case("under limits of memory, descriptors, processes and file size: the averages, or why not")
def _limits():
    with tempfile.TemporaryDirectory() as folder:
        path = write(os.path.join(folder, "in.f64"), raw(noise(100000)))
        whole = run(["filter", "-w", "101", "-f", "f64", path]).out
        for kind in KINDS:
            words = ["filter", "-w", "101", "-x", kind, "-j", "2", "-f", "f64", path]
            kinds = [(resource.RLIMIT_NOFILE, n) for n in (3, 4, 5, 6, 8, 12,
                                                           20)] + [(resource.RLIMIT_CORE, 0),
                                                                   (resource.RLIMIT_FSIZE, 0)]
            if not SANITIZED:  # it wants terabytes of address space for itself
                kinds += [(resource.RLIMIT_AS, mib << 20)
                          for mib in (16, 32, 64, 128, 512)] + [(resource.RLIMIT_STACK, 64 << 10)]
            for which, value in kinds:
                done = run(words, preexec_fn=rlimit(which, value))
                if done.status == 127 or b"error while loading" in done.err:
                    continue  # not even the loader found room
                if done.status == 0:
                    expect(done.out == whole, kind, which, value, "other averages")
                else:
                    expect(done.status == 1 and done.err.startswith(b"crew filter: ")
                           and done.err.count(b"\n") == 1, kind, which,
                           value, done.status, done.text())
        out = os.path.join(folder, "out.f64")
        for kind in KINDS:
            if kind != "processes": # the arena is a file, too
                done = run(["filter", "-x", kind, "-w", "101", path, "-o", out],
                           preexec_fn=rlimit(resource.RLIMIT_FSIZE, 100000))
                one_line(done, ["a limit of the file's size"], "File too large")
                expect(not os.path.exists(out), "a part of it stays")
            for mib in () if SANITIZED else (16, 32, 64, 128, 512):
                done = run(["filter", "-x", kind, "-j", "2", "-w", "101", path, "-o", out],
                           preexec_fn=rlimit(resource.RLIMIT_AS, mib << 20))
                if done.status == 0:
                    expect(read(out) == whole, kind, mib, "other averages")
                    os.unlink(out)
                elif done.status != 127 and b"error while loading" not in done.err:
                    one_line(done, [kind, mib])


if __name__ == "__main__":
    sys.exit(main())

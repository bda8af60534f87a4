# SPDX-License-Identifier: MIT
"""What the tests of the program from outside share: running it under a time limit, its last line, and TAP."""
import inspect
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback

LEAT = os.environ.get("LEAT", "leat")
LIMIT = 300  # seconds for one run of the program: what takes longer hangs
LAST_LINE = re.compile(
    r"^leat: (\d+) in = (\d+) delivered \+ (\d+) filtered \+ (\d+) failed (?:\([^)]*\) )?\+ (\d+) returned, in ", re.M)
# A sanitizer's own memory and address space are no matter of these tests.
SANITIZED = os.path.exists(LEAT) and any(name in open(LEAT, "rb").read() for name in (b"__asan_init", b"__tsan_init"))


class Run:
    """A finished run: code, out, err, and the counts of the last line."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err_bytes = code, out, err
        self.err = err.decode(errors="backslashreplace")
        found = LAST_LINE.findall(self.err)
        self.counts = None
        if found:
            self.counts = dict(zip(("in", "delivered", "filtered", "failed", "returned"), map(int, found[-1])))

    def __str__(self):
        return f"exit code {self.code}\n{self.err[-3000:]}"

    def check(self, code, said=()):
        """The exit code, the words that standard error must have, counts that balance if there are any."""
        assert self.code == code, f"expected exit code {code}, got {self}"
        for words in [said] if isinstance(said, str) else said:
            assert words in self.err, f"nobody said {words!r}: {self}"
        if self.counts:
            self.balanced()
        return self

    def balanced(self):
        assert self.counts, f"no last line: {self}"
        fates = sum(self.counts[fate] for fate in ("delivered", "filtered", "failed", "returned"))
        assert self.counts["in"] == fates, f"unbalanced: {self}"
        return self

    def counted(self, **expected):
        self.balanced()
        for name, number in expected.items():
            assert self.counts[name] == number, f"expected {number} {name}: {self}"
        return self


def end(process, limit=LIMIT):
    """Wait for a process started by `start` and return its Run; one that hangs is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hangs: {process.args}\n{(err or b'')[-3000:].decode(errors='replace')}") from None
    return Run(process.returncode, out or b"", process.said() if hasattr(process, "said") else err or b"")


def start(*words, limits=(), closed=(), program=LEAT, **options):
    """Start the program (or another one); `limits` are pairs for setrlimit, `closed` numbers of descriptors."""
    def prepare():
        for number in closed:
            os.close(number)
        for what, most in limits:
            resource.setrlimit(what, (most, most))

    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    options.setdefault("preexec_fn", prepare if limits or closed else None)
    return subprocess.Popen([program, *map(lambda word: word if isinstance(word, bytes) else str(word), words)],
                            **options)


def until(condition, what):
    """Wait for a condition, as long as a run may take."""
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.01)


def minds_signals(process):
    """Whether it has taken SIGTERM over, or is gone; before that a signal is not the program's to handle."""
    try:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            blocked = re.search(r"^SigBlk:\s*(\w+)", status.read(), re.M)
    except OSError:
        return True
    return process.poll() is not None or int(blocked.group(1), 16) >> (signal.SIGTERM - 1) & 1


def start_flowing(*words, least=1, **options):
    """Start the program and wait until it has taken `least` items in. `process.said()` is its standard error so far."""
    err = tempfile.TemporaryFile()
    process = start(*words, "--stats", stderr=err, **options)
    process.said = lambda: os.pread(err.fileno(), 1 << 20, 0)
    until(lambda: process.poll() is not None or
          any(int(number) >= least for number in re.findall(rb"^leat: \d+ s: (\d+)", process.said(), re.M)), "items")
    return process


def leat(*words, limit=LIMIT, data=None, **options):
    """Run the program to its end; `data` is its standard input."""
    if data is None:
        return end(start(*words, **options), limit)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return end(start(*words, stdin=file, **options), limit)


def lines_of(path):
    with open(path, "rb") as file:
        return file.read().split(b"\n")[:-1]


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return path


def run_tests(module):
    """Run the functions of a test program whose names begin with test_, each in a folder of its own. TAP."""
    tests = [value for name, value in vars(module).items() if name.startswith("test_") and inspect.isfunction(value)]
    chosen = [test for test in tests if not sys.argv[1:] or any(word in test.__name__ for word in sys.argv[1:])]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, test in enumerate(chosen, 1):
        name = test.__doc__.split("\n")[0].rstrip(".").replace("#", "\\#")
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                test()
                print(f"ok {number} - {name}", flush=True)
            except Exception:  # whatever goes wrong is this test's failure
                failed += 1
                print(f"not ok {number} - {name}")
                print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
            os.chdir("/")
    return 1 if failed else 0

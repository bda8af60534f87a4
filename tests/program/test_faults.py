#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Injected faults: an allocation, a system call, a thread fails once, at every place where the jobs below ask for one.

Whatever fails: the program ends with a documented exit code, says what went wrong, balances its counts, gives all
descriptors and memory back, calls nothing a success that is none, and the next run without a fault completes the work.

    tests/program/test_faults.py                     a sample, chosen by FAULT_SEED; FAULT_RUNS for each job ("all")
    tests/program/test_faults.py --all [JOB …]       every call of every kind
    tests/program/test_faults.py --one JOB FAULT N   one run, as a failure names it: --one match allocate 17

tests/faults/inject.c makes the faults; LEAT_BUILD/tests/libfault.so is it.
"""
import argparse
import collections
import concurrent.futures
import errno
import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

from program import LAST_LINE, LEAT, LIMIT, SANITIZED, Run, end, leat, lines_of, start, write

SEED = os.environ.get("FAULT_SEED") or str(random.SystemRandom().randrange(1 << 32))
RUNS = os.environ.get("FAULT_RUNS", "8")  # or "all"
BUILD = os.environ.get("LEAT_BUILD", os.path.dirname(os.path.realpath(LEAT)))
LIBRARY = os.path.join(BUILD, "tests", "libfault.so")
os.environ["LEAT_WORKERS"] = "2"
ITEMS, BAD = 40, (7, 20, 33)

# What fails: the kind of inject.c, and how. A plain name is that kind with the error that fits it best.
FAULTS = {
    name: (name, "") for name in (
        "allocate", "map", "advise", "protect", "epoll-create", "epoll-control", "epoll-wait", "event", "poll", "thread",
        "key", "stack", "futex", "open", "read", "write", "sync", "truncate", "close", "control", "status", "seek", "rename")
}
FAULTS.update({
    "epoll-wait-interrupted": ("epoll-wait", errno.EINTR),
    "poll-interrupted": ("poll", errno.EINTR),
    "read-interrupted": ("read", errno.EINTR),
    "read-short": ("read", "SHORT"),
    "write-interrupted": ("write", errno.EINTR),
    "write-short": ("write", "SHORT"),
    "write-broken": ("write", errno.EIO),
})
# These are no faults, so nothing may come of them; LMDB's pread and pwrite are not ours.
HARMLESS = {
    "futex": ("futex",), "advise": ("madvise", "process_madvise"), "epoll-wait-interrupted": ("epoll_pwait2",),
    "poll-interrupted": ("poll", "ppoll"), "read-interrupted": ("read",), "read-short": ("read",),
    "write-interrupted": ("write", "pwritev2"), "write-short": ("write", "pwritev2"), "epoll-wait": ("epoll_pwait2",),
}


def item(number):
    return b'{"n":%d,"t":"x%d@example.org"}\n' % (number, number)


def bad(number):
    return b'{"n":%d,"t":\n' % number


GOOD = b"".join(map(item, range(ITEMS)))
MIXED = b"".join((bad if number in BAD else item)(number) for number in range(ITEMS))
MATCH = ("match", "-f", ".t", r"m=\w+@\w+\.\w+")


# ------------------------------------------------------------------------------------------------------------- the jobs
class Job:
    """Words of a command line; a folder to run it in; what must be there afterwards."""

    program = LEAT
    words = ()
    data = None     # standard input, through a pipe
    succeeds = 0    # its exit code without a fault
    counts = {}     # and its counts
    again = True    # the same words complete what a fault left
    durable = False # success means that it is on the disk

    def prepare(self, folder):
        """Make what the job finds."""

    def complete(self, folder, run, once):
        """Every item is there; with `once` not twice."""

    def partial(self, folder, run):
        """What holds after any run that failed."""


def numbers_in(lines, matched):
    numbers = []
    for line in lines:
        value = json.loads(line)
        number = value["n"]
        expected = {"n": number, "t": f"x{number}@example.org"}
        if matched:
            expected["m"] = [expected["t"]]
        assert value == expected, f"wrong item: {line!r}"
        numbers.append(number)
    return numbers


def all_there(numbers, once, expected=range(ITEMS)):
    missing = set(expected) - set(numbers)
    assert not missing, f"lost: {sorted(missing)}"
    assert set(numbers) == set(expected), f"never put in: {set(numbers) - set(expected)}"
    assert not once or len(numbers) == len(set(numbers)), "delivered twice without need"


def peek(folder, queue, *more):
    """The bodies in a queue; the file opens cleanly."""
    run = leat("queue", "peek", queue, "-n", 10000, "--json", *more, cwd=folder).check(0)
    return [json.loads(line) for line in run.out.splitlines()]


def bodies(folder, queue):
    return [message["body"] for message in peek(folder, queue)]


def ready(folder, queue):
    run = leat("queue", "ls", queue, "--json", cwd=folder).check(0)
    return [(json.loads(line)["ready"], json.loads(line)["dead"]) for line in run.out.splitlines()]


class Fill(Job):
    """lines into a queue file"""

    durable = True
    words = ("in", ":", "queue:a.q")
    counts = {"delivered": ITEMS}

    def prepare(self, folder):
        write(f"{folder}/in", GOOD)

    def complete(self, folder, run, once):
        all_there(numbers_in(bodies(folder, "a.q"), False), once)


class Match(Job):
    """a queue file through match into another one"""

    durable = True
    words = ("queue:a.q", ":", *MATCH, ":", "queue:b.q", "-j", 2)
    counts = {"delivered": ITEMS}

    def prepare(self, folder):
        leat("-", ":", "queue:a.q", data=GOOD, cwd=folder).check(0)

    def complete(self, folder, run, once):
        left, failed = ready(folder, "a.q")[0]
        assert left == 0, f"{left} not acknowledged"
        if failed:  # set aside, with a reason, for want of memory: nothing is lost
            assert not once, "failed items in a run that succeeded"
            leat("queue", "requeue", "a.q", cwd=folder).check(0)
            leat(*self.words, cwd=folder).check(0).counted(delivered=failed)
        all_there(numbers_in(bodies(folder, "b.q"), True), once)


class Failures(Job):
    """the same with items that fail, an error file and a queue for the dead"""

    words = ("queue:a.q", ":", *MATCH, ":", "queue:b.q", "--errors", "bad.jsonl", "--dead", "queue:d.q")
    durable = True
    succeeds = 1
    counts = {"delivered": ITEMS - len(BAD), "failed": len(BAD)}

    def prepare(self, folder):
        leat("-", ":", "queue:a.q", data=MIXED, cwd=folder).check(0)

    def complete(self, folder, run, once):
        recorded = [json.loads(line) for line in lines_of(f"{folder}/bad.jsonl")]
        dead = [message["body"] for message in peek(folder, "a.q", "--dead")]
        good = [body for body in dead if "}" in body]
        assert not good or not once, f"failed without need: {good}"
        if good:  # for want of memory; these may succeed the next time, the others never
            leat("queue", "requeue", "a.q", cwd=folder).check(0)
            leat(*self.words, cwd=folder).check(1).counted(delivered=len(good))
        bad_ones = [bad(number).decode().strip() for number in BAD]
        for where in ([record["item"] for record in recorded], bodies(folder, "d.q")):
            assert set(bad_ones) <= set(where), f"a failed item is lost: {where}"
        assert set(bad_ones) <= {message["body"] for message in peek(folder, "a.q", "--dead")}
        all_there(numbers_in(bodies(folder, "b.q"), True), once, set(range(ITEMS)) - set(BAD))
        assert ready(folder, "a.q")[0][0] == 0


class Empty(Job):
    """a queue file into lines that are on the disk"""

    durable = True
    words = ("queue:b.q", ":", "out", "--append", "--sync")
    torn = b'{"n":1,"t'  # left by a process that was killed
    counts = {"delivered": ITEMS}

    def prepare(self, folder):
        leat("-", ":", *MATCH, ":", "queue:b.q", data=GOOD, cwd=folder).check(0)
        write(f"{folder}/out", self.torn)

    def complete(self, folder, run, once):
        first, *lines = lines_of(f"{folder}/out")
        assert first == self.torn, "the line that was there has changed"
        all_there(numbers_in(lines, True), once)
        assert ready(folder, "b.q") == [(0, 0)], ready(folder, "b.q")

    def partial(self, folder, run):
        with open(f"{folder}/out", "rb") as out:
            data = out.read()
        assert data == self.torn or data.endswith(b"\n"), "a line is cut"


class Pipes(Job):
    """from a pipe into a pipe, in order"""

    words = ("-", ":", *MATCH, ":", "-", "-k", "-j", 2)
    data = GOOD
    counts = {"delivered": ITEMS}
    again = False

    def complete(self, folder, run, once):
        assert numbers_in(run.out.split(b"\n")[:-1], True) == list(range(ITEMS)), run.out[-200:]


class Tree(Job):
    """the files of a tree, packed and not, through read and match"""

    words = ("dir:tree?glob=**", ":", "read", ":", "match", r"m=\d+", ":", "out", "-j", 2)
    counts = {"delivered": 7}

    def prepare(self, folder):
        os.makedirs(f"{folder}/tree/a/b/c")
        for name in ("1", "a/2", "a/3", "a/b/4", "a/b/c/5"):
            write(f"{folder}/tree/{name}", f"number {name[-1]}".encode() * 3)
        write(f"{folder}/tree/6.gz", gzip.compress(b"number 6" * 3))
        packed = subprocess.run(["zstd", "-q"], input=b"number 7" * 3, capture_output=True, check=True)
        write(f"{folder}/tree/a/7.zst", packed.stdout)

    def complete(self, folder, run, once):
        found = {}
        for value in map(json.loads, lines_of(f"{folder}/out")):
            found[value["path"]] = value["m"]
        assert len(found) == 7 and all(m == [path.split("/")[-1][0]] * 3 for path, m in found.items()), found


class File(Job):
    """a YAML file: packed lines, where, rate, a report"""

    words = ("run", "p.yaml", "--set", "options.batch=7")
    counts = {"delivered": ITEMS - 10, "filtered": 10}

    def prepare(self, folder):
        write(f"{folder}/in.gz", gzip.compress(GOOD))
        write(f"{folder}/p.yaml", "from: ${IN:-in.gz}\nsteps:\n  - where: .n>=10\n  - rate: {args: [100k/s], workers: 2}\n"
              "to: {uri: out}\noptions: {report: r.json, keep-order: true}\n")

    def complete(self, folder, run, once):
        assert numbers_in(lines_of(f"{folder}/out"), False) == list(range(10, ITEMS))
        with open(f"{folder}/r.json", "rb") as report:
            assert json.load(report)["delivered"] == ITEMS - 10

    def partial(self, folder, run):
        left = [name for name in os.listdir(folder) if name.endswith(".new")]
        assert not left, f"left behind: {left}"


class Command(Job):
    """commands that print: all of it or an error"""

    def __init__(self, *words):
        self.words = words
        self.__doc__ = "leat " + " ".join(words)

    def prepare(self, folder):
        write(f"{folder}/in", MIXED)
        File.prepare(self, folder)
        leat("in", ":", "queue:a.q", cwd=folder).check(0)
        leat("queue:a.q", ":", *MATCH, ":", "queue:b.q", cwd=folder).check(1)
        self.expected = leat(*self.words, cwd=folder).check(0).out

    def complete(self, folder, run, once):
        assert run.out == self.expected, run.out


class Change(Job):
    """commands that change a queue file: all of it or nothing"""

    def __init__(self, verb, before, after):
        self.words, self.before, self.after = ("queue", *verb, "a.q"), before, after
        self.__doc__ = "leat queue " + " ".join(verb)

    def prepare(self, folder):
        leat("-", ":", "queue:a.q", data=MIXED, cwd=folder).check(0)
        leat("queue:a.q", ":", *MATCH, ":", "null:", cwd=folder).check(1)
        leat("-", ":", "queue:a.q", data=item(0), cwd=folder).check(0)

    def complete(self, folder, run, once):
        assert ready(folder, "a.q") == [self.after], ready(folder, "a.q")

    def partial(self, folder, run):
        assert ready(folder, "a.q") in ([self.before], [self.after]), ready(folder, "a.q")


class Library(Command):
    """everything in leat.h that asks for something"""

    def __init__(self):
        super().__init__()
        self.program = os.path.join(BUILD, "tests", "faults-library")
        self.__doc__ = "the library"

    def prepare(self, folder):
        self.expected = b"%d\n" % (300 * 301 // 2 * 4)


class Commands(Job):
    """a command for each line, or one for all, and a record of what is done"""

    counts = {"delivered": 15}

    def __init__(self, *stage):
        self.words = ("in", ":", *stage, ":", "out", "--append", "-j", 2, "--resume", "done")

    def prepare(self, folder):
        write(f"{folder}/in", b"".join(map(item, range(15))))

    def complete(self, folder, run, once):
        all_there(numbers_in(lines_of(f"{folder}/out"), False), once, range(15))


JOBS = {
    "fill": Fill(), "match": Match(), "failures": Failures(), "empty": Empty(), "pipes": Pipes(), "tree": Tree(),
    "file": File(), "ls": Command("queue", "ls", "a.q"), "peek": Command("queue", "peek", "a.q", "--dead"),
    "show": Command("show", "p.yaml"), "check": Command("check", "p.yaml"), "help": Command("help", "match"), "library": Library(),
    "exec": Commands("exec", "-i", "text", "-t", "1m", "cat"), "coproc": Commands("coproc", "-t", "5s", "cat"),
    "requeue": Change(("requeue",), (1, len(BAD)), (1 + len(BAD), 0)), "purge": Change(("purge", "--dead"), (1, len(BAD)), (1, 0)),
}


# ------------------------------------------------------------------------------------------------------- running one
class Log:
    """What inject.c wrote."""

    def __init__(self, path):
        self.hit, self.calls, self.descriptors, self.blocks = None, {}, 0, collections.Counter()
        for line in lines_of(path) if os.path.exists(path) else ():
            word, *rest = line.decode().split()
            if word == "hit":
                self.hit = rest[0]
            elif word == "calls":
                self.calls[rest[0]] = int(rest[1])
            elif word == "descriptors":
                self.descriptors = int(rest[0])
            else:
                self.blocks[tuple(rest)] += 1


def run_with(job, folder, log, environment):
    preload = {"LD_PRELOAD": LIBRARY, "LEAT_FAULT_LOG": log, **environment}
    if SANITIZED:
        preload["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    options = {"program": job.program, "cwd": folder, "env": {**os.environ, **preload}}
    if job.data is None:
        return end(start(*job.words, **options))
    process = start(*job.words, stdin=subprocess.PIPE, **options)
    try:
        out, err = process.communicate(job.data, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"hangs: {process.args}\n{process.communicate()[1][-3000:].decode()}") from None
    return Run(process.returncode, out, err)


def environment_of(fault, number):
    kind, how = FAULTS[fault]
    environment = {"LEAT_FAULT": f"{kind}:{number}" + (f":{how}" if how else "")}
    if fault == "protect":  # which is asked for only where the kernel knows nothing lighter
        environment["LEAT_FAULT_ALWAYS"] = "advise"
    return environment


class Bench:
    """A job with its folder prepared and its calls counted."""

    def __init__(self, name, room):
        self.name, self.job, self.room = name, JOBS[name], room
        self.template = f"{room}/{name}"
        os.mkdir(self.template)
        self.job.prepare(self.template)
        self.clean, self.calls = None, {}
        for environment in ({}, {"LEAT_FAULT_ALWAYS": "advise"}):
            folder = self.fresh_folder()
            run, log = self.run(folder, environment)
            self.succeeded(run, folder)
            assert log.descriptors == 0, f"{name} leaves {log.descriptors} descriptors open"
            assert not self.job.durable or log.calls["sync"], f"{name} asks for nothing to be on the disk"
            self.clean = self.clean or log
            for kind, count in log.calls.items():
                self.calls[kind] = max(count, self.calls.get(kind, 0))
            shutil.rmtree(folder)

    def fresh_folder(self):
        folder = tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.room)
        shutil.copytree(self.template, folder, dirs_exist_ok=True, symlinks=True)
        return folder

    def run(self, folder, environment):
        path = tempfile.mktemp(prefix="log-", dir=self.room)
        run = run_with(self.job, folder, path, environment)
        log = Log(path)
        if os.path.exists(path):
            os.unlink(path)
        return run, log

    def succeeded(self, run, folder):
        run.check(self.job.succeeds)
        if self.job.counts:
            run.counted(**self.job.counts)
        self.job.complete(folder, run, True)

    def count(self, fault):
        return self.calls.get(FAULTS[fault][0], 0)

    def try_fault(self, fault, number):
        """One run with a fault; returns what was hit (None: there is no such call) and the lines that were said."""
        folder = self.fresh_folder()
        run, log = "", None
        try:
            run, log = self.run(folder, environment_of(fault, number))
            self.judge(run, log, folder, fault)
        except AssertionError as error:
            place = f"test_faults.py --one {self.name} {fault} {number} ({log and log.hit})"
            raise AssertionError(f"{place}: {error}\n{run}") from None
        shutil.rmtree(folder)
        return log.hit, run.err

    def judge(self, run, log, folder, fault):
        job = self.job
        assert run.code in (0, 1, 2, 3), "exit code"
        assert log.calls, "ended without an end"
        assert all(line.startswith("leat") or line.startswith("    ") for line in run.err.splitlines()), "not leat's words"
        ended_at_once = run.err == "leat: out of memory\n"  # src/cli/memory.c gives nothing back
        assert ended_at_once or log.descriptors == 0, f"{log.descriptors} descriptors left open"
        left = {block: count for block, count in (log.blocks - self.clean.blocks).items() if block not in self.clean.blocks}
        assert SANITIZED or ended_at_once or not left, f"memory left: {left}"
        if run.counts:
            run.balanced()
        harmless = log.hit is None or log.hit in HARMLESS.get(fault, ())
        did_all = run.code == job.succeeds and not said(run) and (not job.counts or run.counts and all(
            run.counts[fate] == count for fate, count in {"returned": 0, "failed": 0, **job.counts}.items()))
        if job.durable and fault == "sync" and log.hit:
            assert not did_all, "success, although it may not be on the disk"
        if harmless:
            assert did_all, "a harmless event did harm"
        if did_all:
            job.complete(folder, run, True)
            return
        assert run.code != 0, "success, but not of all items"
        assert run.code != 2, "called a mistake in the command"
        assert said(run), "failed and did not say why"
        job.partial(folder, run)
        if job.again:
            after = leat(*job.words, program=job.program, cwd=folder, **({"data": job.data} if job.data else {}))
            assert after.code in (0, job.succeeds), f"the run after it: {after}"
            job.complete(folder, after, False)


def said(run):
    """The lines that say what went wrong."""
    return [line for line in run.err.splitlines()
            if not LAST_LINE.match(line) and not re.match(r"leat: (bottleneck: |no single bottleneck)", line)]


# --------------------------------------------------------------------------------------------------- all and a sample
def sample(bench, generator, runs):
    """Faults for this job: each kind gets its turn, the number within it is chosen by chance."""
    faults = [fault for fault in FAULTS if bench.count(fault)]
    generator.shuffle(faults)
    for turn in range(runs):
        fault = faults[turn % len(faults)] if turn % 3 else "allocate"
        yield fault, generator.randrange(bench.count(fault)) + 1


def every(bench):
    """All calls there are: some more than were counted, since no two runs are quite alike."""
    for fault in FAULTS:
        for number in range(1, bench.count(fault) + 1 + (bench.count(fault) > 0)):
            yield fault, number


def go_through(bench, faults, jobs, messages):
    """Returns (runs, hits, failures)."""
    runs = hits = 0
    failures = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(bench.try_fault, fault, number) for fault, number in faults]:
            runs += 1
            try:
                hit, err = future.result()
                hits += hit is not None
                messages.update(re.sub(r"\d+", "N", line) for line in err.splitlines() if not LAST_LINE.match(line))
            except AssertionError as error:
                failures.append(str(error))
                print("".join(f"# {line}\n" for line in str(error).splitlines()), end="", flush=True)
    return runs, hits, failures


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("jobs", nargs="*", choices=[[], *JOBS], help="only these")
    parser.add_argument("--all", action="store_true", help="every call of every kind")
    parser.add_argument("--one", nargs=3, metavar=("JOB", "FAULT", "N"), help="one run")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only such")
    parser.add_argument("--at-once", type=int, default=2, help="runs at once (2)")
    parser.add_argument("--messages", action="store_true", help="show what was said")
    return parser.parse_intermixed_args()


def run_one(name, fault, number):
    with tempfile.TemporaryDirectory() as room:
        bench = Bench(name, room)
        folder = bench.fresh_folder()
        run, log = bench.run(folder, environment_of(fault, int(number)))
        print(f"{run}\n{log.__dict__}")
        bench.judge(run, log, folder, fault)


def main():
    options = arguments()
    if options.one:
        run_one(*options.one)
        return 0
    names = options.jobs or list(JOBS)
    print(f"1..{len(names)}\n# FAULT_SEED={SEED}", flush=True)
    bad_jobs, messages = 0, collections.Counter()
    for turn, name in enumerate(names, 1):
        with tempfile.TemporaryDirectory() as room:
            try:
                bench = Bench(name, room)
                everything = options.all or RUNS == "all"
                faults = list(every(bench) if everything else sample(bench, random.Random(SEED + name), int(RUNS)))
                if options.fault:
                    faults = [fault for fault in faults if fault[0] in options.fault]
                runs, hits, failures = go_through(bench, faults, options.at_once, messages)
                failures += [] if hits or options.fault else ["no fault was ever met"]
            except Exception:  # whatever goes wrong is this test's failure
                runs, hits, failures = 0, 0, [traceback.format_exc()]
                print("".join(f"# {line}\n" for line in failures[0].splitlines()), end="")
        bad_jobs += bool(failures)
        print(f"{'not ' * bool(failures)}ok {turn} - {JOBS[name].__doc__}: {runs} runs, {hits} faults, "
              f"{len(failures)} misbehaved", flush=True)
    if options.messages:
        for message, count in messages.most_common():
            print(f"# {count} {message}")
    return 1 if bad_jobs else 0


if __name__ == "__main__":
    sys.exit(main())

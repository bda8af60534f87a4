#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Options of the run where it matters what was begun and what was not: --halt, --resume, --dry-run, --memory, -j.

RESUME_SEED in the environment changes the moments of the kills.
"""
import collections
import json
import os
import random
import subprocess
import sys
import time

from program import end, leat, lines_of, run_tests, start, until, write

SEED = int(os.environ.get("RESUME_SEED", "20240229"))


def numbers(count):
    return "".join(f"{number}\n" for number in range(1, count + 1)).encode()


def begun():
    """The items whose command was begun, and forget them."""
    found = lines_of("begun") if os.path.exists("begun") else []
    if found:
        os.remove("begun")
    return found


def parallel(*arguments, data):
    write("in", data)
    with open("in", "rb") as file:
        return subprocess.run(["parallel", "--will-cite", *arguments], stdin=file, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False).returncode


def test_halt_begins_no_more():
    """--halt begins what GNU parallel begins, one at a time"""
    script = "echo {} >>begun; test $(({} % 3)) -ne 0"
    policies = ["never", "soon,fail=1", "now,fail=1", "soon,fail=3", "now,fail=3", "soon,fail=20%", "now,fail=1%", "soon,fail=33%",
                "now,fail=34%", "soon,success=1", "now,success=4", "soon,success=25%", "soon,done=5", "now,done=10%", "soon,done=100%",
                "soon,fail=100"]
    for policy in policies:
        code = parallel("-j1", "--halt", policy, script, data=numbers(20))
        expected = begun()
        run = leat("in", ":", "exec", "-s", script, ":", "out", "-j", "1", "--halt", policy)
        assert begun() == expected, (policy, expected, run)
        run.balanced()
        halted = len(expected) < 20 or policy.endswith("=100%")
        assert run.code == (4 if halted else 1), (policy, run)
        assert not halted or f"(--halt {policy})" in run.err, run
        assert code is not None and run.counts["returned"] == run.counts["in"] - len(expected), (policy, run)


def test_halt_percent_of_a_pipe():
    """Per cent are of what is done, from 100 on, where nobody knows how many there will be"""
    script = "echo {} >>begun; test $(({} % 3)) -ne 0"
    for policy, last in (("soon,fail=20%", 102), ("soon,fail=34%", 400), ("soon,done=50%", 100)):
        cat = subprocess.Popen(["cat", write("in", numbers(400))], stdout=subprocess.PIPE)
        run = end(start("-", ":", "exec", "-s", script, ":", "out", "-j", "1", "--halt", policy, stdin=cat.stdout))
        cat.wait()
        assert len(begun()) == last and run.code == (4 if last < 400 else 1), (policy, run)


def test_halt_running():
    """soon lets the others finish, now ends them; their items go back"""
    script = ("echo {} >>begun; if [ {} = 1 ]; then until [ $(wc -l <begun) = 4 ]; do sleep 0.02; done; exit 1; fi; "
              "trap 'exit 9' TERM; for i in $(seq 150); do sleep 0.02; done; echo {} >>ended")
    for policy, ended in (("soon,fail=1", 3), ("now,fail=1", 0)):
        for program in ("parallel", "leat"):
            if program == "parallel":
                parallel("-j4", "--halt", policy, script, data=numbers(20))
            else:
                leat("in", ":", "exec", "-s", script, ":", "out", "-j", "4", "--halt", policy).check(4).counted(
                    failed=1, delivered=ended)
            assert sorted(begun()) == [b"1", b"2", b"3", b"4"], (program, policy)
            assert len(lines_of("ended") if os.path.exists("ended") else []) == ended, (program, policy)
            if ended:
                os.remove("ended")


def test_halt_takes_its_time():
    """After soon the grace does not run; a signal starts it"""
    script = "test {} = 1 && { until [ -e at2 ]; do sleep 0.02; done; exit 1; }; echo >at{}; sleep 1.5; echo {}"
    run = leat("-", ":", "exec", "-s", script, ":", "-", "-j", "2", "--halt", "soon,fail=1", "--grace", "200ms", data=numbers(9))
    run.check(4).counted(delivered=1, failed=1)
    assert run.out == b"2\n"


def test_halt_first_success():
    """now,success=1 delivers the one that succeeded"""
    run = leat("-", ":", "exec", "-s", "test {} = 3 || sleep 100; echo found {}", ":", "-", "-j", "4", "--halt", "now,success=1",
               data=numbers(20)).check(4).counted(delivered=1, failed=0)
    assert run.out == b"found 3\n"


def test_halt_queue():
    """What was not begun stays in a queue, and is there for the next run"""
    leat("-", ":", "queue:q", data=numbers(50)).check(0)
    leat("queue:q", ":", "exec", "-d", "-s", "test {} != 7", ":", "null:", "-j", "1", "--halt", "soon,fail=1").check(4).counted(
        delivered=6, failed=1)
    leat("queue:q", ":", "exec", "-d", "true", ":", "null:").check(0).counted(delivered=43)


def test_halt_other_stages():
    """Items that fail in any stage count"""
    data = b'{"a":1}\nbad\n' * 50
    run = leat("-", ":", "match", "-f", ".a", "m=1", ":", "null:", "-j", "1", "--halt", "soon,fail=5", data=data)
    assert run.code == 4 and 5 <= run.counts["failed"] <= 100, run
    for word in ("soon", "soon,fail", "soon,fail=0", "later,fail=1", "soon,fail=x%", "soon,fail=101%", "soon,fail=1,"):
        leat("-", ":", "null:", "--halt", word).check(2, "--halt")


def done_of(state):
    return collections.Counter(line for line in lines_of(state) if len(line) == 16)


def test_resume_killed():
    """After a SIGKILL only what had not finished is run again; order and command may change"""
    generator = random.Random(SEED)
    items = [f"item {n % 300}\n" for n in range(400)]  # some of them equal
    runs, recorded = collections.Counter(), 0
    for kill in range(6):
        generator.shuffle(items)
        script = f"echo $0 >>begun; sleep 0.0{generator.randint(1, 3)}; echo $0 {kill}"
        process = start("-", ":", "exec", "sh", "-c", script, ":", f"out{kill}", "-j", "6", "--resume", "state",
                        stdin=open(write("in", "".join(items)), "rb"))
        until(lambda: os.path.exists("begun") and len(lines_of("begun")) >= 12 or process.poll() is not None, "commands")
        time.sleep(generator.random() * 0.1)
        process.kill()
        end(process)
        found = begun()
        runs.update(found)
        before, recorded = recorded, sum(done_of("state").values())
        # Of what was begun everything is recorded but what was on its way.
        assert len(found) - (recorded - before) <= 6 + 40, (kill, len(found), before, recorded)
    assert 0 < recorded < 400
    generator.shuffle(items)
    last = leat("-", ":", "exec", "sh", "-c", "echo $0 >>begun; echo $0", ":", "out", "-j", "6", "--resume", "state",
                data="".join(items).encode()).check(0).counted(filtered=recorded, delivered=400 - recorded)
    assert f"{recorded} of those filtered were done before" in last.err
    found = begun()
    assert len(found) == 400 - recorded
    runs.update(found)
    for item, count in collections.Counter(line.strip().encode() for line in items).items():
        assert runs[item] >= count, item
    leat("-", ":", "exec", "sh", "-c", "echo $0 >>begun", ":", "null:", "--resume", "state", data="".join(items).encode()).check(
        0).counted(filtered=400)
    assert not begun()


def test_resume_same_items():
    """Equal items stand for each other; what failed comes again; a torn line and other items do no harm"""
    leat("-", ":", "exec", "-s", "test {} != b", ":", "null:", "--resume", "s", data=b"a\na\nb\n").check(1)
    assert sum(done_of("s").values()) == 2
    with open("s", "ab") as state:
        state.write(b"0123")
    run = leat("-", ":", "exec", "echo", ":", "-", "-k", "--resume", "s", data=b"c\na\nb\na\na\n").check(0).counted(filtered=2)
    assert run.out == b"c\nb\na\n", run.out
    run = leat("-", ":", "exec", "echo", ":", "-", "-k", "--resume", "s", data=b"a\nb\na\na\na\nd").check(0).counted(filtered=4)
    assert run.out == b"a\nd\n"
    # Items that a stage changed are known by what they were.
    leat("-", ":", "exec", "echo", "x", "{}", ":", "match", "y=x", ":", "null:", "--resume", "s2", data=b"a\nb\n").check(0)
    leat("-", ":", "exec", "echo", "{}", ":", "null:", "--resume", "s2", data=b"b\na\n").check(0).counted(filtered=2)


def test_resume_file():
    """The file is refused when it is something else, in use, or cannot be had"""
    write("other", "precious\n")
    leat("-", ":", "null:", "--resume", "other", data=b"1\n").check(2, "is another kind of file")
    assert lines_of("other") == [b"precious"]
    leat("-", ":", "null:", "--resume", "/no/such/file", data=b"1\n").check(3, "No such file")
    leat("-", ":", "null:", "--resume", "/dev/null", data=b"1\n").check(2, "no regular file")
    leat("queue:q", ":", "null:", "--resume", "s0").check(2, "--resume: queue:q forgets by itself what is done")
    write("begin", "leat res")
    leat("-", ":", "null:", "--resume", "begin", data=b"1\n").check(0)
    leat("-", ":", "null:", "--resume", "begin", data=b"1\n").check(0).counted(filtered=1)
    process = start("-", ":", "exec", "sh", "-c", "echo >at; sleep 100", ":", "null:", "--resume", "s", stdin=open(write("in", "1\n"), "rb"))
    until(lambda: os.path.exists("at"), "the command")
    leat("-", ":", "null:", "--resume", "s", data=b"1\n").check(3, "another run is using it")
    process.kill()
    end(process)


def test_dry_run():
    """--dry-run prints what would be run and changes nothing"""
    leat("-", ":", "queue:q", data=b"a b\nit's\n").check(0)
    write("out", "as before\n")
    run = leat("queue:q", ":", "exec", "-a", "x", "touch", "{}", "new", ":", "match", "a=b", ":", "out", "-k", "--dry-run", "--errors", "e",
               "--dead", "d").check(0).counted(returned=2)
    assert run.out == b"touch 'a b' new\ntouch 'it'\\''s' new\n", run.out
    assert not os.path.exists("new") and not os.path.exists("e") and not os.path.exists("d") and lines_of("out") == [b"as before"]
    leat("queue:q", ":", "null:").check(0).counted(delivered=2)
    run = leat("-", ":", "where", ".line~a", ":", "exec", "-s", "rm {}", ":", "null:", "--dry-run", "--resume", "s", data=b"a\nb\n").check(0)
    assert run.out == b"/bin/sh -c 'rm a'\n", run.out
    assert not os.path.exists("s") or not done_of("s")


def test_memory():
    """--memory bounds the bytes on their way; an item that is larger passes all the same"""
    most = 0
    process = start("gen:?size=100k&count=60", ":", "rate", "40/s", ":", "null:", "-j", "4", "--memory", "500k", "--stats-json", "-q")
    run = end(process).check(0)
    for line in run.err.splitlines():
        most = max(most, json.loads(line)["unacked"])
    assert 0 < most <= 6, most
    data = b"x" * 3_000_000 + b"\ny\n"
    run = leat("-", ":", "exec", "-i", "text", "wc", "-c", ":", "-", "-k", "--memory", "1M", data=data).check(0)
    assert run.out.split() == [b"3000000", b"1"], run.out


def test_workers():
    """-j takes a number, per cent of the processors, or auto"""
    def workers(word):
        run = leat("gen:?count=10", ":", "where", ".id", ":", "null:", "-j", word, "--report", "r").check(0)
        assert run.counts["in"] == 10 and "-j auto: \n" not in run.err, run
        with open("r", encoding="utf-8") as report:
            return json.load(report)["parts"][1]["workers"]
    processors = workers("auto")
    assert workers("100%") == processors and workers("7") == 7 and workers("300%") == 3 * processors and workers("1%") == 1
    for word in ("x", "-1", "1.5", "%", "7%%"):
        leat("-", ":", "null:", "-j", word).check(2, "is not a number of workers")


def test_table():
    """The table of -v keeps its columns, however long the names are and whatever they are written in"""
    for name in ("short", "Gr\u00fc\u00dfe aus der Ferne, l\u00e4nger als vierundzwanzig", "\u65e5\u672c\u8a9e" * 20):
        run = leat("gen:?count=10", ":", "match", "-n", name, "x=y", ":", "null:", "-v").check(0)
        rows = [line for line in run.err.splitlines() if line.startswith("leat: ")][:4]
        assert rows[0].startswith("leat: part ") and rows[2].startswith(f"leat: {name} "), rows
        assert len(set(map(len, rows))) == 1 and all(row.endswith((" cpu", " s")) for row in rows), rows


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coproc: children that live long; whatever they do, every item is answered, set aside, or stays with its source."""
import collections
import json
import os
import signal
import sys
import time

from program import end, leat, lines_of, minds_signals, run_tests, start, until, write

CHILD = """
import json, os, sys, time
kind = sys.argv[1]
with open("started", "a") as file:
    file.write(f"{os.getpid()}\\n")
count = 0
for line in iter(sys.stdin.readline, ""):
    line = line.rstrip("\\n")
    count += 1
    if kind == "poison" and line.startswith("poison"):
        os.kill(os.getpid(), 9)
    if kind == "exit" and line.startswith("poison"):
        sys.exit(3)
    if kind == "hang" and line.startswith("poison"):
        time.sleep(1000)
    if kind == "some" and count > 70:
        sys.exit(0)
    if kind == "wrong":
        print(json.dumps({"id": 99999, "item": 1}), flush=True)
    else:
        print(line + "!", flush=True)
"""


def numbers(count):
    return "".join(f"{number}\n" for number in range(1, count + 1)).encode()


def child(kind):
    return (sys.executable, write("child.py", CHILD), kind)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def started():
    return [int(line) for line in lines_of("started")] if os.path.exists("started") else []


def test_lines():
    """Lines go through cat as they are, in order, with any number of children"""
    data = numbers(300000)
    for workers in (1, 4):
        run = leat("-", ":", "coproc", "cat", ":", "-", "-k", "-j", workers, data=data).check(0).counted(delivered=300000)
        assert run.out == data
    data = b"\n".join([b"", b"x" * 20_000_000, b"\0\xff", b""]) + b"\n"
    assert leat("-", ":", "coproc", "cat", ":", "-", "-k", data=data).check(0).out == data


def test_children():
    """There are as many children as workers, and none is left"""
    run = leat("-", ":", "coproc", *child("plain"), ":", "out", "-j", "3", data=numbers(3000)).check(0)
    assert collections.Counter(lines_of("out")) == collections.Counter(b"%d!" % n for n in range(1, 3001))
    assert 1 <= len(started()) <= 3
    assert all(map(is_gone, started()))
    assert run.counts["delivered"] == 3000


def test_items():
    """Additions go with the item, a field alone; the answer becomes the item or a value; JSON is kept in one line"""
    data = b'{"a":"x",\t"b":"\\u00e9"}\n'
    assert leat("-", ":", "match", "-f", "a", "m=x", ":", "coproc", "cat", ":", "-", data=data).check(0).out == \
        b'{"a":"x",\t"b":"\\u00e9","m":["x"]}\n'
    assert leat("-", ":", "coproc", "-f", "b", "-a", "c", "cat", ":", "-", data=data).check(0).out == \
        '{"a":"x",\t"b":"\\u00e9","c":"é"}\n'.encode()
    assert leat("-", ":", "coproc", "jq", "-c", "--unbuffered", ".b", ":", "-", data=data).check(0).out == '"é"\n'.encode()
    run = leat("-", "-0", ":", "coproc", "cat", ":", "-", data=b'{"a":\n1}\0two\nlines\0').check(1, "has a newline in it")
    assert run.out == b'{"a": 1}\n'


def test_json():
    """With --json answers come in any order, and may fail or drop their item"""
    script = ("import json,sys\n"
              "for line in iter(sys.stdin.readline, ''):\n"
              "    r = json.loads(line); n = int(r['item']); a = {'id': r['id']}\n"
              "    a.update({'drop': True} if n % 5 == 0 else {'error': 'no %d' % n} if n % 7 == 0 else\n"
              "             {'item': {'n': n}} if n % 2 else {'item': str(n)})\n"
              "    print(json.dumps(a), flush=True)\n")
    run = leat("-", ":", "coproc", "--json", sys.executable, "-c", script, ":", "-", "-k", "--errors", "bad", data=numbers(1000))
    failed = [n for n in range(1, 1001) if n % 5 and n % 7 == 0]
    run.check(1).counted(filtered=200, failed=len(failed))
    assert run.out.decode().splitlines() == [f'{{"n": {n}}}' if n % 2 else str(n) for n in range(1, 1001) if n % 5 and n % 7]
    assert sorted(json.loads(line)["reason"] for line in lines_of("bad")) == sorted(f"no {n}" for n in failed)
    # Answered from behind, batch by batch: whatever is there.
    script = ("import os,sys\n"
              "while True:\n"
              "    lines = os.read(0, 1 << 20)\n"
              "    if not lines: break\n"
              "    while not lines.endswith(b'\\n'): lines += os.read(0, 1 << 20)\n"
              "    os.write(1, b''.join(line + b'\\n' for line in reversed(lines.split(b'\\n')[:-1])))\n")
    run = leat("-", ":", "coproc", "--json", sys.executable, "-c", script, ":", "-", "-k", data=numbers(5000)).check(0)
    assert run.out == numbers(5000)
    run = leat("-", ":", "coproc", "--json", "-a", "v", "cat", ":", "-", data=b'{"a":1}\n').check(0)
    assert run.out == b'{"a":1,"v":{"a":1}}\n'
    leat("-", ":", "coproc", "--json", *child("wrong"), ":", "null:", data=b"1\n").check(1, "fits no question")
    leat("-", ":", "coproc", "--json", "cat", "-n", ":", "null:", data=b"1\n").check(1, "fits no question")


def test_poison():
    """An item that kills its children is set aside, alone; the others are answered"""
    lines = [f"poison {n}" if n % 400 == 100 else str(n) for n in range(2000)]
    data = "".join(line + "\n" for line in lines).encode()
    for kind, said in (("poison", "it ended: killed by SIGKILL"), ("exit", "it ended: exit code 3")):
        run = leat("-", ":", "coproc", *child(kind), ":", "-", "-k", "-j", "2", "--errors", kind, data=data)
        run.check(1).counted(failed=5, delivered=1995)
        assert run.out.decode().splitlines() == [line + "!" for line in lines if not line.startswith("poison")]
        bad = [json.loads(line) for line in lines_of(kind)]
        assert [record["item"] for record in bad] == [line for line in lines if line.startswith("poison")]
        assert all(said in record["reason"] for record in bad), bad
    leat("-", ":", "coproc", *child("poison"), ":", "-", "-j", "1", data=b"1\n" + b"poison\n" * 12 + b"2\n").check(1).counted(
        failed=12, delivered=2)


def test_hanging():
    """A child that hangs is killed, also one that ignores SIGTERM, and started again"""
    data = b"".join(b"%d\n" % n for n in range(50)) + b"poison\n" + b"".join(b"%d\n" % n for n in range(50, 100))
    script = "echo $$ >>started; while read x; do case $x in p*) sleep 1000;; *) echo $x!;; esac; done"
    run = leat("-", ":", "coproc", "-t", "3s", "sh", "-c", script, ":", "-", "-k", "-j", "1", data=data)
    run.check(1, "no answer within 3 s").counted(failed=1, delivered=100)
    assert run.out.split() == [b"%d!" % n for n in range(100)]
    assert all(map(is_gone, started()))
    script = "trap '' TERM; while read x; do case $x in p) sleep 1000;; *) echo $x;; esac; done"
    leat("-", ":", "coproc", "-t", "2s", "--kill-after", "100ms", "sh", "-c", script, ":", "-", "-j", "1",
         data=b"1\np\n2\n").check(1).counted(failed=1, delivered=2)


def test_buffers():
    """A command that keeps its output back is found out, and the reason suspected"""
    run = leat("-", ":", "coproc", "-t", "100ms", "sh", "-c", "cat >/dev/null", ":", "null:", data=numbers(10))
    run.check(1, ("does it flush its output", "times in a row")).balanced()


def test_ending():
    """A child that ends of itself is started again and costs no item; one that never works ends the run"""
    run = leat("-", ":", "coproc", *child("some"), ":", "-", "-k", "-j", "2", data=numbers(1000)).check(0)
    assert run.out.split() == [b"%d!" % n for n in range(1, 1001)]
    leat("gen:?count=100", ":", "queue:q").check(0)
    run = leat("queue:q", ":", "coproc", "false", ":", "null:").check(1, "exit code 1")
    left = 100 - run.counts["failed"]
    assert run.counts["failed"] <= 10, run
    leat("queue:q", ":", "coproc", "cat", ":", "null:").check(0).counted(delivered=left)
    leat("queue:q", ":", "coproc", "no-such-program", ":", "null:").check(3, "there is no such program")


def test_speaks_too_much():
    """One that writes two lines for an item ends the run: nobody knows any more what belongs to what"""
    run = leat("-", ":", "coproc", "sed", "-u", "p", ":", "null:", "-j", "1", data=numbers(1000))
    run.check(1, "wrote more lines than it was given").balanced()
    run = leat("-", ":", "coproc", "--max-output", "100k", "sh", "-c", "read x; exec tr '\\n' x </dev/zero", ":", "null:", "-j", "1",
               data=numbers(2)).check(1).counted(failed=2)


def test_end():
    """At the end its input is closed and it may finish; who does not is killed"""
    script = "while read x; do echo $x; done; echo bye >ended"
    leat("-", ":", "coproc", "sh", "-c", script, ":", "null:", "-j", "1", data=numbers(10)).check(0)
    assert lines_of("ended") == [b"bye"]
    script = "echo $$ >pid; trap '' TERM; while read x; do echo $x; done; sleep 1000"
    leat("-", ":", "coproc", "--kill-after", "200ms", "sh", "-c", script, ":", "null:", "-j", "1", data=numbers(10)).check(0)
    assert is_gone(int(lines_of("pid")[0]))


def test_stopped():
    """A drop calls off what hangs; a kill takes the children along"""
    leat("-", ":", "queue:q", data=b"1\npoison\n2\n").check(0)
    process = start("queue:q", ":", "coproc", *child("hang"), ":", "out", "-j", "1", "--stop", "drop")
    until(lambda: started() and minds_signals(process), "the child")
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    run = end(process)
    assert run.code == 128 + signal.SIGTERM and run.counts["failed"] == 0, run
    assert all(map(is_gone, started()))
    process = start("queue:q", ":", "coproc", *child("hang"), ":", "out2", "-j", "1")
    before = len(started())
    until(lambda: len(started()) > before, "the child")
    process.kill()
    end(process)
    until(lambda: all(map(is_gone, started())), "its end")


def test_dry_run():
    """--dry-run shows what would be sent"""
    run = leat("-", ":", "coproc", "./x y", "z", ":", "null:", "--dry-run", data=b"it's\n")
    assert run.code == 3, run
    run = leat("-", ":", "coproc", "cat", "-u", "z y", ":", "null:", "--dry-run", data=b"a b\n").check(0)
    assert run.out == b"cat -u 'z y' <<<'a b'\n"


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

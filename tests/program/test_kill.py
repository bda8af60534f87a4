#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Killing and stopping: whatever happens to the process, every item of a queue is in the output at least once.

KILL_SEED in the environment changes the moments.
"""
import json
import os
import random
import signal
import sys
import time

from program import end, leat, lines_of, minds_signals, run_tests, start, start_flowing, until, write

SEED = int(os.environ.get("KILL_SEED", "20240229"))
ITEMS = 100000
KILLS = 20
# With these the kills cannot last until the queue is empty: 20 of 0.1 s let at most 60,000 items pass.
SLOWLY = ("rate", "30k/s")
MATCH = ("match", "-f", ".t", r"m=\w+@\w+\.\w+")


def fill(queue):
    items = b"".join(b'{"n":%d,"t":"x%d@example.org \\u00e9"}\n' % (n, n) for n in range(ITEMS))
    leat("-", ":", queue, data=items).check(0).counted(delivered=ITEMS)


def items_of(queue):
    """The numbers of all items of a queue, each checked to be whole."""
    run = leat("queue", "peek", queue, "-n", 10 * ITEMS, "--json").check(0)
    return [check_item(json.loads(line)["body"]) for line in run.out.splitlines()]


def check_item(text):
    item = json.loads(text)
    number = item["n"]
    assert item == {"n": number, "t": f"x{number}@example.org é", "m": [f"x{number}@example.org"]}, item
    return number


def queues_of(file):
    return {queue["name"]: queue for queue in map(json.loads, leat("queue", "ls", file, "--json").check(0).out.splitlines())}


def kill_again_and_again(*words):
    """Kill it at KILLS random moments; then let it end."""
    generator = random.Random(SEED)
    for kill in range(KILLS):
        process = start(*words)
        time.sleep(generator.random() * 0.1)
        process.kill()
        run = end(process)
        assert run.code == -signal.SIGKILL, f"kill {kill} came too late: {run}"
    return leat(*words).check(0)


def complete(numbers):
    """Each at least once; what is there twice was on its way at one of the kills."""
    missing = set(range(ITEMS)) - set(numbers)
    assert not missing, f"{len(missing)} are lost, such as {sorted(missing)[:10]}"
    assert set(numbers) == set(range(ITEMS))
    print(f"# {len(numbers) - ITEMS} of {ITEMS} delivered again after {KILLS} kills")


def test_kill_into_another_file():
    """kill -9 at 20 random moments, from one queue file into another: nothing is lost, the files open cleanly"""
    fill("queue:in.q")
    kill_again_and_again("queue:in.q", ":", *SLOWLY, ":", *MATCH, ":", "queue:out.q", "-j", 2)
    complete(items_of("out.q"))
    assert queues_of("in.q")["main"]["ready"] == 0
    assert queues_of("in.q")["main"]["dead"] == 0
    leat("queue:in.q", ":", "null:").check(0).counted(**{"in": 0})
    total = len(items_of("out.q"))
    leat("queue:out.q", ":", "null:").check(0).counted(**{"in": total, "delivered": total})


def test_kill_within_one_file():
    """the same from one name of a file to another name of it"""
    fill("queue:in.q#todo")
    kill_again_and_again("queue:in.q#todo", ":", *SLOWLY, ":", *MATCH, ":", "queue:in.q#done", "-j", 2)
    complete(items_of("in.q#done"))
    assert queues_of("in.q")["todo"]["ready"] == 0


def test_kill_into_lines():
    """the same into a file of lines: a line that a kill cut off spoils no other one"""
    fill("queue:in.q")
    kill_again_and_again("queue:in.q", ":", *SLOWLY, ":", *MATCH, ":", "out.ndjson", "--append", "-j", 2)
    numbers, torn = [], 0
    for line in lines_of("out.ndjson"):
        try:
            json.loads(line)
        except ValueError:
            torn += 1
            continue
        numbers.append(check_item(line))
    assert torn <= KILLS, torn
    complete(numbers)


def test_a_torn_line_is_ended():
    """--append after a killed run: the line without an end stays by itself"""
    write("out", b'{"n":1}\n{"n":2,"t')
    leat("-", ":", "out", "--append", data=b'{"n":2}\n').check(0)
    assert lines_of("out") == [b'{"n":1}', b'{"n":2,"t', b'{"n":2}']
    write("out", b'{"n":1}')
    leat("-", ":", "out", "--append", data=b"").check(0)
    leat("-", ":", "out", "--append", data=b'{"n":2}\n').check(0)
    assert lines_of("out") == [b'{"n":1}', b'{"n":2}']


def test_kill_while_filling():
    """kill -9 while a queue is filled: it holds a beginning of the input without gaps, and opens cleanly"""
    generator = random.Random(SEED)
    items = b"".join(b'{"n":%d,"t":""}\n' % n for n in range(2 * ITEMS))
    write("in.ndjson", items)
    for kill in range(5):
        queue = f"fill{kill}.q"
        process = start("in.ndjson", ":", f"queue:{queue}")
        time.sleep(generator.random() * 0.3)
        process.kill()
        end(process)
        if not os.path.exists(queue):
            continue
        run = leat(f"queue:{queue}", ":", "-", "-k")
        if run.code == 3 and ('no queue "main"' in run.err or "the file is empty" in run.err):
            # Killed before there was one: that it can be filled now is all it owes.
            leat("-", ":", f"queue:{queue}", data=items[: items.index(b"\n", 1000) + 1]).check(0)
            run = leat(f"queue:{queue}", ":", "-", "-k")
        run.check(0)
        assert items.startswith(run.out), run.out[-100:]


def test_term_drains():
    """kill -TERM: what was read is delivered, the rest stays in the queue, the counts balance; then the rest follows"""
    fill("queue:in.q")
    process = start_flowing("queue:in.q", ":", *SLOWLY, ":", *MATCH, ":", "queue:out.q", "-j", 2)
    process.terminate()
    first = end(process).check(128 + signal.SIGTERM, "finishing").balanced()
    assert 0 < first.counts["in"] < ITEMS and first.counts["returned"] == first.counts["failed"] == 0, first
    assert queues_of("in.q")["main"]["ready"] == ITEMS - first.counts["delivered"]
    assert queues_of("out.q")["main"]["ready"] == first.counts["delivered"]
    leat("queue:in.q", ":", *MATCH, ":", "queue:out.q").check(0).counted(delivered=ITEMS - first.counts["delivered"])
    numbers = items_of("out.q")
    assert sorted(numbers) == list(range(ITEMS)), "lost or doubled"


def test_term_twice():
    """the second TERM drops: what was not begun is returned and still in the queue, nothing lost or doubled"""
    fill("queue:in.q")
    process = start_flowing("queue:in.q", ":", "rate", "1/s", ":", *MATCH, ":", "queue:out.q", "-j", 2)
    process.terminate()
    until(lambda: b"finishing" in process.said(), "the first stop")
    process.terminate()
    run = end(process).check(128 + signal.SIGTERM, "giving back").balanced()
    assert run.counts["returned"] > 0, run
    delivered = run.counts["delivered"]
    assert run.counts["in"] == delivered + run.counts["returned"], run
    assert queues_of("in.q")["main"]["ready"] == ITEMS - delivered
    leat("queue:in.q", ":", *MATCH, ":", "queue:out.q").check(0).counted(delivered=ITEMS - delivered)
    assert sorted(items_of("out.q")) == list(range(ITEMS)), "lost or doubled"


def test_stop_drop():
    """--stop drop at the first TERM, at full speed: what is in the output has left the input, and nothing else"""
    fill("queue:in.q")
    process = start("queue:in.q", ":", *MATCH, ":", "queue:out.q", "-j", 2, "--stop", "drop")
    until(lambda: minds_signals(process), "its start")
    time.sleep(0.15)
    process.terminate()
    run = end(process)
    if run.code == 0:
        run.counted(delivered=ITEMS)  # it was faster
    else:
        run.check(128 + signal.SIGTERM).balanced()
        assert queues_of("in.q")["main"]["ready"] == ITEMS - run.counts["delivered"]
        leat("queue:in.q", ":", *MATCH, ":", "queue:out.q").check(0)
    assert sorted(items_of("out.q")) == list(range(ITEMS)), "lost or doubled"


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who limits a run, and what one more worker would bring: pipelines of which that is known, and then with that worker.

Rates are compared, not asserted: what sleeps decides them, and where processors do, the work for a second of theirs.
RabbitMQ as what limits is in test_amqp.py.
"""
import json
import os
import signal
import sys

from prediction import compare
from program import end, leat, run_tests, start

FIND = r"x=(\w+ )+\w+@\w+"
HARD = [rf"a{i}=(?:[a-z]+\W+){{{i}}}[aeiou]+\b" for i in range(2, 8)]  # nothing in them tells where to begin


def test_processors():
    """processors that are full: they are named, also when others have a part of them, and one more worker brings nothing"""
    compare(("gen:?count=1000000000", ":", "match", "-f", ".content", *HARD, ":", "null:"), 2, "the processors: ", 2, 1,
            by="per_cpu")


def test_exec():
    """commands that wait: with four workers a fifth brings a quarter"""
    compare(("gen:?count=100", ":", "exec", "-d", "-i", "text", "sleep", "0.1", ":", "null:"), 4, "exec: 4 workers", None, 1.25)


def test_coproc():
    """children that take their time for each line: with two workers a third brings half"""
    child = "while read -r line; do sleep 0.05; echo done; done"
    compare(("gen:?count=100", ":", "coproc", "sh", "-c", child, ":", "null:"), 2, "coproc: 2 workers", None, 1.5)


def on_one_processor():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def test_commands():
    """commands that compute: the processors that they fill are named, while they live and afterwards; one more brings nothing"""
    work = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
    for words in (("exec", "-d", "-i", "text", "-s", work), ("coproc", "sh", "-c", f"while read -r line; do {work}; echo; done")):
        process = start("gen:?count=1000000000", ":", *words, ":", "null:", "-j", "2", "--stats-json", "--report", "r.json",
                        preexec_fn=on_one_processor)
        said = []  # what the verdict was in single seconds
        while said.count("processors") < 3 and len(said) < 60:
            said.append(json.loads(process.stderr.readline())["verdict"]["kind"])
        process.send_signal(signal.SIGTERM)
        end(process).check(143)
        assert said.count("processors") == 3, said
        with open("r.json", encoding="utf-8") as file:
            report = json.load(file)
        assert report["bottleneck"].startswith("the processors: "), report
        assert f"mostly in the commands of {words[0]} (" in report["bottleneck"] and report["gain"] == 1, report


def test_rate():
    """a rate that the user set"""
    compare(("gen:?count=750", ":", "rate", "500/s", ":", "null:"), 2, "the rate you set: rate", None, 1)


def test_agreement():
    """from three seconds on the verdict says in how many of them it was the same"""
    run = leat("gen:?count=2000", ":", "rate", "500/s", ":", "null:", "--report", "r.json").check(0)
    with open("r.json", encoding="utf-8") as file:
        report = json.load(file)
    assert 3 <= report["agreeing"] <= report["of_seconds"], report
    assert f"raise the rate to go faster (so in {report['agreeing']} of {report['of_seconds']} s)" in run.err, run
    run = leat("gen:?count=100", ":", "rate", "500/s", ":", "null:").check(0)
    assert "(so in" not in run.err, run


def test_source():
    """a source that gives little"""
    compare(("-", ":", "match", "x=y", ":", "null:"), 2, "the source: everything waits for -", 1.5, 1,
            stdin=["sh", "-c", "while echo line; do sleep 0.02; done"])


def test_sink():
    """a sink whose reader stalls"""
    compare(("gen:?count=2000", ":", "match", "-f", ".content", FIND, ":", "-"), 2, "the sink: everything waits for -", None, 1,
            reader=["sh", "-c", "while dd bs=64k count=1 2>/dev/null | grep -q .; do sleep 0.05; done"])


def test_automatic():
    """-j auto begins with the processors, adds where it helps, and says what it did"""
    run = leat("gen:?count=600", ":", "exec", "-d", "-i", "text", "sleep", "0.05", ":", "where", "-j", "1", ".content", ":", "null:",
               "-j", "auto", "--report", "r.json").check(0).counted(delivered=600)
    with open("r.json", encoding="utf-8") as file:
        workers = [part["workers"] for part in json.load(file)["parts"]]
    first = int(run.err.split("-j auto: exec from ")[1].split()[0])
    assert f"leat: -j auto: exec from {first} to {workers[1]} workers in " in run.err, run
    assert first < workers[1] <= 256 and workers[2] == 1, workers


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

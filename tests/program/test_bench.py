#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat bench: trials, table, reports, baselines, and what it refuses. What the numbers are is the machine's business;
where a rate limits, they are known."""
import json
import os
import re
import sys

from program import leat, run_tests, write

MATCH = ("match", "-f", ".content", r"emails=[\w.+-]+@[\w-]+\.[\w.]+")
SHORT = ("--for", "150ms", "--warm-up", "50ms")


def bench(*words, code=0, said=()):
    return leat("bench", *words).check(code, said)


def test_rate():
    """a rate limits every number of workers alike: the curve is flat, the verdict says why"""
    run = bench("gen:?count=1000000000", ":", *MATCH, ":", "rate", "2000/s", ":", "null:", "--sweep", "1,2,4,4,2", "--repeat",
                "3", "--for", "500ms", "--warm-up", "100ms", "--report", "b.json")
    with open("b.json", encoding="utf-8") as file:
        report = json.load(file)
    assert [step["workers"] for step in report["steps"]] == [1, 2, 4]
    for step in report["steps"]:
        assert len(step["trials"]) == 3 and step["low"] <= step["rate"] <= step["high"]
        assert 0 < step["rate"] < 2200, step["rate"]  # an upper bound, however slow the machine is
        for trial in step["trials"]:
            assert trial["kind"] == "rate" and "the rate you set" in trial["bottleneck"], trial
            assert [part["workers"] for part in trial["parts"]] == [1, step["workers"], 1] and not trial["whole"]
    assert report["fit"] is None and b"No curve" in run.out
    assert re.search(rb"Fastest: \d workers?, .*/s; there: the rate you set", run.out), run.out


def test_fit():
    """six numbers of workers and three trials give a curve with intervals; the page holds it and needs nothing else"""
    words = ("gen:?count=1000000000", ":", *MATCH, ":", "null:", "--sweep", "1,2,3,4,5,6", *SHORT)
    run = bench(*words, "--report", "b.html")
    assert re.search(rb"Law of scaling: contention \xcf\x83 [\d.e-]+ \([\d.e-]+ to [\d.e-]+\)", run.out), run.out
    with open("b.html", encoding="utf-8") as file:
        page = file.read()
    assert page.count("<svg") == 1 and page.count("<circle") == 6
    assert not re.search(r"(?:src|href)\s*=|url\(|@import", page), "it needs something from elsewhere"
    bench(*words, "--report", "b.json", "-q")
    with open("b.json", encoding="utf-8") as file:
        fit = json.load(file)["fit"]
    for name in ("lambda", "sigma", "kappa"):
        assert fit[name]["low"] <= fit[name]["high"] and fit[name]["value"] >= 0


def test_own_workers():
    """a stage with workers of its own keeps them in the sweep, and is tried with twice as many"""
    run = bench("gen:?count=1000000000", ":", *MATCH, ":", "rate", "-j", "3", "500/s", ":", "null:", "--sweep", "1,2", "--repeat",
                "1", *SHORT, "--report", "b.json")
    with open("b.json", encoding="utf-8") as file:
        steps = json.load(file)["steps"]
    assert [(step["workers"], step["stage"]) for step in steps] == [(1, 0), (2, 0), (3, 2), (6, 2)]
    assert [steps[i]["trials"][0]["parts"][2]["workers"] for i in range(4)] == [3, 3, 3, 6]
    assert b"Stage 2 alone from 3 to 6 workers: elasticity" in run.out


def test_whole_input():
    """an input that ends early is measured whole, each trial from its beginning; what fails does not end the bench"""
    write("in.ndjson", '{"content":"a@b.example"}\n' * 900 + "broken\n" * 100)
    run = bench("in.ndjson", ":", *MATCH, ":", "out.ndjson", "--sweep", "1,2", "--repeat", "2", "--report", "b.json")
    assert b"The input ended within the measured time" in run.out
    with open("b.json", encoding="utf-8") as file:
        trials = [trial for step in json.load(file)["steps"] for trial in step["trials"]]
    assert all(trial["whole"] and trial["failed"] == 100 for trial in trials) and len(trials) == 4
    write("p.yaml", "from: in.ndjson\nsteps:\n  - match: {words: ['x=b'], field: .content}\nto: 'null:'\n")
    shown = leat("show", "in.ndjson", ":", *MATCH, ":", "null:").check(0).out
    write("p.yaml", shown)
    bench("p.yaml", "--sweep", "1", "--repeat", "1")


def test_queue():
    """a queue is read whole in each trial, and is as it was afterwards; nothing stays in the temporary folder"""
    leat("gen:?count=2000", ":", "queue:q#jobs").check(0)
    before = leat("queue", "ls", "q").check(0).out
    os.mkdir("temporary")
    leat("bench", "queue:q#jobs", ":", *MATCH, ":", "null:", "--sweep", "1,2", "--repeat", "2", "--report", "b.json",
         env=dict(os.environ, TMPDIR=os.path.abspath("temporary"))).check(0)
    with open("b.json", encoding="utf-8") as file:
        trials = [trial for step in json.load(file)["steps"] for trial in step["trials"]]
    assert all(trial["whole"] and abs(trial["rate"] * trial["seconds"] - 2000) < 1 for trial in trials), trials
    assert leat("queue", "ls", "q").check(0).out == before and os.listdir("temporary") == []


def test_baseline():
    """slower than a baseline beyond all noise: exit code 1 and a line; as fast or faster: 0"""
    words = ("gen:?count=1000000000", ":", "rate", "3000/s", ":", "null:", "--sweep", "1,2", "--repeat", "2", *SHORT)
    bench(*words, "--report", "b.json")
    with open("b.json", encoding="utf-8") as file:
        report = json.load(file)
    for factor, code in ((0.1, 0), (10, 1)):
        for step in report["steps"]:
            for name in ("rate", "low", "high"):
                step[name] *= factor
        write("changed.json", json.dumps(report))
        run = bench(*words, "--baseline", "changed.json", code=code)
        assert run.out.count(b"against the baseline") == 2
        assert run.out.count(b"SLOWER") == (2 if code else 0)
        report = json.loads(open("b.json", encoding="utf-8").read())
    bench(*words, "--baseline", "nowhere.json", code=2, said="nowhere.json")
    write("wrong.json", "[]")
    bench(*words, "--baseline", "wrong.json", code=2, said="not a report of leat bench")


def test_refusals():
    """inputs that are gone once they were read, and what cannot be: a clear line, nothing is run"""
    sink = (":", "null:")
    for words, said in ((("-", *sink), "standard input has it once"),
                        (("gen:", *sink, "--forever"), "--forever"),
                        (("gen:", *sink, "--sweep", "1,x"), "--sweep"), (("gen:", *sink, "--sweep", ""), "--sweep"),
                        (("gen:", *sink, "--sweep", "0"), "--sweep"), (("gen:", *sink, "--sweep", "1,,2"), "--sweep"),
                        (("gen:", *sink, "--repeat", "0"), "--repeat"), ((), "where the items come from"),
                        (("gen:", ":", "match", "x=(", *sink), "missing closing parenthesis")):
        bench(*words, code=2, said=said)
    bench("nowhere.ndjson", *sink, code=3, said="nowhere.ndjson")


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

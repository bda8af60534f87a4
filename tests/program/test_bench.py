#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""leat bench: trials, table, reports, baselines, and what it refuses. What the numbers are is the machine's business;
where a rate limits, they are known.

Debian's own Python, for which jsonschema is packaged.
"""
import json
import os
import pathlib
import re
import signal
import sys

import jsonschema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "servers"))
from chromium import Chromium
from program import end, leat, run_tests, start, until, write

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REPORT = json.loads((ROOT / "docs/schema/bench.json").read_text())

MATCH = ("match", "-f", ".content", r"emails=[\w.+-]+@[\w-]+\.[\w.]+")
SHORT = ("--for", "150ms", "--warm-up", "50ms")


def bench(*words, code=0, said=()):
    return leat("bench", *words).check(code, said)


def report_of(path):
    """A report, which is as its schema describes it."""
    report = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    jsonschema.validate(report, REPORT)
    return report


def test_rate():
    """a rate limits every number of workers alike: the curve is flat, the verdict says why"""
    run = bench("gen:?count=1000000000", ":", *MATCH, ":", "rate", "2000/s", ":", "null:", "--sweep", "1,2,4,4,2", "--repeat",
                "3", "--for", "500ms", "--warm-up", "100ms", "--report", "b.json")
    report = report_of("b.json")
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
    fit = report_of("b.json")["fit"]
    for name in ("lambda", "sigma", "kappa"):
        assert fit[name]["low"] <= fit[name]["high"] and fit[name]["value"] >= 0


def test_own_workers():
    """a stage with workers of its own keeps them in the sweep, and is tried with twice as many"""
    run = bench("gen:?count=1000000000", ":", *MATCH, ":", "rate", "-j", "3", "500/s", ":", "null:", "--sweep", "1,2", "--repeat",
                "1", *SHORT, "--report", "b.json")
    steps = report_of("b.json")["steps"]
    assert [(step["workers"], step["stage"]) for step in steps] == [(1, 0), (2, 0), (3, 2), (6, 2)]
    assert [steps[i]["trials"][0]["parts"][2]["workers"] for i in range(4)] == [3, 3, 3, 6]
    assert b"Stage 2, rate, alone from 3 to 6 workers: elasticity" in run.out


def test_whole_input():
    """an input that ends early is measured whole, each trial from its beginning; what fails does not end the bench"""
    write("in.ndjson", '{"content":"a@b.example"}\n' * 900 + "broken\n" * 100)
    run = bench("in.ndjson", ":", *MATCH, ":", "out.ndjson", "--sweep", "1,2", "--repeat", "2", "--report", "b.json")
    assert b"The input ended within the measured time" in run.out
    trials = [trial for step in report_of("b.json")["steps"] for trial in step["trials"]]
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
    trials = [trial for step in report_of("b.json")["steps"] for trial in step["trials"]]
    assert all(trial["whole"] and abs(trial["rate"] * trial["seconds"] - 2000) < 1 for trial in trials), trials
    assert leat("queue", "ls", "q").check(0).out == before and os.listdir("temporary") == []


def test_baseline():
    """slower than a baseline beyond all noise: exit code 1 and a line; as fast or faster: 0"""
    words = ("gen:?count=1000000000", ":", "rate", "3000/s", ":", "null:", "--sweep", "1,2", "--repeat", "2", *SHORT)
    bench(*words, "--report", "b.json")
    report = report_of("b.json")
    for factor, code in ((0.1, 0), (10, 1)):
        for step in report["steps"]:
            for name in ("rate", "low", "high"):
                step[name] *= factor
        write("changed.json", json.dumps(report))
        run = bench(*words, "--baseline", "changed.json", code=code)
        assert run.out.count(b"against the baseline") == 2
        assert run.out.count(b"SLOWER") == (2 if code else 0)
        report = report_of("b.json")


def test_before_the_trials():
    """a baseline that cannot be read and a report that cannot be written are told of before anything is run"""
    words = ("in.ndjson", ":", "null:", "--sweep", "1", "--repeat", "1")  # a trial would say that this is missing
    write("wrong.json", "[]")
    write("broken.json", "{\n\"steps\": ]")
    os.mkdir("folder")
    for baseline, said in (("nowhere.json", "--baseline nowhere.json: No such file or directory"),
                           ("wrong.json", "--baseline wrong.json: not a report of leat bench"),
                           ("broken.json", "--baseline broken.json: line 2: "),
                           ("folder", "--baseline folder: Is a directory")):
        run = bench(*words, "--baseline", baseline, code=2, said=said)
        assert "in.ndjson" not in run.err and "line -1" not in run.err, run
    for report, said in (("missing/b.json", "--report: missing/b.json: No such file or directory"),
                         ("folder", "--report: folder: Is a directory")):
        run = bench(*words, "--report", report, code=3, said=said)
        assert "in.ndjson" not in run.err, run
    assert sorted(os.listdir(".")) == ["broken.json", "folder", "wrong.json"] and os.listdir("folder") == []


def processes(word):
    """How many processes have it as a word of their command line and are not zombies."""
    found = 0
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        found += word.encode() in words
    return found


def test_signal():
    """a signal ends bench, its trial and the trial's commands, and no copy stays; nor do they outlive a kill of bench"""
    leat("gen:?count=2000", ":", "queue:q").check(0)
    os.mkdir("temporary")
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
        unique = f"{os.getpid()}.{int(number)}"
        process = start("bench", "queue:q", ":", "exec", "-i", "text", "sleep", unique, ":", "null:", "--sweep", "2", "--repeat", "2",
                        "--report", "b.json", env=dict(os.environ, TMPDIR=os.path.abspath("temporary")),
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored when we are in the background
        until(lambda: processes(unique) > 2, "the commands")
        assert len(os.listdir("temporary")) == 1
        process.send_signal(number)
        run = end(process)
        assert run.code == code, run
        until(lambda: processes(unique) == 0, "the end of the trial and its commands")
        if number != signal.SIGKILL:
            assert "leat: bench: stopped after 0 of 2 trials; nothing is reported" in run.err and not run.out, run
            assert os.listdir("temporary") == [] and not os.path.exists("b.json")


def test_page():
    """the page's text can be read on a phone, and no number is written with an exponent"""
    run = bench("gen:?count=1000000000", ":", *MATCH, ":", "null:", "--sweep", "1,2,3,4,5,6,7,8,9,10,12", "--repeat", "1", *SHORT,
                "--report", "b.html")
    text = pathlib.Path("b.html").read_text(encoding="utf-8")
    labels = re.findall(r'text-anchor="end">([^<]*)<', text)
    assert len(labels) == 5 and labels[0] == "0" and all(re.fullmatch(r"[\d.]+( [kMG])?", label) for label in labels), labels
    assert re.search(rb"Fastest: \d+ workers?, [\d.]+ [kMG]/s", run.out), run.out
    with Chromium() as browser:
        for width in (390, 1280):
            browser.open("file://" + os.path.abspath("b.html"), width)
            browser.wait("document.querySelectorAll('svg text').length > 8")
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
            boxes = browser.run("[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect())"
                                ".map(box => [box.left, box.right, box.top, box.bottom])")
            assert all(bottom - top >= 11 and left >= 0 and right <= width for left, right, top, bottom in boxes), boxes
            for i, (left, right, top, bottom) in enumerate(boxes):
                for other in boxes[:i]:
                    assert right <= other[0] or other[1] <= left or bottom <= other[2] or other[3] <= top, (boxes[i], other)
            browser.open("about:blank")


def test_refusals():
    """inputs that are gone once they were read, and what cannot be: a clear line, nothing is run"""
    sink = (":", "null:")
    for words, said in ((("-", *sink), "standard input has it once"),
                        *((("gen:", *sink, *option), f"bench and {option[0]} do not go together: ") for option in (
                            ("--forever",), ("--resume", "st"), ("--dry-run",), ("--errors", "bad"), ("--dead", "dead"),
                            ("--halt", "now,fail=1"), ("--http", "0"), ("--control",), ("--trace", "1"), ("--stats",),
                            ("--stats-json",))),
                        (("gen:", *sink, "--sweep", "1,x"), "--sweep"), (("gen:", *sink, "--sweep", ""), "--sweep"),
                        (("gen:", *sink, "--sweep", "0"), "--sweep"), (("gen:", *sink, "--sweep", "1,,2"), "--sweep"),
                        (("gen:", *sink, "--repeat", "0"), "--repeat"), ((), "where the items come from"),
                        (("gen:", ":", "match", "x=(", *sink), "missing closing parenthesis")):
        bench(*words, code=2, said=said)
    assert os.listdir(".") == []
    bench("nowhere.ndjson", *sink, code=3, said="nowhere.ndjson")


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

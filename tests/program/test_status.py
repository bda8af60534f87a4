#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""--http: the page in a real browser, the numbers for programs, steering, and what strangers may send.

Debian's own Python, for which jsonschema is packaged.
"""
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

import jsonschema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "servers"))
from chromium import Chromium
from program import end, leat, run_tests, start, start_flowing, until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STATS = json.loads((ROOT / "docs/schema/stats.json").read_text())
REPORT = json.loads((ROOT / "docs/schema/report.json").read_text())
TOKEN = "a-token-of-this-test"
MATCH = ("match", "-f", ".content", r"emails=[\w.+-]+@[\w-]+\.[\w.]+")
ENDLESS = ("gen:?count=1000000000", ":", *MATCH, ":", "rate", "20k/s", ":", "null:")


class Watched:
    """A run with a page; `control`: may be steered, with TOKEN."""

    def __init__(self, *words, control=True, **options):
        self.errors = tempfile.TemporaryFile()
        environment = dict(os.environ, LEAT_CONTROL_TOKEN=TOKEN)
        self.process = start(*words, "--http", "127.0.0.1:0", *(["--control"] if control else []), stderr=self.errors,
                             env=environment, **options)
        self.process.said = lambda: os.pread(self.errors.fileno(), 1 << 20, 0)
        until(lambda: b"watch at " in self.process.said() or self.process.poll() is not None, "the address")
        self.url, self.port = re.search(rb"watch at (http://127\.0\.0\.1:(\d+)/\S*)", self.process.said()).groups()
        self.url, self.port = self.url.decode(), int(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def request(self, method, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def now(self):
        code, text = self.request("GET", "/status.json")
        assert code == 200
        return json.loads(text)

    def steer(self, what, token=TOKEN):
        return self.request("POST", "/control/" + what, **({"Authorization": "Bearer " + token} if token else {}))

    def end(self):
        self.process.terminate()
        return end(self.process).check(143)


def later(run, condition):
    """The numbers, once they are so."""
    seen = []
    until(lambda: condition(seen.append(run.now()) or seen[-1]), "the numbers")
    return seen[-1]


def test_numbers():
    """what --stats-json, /status.json and --report say is as their schemas describe it, from the first line to the last"""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        with Watched("-", ":", *MATCH, ":", "null:", "--stats-json", "--report", report, stdin=subprocess.PIPE) as run:
            first = run.now()
            jsonschema.validate(first, STATS)
            assert first["control"] and not first["ended"]
            run.process.stdin.write(b'{"content":"a@b.example"}\n' * 50 + b"broken\n" * 20)
            run.process.stdin.flush()
            last = later(run, lambda now: now["failed"] == 20)
            jsonschema.validate(last, STATS)
            assert len(last["failures"]) == 8 and "not a JSON object" in last["failures"][-1]["reason"], last
            done = end(run.process).check(1)
        lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
        assert lines
        for line in lines:
            jsonschema.validate(line, STATS)
        assert (lines[-1]["in"], lines[-1]["delivered"], lines[-1]["failed"]) == (70, 50, 20)
        assert lines[-1]["latency"]["max"] >= lines[-1]["latency"]["p50"] > 0
        written = json.loads(report.read_text())
        jsonschema.validate(written, REPORT)
        assert written["exit"] == 1 and written["failed"] == 20


def check_kind(kinds, name, labels, line):
    """A counter's name ends with _total and no other's does; a summary has quantiles, a sum and a count, nothing else has."""
    summary = re.sub("_(sum|count)$", "", name)
    if kinds.get(summary) == "summary":
        assert (summary == name) == ("quantile" in labels), line
        return
    assert name in kinds, f"not announced: {line}"
    assert (kinds[name] == "counter") == name.endswith("_total"), line
    assert not {"quantile", "le"} & set(labels) and not re.search("_(sum|count|bucket)$", name), line


def test_outcomes():
    """however a run ends, its report is as the schema describes it, and says so"""
    broken = b"not JSON\n" * 9
    endings = (("finished", 0, ("gen:?count=9", ":", "null:")),
               ("not started", 3, ("there-is-none", ":", "null:")),
               ("broken", 1, ("gen:?count=9", ":", "/dev/full")),
               ("late", 5, ("gen:?count=9", ":", "rate", "1/h", ":", "null:", "--deadline", "200ms")),
               ("stopped", 143, (*ENDLESS, "--stop", "drop")),
               ("halted", 4, ("-", ":", "match", "-f", ".a", "x=y", ":", "null:", "--halt", "soon,fail=3")))
    with tempfile.TemporaryDirectory() as folder:
        for outcome, code, words in endings:
            report = pathlib.Path(folder, outcome)
            if outcome == "stopped":
                process = start_flowing(*words, "--report", report)
                process.terminate()
                end(process).check(code)
            else:
                leat(*words, "--report", report, data=broken).check(code)
            written = json.loads(report.read_text())
            jsonschema.validate(written, REPORT)
            assert (written["outcome"], written["exit"]) == (outcome, code), written


def samples(text):
    """Prometheus' text format, strictly: {name: [(labels, value)]}, every one of them announced, none twice."""
    name, kinds, found = r"[a-zA-Z_:][a-zA-Z0-9_:]*", {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        announced = re.fullmatch(rf"# TYPE ({name}) (counter|gauge|summary)", line)
        if announced:
            assert announced[1] not in kinds, f"announced twice: {line}"
            kinds[announced[1]] = announced[2]
            continue
        if re.fullmatch(rf"# HELP {name} .+", line):
            continue
        sample = re.fullmatch(rf'({name})(?:\{{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\}})? (-?[0-9.e+]+)', line)
        assert sample, f"not a sample: {line}"
        labels = tuple(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', sample[2] or ""))
        assert labels not in [other for other, _ in found.get(sample[1], [])], f"twice: {line}"
        check_kind(kinds, sample[1], dict(labels), line)
        found.setdefault(sample[1], []).append((labels, float(sample[3])))
    return found


def test_metrics():
    """/metrics is Prometheus' text format, names with quotes and backslashes included, and its counters only rise"""
    with Watched("gen:?count=1000000000", ":", "match", "-n", 'a"b\\c', "-f", ".content", "x=y", ":", "rate", "5k/s", ":",
                 "null:") as run:
        later(run, lambda now: now["delivered"] > 0)
        before = samples(run.request("GET", "/metrics")[1])
        later(run, lambda now: now["delivered"] > 10000)
        after = samples(run.request("GET", "/metrics")[1])
        for name in before:
            for (labels, value), (same, now) in zip(before[name], after[name]):
                rises = re.search("_(total|sum|count)$", name)
                assert labels == same and (not rises or now >= value), (name, labels, value, now)
        settled = sum(value for labels, value in after["leat_items_total"] if labels != (("fate", "in"),))
        assert after["leat_item_latency_seconds_count"] == [((), settled)]
        assert after["leat_item_latency_seconds_sum"][0][1] > 0
        assert dict(before["leat_stage_workers"]).keys() >= {(("column", "1"), ("stage", 'a\\"b\\\\c+rate'))}, before
        states = {dict(labels)["state"] for labels, _ in after["leat_stage_time_seconds_total"]}
        assert states == {"busy", "input", "output", "outside", "throttled"}
        run.end()


def test_ready():
    """/live and /ready, /stuck while nothing moves, and not ready any more while it stops"""
    with Watched("-", ":", "match", "x=y", ":", "null:", stdin=subprocess.PIPE) as run:
        assert run.request("GET", "/live") == (200, "live\n")
        until(lambda: run.request("GET", "/ready")[0] == 200, "readiness")
    with Watched("gen:?count=100000", ":", "rate", "1/h", ":", "null:", "--grace", "5s") as run:
        later(run, lambda now: now["in"] > 0)
        until(lambda: re.search("in stage rate: [12] item", run.request("GET", "/stuck")[1]), "the item that waits for the rate")
        run.process.terminate()
        until(lambda: run.request("GET", "/ready")[0] == 503, "the stop")
        end(run.process).check(5)


def test_control():
    """pause, resume, rate and workers do what they say; the counts balance"""
    with Watched(*ENDLESS, "-j", 4) as run:
        later(run, lambda now: now["delivered"] > 0)
        assert run.steer("pause") == (200, "done\n")
        still = later(run, lambda now: now["paused"] and now["unacked"] == 0)
        later(run, lambda now: now["seconds"] > still["seconds"] + 1)
        assert run.now()["in"] == still["in"] and run.now()["delivered"] == still["in"]
        assert run.steer("rate?value=500")[0] == 200 and run.steer("resume")[0] == 200
        begin = later(run, lambda now: now["in"] > still["in"])
        later(run, lambda now: now["seconds"] > begin["seconds"] + 2)
        slow = run.now()
        most = 500 * (slow["seconds"] - begin["seconds"] + 3) + 100  # an upper bound, however slow the machine is
        assert slow["in"] - begin["in"] <= most and slow["rate_limit"] == 500, (begin["in"], slow["in"])
        assert run.steer("rate?value=0")[0] == 200
        fast = later(run, lambda now: now["in"] > slow["in"] + 5000)
        for workers in (1, 9, 64):
            assert run.steer(f"workers?stage=1&value={workers}")[0] == 200
            seen = later(run, lambda now: now["parts"][1]["workers"] == workers)
            later(run, lambda now: now["delivered"] > seen["delivered"] + 1000)
        assert run.steer("workers?stage=1&value=65") == (400, "stage 1 can have 1 to 64 workers\n")
        for what, code in (("workers?stage=1&value=0", 400), ("workers?value=1", 400),
                           ("workers?stage=0&value=1", 404), ("workers?stage=2&value=1", 404), ("rate?value=-1", 400),
                           ("rate?value=x", 400), ("rate", 400), ("nothing", 404), ("", 404)):
            assert run.steer(what)[0] == code, what
        assert fast["parts"][1]["most_workers"] == 64
        assert run.steer("stop") == (200, "done\n")
        done = end(run.process).check(0)
        assert done.counts["in"] == done.counts["delivered"] > 0


def test_pause():
    """a pause is no rate: nothing limits while it lasts, it is in nobody's time, and the run's verdict is what it was"""
    with Watched("gen:?count=1000000000", ":", "exec", "-d", "-i", "text", "sleep", "0.02", ":", "null:", "-j", 2) as run:
        later(run, lambda now: now["delivered"] > 20)
        run.steer("pause")
        still = later(run, lambda now: now["paused"] and now["unacked"] == 0)
        still = later(run, lambda now: now["seconds"] > still["seconds"] + 3)
        assert still["verdict"]["kind"] == "none" and still["bottleneck"] == "the run is paused", still
        assert still["parts"][0]["throttled"] == 0, still
        assert run.request("GET", "/stuck") == (200, "leat:   no items; the run is paused\n")
        assert "leat_bottleneck" not in samples(run.request("GET", "/metrics")[1])
        run.steer("resume")
        later(run, lambda now: now["in"] > still["in"])
        assert "the rate you set" not in run.end().err
    with Watched(*ENDLESS) as run:
        run.steer("pause")
        later(run, lambda now: now["paused"] and now["unacked"] == 0)
        run.steer("stop")
        end(run.process).check(0)


def test_workers_end():
    """workers that stand by when the input ends, or a stop comes, hold nothing up"""
    for words, code in ((("gen:?count=3000", ":", *MATCH, ":", "rate", "2k/s", ":", "null:"), 0), (ENDLESS, 143)):
        with Watched(*words, "-j", 8) as run:
            later(run, lambda now: now["in"] > 0)
            run.steer("workers?stage=1&value=1")
            if code:
                later(run, lambda now: now["parts"][1]["workers"] == 1)
                run.process.terminate()
            done = end(run.process).check(code)
            assert done.counts["in"] == done.counts["delivered"]


def test_token():
    """no token, a wrong one, part of one: refused, and nothing happens; without --control nobody may"""
    with Watched(*ENDLESS) as run:
        for token in (None, "", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper()):
            for what in ("pause", "drop", "rate?value=1", f"stop?token={TOKEN}"):
                assert run.steer(what, token)[0] == 401
        assert run.request("GET", "/control/stop", Authorization="Bearer " + TOKEN)[0] == 404
        assert run.request("POST", "/", Authorization="Bearer " + TOKEN)[0] == 405
        now = run.now()
        assert not now["paused"] and not now["stopping"] and now["rate_limit"] == 0
        run.end()
    for token in ("geheim gr\u00fcn", "a b", "a#b", "a%20"):
        leat("gen:?count=1", ":", "null:", "--http", "127.0.0.1:0", "--control",
             env=dict(os.environ, LEAT_CONTROL_TOKEN=token)).check(2, "the token in $LEAT_CONTROL_TOKEN may have letters")
    with Watched(*ENDLESS, control=False) as run:
        assert run.steer("stop")[0] == 403 and not run.now()["control"]
        run.end()


def test_address():
    """addresses that cannot be: a clear line, before anything is read"""
    for address, said in (("nonsense:port", "--http nonsense:port"), ("1:2:3", "write HOST:PORT"), ("", "write HOST:PORT"),
                          ("127.0.0.1:", "write HOST:PORT"), ("99999", '"99999" is no port'), ("65536", '"65536" is no port'),
                          ("127.0.0.1:9090x", '"9090x" is no port'), ("-1", '"-1" is no port'), ("localhost", "write HOST:PORT")):
        leat("gen:?count=1", ":", "null:", f"--http={address}").check(2, said)
    leat("gen:?count=1", ":", "null:", "--control").check(2, "there is no page without --http")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        leat("gen:?count=1", ":", "null:", "--http", taken.getsockname()[1]).check(3, "Address already in use")


def send(port, data, patience=60):
    """Send what may be half a request and keep the connection, if there is one within that time."""
    connection = socket.socket()
    connection.settimeout(patience)
    with contextlib.suppress(OSError):
        connection.connect(("127.0.0.1", port))
        connection.sendall(data)
    return connection


def rows_of(run):
    """How many seconds of the run --stats has told."""
    assert run.process.poll() is None
    return len(re.findall(rb"^leat: \d+ s: ", run.process.said(), re.M))


def is_live(run):
    try:
        return run.request("GET", "/live")[0] == 200
    except OSError:
        return False


def test_strangers():
    """slow, endless, broken and a thousand connections: the run goes on, exactly; afterwards the page is there again"""
    with Watched(*ENDLESS, "--stats") as run:
        for path in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/page.html", "/status.json/"):
            assert run.request("GET", path)[0] == 404, path
        assert run.request("GET", "/" + "a" * 200000)[0] in (414, 431, 413, 400)
        many = [send(run.port, data, 0.002) for data in (
            b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"GET", b"\0\xff" * 1000, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /control/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100000,
            b"GET /status.json HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(170)]
        before = rows_of(run)
        until(lambda: rows_of(run) > before, "a second of the run meanwhile")
        for connection in many:
            connection.close()
        until(lambda: is_live(run), "the page")
        done = run.end()
        assert done.counts["delivered"] == done.counts["in"]


def test_end():
    """who listens to the events is told the end, with the numbers of the last line; then the connection is closed"""
    with Watched("gen:?count=5000", ":", *MATCH, ":", "rate", "4k/s", ":", "null:") as run:
        with send(run.port, b"GET /events HTTP/1.0\r\n\r\n") as connection:
            events = connection.makefile("rb").read().decode()
        run = end(run.process).check(0).counted(delivered=5000)
    last = json.loads(events.rsplit("data: ", 1)[1])
    jsonschema.validate(last, STATS)
    assert last["ended"] and last["in"] == last["delivered"] == 5000
    assert abs(last["in_rate"] / (last["in"] / last["seconds"]) - 1) < 0.01, last


def test_verdicts():
    """programs are told the verdict everywhere: as /metrics says it, how sure it is, and at the end that of the whole run"""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        with Watched("gen:?count=2000", ":", "rate", "400/s", ":", "null:", "--report", report) as run:
            now = later(run, lambda now: now["verdict"]["kind"] == "rate" and now["verdict"]["of_seconds"] >= 2)
            assert 0 < now["verdict"]["agreeing"] <= now["verdict"]["of_seconds"], now
            ((labels, value),) = samples(run.request("GET", "/metrics")[1])["leat_bottleneck"]
            assert dict(labels)["kind"] == "rate" and value == 1, labels
            with send(run.port, b"GET /events HTTP/1.0\r\n\r\n") as connection:
                events = connection.makefile("rb").read().decode()
            end(run.process).check(0)
        last, written = json.loads(events.rsplit("data: ", 1)[1]), json.loads(report.read_text())
        assert last["verdict"] == written["verdict"] and last["bottleneck"] == written["bottleneck"], (last, written)
        for name in ("capacity", "gain", "agreeing", "of_seconds"):
            assert written["verdict"][name] == written[name], written
        assert (written["verdict"]["kind"], written["verdict"]["part"]) == ("rate", 1), written


def seen_at(port, columns, rows):
    """The first picture of leat top on a terminal of that size, its lines without colours."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    watcher = start("top", port, stdin=terminal, stdout=terminal, env=dict(os.environ, TERM="xterm"))
    seen = b""
    while seen.count(b"\x1b[H") < 2:
        seen += os.read(screen, 1 << 16)
    os.write(screen, b"q")
    end(watcher).check(0)
    os.close(terminal)
    os.close(screen)
    picture = seen.split(b"\x1b[H\x1b[J")[1].decode()
    return re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", picture).split("\r\n")


def test_top_size():
    """leat top stays within its terminal: no row is too long, and none too many; what limits is told whole"""
    name = "a stage with quite a long name"
    with Watched("gen:?count=1000000000", ":", "match", "-n", name, "x=y", ":", "rate", "5k/s", ":", "null:") as run:
        last = later(run, lambda now: now["verdict"]["kind"] == "rate")["bottleneck"].split()[-3:]
        for columns, rows in ((60, 24), (80, 24), (120, 24), (80, 6)):
            lines = seen_at(run.port, columns, rows)
            assert len(lines) <= rows and max(map(len, lines)) <= columns, lines
            assert " unconfirmed bottleneck: the rate you set: " in " ".join(lines), lines
            assert " ".join(last) in " ".join(lines), lines
            assert rows == 6 or columns == 60 or any(line.endswith("% held back by a rate") for line in lines), lines
        run.end()


def test_top_frozen():
    """leat top of a run that does not answer: it has not ended, and that is an error; the page says the same"""
    with Watched(*ENDLESS) as run, Chromium() as browser:
        later(run, lambda now: now["delivered"] > 0)
        browser.open(run.url)
        browser.wait("document.getElementById('state')?.textContent === 'running'")
        screen, terminal = pty.openpty()
        with tempfile.TemporaryFile() as errors:
            watcher = start("top", run.port, stdin=terminal, stdout=terminal, stderr=errors, env=dict(os.environ, TERM="xterm"))
            seen = b""
            while seen.count(b"\x1b[H") < 2:
                seen += os.read(screen, 1 << 16)
            run.process.send_signal(signal.SIGSTOP)
            assert end(watcher).code == 3
            assert b"does not answer within" in os.pread(errors.fileno(), 1 << 16, 0)
        leat("top", run.port).check(3, "does not answer within")
        browser.wait("/^no news for [0-9]+ s$/.test(document.getElementById('state').textContent)")
        run.process.send_signal(signal.SIGCONT)
        browser.wait("document.getElementById('state').textContent === 'running'")
        run.end()


def test_top():
    """leat top: printed once without a terminal; on one drawn until q, or the end of the run; nobody there: one line"""
    with Watched("gen:?count=1000000000", ":", "match", "-n", "evil\x1b[2J\u009b", "x=y", ":", "rate", "5k/s", ":", "null:") as run:
        later(run, lambda now: now["delivered"] > 0)
        for url in (run.port, f"127.0.0.1:{run.port}", run.url):
            out = leat("top", url).check(0).out.decode()
            assert re.search(r"^leat: running, \d+ s: \d+ of 1000000000 ", out), out
            assert re.search(r"^\* evil\?\[2J\?\+rate +\d+ .*held back by a rate$", out, re.M), out
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", out), out
        screen, terminal = pty.openpty()
        watcher = start("top", run.port, stdin=terminal, stdout=terminal, env=dict(os.environ, TERM="xterm"))
        seen = os.read(screen, 1 << 16)
        while seen.count(b"\x1b[H") < 2:
            seen += os.read(screen, 1 << 16)
        os.write(screen, b"q")
        assert end(watcher).code == 0
        while b"\x1b[?25h" not in seen:  # the cursor is back
            seen += os.read(screen, 1 << 16)
        watcher = start("top", run.port, stdin=terminal, stdout=terminal, env=dict(os.environ, TERM="xterm"))
        while seen.count(b"\x1b[H") < 3:
            seen += os.read(screen, 1 << 16)
        run.end()
        assert end(watcher).code == 0
        while b"the run has ended" not in seen:
            seen += os.read(screen, 1 << 16)
    leat("top", run.port).check(3, f"no run is watched at 127.0.0.1:{run.port}: Connection refused")
    leat("top", "ftp://x").check(2, "write http://HOST:PORT")
    for port in ("99999", "127.0.0.1:9090x", "127.0.0.1:-1", "http://127.0.0.1:65536/"):
        leat("top", port).check(2, f"{port}: \"")
    leat("top", "1", "2").check(2, "top takes one URL")


def number(browser, name):
    return browser.run(f"Number([...document.querySelectorAll('#counts tr')].find(row => row.cells[0].textContent === "
                       f"'{name}').cells[1].textContent.replaceAll(',', ''))")


def test_page():
    """the page in a browser: shows the pipeline and what limits it, updates, steers by keyboard, outlives the run"""
    with Watched(*ENDLESS) as run, Chromium() as browser:
        for width in (390, 1200):
            browser.open(run.url, width)
            browser.wait("document.querySelectorAll('#flow > li').length === 3")
            assert browser.run("document.documentElement.scrollWidth <= innerWidth"), "it must not scroll sideways"
        names = browser.run("[...document.querySelectorAll('.part .name')].map(part => part.textContent)")
        assert names == ["gen:?count=1000000000", "match+rate", "null:"]
        before = number(browser, "delivered")
        browser.wait(f"Number(document.querySelector('#counts td').textContent.replaceAll(',', '')) > {before}")
        browser.wait("document.querySelector('.limits .name')?.textContent === 'match+rate'")
        assert "the rate you set" in browser.run("document.getElementById('verdict').textContent")
        assert browser.run("performance.getEntriesByType('resource').every(entry => entry.name.startsWith(location.origin))")
        browser.key("Tab")
        assert browser.run("document.activeElement.textContent") == "Pause"
        browser.key("Enter")
        browser.wait("document.getElementById('state')?.textContent === 'paused'")
        assert run.now()["paused"]
        browser.key("Enter")
        browser.wait("document.getElementById('state')?.textContent === 'running'")
        browser.run("document.getElementById('limit').value = '100'; document.querySelector('#rate button').click()")
        later(run, lambda now: now["rate_limit"] == 100)
        browser.wait("document.getElementById('totals').textContent.includes('(limit 100 /s)')")
        assert browser.run("[...document.getElementById('part').options].map(option => option.text)") == ["1: match+rate"]
        most = browser.run("document.getElementById('count').max")
        browser.run("document.getElementById('count').value = '1000'; document.querySelector('#workers button').click()")
        assert browser.run("document.getElementById('count').validity.rangeOverflow")
        browser.run(f"document.getElementById('count').value = '{most}'; document.querySelector('#workers button').click()")
        later(run, lambda now: now["parts"][1]["workers"] == int(most))
        run.process.terminate()
        done = end(run.process).check(143)
        browser.wait("document.getElementById('state')?.textContent === 'ended'")
        assert number(browser, "delivered") == done.counts["delivered"] == done.counts["in"]


def test_page_of_many():
    """a long pipeline with a long name stays within the page, and what limits it is in sight"""
    stages = [word for i in range(6) for word in ("match", "-n", f"stage {i}", "-j", "1", "x=y", ":")]
    with Watched("gen:?count=1000000000", ":", *stages, "rate", "5k/s", ":", "a-long-name-" * 20 + ".ndjson",
                 control=False) as run, Chromium() as browser:
        for width in (390, 1280):
            browser.open(run.url, width)
            browser.wait("document.querySelectorAll('#flow > li').length === 9")
            assert browser.run("[...document.querySelectorAll('#flow, html')].every(e => e.scrollWidth <= e.clientWidth)")
            assert browser.run("[...document.querySelectorAll('.part')].every(e => e.getBoundingClientRect().right <= innerWidth)")
            lines = "e.clientHeight / parseFloat(getComputedStyle(e).lineHeight)"
            assert browser.run(f"[...document.querySelectorAll('.part .name')].every(e => {lines} < 3.5 && e.title === e.textContent)")
            browser.open("about:blank")
        run.end()


def test_page_without_token():
    """without the token the page shows the run and has no controls; with a wrong one they are refused"""
    with Watched(*ENDLESS) as run, Chromium() as browser:
        browser.open(f"http://127.0.0.1:{run.port}/")
        browser.wait("document.querySelectorAll('#flow > li').length === 3")
        assert browser.run("document.getElementById('control').hidden")
        browser.open("about:blank")
        browser.open(f"http://127.0.0.1:{run.port}/#wrong")
        browser.wait("document.getElementById('control')?.hidden === false")
        browser.run("document.getElementById('stop').click()")
        browser.wait("document.getElementById('said')?.textContent === 'Refused: the token is missing or wrong'")
        assert not run.now()["stopping"]
        run.process.kill()
        run.process.wait()
        browser.wait("document.getElementById('state')?.className === 'lost'")
        assert browser.run("document.querySelectorAll('#flow > li').length") == 3


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

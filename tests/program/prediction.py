# SPDX-License-Identifier: MIT
"""What a verdict predicts of one more worker, and what then happens: the same pipeline with both numbers, in turn."""
import json
import signal
import statistics
import subprocess
import time

from program import start

TOLERANCE = 0.15
PAIRS, MOST_PAIRS = 3, 15


class Measured:
    def __init__(self, words, workers, seconds, stdin=None, reader=None, prepare=None):
        """Run for some seconds, or to the end; `stdin` is what makes its input, `reader` what takes its output,
        `prepare` what is called before."""
        if prepare:
            prepare()
        feed = subprocess.Popen(stdin, stdout=subprocess.PIPE, start_new_session=True) if stdin else None
        process = start(*words, "-j", workers, "--report", "report.json", "-q", stdin=feed.stdout if feed else subprocess.DEVNULL,
                        stdout=subprocess.PIPE)
        taker = subprocess.Popen(reader, stdin=process.stdout, stdout=subprocess.DEVNULL) if reader else None
        if seconds:
            time.sleep(seconds)
            process.send_signal(signal.SIGTERM)
        process.wait(300)
        for other in filter(None, (feed, taker)):
            other.kill()
            other.wait()
            for stream in (other.stdout, other.stdin):
                if stream:
                    stream.close()
        process.stdout.close()
        process.stderr.close()
        with open("report.json", encoding="utf-8") as file:
            self.report = json.load(file)
        self.items = self.report["delivered"] + self.report["filtered"]
        self.rate = self.items / self.report["seconds"]
        self.per_cpu = self.items / sum(part["cpu"] for part in self.report["parts"])


def compare(words, workers, said, seconds, gain, by="rate", **more):
    """The verdict with `workers`, and its prediction against the same with one more, in turn."""
    pairs, happened, predicted = [], 0, 0
    while len(pairs) < MOST_PAIRS and (not happened or abs(predicted / happened - 1) > TOLERANCE):
        for _ in range(PAIRS):  # a machine that is busy elsewhere needs more of them until the median settles
            before, after = (Measured(words, number, seconds, **more) for number in (workers, workers + 1))
            assert said in before.report["bottleneck"], (said, before.report)
            assert abs(before.report["gain"] / gain - 1) <= TOLERANCE, (gain, before.report)
            pairs.append((before, after))
        happened = statistics.median(getattr(after, by) / getattr(before, by) for before, after in pairs)
        predicted = statistics.median(before.report["gain"] for before, _ in pairs)
    assert abs(predicted / happened - 1) <= TOLERANCE, f"{predicted} was predicted, {happened} happened: {pairs[0][0].report}"
    print(f"# {said.rstrip(': ')}: {predicted:.2f} predicted, {happened:.2f} happened")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A hostile world: full disks, closed streams, odd files, limits, signals. The program never hangs, names the thing, exits
as documented, and its last line balances."""
import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

from program import LEAT, SANITIZED, end, leat, lines_of, minds_signals, run_tests, start, start_flowing, until, write

MEBIBYTE = 1 << 20
ITEM = '{"a":"x"}\n'
BAD = "".join(f"bad line {number} with some text to fill the error file\n" for number in range(20000))
MATCH = ("match", "-f", ".a", "m=x")


def full_disk(folder, size):
    """A file system of `size` bytes at `folder`; False where nobody may mount one."""
    os.mkdir(folder)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False)
    return done.returncode == 0


def on_a_full_disk(body):
    """Run body(folder, limits) on a disk of 2 MiB; where none can be mounted, with files that cannot grow beyond that."""
    if not full_disk("disk", 2 * MEBIBYTE):
        body("disk", [(resource.RLIMIT_FSIZE, 2 * MEBIBYTE)])
        return
    try:
        body("disk", [])
    finally:
        subprocess.run(["umount", "-l", "disk"], check=True)


FULL = ("No space left on device", "File too large", "the disk took only part of it")


def broken(run, name):
    """Exit code 1, with a message that names the file and says that it is full."""
    run.check(1, name).balanced()
    assert any(words in run.err for words in FULL), run
    return run


def test_full_disk_file():
    """full disk, file sink: what is in the file is whole lines, what is not delivered is returned"""
    def body(folder, limits):
        run = broken(leat("gen:?count=20000", ":", f"{folder}/out", limits=limits), f"{folder}/out")
        assert run.counts["delivered"] > 0 and run.counts["returned"] > 0, run
        with open(f"{folder}/out", "rb") as out:
            data = out.read()
        assert data.endswith(b"\n") and data.count(b"\n") >= run.counts["delivered"]
        assert all(json.loads(line) for line in data.splitlines())
        size = len(data)
        broken(leat("gen:?count=20000", ":", f"{folder}/out", "--append", limits=limits), f"{folder}/out")
        with open(f"{folder}/out", "rb") as out:
            assert out.read().endswith(b"\n")
        assert os.path.getsize(f"{folder}/out") >= size

    on_a_full_disk(body)


def test_full_disk_queue():
    """full disk, queue sink: what is in the queue is what was delivered, and it opens and drains cleanly"""
    def body(folder, limits):
        run = broken(leat("gen:?count=20000", ":", f"queue:{folder}/q", limits=limits), f"queue:{folder}/q")
        delivered = run.counts["delivered"]
        assert delivered > 0 and run.counts["returned"] > 0, run
        assert json.loads(leat("queue", "ls", f"{folder}/q", "--json").check(0).out)["ready"] == delivered
        leat(f"queue:{folder}/q", ":", "null:").check(0).counted(delivered=delivered)

    on_a_full_disk(body)


def test_no_room_at_all():
    """a disk without a free byte: a new queue is refused, an old one keeps what cannot be acknowledged"""
    def body(folder, limits):
        if limits:
            return
        leat("gen:?count=100", ":", f"queue:{folder}/old").check(0)
        with open(f"{folder}/fill", "wb", buffering=0) as fill:
            try:
                while True:
                    fill.write(bytes(4096))
            except OSError:
                pass
        leat("gen:?count=10", ":", f"queue:{folder}/new").check(3, [f"queue:{folder}/new", "No space left on device"])
        leat(f"queue:{folder}/old", ":", "null:").check(1, ["cannot acknowledge 100 messages", "No space left on device"])
        leat("-", ":", *MATCH, ":", "null:", "--report", f"{folder}/report").check(1, f"{folder}/report")
        os.unlink(f"{folder}/fill")
        leat(f"queue:{folder}/old", ":", "null:").check(0).counted(delivered=100)
        leat("gen:?count=10", ":", f"queue:{folder}/new").check(0)

    on_a_full_disk(body)


def test_full_disk_errors():
    """full disk, error file: what cannot be recorded is returned, the records are whole"""
    def body(folder, limits):
        write("bad", BAD)
        run = broken(leat("bad", ":", *MATCH, ":", "null:", "--errors", f"{folder}/e.jsonl", limits=limits), f"{folder}/e.jsonl")
        records = [json.loads(line) for line in lines_of(f"{folder}/e.jsonl")]
        assert len(records) == run.counts["failed"] > 0 and run.counts["returned"] > 0, run

    on_a_full_disk(body)


def test_dev_full():
    """/dev/full: as sink, as error file, as standard output"""
    write("in", ITEM)
    leat("in", ":", "/dev/full").check(1, ["/dev/full: cannot write", "No space left"]).counted(returned=1)
    leat("in", ":", "match", "-f", ".none", "m=x", ":", "null:", "--errors", "/dev/full").check(
        1, "error file /dev/full: No space left").counted(failed=0, returned=1)
    with open("/dev/full", "wb") as full:
        leat("in", ":", "-", stdout=full).check(1, "standard output: cannot write: No space left").counted(returned=1)


def test_standard_streams():
    """standard streams that are closed, /dev/null, or a directory; none is mistaken for a file that is opened"""
    write("in", ITEM)
    leat("-", ":", "null:", closed=[0]).check(1, "standard input: cannot read").counted(**{"in": 0})
    leat("in", ":", "-", closed=[1]).check(1, "standard output: cannot write").counted(returned=1)
    run = leat("in", ":", "-", closed=[2]).check(0)
    assert run.out == ITEM.encode()
    leat("in", ":", "queue:q", closed=(0, 1, 2)).check(0)
    leat("nowhere", ":", "queue:q", closed=(0, 1, 2)).check(3)
    leat("queue:q", ":", "null:").check(0).counted(**{"in": 1})
    leat("-", ":", "null:").check(0).counted(**{"in": 0})
    with open("in", "rb") as one:
        assert leat("-", stdin=one).check(0).out == ITEM.encode()
    folder = os.open(".", os.O_RDONLY)
    leat("-", ":", "null:", stdin=folder).check(3, "is a directory")
    os.close(folder)


def test_reader_goes_away():
    """a reader that goes away (head -1): quiet, exit code 141"""
    process = start("gen:?count=1e9", ":", "-")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    run = end(process)
    assert run.code == 141 and run.err == "", run


def test_input_that_is_none():
    """input that is not there, may not be read, is a directory, vanishes, shrinks"""
    leat("nowhere", ":", "out").check(3, "nowhere: cannot open: No such file or directory")
    assert not os.path.exists("out")
    leat(".", ":", "out").check(3, [".: is a directory", "dir:."])
    leat("dir:nowhere", ":", "out").check(3, "dir:nowhere")
    leat("queue:nowhere", ":", "out").check(3, "queue:nowhere: cannot open the file: No such file")
    leat("queue:no/such/folder", ":", "out").check(3, "queue:no/such/folder")
    write("in", ITEM)
    leat("in", ":", "no/such/folder").check(3, "no/such/folder: cannot open for writing: No such file")
    leat("in", ":", "queue:no/such/folder").check(3, "queue:no/such/folder: cannot open the file: No such file")
    leat("in", ":", ".").check(3, ".: cannot open for writing: Is a directory")
    leat("in", ":", "queue:.").check(3, "queue:.: ")
    leat("in", ":", *MATCH, ":", "out", "--errors", "no/such/folder").check(3, "error file no/such/folder")
    large = "".join(f'{{"a":"x{number}"}}\n' for number in range(100000))
    for change in (os.unlink, lambda path: os.truncate(path, 1 << 17)):
        write("large", large)
        process = start("large", ":", "rate", "1M/s", ":", "null:", "-j", 2)
        time.sleep(0.02)
        change("large")
        run = end(process)
        assert run.code in (0, 1, 3), run
        if run.counts:
            run.balanced()


def test_permissions():
    """files and queues that may not be read or written"""
    write("in", ITEM)
    write("secret", ITEM)
    leat("in", ":", "queue:old").check(0)
    os.mkdir("closed")
    for path, mode in (("secret", 0), ("old", 0o444), ("closed", 0o555)):
        os.chmod(path, mode)
    os.chmod(".", 0o755)
    # The build folder may be out of reach for others, so nobody gets a program of their own.
    shutil.copy(LEAT, "program")
    nobody = {"user": 65534, "group": 65534, "extra_groups": [], "executable": os.path.abspath("program")}
    nobody = nobody if os.geteuid() == 0 else {}
    leat("secret", ":", "null:", **nobody).check(3, "secret: cannot open: Permission denied")
    leat("in", ":", "closed/out", **nobody).check(3, "closed/out: cannot open for writing: Permission denied")
    leat("in", ":", "queue:closed/out", **nobody).check(3, "queue:closed/out: cannot open the file: Permission denied")
    leat("queue:old", ":", "null:", **nobody).check(3, "queue:old: cannot open the file: Permission denied")
    leat("in", ":", "queue:old", **nobody).check(3, "queue:old: cannot open the file: Permission denied")
    leat("queue:old", ":", "null:").check(0 if nobody else 3)


def test_the_same_file_twice():
    """a file that is read and written, or written twice, is refused and stays as it was"""
    write("in", ITEM * 3)
    os.link("in", "hard")
    os.symlink("in", "soft")
    for name in ("in", "./in", "hard", "soft"):
        for more in ((), ("--append",)):
            leat("in", ":", name, *more).check(2, f"{name}: is also used elsewhere in this run")
    leat("in", ":", *MATCH, ":", "null:", "--errors", "hard").check(2, "error file hard: is also used elsewhere in this run")
    leat("in", ":", *MATCH, ":", "out", "--errors", "out").check(2, "out: is")
    leat("in", ":", *MATCH, ":", "out", "--dead", "out").check(2, "out: is written twice")
    with open("in", "ab") as same:
        leat("in", ":", "-", stdout=same).check(2, "in: is also used elsewhere in this run")
    leat("in", ":", "queue:q").check(0)
    leat("queue:q", ":", "q").check(2, "q: is also used elsewhere in this run")
    leat("queue:q", ":", "null:", "--errors", "q").check(2, "error file q: is also used elsewhere in this run")
    assert lines_of("in") == [ITEM.strip().encode()] * 3
    leat("queue:q", ":", "null:").check(0).counted(delivered=3)


def test_the_report_is_another_file():
    """a report never takes the place of an input, an output, a queue or another file of the run, and neither has begun"""
    USED = "is also used elsewhere in this run"
    write("in", ITEM * 3)
    for name in ("in", "./in"):
        leat("in", ":", "null:", "--report", name).check(2, USED)
    with open("in", "rb") as same:
        leat("-", ":", "null:", "--report", "in", stdin=same).check(2, USED)
    leat("in", ":", "in", "--report", "in").check(2, USED)
    assert lines_of("in") == [ITEM.strip().encode()] * 3
    for end in (("out",), ("out", "--append"), ("null:", "--errors", "out"), ("null:", "--dead", "out"), ("null:", "--resume", "out"),
                ("queue:out",), ("queue:out#jobs",)):
        leat("in", ":", *end, "--report", "out").check(2, USED)
        assert not os.path.exists("out"), end
        write("out", "")
        leat("in", ":", *end, "--report", "./out").check(2, USED)
        assert os.path.getsize("out") == 0, end
        os.remove("out")
    # Spelled in two ways and not there before: what was made stays.
    leat("in", ":", "out", "--report", "./out").check(1, "./out: was made by something else")
    assert lines_of("out") == [ITEM.strip().encode()] * 3
    with open("out", "wb") as same:
        leat("in", ":", "-", "--report", "out", stdout=same).check(2, USED)
    assert os.path.getsize("out") == 0
    leat("in", ":", "queue:q").check(0)
    for name in ("q", "./q"):
        leat("queue:q", ":", "null:", "--report", name).check(2, USED)
        leat("in", ":", "queue:q", "--report", name).check(2, USED)
    leat("queue:q", ":", "null:").check(0).counted(delivered=3)


def test_where_the_report_goes():
    """a link, a named pipe and a mode stay; what cannot be written is refused before the work"""
    write("in", ITEM * 3)

    def report(name):
        with open(name, encoding="utf-8") as file:
            return json.load(file)

    write("real", "old")
    os.chmod("real", 0o600)
    os.symlink("real", "link")
    leat("in", ":", "null:", "--report", "link").check(0)
    assert os.path.islink("link") and report("real")["delivered"] == 3 and os.stat("real").st_mode & 0o777 == 0o600
    os.symlink("later", "dangling")
    leat("in", ":", "null:", "--report", "dangling").check(0)
    assert os.path.islink("dangling") and report("later")["delivered"] == 3
    os.mkfifo("pipe")
    leat("in", ":", "null:", "--report", "pipe").check(1, "--report: pipe: ")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    leat("in", ":", "null:", "--report", "pipe").check(0)
    assert json.loads(os.read(reader, MEBIBYTE))["delivered"] == 3 and stat.S_ISFIFO(os.lstat("pipe").st_mode)
    os.close(reader)
    os.mkdir("folder")
    leat("in", ":", "out", "--report", "folder").check(3, "--report: folder: Is a directory")
    leat("in", ":", "out", "--report", "nowhere/r").check(3, "--report: nowhere/r: No such file or directory")
    leat("in", ":", "out", "--report", "in/r").check(3, "--report: in/r: Not a directory")
    assert not os.path.exists("out")
    # A start that fails for another reason reports.
    leat("nowhere", ":", "out", "--report", "r").check(3)
    assert report("r")["outcome"] == "not started"
    for option in ("--report", "--errors", "--resume"):
        leat("in", ":", "out", option, "-").check(2, f"{option} - would be a file")
    assert not os.path.exists("-") and not os.path.exists("out")
    leat("in", ":", "out", "--report", "./-").check(0)
    assert report("./-")["delivered"] == 3


def test_one_queue_as_both_ends():
    """the same queue as source and sink: what was there goes around once, or the run stops at its deadline"""
    write("in", ITEM * 3)
    leat("in", ":", "queue:q").check(0)
    run = leat("queue:q", ":", *MATCH, ":", "queue:q", "--deadline", "5s")
    assert run.code in (0, 5), run
    run.balanced()
    ready = json.loads(leat("queue", "ls", "q", "--json").check(0).out)["ready"]
    assert ready == 3, run


def test_two_processes():
    """producers and a consumer at once; a second consumer is refused and says who reads"""
    consumer = start_flowing("queue:q", "--forever", ":", "match", r'm="n":(\d+)', ":", "out", "--append", least=0)
    producers = [start("gen:?count=20000", ":", "queue:q") for _ in range(2)]
    for producer in producers:
        end(producer).check(0).counted(delivered=20000)
    leat("queue:q", ":", "null:").check(3, f"queue:q#main is being read by process {consumer.pid}")
    until(lambda: not json.loads(leat("queue", "ls", "q", "--json").out)["ready"], "the consumer")
    consumer.send_signal(signal.SIGTERM)
    end(consumer).check(128 + signal.SIGTERM).counted(delivered=40000)
    numbers = sorted(int(json.loads(line)["m"][0]) for line in lines_of("out"))
    assert numbers == sorted(list(range(1, 20001)) * 2), numbers[:10]
    leat("queue:q", ":", "null:").check(0).counted(**{"in": 0})


def test_queue_files_that_are_none():
    """random bytes, other files, and queue files cut short or damaged anywhere: refused or read, never a crash"""
    write("in", ITEM)
    generator = random.Random(11)
    for size in (0, 1, 100, 4096, 100000):
        write("random", generator.randbytes(size))
        leat("queue:random", ":", "null:").check(3, "queue:random: ")
        if size:
            leat("in", ":", "queue:random").check(3, "queue:random: this is not a queue file")
        leat("queue", "ls", "random").check(3, "queue:random: ")
    leat("gen:?count=3000", ":", "queue:whole").check(0)
    with open("whole", "rb") as whole:
        data = whole.read()
    for size in (10, 4095, 4096, 8191, 8192, 8193, 12288, len(data) // 2, len(data) - 4096, len(data) - 1):
        write("cut", data[:size])
        run = leat("queue:cut", ":", "null:")
        assert run.code in (0, 3) and (run.code == 0 or "queue:cut: " in run.err), run
    for _ in range(40):
        damaged = bytearray(data)
        for _ in range(generator.choice((1, 10, 200))):
            damaged[generator.randrange(generator.choice((200, 20000, len(data))))] = generator.randrange(256)
        write("damaged", bytes(damaged))
        run = leat("queue:damaged", ":", "null:")
        assert run.code in (0, 1, 3) and (run.code == 0 or "queue:damaged" in run.err), run
        if run.counts:
            run.balanced()


def test_named_pipes():
    """named pipes as input, output and error file, with and without somebody at the other end"""
    os.mkfifo("pipe")
    write("in", ITEM * 1000)
    for words in (("in", ":", "pipe"), ("pipe", ":", "null:")):
        leat(*words, "--deadline", "300ms").check(5).counted(**{"in": 0})
        process = start(*words)
        until(lambda: minds_signals(process), "its start")
        time.sleep(0.2)
        process.terminate()
        end(process).check(128 + signal.SIGTERM)
    leat("in", ":", *MATCH, ":", "null:", "--errors", "pipe").check(3, "error file pipe")
    reader = threading.Thread(target=lambda: lines.extend(lines_of("pipe")))
    lines = []
    reader.start()
    leat("in", ":", "pipe").check(0).counted(delivered=1000)
    reader.join()
    assert len(lines) == 1000
    writer = threading.Thread(target=lambda: write("pipe", ITEM * 1000))
    writer.start()
    leat("pipe", ":", "null:").check(0).counted(delivered=1000)
    writer.join()


def send_signals(process, signals):
    """Send each when the one before it was heard."""
    for number, each in enumerate(signals):
        process.send_signal(each)
        heard = ("finishing", "giving back", "exit at once")[number].encode()
        if number + 1 < len(signals):
            until(lambda: process.poll() is not None or heard in process.said(), heard)
    return end(process)


def stop_slow_run(signals, *options, rate="1/m"):
    """Send the signals to a run of which each item takes its time."""
    return send_signals(start_flowing("gen:?count=1000", ":", "rate", rate, ":", "null:", *options), signals)


def test_signals_in_a_slow_stage():
    """SIGTERM in a slow stage drains, the second SIGINT drops; the grace ends what does not end"""
    run = stop_slow_run([signal.SIGTERM], "-j", 1, rate="5/s").check(143, "finishing")
    assert run.counted(returned=0, failed=0).counts["delivered"] > 0
    for stop in (signal.SIGINT, signal.SIGTERM):
        run = stop_slow_run([stop, stop]).check(128 + stop, "giving back").balanced()
        assert run.counts["returned"] > 0, run
    run = stop_slow_run([signal.SIGTERM], "--grace", "300ms").check(5, "still held").balanced()
    assert "in stage rate" in run.err and run.counts["returned"] > 0, run
    run = stop_slow_run([signal.SIGTERM], "--stop", "drop").check(143).balanced()
    assert run.counts["returned"] > 0, run


def test_third_signal():
    """the third signal ends the process at once, also when the run cannot end"""
    os.mkfifo("pipe")
    holder = os.open("pipe", os.O_RDWR)  # it is full soon, and nobody reads it
    process = start_flowing("gen:?count=1e9", ":", "pipe", "--grace", "1h")
    send_signals(process, 3 * [signal.SIGINT]).check(130)
    os.close(holder)


def test_endless_inputs():
    """--deadline on an endless input is exit code 5; --forever ends with SIGTERM; all balance"""
    for words in (("null:",), ("match", "m=\\d+", ":", "queue:q"), ("rate", "10/s", ":", "out")):
        leat("gen:?count=1e12", ":", *words, "--deadline", "1s").check(5, "the deadline passed").balanced()
    write("in", ITEM)
    for source in (("in", "--forever"), ("queue:new", "--forever")):
        process = start_flowing(*source, ":", "null:", least=0)
        process.terminate()
        end(process).check(143).balanced()


def test_numbers_of_workers():
    """-j 0, 1000 and more work; -1, x and too many digits are refused"""
    for workers in ("0", "1", "1000", "100k"):
        leat("gen:?count=2000", ":", "match", "m=x", ":", "null:", "-j", workers).check(0).counted(delivered=2000)
    for workers in ("-1", "x", "", "99999999999999999999", "1.5", "0x10"):
        leat("gen:?count=10", ":", "match", "m=x", ":", "null:", "-j", workers).check(2, "-j")


def test_memory_too_short_for_all_workers():
    """workers for which there is no memory end the run; what was read is delivered"""
    if SANITIZED:
        return
    run = leat("gen:?count=100k", ":", "rate", "2000/s", ":", "null:", "-j", "5000",
               limits=[(resource.RLIMIT_AS, 512 * MEBIBYTE)]).check(1, "rate: out of memory for worker")
    assert run.counts["in"] == run.counts["delivered"] > 0, run


def test_expressions_that_explode():
    """an expression that explodes fails its item alone"""
    write("in", "".join(f'{{"a":"{"a" * length}{end_}"}}\n' for length in (3, 40, 100, 5000) for end_ in ("", "!", "\\u00e9")))
    run = leat("in", ":", "match", "-f", ".a", "m=(a+)+$", ":", "out", "-k", "--errors", "e.jsonl").check(1)
    failed = [json.loads(line) for line in lines_of("e.jsonl")]
    assert failed and all(record["code"] == "E2BIG" and "m:" in record["reason"] for record in failed), failed
    run.counted(failed=len(failed), delivered=12 - len(failed))
    assert run.counts["delivered"] >= 6, run
    assert all(json.loads(line)["m"] in ([], [json.loads(line)["a"]]) for line in lines_of("out"))


def test_words_of_match():
    """names and patterns that are missing, doubled or wrong"""
    write("in", ITEM)
    leat("in", ":", "match", "-f", ".a", "m=", ":", "out").check(0)
    assert lines_of("out") == [b'{"a":"x","m":["",""]}']
    leat("in", ":", "match", "m=a", "m=b", ":", "null:").check(2, 'the name "m" is given twice')
    for words in (("",), ("=a",), ("m",), (), ("m=(",), ("m=[",), ("m=a**",), ("m=\\",), ("m=" + "(" * 1000 + ")" * 1000,)):
        leat("in", ":", "match", *words, ":", "null:").check(2, "match")
    leat("in", ":", "match", b"m=\xff", ":", "null:").check(2, "match: m")


def test_many_stages():
    """sixty stages work, a thousand are refused"""
    write("in", ITEM)
    stages = [word for number in range(60) for word in (":", "match", "-f", ".a", f"m{number}=x")]
    leat("in", *stages, ":", "out", "-j", 2).check(0)
    assert list(json.loads(lines_of("out")[0])) == ["a"] + [f"m{number}" for number in range(60)]
    stages = [word for number in range(1000) for word in (":", "match", f"m{number}=x")]
    leat("in", *stages, ":", "null:").check(2, "1000 stages are more than the 64 there can be")


def test_long_words():
    """words of 100,000 bytes are refused or used, wherever they stand"""
    write("in", ITEM)
    word = "x" * 100000
    for words in ((word, ":", "null:"), ("in", ":", word), (f"queue:{word}", ":", "null:"), (f"dir:{word}", ":", "null:")):
        leat(*words).check(3)
    for words in (("in", ":", word, ":", "null:"), (f"gen:?count={word}",), ("in", ":", "null:", f"--{word}"), (f"in#{word}:",)):
        assert leat(*words).code in (2, 3)
    leat("in", ":", "match", f"{word}=x", ":", "out").check(0)
    assert json.loads(lines_of("out")[0])[word] == ["x"]
    leat("in", ":", "where", f".{word}", ":", "null:").check(0).counted(filtered=1)
    leat(*["-q"] * 50000, "in", ":", "null:").check(0)


def test_yaml_bombs():
    """YAML files that are deep, wide, long, cyclic, or none: refused at once by place"""
    rows = ["a: &a [x, x]"] + [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]" for i in range(9)]
    bombs = {
        "laughs": "\n".join(rows) + "\nfrom: *j\n",
        "deep": "from: in\nsteps: " + "[" * 60000 + "]" * 60000,
        "deep_block": "from: in\nsteps:\n" + "".join("  " * depth + "-\n" for depth in range(1, 300)),
        "wide": "from: in\nsteps:\n" + "  - read\n" * 20000,
        "keys": "from: in\noptions:\n" + "".join(f"  k{number}: 1\n" for number in range(5000)),
        "long": "from: " + "x" * (1 << 20),
        "cycle": "from: in\nsteps: &x\n  - *x\n",
        "bytes": b"from: \xff\xfe\0in\n",
        "empty": "",
        "list": "- 1\n",
        "twice": "from: in\nfrom: in\n",
        "two": "from: in\n---\nfrom: in\n",
        "tag": "from: !!python/object:os.system in\nsteps: 5\n",
        "unended": "from: 'in",
        "tab": "from: in\nsteps:\n\t- read\n",
    }
    for name, text in bombs.items():
        write(f"{name}.yaml", text)
        run = leat("run", f"{name}.yaml").check(2, f"{name}.yaml")
        assert run.err.startswith(f"leat: {name}.yaml:"), run


def test_names_that_are_no_text():
    """names of files with newlines, quotes and bytes that are no UTF-8, in the C locale"""
    os.mkdir("names")
    names = [b"plain", b"a\xff\xfe", b"new\nline", b'q"uote', b"\xc3\xa9", b"-dash", b" ", b"x" * 255, b"back\\slash", b"\x01"]
    for name in names:
        write(b"names/" + name, b"content")
    environment = {**os.environ, "LANG": "C", "LC_ALL": "C"}
    run = leat("dir:names", ":", "-", "-0", env=environment).check(0).counted(delivered=len(names))
    assert sorted(run.out.split(b"\0")[:-1]) == sorted(b"names/" + name for name in names)
    leat("dir:names", ":", "-", env=environment).check(1, "newline").counted(delivered=len(names) - 1, failed=1)
    leat("dir:names", ":", "queue:q", env=environment).check(0)
    run = leat("queue:q", ":", "read", ":", "match", "m=content", ":", "-", env=environment).check(0)
    assert run.counted(delivered=len(names)) and all(json.loads(line)["m"] == ["content"] for line in run.out.splitlines())
    for name in names[1:5]:
        leat(b"names/" + name, ":", "match", "m=content", ":", "null:", env=environment).check(0).counted(delivered=1)


def test_few_descriptors():
    """ulimit -n: 16 are enough, fewer are a clear error"""
    write("in", ITEM)
    for most in range(4, 17):
        run = leat("in", ":", *MATCH, ":", "out", "-j", 4, limits=[(resource.RLIMIT_NOFILE, most)])
        if most == 16:
            run.check(0).counted(delivered=1)
        assert run.code in (0, 1, 3), run
        assert run.code == 0 or "Too many open files" in run.err, run


def test_little_memory():
    """ulimit -v at any size: it works, or a clear error; never a crash, a hang, or a success that did nothing"""
    if SANITIZED:
        return
    write("in", ITEM)
    pipelines = (
        ("in", ":", *MATCH, ":", "null:", "-j", 200),
        ("gen:?count=2000", ":", "match", r"m=\d+", ":", "out", "-j", 2),
        ("gen:?count=2000", ":", "match", r"m=\d+", ":", "queue:q", "-j", 2),
    )
    works = set()
    for kibibytes in range(10000, 700000, 23000):
        for words in pipelines:
            run = leat(*words, limits=[(resource.RLIMIT_AS, kibibytes * 1024)])
            if run.code == 127 and "loading shared libraries" in run.err:
                continue  # too little even for the program to begin
            assert run.code in (0, 1, 3), f"{kibibytes} KiB: {run}"
            assert run.code or run.counts["delivered"] in (1, 2000), f"{kibibytes} KiB: {run}"
            assert run.code == 0 or run.err.startswith("leat: "), f"{kibibytes} KiB: {run}"
            if run.counts:
                run.balanced()
            if run.code == 0:
                works.add(words)
    assert works >= set(pipelines[1:])


def test_rate_is_not_exceeded():
    """rate: never more than asked, from the first item on"""
    for rate, count in ((10000, 5000), (50, 20)):
        begin = time.monotonic()
        leat(f"gen:?count={count}", ":", "rate", f"{rate}/s", ":", "null:", "-j", 2).check(0).counted(delivered=count)
        assert time.monotonic() - begin >= (count - 2) / rate


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

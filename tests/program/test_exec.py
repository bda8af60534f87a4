#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""exec: what a command is given, what becomes of its output, and how every command ends.

Where GNU parallel and xargs do the same the results are compared with theirs.
"""
import json
import os
import resource
import signal
import subprocess
import sys
import time

from program import SANITIZED, end, leat, lines_of, minds_signals, run_tests, start, until, write

NASTY = ["plain", "dir/file.txt", "/abs/dir/file.tar.gz", "a b", "it's", 'say "x"', "$HOME", "*", "semi;colon", "back\\slash",
         "dot.", "dir.d/noext", "/top", "trailing/", "ümläut.txt", "-n", "{}", "{/}", "x{y", "tab\there", "`id`", "a  b", " lead"]


def numbers(count):
    return "".join(f"{number}\n" for number in range(1, count + 1)).encode()


def parallel(data, *arguments):
    return subprocess.run(["parallel", "--will-cite", *arguments], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
    except FileNotFoundError:
        return []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            children += file.read().split()
    return sorted(set(map(int, children)))


def test_places():
    """Places are filled as GNU parallel fills them"""
    data = "".join(name + "\n" for name in NASTY).encode()
    for place in ("{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "a{}b{/}c", "{}{}"):
        expected = parallel(data, "-k", "-j1", "printf", "%s\\\\n", place).stdout
        run = leat("-", ":", "exec", "printf", "%s\\n", place, ":", "-", "-k", data=data).check(0)
        assert run.out == expected, (place, run.out, expected)


def test_last_word():
    """Without a place the item is the last word, as of xargs"""
    data = numbers(50)
    run = leat("-", ":", "exec", "echo", "item", ":", "-", "-k", data=data).check(0)
    xargs = subprocess.run(["xargs", "-n1", "echo", "item"], input=data, stdout=subprocess.PIPE, check=True)
    assert run.out == xargs.stdout


def test_values():
    """Values of an item stand by their names; other braces are plain text"""
    data = b'{"a":"x y","n":7,"o":{"p":[1,"q"]}}\n'
    run = leat("-", ":", "exec", "printf", "%s|", "{a}", "{.n}", "{o.p[1]}", "{.o}", "{print $1}", "{{.Id}}", "{\"a\":1}", "{ a }",
               ":", "-", data=data).check(0)
    assert run.out == b'x y|7|q|{"p":[1,"q"]}|{print $1}|{{.Id}}|{"a":1}|{ a }|\n', run.out
    run = leat("-", ":", "exec", "echo", "{missing}", ":", "-", data=data).check(1, "no field .missing").counted(failed=1)
    run = leat("-", ":", "match", r"d=\d", ":", "exec", "echo", "{line}", "{d}", ":", "-", data=b"a1b2\n").check(0)
    assert run.out == b'a1b2 ["1","2"]\n', run.out
    run = leat("-", ":", "exec", "-f", ".n", "echo", "{}", ":", "-", data=data).check(0)
    assert run.out == b"7\n"


def test_no_shell():
    """No shell reads the words; with --shell what is filled in is quoted"""
    run = leat("-", ":", "exec", "echo", "$HOME", "*", ";", "{}", ":", "-", data=b"$(id) `id`\n").check(0)
    assert run.out == b"$HOME * ; $(id) `id`\n", run.out
    data = "".join(name + "\n" for name in NASTY).encode()
    run = leat("-", ":", "exec", "-s", "printf '%s\\n' {} | cat", ":", "-", "-k", data=data).check(0)
    assert run.out == data, run.out
    run = leat("-", ":", "exec", "--shell", "printf '%s\\n'", ":", "-", "-k", data=data).check(0)
    assert run.out == data, run.out
    leat("-", ":", "exec", "-s", "echo", "two", ":", "-", data=data).check(2, "--shell takes one word")


def test_options_end():
    """Behind its first word everything is the command's; ends and options of the run stand where they always do"""
    run = leat("-", ":", "exec", "-t", "9s", "ls", "--no-such", ":", "-", data=b"1\n").check(1, "--no-such").counted(failed=1)
    run = leat("-", ":", "exec", "echo", "-j", "9", "--stdin", "-k", "{}", ":", "-", "-j", "1", "-k", data=b"x\n").check(0)
    assert run.out == b"-j 9 --stdin -k x\n"


def test_input():
    """The text, a field or all of the item on standard input, also much of it and to those who do not read it"""
    data = b'{"a":"x","b":"\\u00e9"}\n'
    assert leat("-", ":", "exec", "-i", "text", "cat", ":", "-", data=data).check(0).out == data
    assert leat("-", ":", "exec", "-i", "text", "-f", "b", "cat", ":", "-", data=data).check(0).out == "é\n".encode()
    run = leat("-", ":", "match", "-f", "a", "m=x", ":", "exec", "-i", "item", "cat", ":", "-", data=data).check(0)
    assert run.out == b'{"a":"x","b":"\\u00e9","m":["x"]}\n'
    large = b"x" * 10_000_000 + b"\n"
    assert leat("-", ":", "exec", "-i", "text", "cat", ":", "-", data=large).check(0).out == large
    leat("-", ":", "exec", "-i", "text", "true", ":", "null:", data=large * 3).check(0).counted(delivered=3)
    write("f.txt", "content of f")
    run = leat("-", ":", "read", ":", "exec", "-i", "text", "tr", "a-z", "A-Z", ":", "-", data=b"f.txt\n").check(0)
    assert run.out == b"CONTENT OF F\n"
    assert leat("-", ":", "exec", "cat", "-", ":", "-", data=b"-\n").check(0).out == b""  # /dev/null, not ours


def test_output():
    """Output is what xargs shows: empty, several lines, binary; and in order with -k"""
    script = "case $0 in *3) ;; *7) printf 'a\\nb\\n\\n';; *8) printf '\\n';; *) echo $0;; esac"
    data = numbers(40)
    expected = subprocess.run(["xargs", "-n1", "sh", "-c", script], input=data, stdout=subprocess.PIPE, check=True).stdout
    for workers in (1, 8):
        run = leat("-", ":", "exec", "sh", "-c", script, ":", "-", "-k", "-j", workers, data=data).check(0)
        assert run.out == expected, (run.out, expected)
        run.counted(delivered=40)
    run = leat("-", ":", "exec", "printf", "no end", ":", "-", data=b"1\n").check(0)
    assert run.out == b"no end\n"
    run = leat("-", ":", "exec", "sh", "-c", "printf 'a\\000b\\377'", ":", "-", data=b"1\n").check(0)
    assert run.out == b"a\0b\xff\n", run.out
    run = leat("-", ":", "exec", "sh", "-c", 'printf "{\\n\\"a\\": 1\\n}\\n"', ":", "where", ".a=1", ":", "-", data=b"1\n").check(0)
    assert run.out == b'{ "a": 1 }\n', run.out  # JSON stays one line


def test_order():
    """With -k the output is that of a serial run, whatever takes long"""
    data = numbers(60)
    script = "sleep 0.0$((($0 * 7) % 10)); echo $0; echo $0"
    run = leat("-", ":", "exec", "sh", "-c", script, ":", "-", "-k", "-j", "16", data=data).check(0)
    assert run.out == b"".join(b"%d\n%d\n" % (n, n) for n in range(1, 61))


def test_whole():
    """Outputs of many commands are never mixed"""
    data = numbers(40)
    script = "for i in 1 2 3 4 5; do head -c 20000 /dev/zero | tr '\\000' $0; echo; sleep 0.01; done"
    run = leat("-", ":", "exec", "sh", "-c", script, ":", "-", "-j", "8", data=data).check(0)
    found = run.out.splitlines()
    assert len(found) == 200
    for at in range(0, 200, 5):
        block = found[at:at + 5]
        assert len(set(block)) == 1 and set(map(len, block)) == {20000}, at
    expected = sorted(str(n)[0] for n in range(1, 41))
    assert sorted(chr(found[at][0]) for at in range(0, 200, 5)) == expected


def test_tag():
    """--tag puts the item before each line, as GNU parallel does"""
    data = b"1\n2 3\n"
    expected = parallel(data, "-k", "-j1", "--tag", "seq 3; echo {}; true").stdout
    run = leat("-", ":", "exec", "--tag", "-s", "seq 3; echo {}; true", ":", "-", "-k", data=data).check(0)
    assert run.out == expected, (run.out, expected)


def test_add():
    """Output as a value, as text or as JSON; thrown away; filters by exit code"""
    run = leat("-", ":", "exec", "-a", "up", "-i", "text", "tr", "a-z", "A-Z", ":", "-", data=b"ab\n").check(0)
    assert run.out == b'{"line":"ab","up":"AB"}\n', run.out
    run = leat("-", ":", "exec", "-a", "o", "--json", "-i", "text", "cat", ":", "-", "-k", data=b'[1,\n', ).check(1)
    assert "the output is not JSON" in run.err
    run = leat("-", ":", "exec", "-a", "o", "--json", "-s", "echo '{\"x\": [1]}' # {}", ":", "-", data=b"l\n").check(0)
    assert run.out == b'{"line":"l","o":{"x": [1]}}\n'
    run = leat("-", ":", "exec", "-d", "echo", "{}", ":", "-", data=b"kept\n").check(0)
    assert run.out == b"kept\n"
    run = leat("-", ":", "exec", "-d", "--filter", "1", "-i", "text", "grep", "-q", "3", ":", "-", "-k", data=numbers(40)).check(0)
    assert run.out.split() == [b"3", b"13", b"23"] + [b"%d" % n for n in range(30, 40)], run.out
    run.counted(filtered=27)
    run = leat("-", ":", "exec", "--filter", "3,5", "sh", "-c", "exit $0", ":", "null:", data=b"0\n3\n4\n5\n")
    run.check(1, "exit code 4").counted(delivered=1, filtered=2, failed=1)


def test_failures():
    """A failure has exit code or signal, what was said on standard error, and the item as it came"""
    script = "echo out; echo why $0 >&2; test $0 = 1 || kill -$0 $$; exit 7"
    run = leat("-", ":", "exec", "sh", "-c", script, ":", "-", "-k", "--errors", "bad", "--dead", "dead",
               data=b"1\n9\n11\n15\n").check(1).counted(failed=4)
    assert run.out == b""
    bad = [json.loads(line) for line in lines_of("bad")]
    assert [record["reason"] for record in bad] == ["exit code 7: why 1", "killed by SIGKILL: why 9",
                                                    "killed by SIGSEGV: why 11", "killed by SIGTERM: why 15"], bad
    assert [record["item"] for record in bad] == ["1", "9", "11", "15"] and {record["stage"] for record in bad} == {"exec"}
    assert lines_of("dead") == [b"1", b"9", b"11", b"15"]
    # What fails behind it is recorded as it came, too.
    leat("-", ":", "exec", "echo", "changed", ":", "match", "-f", ".x", "a=b", ":", "-", "--errors", "bad2", "--dead", "dead2",
         data=b"as it came\n").check(1)
    assert json.loads(lines_of("bad2")[0])["item"] == "as it came" and lines_of("dead2") == [b"as it came"]
    # On the terminal a failure is one line of text, in the error file it is what it was.
    words = ("-", ":", "exec", "sh", "-c", r"printf 'a\033[31m\nb\302\233\303\251\007' >&2; exit 7", ":", "-")
    leat(*words, data=b"x\n").check(1, "leat: exec: item 1: exit code 7: a?[31m?b??\u00e9?\n")
    leat(*words, "--errors", "bad4", data=b"x\n").check(1)
    assert json.loads(lines_of("bad4")[0])["reason"] == "exit code 7: a\x1b[31m\nb\x9b\u00e9\x07"
    # The end of a long standard error is kept.
    leat("-", ":", "exec", "sh", "-c", "seq 1000000 >&2; exit 1", ":", "-", "--errors", "bad3", data=b"x\n").check(1)
    assert json.loads(lines_of("bad3")[0])["reason"].endswith("999999\n1000000")


def test_passed_on():
    """What a command that succeeds says on standard error is passed on, whole"""
    run = leat("-", ":", "exec", "sh", "-c", "for i in 1 2 3; do echo $0 >&2; sleep 0.01; done", ":", "null:", "-q", "-j", "8",
               data=numbers(30)).check(0)
    said = run.err.split()
    assert sorted(said) == sorted(str(n) for n in range(1, 31) for _ in range(3))
    assert all(len(set(said[at:at + 3])) == 1 for at in range(0, 90, 3))


def test_retries():
    """A failed command is run again, so often and no more"""
    script = "echo x >>tries.$0; test $(wc -l <tries.$0) -ge 3"
    run = leat("-", ":", "exec", "-r", "2", "--backoff", "1ms", "sh", "-c", script, ":", "null:", data=numbers(5)).check(0)
    assert all(len(lines_of(f"tries.{n}")) == 3 for n in range(1, 6))
    run = leat("-", ":", "exec", "-r", "3", "--backoff", "1ms", "sh", "-c", "echo x >>all; exit 2", ":", "null:", data=b"1\n")
    run.check(1, "exit code 2 (4 attempts)")
    assert len(lines_of("all")) == 4


def test_timeout():
    """A command that takes too long is killed with its group, also when it ignores SIGTERM"""
    script = "trap '' TERM; sleep 300 & echo $! >child.$0; echo $$ >self.$0; wait; wait; sleep 300"
    run = leat("-", ":", "exec", "-t", "3s", "--kill-after", "200ms", "sh", "-c", script, ":", "-", "-j", "2",
               data=b"1\n2\n").check(1, "timed out after 3 s").counted(failed=2)
    for number in "12":
        for name in ("child", "self"):
            assert is_gone(int(lines_of(f"{name}.{number}")[0])), name
    # SIGTERM comes first, and a command may end by it as it likes.
    script = "trap 'echo end >ended; exit 0' TERM; while :; do sleep 0.05; done"
    leat("-", ":", "exec", "-t", "3s", "--kill-after", "1m", "sh", "-c", script, ":", "-", data=b"1\n").check(1, "timed out")
    assert lines_of("ended") == [b"end"]
    # One that is stopped is killed as well.
    leat("-", ":", "exec", "-t", "300ms", "--kill-after", "200ms", "sh", "-c", "kill -STOP $$", ":", "-", data=b"1\n").check(1, "timed out")


def test_median():
    """A time-out can be a multiple of the median of what succeeded"""
    script = "test $0 = 9 && exec sleep 100; sleep 0.05"
    run = leat("-", ":", "exec", "-t", "6000%", "sh", "-c", script, ":", "null:", "-j", "2", data=numbers(12))
    run.check(1, "item 9: timed out after").counted(delivered=11, failed=1)
    # The slow one first: the median comes to be while it runs.
    run = leat("-", ":", "exec", "-t", "6000%", "sh", "-c", "test $0 = 1 && exec sleep 100; sleep 0.05", ":", "null:", "-j", "2",
               data=numbers(12)).check(1, "item 1: timed out after").counted(delivered=11)
    leat("-", ":", "exec", "-t", "x%", "true", ":", "null:").check(2, "--timeout")


def test_grandchildren():
    """Who goes on in the background keeps nobody waiting, and is left alone"""
    begin = time.monotonic()
    run = leat("-", ":", "exec", "sh", "-c", "sleep 1000 & echo $! >pid.$0; echo begun", ":", "-", "-j", "2", data=b"1\n2\n").check(0)
    assert run.out == b"begun\nbegun\n"
    pids = [int(lines_of(f"pid.{n}")[0]) for n in "12"]
    alive = [pid for pid in pids if not is_gone(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert len(alive) == 2 and time.monotonic() - begin < 900
    # One that writes for ever.
    leat("-", ":", "exec", "sh", "-c", "while :; do echo x; sleep 0.01; done & echo $! >yes; sleep 0.1", ":", "null:", data=b"1\n").check(0).counted(delivered=1)
    until(lambda: is_gone(int(lines_of("yes")[0])), "SIGPIPE")


def test_closes_output():
    """One that closes its output and goes on is waited for"""
    script = "echo before; exec >&- 2>&-; sleep 0.3; echo done >done.$0"
    run = leat("-", ":", "exec", "sh", "-c", script, ":", "-", "-j", "2", data=b"1\n2\n").check(0)
    assert run.out == b"before\nbefore\n" and lines_of("done.1") and lines_of("done.2")


def test_much_output():
    """A command that writes without end is ended, in bounded memory; thrown away, a gibibyte is no trouble"""
    def peak(*command, data):
        """Exit code, standard error and the most memory in KiB that it was seen to have."""
        most = 0
        with open("err", "wb") as err:
            process = start(*command, stdin=open(write("in", data), "rb"), stderr=err)
            while process.poll() is None:
                with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                    most = max([most] + [int(line.split()[1]) for line in status if line.startswith("VmHWM")])
                time.sleep(0.002)
        with open("err", encoding="utf-8") as err:
            return process.returncode, err.read(), most
    code, err, memory = peak("-", ":", "exec", "--max-output", "8M", "yes", ":", "null:", "-j", "2", data=numbers(6))
    assert code == 1 and "wrote more than --max-output 8388608 bytes" in err and "6 failed" in err, err
    assert memory < 80_000 or SANITIZED, memory
    code, err, memory = peak("-", ":", "exec", "-d", "head", "-c", "1073741824", "/dev/zero", ":", "null:", data=b"\n")
    assert code == 1 or "1 delivered" in err, err
    code, err, memory = peak("-", ":", "exec", "-d", "-s", "head -c 1073741824 /dev/zero # {}", ":", "null:", data=b"1\n")
    assert code == 0 and "1 delivered" in err and (memory < 20_000 or SANITIZED), (code, err, memory)
    code, err, memory = peak("-", ":", "exec", "sh", "-c", "head -c 1073741824 /dev/zero >&2", ":", "null:", "-q", data=b"1\n")
    assert code == 0 and (memory < 20_000 or SANITIZED), (code, memory)


def test_waiting_output():
    """Outputs that wait for a slow reader are bounded, too"""
    read_end, write_end = os.pipe()
    process = start("-", ":", "exec", "-s", "echo >>begun; head -c 8000000 /dev/zero # {}", ":", "-", "-j", "3", "--memory", "20M",
                    stdin=open(write("in", numbers(60)), "rb"), stdout=write_end)
    os.close(write_end)
    before = -1
    while True:  # until nothing is begun any more
        now = len(lines_of("begun")) if os.path.exists("begun") else 0
        if now == before and now >= 3:
            break
        before = now
        time.sleep(1)
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        memory = max(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    with os.fdopen(read_end, "rb") as reader:
        size = sum(map(len, iter(lambda: reader.read(1 << 20), b"")))
    end(process).check(0).counted(delivered=60)
    assert size == 60 * 8000001, size
    assert before <= 20 and (memory < 250_000 or SANITIZED), (before, memory)


def test_no_program():
    """A program that does not exist is found out before anything is read"""
    leat("gen:?count=10", ":", "queue:q").check(0)
    for name in ("no-such-program", "./no-such-program", "/no/such/program"):
        run = leat("queue:q", ":", "exec", name, "{}", ":", "null:").check(3, f"{name}: there is no such program")
        assert run.counts is None
    write("plain", "text")
    leat("queue:q", ":", "exec", "./plain", "{}", ":", "null:").check(3, "./plain: is not a program")
    leat("queue:q", ":", "exec", ":", "null:").check(2, "the command is missing")
    leat("queue:q", ":", "null:").check(0).counted(delivered=10)
    # Where the item is the program, one that is not there fails alone.
    run = leat("-", ":", "exec", "{}", ":", "null:", data=b"true\nno-such\n/\n").check(1).counted(delivered=1, failed=2)
    assert "no-such: there is no such program" in run.err
    # A script without a first line for the kernel is a shell's.
    write("script", "echo script $1\n")
    os.chmod("script", 0o755)
    assert leat("-", ":", "exec", "./script", ":", "-", data=b"1\n").check(0).out == b"script 1\n"
    # More than the system takes as arguments.
    leat("-", ":", "exec", "true", ":", "null:", data=b"x" * 3_000_000 + b"\n").check(1, "too long").counted(failed=1)


def test_clean():
    """Children have three descriptors, default signals and a group of their own"""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    process = start("-", ":", "exec", "sh", "-c", "ls /proc/$$/fd; cut -d' ' -f1,5 /proc/$$/stat; exec grep -E '^Sig(Blk|Ign)' /proc/self/status",
                    ":", "-", stdin=open(write("one", "1\n"), "rb"), close_fds=False)
    run = end(process).check(0)
    os.close(read_end)
    os.close(write_end)
    found = run.out.split()
    assert found[:3] == [b"0", b"1", b"2"] and found[5] == b"SigBlk:", run.out
    assert found[3] == found[4], "no group of its own"
    assert int(found[6], 16) == 0 and not int(found[8], 16) & 1 << (signal.SIGPIPE - 1), run.out


def test_nothing_left():
    """No zombie, no descriptor and no thread is left behind by many commands"""
    os.mkfifo("gate")
    script = "if [ $0 = 400 ]; then echo >at; read x <gate; fi; case $0 in *1) exit 1;; *2) kill -9 $$;; *3) exec >&-;; *4) sleep 9 & ;; esac"
    data = numbers(400)
    process = start("-", ":", "exec", "-t", "60s", "sh", "-c", script, ":", "null:", "-q", "-j", "20", stdin=open(write("in", data), "rb"))
    until(lambda: os.path.exists("at"), "the last command")
    until(lambda: len(children_of(process.pid)) == 1, "the other commands")
    descriptors = os.listdir(f"/proc/{process.pid}/fd")
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        threads = int([line.split()[1] for line in status if line.startswith("Threads:")][0])
    write("gate", "go\n")
    run = end(process)
    assert run.code == 1, run
    assert len(descriptors) < 45, descriptors  # 20 workers have one each
    assert threads < 12, threads


def test_killed():
    """Commands do not outlive a leat that is killed"""
    process = start("-", ":", "exec", "sh", "-c", "echo $$ >pid.$0; exec sleep 1000", ":", "null:", "-j", "3",
                    stdin=open(write("in", numbers(3)), "rb"))
    until(lambda: all(os.path.exists(f"pid.{n}") and lines_of(f"pid.{n}") for n in range(1, 4)), "the commands")
    pids = [int(lines_of(f"pid.{n}")[0]) for n in range(1, 4)]
    process.kill()
    end(process)
    until(lambda: all(map(is_gone, pids)), "their end")


def test_stopped():
    """A stop lets commands end; a second one ends them, and their items stay with the source"""
    leat("-", ":", "queue:q", data=numbers(20)).check(0)
    script = "echo $0 >>begun; while [ ! -e go ]; do sleep 0.05; done; echo $0"
    process = start("queue:q", ":", "exec", "sh", "-c", script, ":", "out", "-j", "4")
    until(lambda: os.path.exists("begun") and len(lines_of("begun")) == 4 and minds_signals(process), "the commands")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    write("go", "")
    run = end(process)
    assert run.code == 128 + signal.SIGTERM, run
    run.balanced()
    assert run.counts["delivered"] == len(lines_of("out")) and run.counts["failed"] == 0
    os.remove("go")
    os.remove("begun")
    left = 20 - run.counts["delivered"]
    if left >= 4:
        process = start("queue:q", ":", "exec", "sh", "-c", "trap '' TERM; " + script, ":", "out2", "-j", "4", "--stop", "drop")
        until(lambda: os.path.exists("begun") and len(lines_of("begun")) == 4, "the commands")
        process.send_signal(signal.SIGTERM)
        run = end(process).counted(delivered=0, failed=0)
        assert run.counts["returned"] == run.counts["in"] >= 4
    write("go", "")
    leat("queue:q", ":", "exec", "sh", "-c", script, ":", "out3").check(0).counted(delivered=left)


def test_many_workers():
    """Fifty workers wait without fifty threads"""
    process = start("-", ":", "exec", "sh", "-c", "echo $$ >>begun; exec sleep 1000", ":", "null:", "-j", "50",
                    stdin=open(write("in", numbers(50)), "rb"))
    until(lambda: os.path.exists("begun") and len(lines_of("begun")) == 50, "the commands")
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        threads = int([line.split()[1] for line in status if line.startswith("Threads:")][0])
    process.kill()
    end(process)
    assert threads < 12, threads


def test_descriptors_run_out():
    """Without descriptors items fail one by one, or the run ends; nothing hangs"""
    data = numbers(30)
    for most in range(12, 40, 3):
        run = leat("-", ":", "exec", "true", ":", "null:", "-j", "4", data=data, limits=((resource.RLIMIT_NOFILE, most),))
        assert run.code in (0, 1, 3), run
        if run.counts:
            run.balanced()


def test_limit():
    """Many workers have descriptors enough; their commands have the limit that there was"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    run = end(start("-", ":", "exec", "true", ":", "exec", "-s", "sleep 1; ulimit -Sn # {}", ":", "-", "-j", "150", stdin=open(write("in", numbers(150)), "rb"),
                    preexec_fn=limit)).check(0)
    assert set(run.out.split()) == {b"128"}, run.out


def test_yaml():
    """The same as a file"""
    words_of = ("-", ":", "exec", "-t", "10s", "-r", "1", "sh", "-c", "echo {} $1", "--", ":", "-", "-k")
    shown = leat("show", *words_of).check(0).out
    write("pipe.yaml", shown)
    assert leat("show", "pipe.yaml").check(0).out == shown
    assert leat("run", "pipe.yaml", data=b"1\n").check(0).out == leat(*words_of, data=b"1\n").check(0).out == b"1\n"


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad lines: each is set aside with its number and the reason, the good ones go on, and memory stays bounded."""
import json
import random
import re
import sys

from program import SANITIZED, leat, lines_of, run_tests, start, end, write

GOOD = b'{"content":"good a@b.cc"}'
MATCHED = b'{"content":"good a@b.cc","m":["a@b.cc"]}'
MATCH = ("match", "-f", ".content", r"m=\S+@\S+")
MEBIBYTE = 1 << 20

# A line, and what the error file says of it: the code, and words of the reason. None: the line is good.
LINES = [
    (GOOD, None),
    (b'{"content":"broken', ("EBADMSG", "the object ends early at byte 18")),
    (b'{"content":"x"', ("EBADMSG", "the object ends early")),
    (b'{"content":"x"} trailing', ("EBADMSG", "something follows the value at byte 16")),
    (b'{"content" "x"}', ("EBADMSG", "at byte 11")),
    (b'{"content":"x",}', ("EBADMSG", "at byte 15")),
    (b"{'content':'x'}", ("EBADMSG", "at byte 1")),
    (b'{"a":01,"content":"x"}', ("EBADMSG", "leading zero")),
    (b'{"a":+1,"content":"x"}', ("EBADMSG", "at byte 5")),
    (b'{"a":NaN,"content":"x"}', ("EBADMSG", "expected a value")),
    (b'{"content":"x","a":tru}', ("EBADMSG", "expected a value at byte 22")),
    (b'{"content":"\\x"}', ("EBADMSG", "escape")),
    (b'{"content":"\\u12g4"}', ("EBADMSG", "four hexadecimal digits")),
    (b'{"content":"a\tb"}', ("EBADMSG", "control character in a string at byte 13")),
    (b'{"content":"a\0b"}', ("EBADMSG", "control character in a string at byte 13")),
    (b'{"content":"x"}\0', ("EBADMSG", "something follows the value at byte 15")),
    (b'{"content":"bad \xff"}', ("EBADMSG", "invalid UTF-8 at byte 16")),
    (b'{"content":"overlong \xc0\x80"}', ("EBADMSG", "invalid UTF-8 at byte 21")),
    (b'{"content":"surrogate \xed\xa0\x80"}', ("EBADMSG", "invalid UTF-8 at byte 22")),
    (b'{"content":"too high \xf4\x90\x80\x80"}', ("EBADMSG", "invalid UTF-8 at byte 21")),
    (b'{"content":"cut \xe2\x82"}', ("EBADMSG", "invalid UTF-8 at byte 16")),
    (b'{"other":"\xff","content":"x"}', ("EBADMSG", "invalid UTF-8 at byte 10")),
    (b'{"content":' + b"[" * 600 + b"]" * 600 + b"}", ("EBADMSG", "nested too deeply")),
    (b'{"other":1}', ("ENOENT", "no field .content")),
    (b"{}", ("ENOENT", "no field .content")),
    (b'{"Content":"x","inner":{"content":"x"}}', ("ENOENT", "no field .content")),
    (b'{"content":5}', ("EINVAL", "field .content is a number, not a string")),
    (b'{"content":null}', ("EINVAL", "field .content is null, not a string")),
    (b'{"content":["x"]}', ("EINVAL", "field .content is an array, not a string")),
    (b'{"content":{"content":"x"}}', ("EINVAL", "field .content is an object, not a string")),
    (b'{"content":true}', ("EINVAL", "not a string")),
    (b"", ("ENOENT", "not a JSON object")),
    (b" ", ("ENOENT", "not a JSON object")),
    (b"plain text", ("ENOENT", "not a JSON object")),
    (b'[{"content":"x"}]', ("ENOENT", "not a JSON object")),
    (b'"content"', ("ENOENT", "not a JSON object")),
    (b"\0", ("ENOENT", "not a JSON object")),
    (b"\xff\xfe\x00", ("ENOENT", "not a JSON object")),
    (b"\xef\xbb\xbf" + GOOD, ("ENOENT", "not a JSON object")),
]


def records_of(path):
    return {record["position"]: record for record in map(json.loads, lines_of(path))}


def memory_of(*words, feed, **options):
    """Run it with what the chunks of `feed` write to its standard input; a Run, and its peak memory in bytes."""
    process = start(*words, stdin=-1, **options)
    peak = 0
    for chunk in feed:
        process.stdin.write(chunk)
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
        peak = max(peak, int(found.group(1)) * 1024 if found else 0)
    return end(process), peak


def test_each_kind_of_bad_line():
    """each kind of bad line is set aside with its number, the stage, the code and the place; exit code 1"""
    for seed in range(3):
        lines = LINES * 20
        random.Random(seed).shuffle(lines)
        write("in", b"\n".join(line for line, _ in lines) + b"\n")
        run = leat("in", ":", *MATCH, ":", "out", "--errors", f"bad{seed}.jsonl", "-k", "-j", 2).check(1)
        run.counted(**{"in": len(lines), "delivered": 20, "failed": len(lines) - 20})
        assert lines_of("out") == [MATCHED] * 20
        records = records_of(f"bad{seed}.jsonl")
        assert len(lines_of(f"bad{seed}.jsonl")) == len(records) == len(lines) - 20
        for number, (line, wanted) in enumerate(lines, 1):
            record = records.get(number)
            assert bool(record) == bool(wanted), (number, line, record)
            if not wanted:
                continue
            assert record["code"] == wanted[0] and wanted[1] in record["reason"], (line, record)
            assert record["stage"] == "match" and record["source"] == "in" and record["size"] == len(line), record
            try:
                assert record["item"] == line.decode(), record
            except UnicodeDecodeError:
                assert "\ufffd" in record["item"], record


def test_every_byte_of_a_line_changed():
    """whatever byte of a line is changed, it is a valid line or one with a reason; nothing in between"""
    line = b'{"id":12.5e1,"content":"\\u00e9 a@b.cc \xf0\x9f\x98\x80","l":[true,null]}'
    generator = random.Random(7)
    lines = []
    for at in range(len(line)):
        for byte in [0, 0x22, 0x5c, 0x80, 0xff, ord("}"), ord("1"), generator.randrange(256)]:
            changed = line[:at] + bytes([byte]) + line[at + 1:]
            if b"\n" not in changed:
                lines.append(changed)
    write("in", b"\n".join(lines) + b"\n")
    run = leat("in", ":", *MATCH, ":", "out", "--errors", "bad.jsonl", "-k").check(1)
    records = records_of("bad.jsonl")
    out = iter(lines_of("out"))
    for number, changed in enumerate(lines, 1):
        try:
            value = json.loads(changed)
            good = isinstance(value, dict) and isinstance(value.get("content"), str)
        except ValueError:
            good = False
        if b"NaN" in changed or b"Infinity" in changed:
            good = False
        assert good == (number not in records), (changed, records.get(number))
        if good:
            wanted = {**value, "m": re.findall(r"\S+@\S+", value["content"], re.ASCII)}
            assert json.loads(next(out)) == wanted, changed
    run.counted(failed=len(records))


def test_ends_of_a_file():
    """an empty file, one without a last newline, one of newlines alone"""
    write("empty", b"")
    leat("empty", ":", *MATCH, ":", "out").check(0).counted(**{"in": 0})
    assert lines_of("out") == []
    leat("-", ":", *MATCH, ":", "out2").check(0).counted(**{"in": 0})
    write("unended", GOOD + b"\n" + GOOD)
    leat("unended", ":", *MATCH, ":", "out").check(0).counted(**{"in": 2})
    assert lines_of("out") == [MATCHED, MATCHED]
    write("newlines", b"\n\n\n")
    leat("newlines", ":", *MATCH, ":", "out").check(1).counted(**{"in": 3, "failed": 3})
    leat("newlines", "--skip-empty", ":", *MATCH, ":", "out").check(0).counted(**{"in": 0})


def test_without_an_error_file():
    """without --errors the first failures and their lines go to standard error"""
    write("in", b"\n".join([GOOD, b"{", GOOD, b"[]"]) + b"\n")
    run = leat("in", ":", *MATCH, ":", "out", "-j", 1).check(1, ["leat: match: item 2: ", "leat: match: item 4: "])
    run.counted(delivered=2, failed=2)


def test_a_line_of_100_mebibytes():
    """a line of 100 MiB is set aside; memory: --max-line, one block more, and the program"""
    def feed():
        yield GOOD + b"\n" + b'{"content":"'
        for _ in range(100):
            yield b"x" * MEBIBYTE
        yield b'"}\n' + GOOD + b"\n"

    run, peak = memory_of("-", ":", *MATCH, ":", "-", "--errors", "bad.jsonl", feed=feed())
    run.check(1).counted(**{"in": 3, "delivered": 2, "failed": 1})
    assert run.out == (MATCHED + b"\n") * 2
    record = records_of("bad.jsonl")[2]
    assert record["code"] == "EMSGSIZE" and f"line 2 has {100 * MEBIBYTE + 14} bytes" in record["reason"], record
    assert record["item"].startswith('{"content":"xxxx') and len(record["item"]) <= 1024
    assert SANITIZED or peak < (64 + 32) * MEBIBYTE, peak

    run, peak = memory_of("-", "--max-line", "1M", ":", *MATCH, ":", "-", "--errors", "bad2.jsonl", feed=feed())
    run.check(1).counted(**{"in": 3, "delivered": 2, "failed": 1})
    assert SANITIZED or peak < 32 * MEBIBYTE, peak


def test_what_was_cut_does_not_look_whole():
    """a cut line has its whole size in the error file, and does not go to the dead end; one that is known whole does"""
    long, middle = b"x" * 300000, b"y" * 700
    write("in", b"\n".join([long, middle, b"short"]) + b"\n")
    leat("in", "--max-line", "512", ":", "out", "--errors", "bad", "--dead", "dead", "-k").check(1).counted(delivered=1, failed=2)
    cut, whole = (records_of("bad")[position] for position in (1, 2))
    assert (cut["item"], cut["size"], cut["truncated"]) == ("x" * 1024, 300000, True), cut
    assert (whole["item"], whole["size"]) == ("y" * 700, 700) and "truncated" not in whole, whole
    assert lines_of("dead") == [middle] and lines_of("out") == [b"short"]
    with open("in", "rb") as pipe:
        leat("-", "--max-line", "1k", ":", "null:", "--errors", "bad2", "--dead", "dead2", stdin=pipe).check(1)
    assert records_of("bad2")[1]["size"] == 300000 and lines_of("dead2") == []


def test_many_large_lines():
    """lines of 20 MiB before a slow sink: not more than 32 MiB and a line of them are on their way"""
    size, count = 20, 30

    def feed():
        for _ in range(count):
            yield b'{"content":"'
            for _ in range(size):
                yield b"x" * MEBIBYTE
            yield b' a@b.cc"}\n'

    run, peak = memory_of("-", ":", *MATCH, ":", "rate", "30/s", ":", "null:", "-j", 2, feed=feed())
    run.check(0).counted(delivered=count)
    # On their way at most 32 MiB and a line; one is being read, in a block that doubles.
    assert SANITIZED or peak < (32 + 4 * size + 32) * MEBIBYTE, peak


def test_memory_does_not_grow_with_the_input():
    """memory of the main job is bounded: 32 MiB of items and what the stages make of them"""
    chunk = b"".join(b'{"content":"%s a@b.cc \\u00e9 %d"}\n' % (b"lorem ipsum " * 80, i) for i in range(1000))
    run, peak = memory_of("-", ":", *MATCH, "words=\\w+", ":", "out", "-k", "-j", 2, feed=(chunk for _ in range(100)))
    run.check(0).counted(delivered=100000)
    assert SANITIZED or peak < 256 * MEBIBYTE, peak


def test_random_bytes():
    """random bytes: every line is delivered or set aside, none twice"""
    data = random.Random(3).randbytes(1 << 20)
    write("in", data)
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    run = leat("in", "--raw", ":", *MATCH, ":", "out", "--errors", "bad.jsonl").check(1)
    run.counted(**{"in": count, "failed": count})
    assert sorted(records_of("bad.jsonl")) == list(range(1, count + 1))
    leat("in", "--raw", ":", "match", "m=\\w", ":", "null:").check(0).counted(delivered=count)
    leat("in", "--raw", ":", "copy").check(0)
    with open("copy", "rb") as copy:
        assert copy.read() == data + (b"" if data.endswith(b"\n") else b"\n")


def test_nul_delimited():
    """with -0 newlines are as good as any byte; a line sink refuses what would break its lines"""
    write("in", b'{"content":\n"a@b.cc"}\0two\nlines\0')
    leat("in", "-0", ":", "out", "-0").check(0).counted(delivered=2)
    with open("out", "rb") as out:
        assert out.read() == b'{"content":\n"a@b.cc"}\0two\nlines\0'
    leat("in", "-0", ":", "out", "--errors", "bad.jsonl").check(1).counted(delivered=1, failed=1)
    assert lines_of("out") == [b'{"content": "a@b.cc"}']
    assert "newline" in records_of("bad.jsonl")[2]["reason"]


def test_packed_files_that_are_broken():
    """gzip and zstd data that is cut off or damaged: what came before counts, then an error that names the byte"""
    import gzip
    plain = b"".join(b"line %d %s\n" % (i, random.Random(i).randbytes(30).hex().encode()) for i in range(20000))
    packed = gzip.compress(plain)
    write("cut.gz", packed[:len(packed) // 2])
    run = leat("cut.gz", ":", "out").check(1, ["cut.gz: gzip data is broken at byte", "cut off"])
    assert plain.startswith(b"\n".join(lines_of("out"))) and run.counts["delivered"] == len(lines_of("out")) > 1000
    write("flipped.gz", packed[:len(packed) // 2] + b"\0\0\0\0" + packed[len(packed) // 2 + 4:])
    leat("flipped.gz", ":", "out").check(1, "flipped.gz: gzip data is broken at byte")
    write("tail.gz", packed + b"tail")
    leat("tail.gz", ":", "out").check(1, "tail.gz: gzip data is broken at byte").counted(delivered=20000)
    write("magic.zst", b"\x28\xb5\x2f\xfd" + b"\xff" * 100)
    leat("magic.zst", ":", "out").check(1, "magic.zst: zstd data is broken at byte").counted(**{"in": 0})


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

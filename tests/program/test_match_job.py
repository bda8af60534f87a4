#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main job: match on 100,000 JSON lines gives exactly what re.findall with re.ASCII gives, and touches nothing else.

The lines are made here, seeded: members before and after the text, nested
members of the same name, escapes, surrogate pairs, escaped names, every style of
white space, numbers that no float holds. MATCH_SEED and MATCH_LINES in the
environment change them.
"""
import json
import os
import random
import re
import sys

from program import leat, lines_of, run_tests, write

SEED = int(os.environ.get("MATCH_SEED", "20240229"))
LINES = int(os.environ.get("MATCH_LINES", "100000"))

PATTERNS = {
    "emails": r"[\w.+-]+@[\w-]+\.[\w.]+",
    "urls": r"https?://\S+",
    "cves": r"CVE-(\d{4})-(\d{4,7})",
    "tags": r"#(\w+)",
    "days": r"\b\d{4}-\d{2}-\d{2}\b",
    "bugs": r"(?i)(?:closes:\s*|bug\s?)\#?(\d+)",
    "quoted": r'"[^"\n]*"',
}
COMPILED = {name: re.compile(pattern, re.ASCII) for name, pattern in PATTERNS.items()}

WORDS = """joe@example.org a.b+c@d-e.co.uk x@y.z @joe joe@ naïve@café.fr user@host https://example.org/a?b=c&d=%20 http:// http://ü.de/ö/ß
ftp://x https://😀.example/日本 CVE-2024-1234 CVE-2024-123 CVE-1999-1234567 #tag #über #日本 #1 closes: #12 Closes:#7 bug 99 BUG42 2024-02-29
12024-02-29 2024-2-9 "quoted" "a "b" \\ / \\" 'x' lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt
é ü ß 日本語 Ελληνικά русский 😀 👩‍👩‍👧 𝒳 \u212a \u017f \u2028 \u0000 \u0001 \u001f \u007f \u0085 \u00a0 \ud7ff \ue000 \uffff \U0010ffff
< > & | {} [] , : ;; -- == ... null true 0 -1.5e10 {"content":"decoy@example.org"}""".replace("\n", " ").split(" ")
WORDS = [word.encode().decode("unicode_escape") if word.startswith("\\u") or word.startswith("\\U") else word
         for word in WORDS]
GLUE = [" "] * 8 + ["\n", "\t", "", "\r\n", ", ", "\u00a0", "\f", "\b", "/"]
SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f", "\b": "\\b"}


def escape(character, generator):
    """One of the ways in which JSON can spell a character."""
    code = ord(character)
    if character in SHORT and generator.random() < 0.7:
        return SHORT[character]
    if character == "/" and generator.random() < 0.2:
        return "\\/"
    if code >= 32 and character not in '"\\' and generator.random() < (0.97 if code < 128 else 0.6):
        return character
    units = character.encode("utf-16-be")
    digits = "%04x" if generator.random() < 0.5 else "%04X"
    return "".join("\\u" + digits % int.from_bytes(units[i:i + 2], "big") for i in range(0, len(units), 2))


def fragments(generator, count):
    """Pairs of a text of about 80 bytes and a spelling of it."""
    made = []
    for _ in range(count):
        text = ""
        while len(text.encode()) < generator.choice((20, 60, 90, 140)):
            text += generator.choice(WORDS) + generator.choice(GLUE)
        made.append((text, "".join(escape(character, generator) for character in text)))
    return made


OTHERS = [
    '"id%d"', '"n":123456789012345678901234567890', '"f":-0.10E+05', '"t" :true', '"z": null', '"a":[ 1,2 , [3],{} ]',
    '"meta":{"content":"decoy@example.org","emails":["no"],"deep":{"content":{"content":[]}}}', '"Content":"decoy@example.org"',
    '"content ":"decoy@example.org"', '"\\u0063ontents":"x@y.z"', '"e":"\\ud83d\\ude00\\u0000\\/\\"}"', '"":""', '"o":{}', '"l":[]',
    '"name":"Zoë 😀 {\\"content\\":\\"q@q.qq\\"}"', '"dup":1,"dup":2', '"big":1e400', '"s":" \\t, } ] "', '"conten":"a","contentt":"b"',
]
NAMES = ['"content"'] * 6 + ['"\\u0063ontent"', '"conten\\u0074"', '"\\u0063\\u006f\\u006e\\u0074\\u0065\\u006E\\u0074"']
SPACES = ["", "", "", " ", "  ", "\t", " \r", "\r \t"]
REPLACED = ['"emails"', '"\\u0065mails"']


class Line:
    """A line as a head, a place where an array may be replaced, a tail, and the text in it."""

    def __init__(self, number, generator, pool):
        space = generator.choice(SPACES)
        comma, colon = space + "," + generator.choice(SPACES), generator.choice(SPACES) + ":" + space
        pieces = [generator.choice(pool) for _ in range(generator.randrange(11, 19))]
        self.text = "".join(text for text, _ in pieces)
        content = generator.choice(NAMES) + colon + '"' + "".join(spelling for _, spelling in pieces) + '"'
        members = [f'"number"{colon}{number}'] + generator.sample(OTHERS[1:], generator.randrange(0, 5))
        members.insert(generator.randrange(0, len(members) + 1), content)
        if generator.random() < 0.02:  # of several members of one name the last one counts
            members.insert(0, '"content":"decoy@example.org"')
        self.old = None  # the value that is replaced
        before, after = members, []
        if generator.random() < 0.05:
            at = generator.randrange(0, len(members) + 1)
            self.old = generator.choice(('[]', '"x"', '{"emails":[1]}', "null"))
            before, after = members[:at] + [generator.choice(REPLACED) + colon], members[at:]
        outer = generator.choice(SPACES)
        head = outer + "{" + space + comma.join(before)
        if self.old is None:
            self.head, self.tail, self.end = head, "", space + "}" + outer
        else:
            self.head, self.tail, self.end = head, comma.join([""] + after), space + "}" + outer

    def bytes(self):
        return (self.head + (self.old or "") + self.tail + self.end).encode()


def expected(line, found):
    """The line with what re.findall gives: in the place of a member of the same name, else before the closing brace."""
    arrays = {name: json.dumps(found[name], ensure_ascii=False, separators=(",", ":")) for name in PATTERNS}
    first = "" if line.old is None else arrays.pop("emails")
    additions = "".join(f',"{name}":{array}' for name, array in arrays.items())
    return (line.head + first + line.tail + additions + line.end).encode()


class Job:
    """The input, in in.ndjson, and what must come of each line; made once for all tests."""

    made = None

    @classmethod
    def get(cls):
        cls.made = cls.made or cls()
        write("in.ndjson", cls.made.data)
        return cls.made

    def __init__(self):
        generator = random.Random(SEED)
        pool = fragments(generator, 3000)
        lines, self.wanted, self.samples = [], [], []
        self.replaced, self.matches = 0, dict.fromkeys(PATTERNS, 0)
        for number in range(LINES):
            line = Line(number, generator, pool)
            found = {name: pattern.findall(line.text) for name, pattern in COMPILED.items()}
            lines.append(line.bytes())
            self.wanted.append(expected(line, found))
            self.replaced += line.old is not None
            for name in PATTERNS:
                self.matches[name] += len(found[name])
            if number % 100 == 0:
                self.samples.append((lines[-1], line.text))
        self.data = b"\n".join(lines) + b"\n"

    def run(self, *options):
        patterns = [f"{name}={pattern}" for name, pattern in PATTERNS.items()]
        leat("in.ndjson", ":", "match", "-f", ".content", *patterns, ":", "out.ndjson", *options).check(0).counted(
            **{"in": LINES, "delivered": LINES})
        return lines_of("out.ndjson")

    def compare(self, number, out):
        assert out == self.wanted[number], f"line {number}: wanted\n{self.wanted[number]!r}\ngot\n{out!r}"


NUMBER = re.compile(rb'"number"\s*:\s*(\d+)')


def test_generated_lines():
    """the lines of this test are JSON of about 1 KiB that says what the test thinks it says"""
    job = Job.get()
    for data, text in job.samples:
        assert json.loads(data)["content"] == text, data
    assert 900 < len(job.data) / LINES < 1300, len(job.data) / LINES
    assert all(count > LINES // 20 for count in job.matches.values()), job.matches
    assert job.replaced > LINES // 50


def test_keeps_the_order():
    """match -k -j 2: the arrays of re.findall, in the order of the input, all else byte for byte"""
    job = Job.get()
    out = job.run("-k", "-j", "2")
    assert len(out) == LINES, len(out)
    for number, data in enumerate(out):
        job.compare(number, data)


def test_loses_and_doubles_nothing():
    """match -j 2: in any order, but each line once"""
    job = Job.get()
    seen = set()
    for data in job.run("-j", "2"):
        number = int(NUMBER.search(data).group(1))
        assert number not in seen, f"line {number} is there twice"
        seen.add(number)
        job.compare(number, data)
    assert seen == set(range(LINES)), f"lost: {sorted(set(range(LINES)) - seen)[:20]}"


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The stage `match` gives what re.findall(pattern, text, re.ASCII) gives, for each of these patterns on random texts.

The texts are seeded; MATCH_SEED and MATCH_TEXTS in the environment change them.
"""
import json
import os
import random
import re
import subprocess
import sys

SEED = int(os.environ.get("MATCH_SEED", "20240229"))
TEXTS = int(os.environ.get("MATCH_TEXTS", "300"))

PATTERNS = r"""
[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}
https?://[^\s"<>]+
\+?\d{1,3}[-. ]\d{3}[-. ]\d{3}[-. ]\d{4}
\b\d{4}-\d{2}-\d{2}\b
#\w+
[\w.+-]+@[\w-]+\.[\w.]+
[\w.+-]+@[\w-]+\.[\w.-]+
https?://\S+
(?:#|bug )\d+
(?i)(?:#|bug )\d+
(?i:bug)s? *#?\d+
CVE-\d{4}-\d{4,7}
CVE-(\d{4})-(\d{4,7})
(?:CVE|CAN)-\d{4}-\d{4,7}
closes: *(?:bug)?#?\s?\d+
(?i)closes:\s*(?:bug)?\#?\s?\d+(?:,\s*(?:bug)?\#?\s?\d+)*
\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}
\b(?:\d{1,3}\.){3}\d{1,3}\b
(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)
(\d{4})-(\d\d)-(\d\d)
(?P<year>\d{4})-(?P<month>\d\d)
(?P<q>['"]).*?(?P=q)
\d{2}:\d{2}(?::\d{2})?
\d\d?/\d\d?/\d{2,4}
(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar) \d{4}
[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}
[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}
\$\d+(?:\.\d\d)?
-?\d+\.\d+(?:[eE][+-]?\d+)?
0x[0-9a-f]+
@\w+
\w+@
\w+@\w+
\w*@\w*
\w*?@\w*?
\w+?@\w+?
[^@]+@
[^@]*@[^@]*
[^@\s]+@[^@\s]+
.@.
.*@.*
.+@.+
(?s).@.
(?s).*@
@
@@
@@+
@+a
@{2,3}
@{2,3}?
(@)(a)?
(@)|(a)
a*
a*?
x?
x??

(?:)
()
(a)?
(a)*
(a*)
(a*)*
(a*)+
(a|b)*
(a|b)+
(?:a|b)+
(a)|b
(a)|(b)
\b
\B
\b\w
\w\b
\b\w+\b
^
$
^$
^a
a$
^.*$
(?m)^
(?m)$
(?m)^$
(?m)^.*$
(?m)^.
(?m).$
(?m)^\s*\w+
(?m)^[ \t]*#.*$
\A
\Z
\Aa
a\Z
\n\Z
\n$
(?s).+
(?s).*?\n
.
..
...
[^a]
[^a][^a]
[^a]x
[^a]+
[^a]+x
[^\n]*\n
\s+
\S+
\d
\D
\D+
\w
\W
\W+
\W\d
a|b|c
ab|a
a|ab
a|ab|abc
foo|foobar
foobar|foo
(?:foo|bar|baz)+
(foo|bar)(baz)?
foo(?=bar)
foo(?!bar)
(?<=foo)bar
(?<!foo)bar
(?<=a)
(?<=@)\w+
(?<=#)\d+
(?<![\w@])@\w+
(?=a)
(?=(a+))
(?!a)
(?=a)a
\d(?=-)
(?<=\d)-(?=\d)
\d+(?!\d|-)
(?<=\n)a
a+?
a+?b
a{2}
a{2,}
a{2,3}
a{2,3}?
a{0}
a{0,1}
a{,2}
a{,2}b
a{,}b
a{,2}?b
a{
a{1
a{x}
a{1,x}
a{ 1}
(ab){2}
(ab){2,3}
(?:ab){2}@
(?:ab)+@
(?:ab)*@
(?:a|b)*@
(?:a|bc)*@
(?:a+,|b+ )+@
(a|b)*?@
[ab]+[bc]+@
[ab]+?[bc]+?@
a+b+@
a*b*@
a?b?@
a?b?c?d?@
\d?-
\d?-\d
\d{0,2}-\d
-\d+-
\d+-\d+-\d+
(\d+)-(\d+)
(\d+)-(?:(\d+)-)?
(\d+)-(\d+)|(\w+)@(\w+)
(a)(b)?(c)?
((a)(b))
((a)|(b))+
(.)\1
(\w)\1
(\w+) \1
(?P<a>\w)(?P=a)
(a)(?(1)b|c)
(a)?(?(1)b|c)
(?i)a
(?i)bug
(?i)kelvin
(?i)K
(?i)s
(?i)[k]
(?i)[a-z]+
(?i)[^k]
(?i)[^a-z]+
(?i)é
(?i)straße
(?i)(foo)|(BAR)
(?i:a)b
(?i:k)s
a(?i:b)c
(?i)a(?-i:b)c
(?i)#[a-z]+
(?i)https?://\S+
(?i)[\w.]+@[\w.]+
(?x) \d{4} - \d{2}  # comment
(?x)a b c
(?x) [ab ] \  # blank
(?x)  @  \w +
(?sx) a . b
(?im)^bug
(?ims)^bug.$
(?s)a.b
(?m)^a|b$
(?#comment)a
a(?#com(ment)b
[]]
[]a]+
[^]a]+
[a\]]+
[a-]+
[-a]+
[\w-]+
[\w.-]+
[.\d]+
[^\w\s]
[^\W\d]
[^\D]
[\s\S]
[\S\s]+
[a-fé]+
[é-ü]+
[^é]
é
é+
é?
éa
é@
[é@]+
é*@
日本
[日本]+
[^\x00-\x7f]
[^\x00-\x7f]+
[\x80-\xff]+
\x40
\x41
\x00
[\x00]
\x00+
\t
\n
\r\n
\r
\f
\v
[\v]
[\n\v]
\a
\x0b
[\b]
\.
\\
\\\w
\"
"[^"]*"
"[^"\\]*(?:\\.[^"\\]*)*"
'[^']*'
<[^>]+>
<(\w+)>[^<]*</\1>
<(\w+)[^>]*>
\[[^\]]*\]
\([^()]*\)
\{\w+\}
\w+\([^)]*\)
(?:[^,\n]*,){2}
[^,]*,
,
, 
 +
 {2,}
 
a b
a++b
(ab{2})*+a
(?:(a)b)*+a
(?>\w+?\D){3}\W-
a*+b
a?+a
(?>a+)b
(?>a|ab)c
\w++@
[a-z]++@[a-z]++
(?:a|ab)(?:c|bcd)(?:d*)
(a+)(b+)?
(?:(a)|b)*
(?:(a)|(b)|(c))*
(?:(\d)|([a-z]))+@
(^|\s)#(\w+)
(?:^|[^\w])@(\w{1,15})
(?:\A|,)x
(^a)
(a$)
(?:^a|b)
\ba
a\b
\b@
@\b
\B@\B
\b#\b
#\b\w
\b\d
\d\b
\b[A-Z]\w*
[A-Z][a-z]+(?: [A-Z][a-z]+)+
[A-Z]{2,}-\d+
(?:ht|f)tps?://(?:[\w-]+\.)+\w+(?:/\S*)?
://
\w+://
[a-z][a-z0-9+.-]*://[^\s/]+
www\.\w+\.\w+
\S+@\S+
\S*@\S*
\S+:\S+
[^\s:]+:[^\s:]+
[^:]+: 
\w+: \w+
\w+=\w+
(\w+)=(\w+|"[^"]*")
(\w+)\s*=\s*(\d+)
\bv?\d+\.\d+(?:\.\d+)?\b
v\d
\d+%
\d+(?:,\d{3})+
ERROR|WARN|INFO
(?:ERROR|WARN): .*
aa
aab
aba
abab
aaaa@
(?:aa|aaa)@
a{3}@
a{1,3}@
[ab]{2,4}@
[ab]{2,4}?@
\d{1,3}-\d{1,3}
-{2,}
--
-+>
=+
(?:=|-){3,}
""".split("\n")[1:-1]
if sys.version_info < (3, 11, 5):
    # Until then a possessive repeat of a group lost the empty match.
    PATTERNS = [pattern for pattern in PATTERNS if pattern not in (r"(ab{2})*+a", r"(?:(a)b)*+a")]

ALPHABETS = [
    "ab@",
    "abc-1 ",
    "ab\n",
    "foobarz ",
    "0123456789-. +",
    "kKsS\u212a\u017f",
    "aé日😀\u00a0 @#x",
    "#@:/.hHtps bug\n",
    "\0ab\0 \t\r\n\v\f\x1c\x85\u2028",
    '"\\<>=,[](){}a1\'',
    "".join(map(chr, range(32, 127))),
    "éÉüÜßẞ@a-1",
]
WORDS = """a b ab abc foo bar foobar baz @ # - -- : :// http:// https:// https http htt ftp:// www. joe@example.org x@y.z a@b a.b+c@d-e.co
joe@ @joe joe@example 2024-02-29 2024-2-29 12024-02-291 2024-02- 99-99 #tag #1234 bug bug 12 Bug #7 BUG 3 closes: #12, #13 Closes:
CVE-2024-1234 CVE-2024-123 CVE-20245-1234567 +49 030-123.4567 123-456-789-0123 +1 202-555-0147 1-202-555-01477 192.168.0.1 256.1.1.1 1.2.3
"quoted" "a\\"b" 'x' <b>bold</b> <i> f(x) {y} [z] é É straße STRASSE 日本 日本語 😀 naïve@café.fr K k \u212a s \u017f kelvin \u212aelvin
x=1 x = 12 key="v w" ERROR: WARN: $12.50 50% 1,234,567 v1.2.3 0xdeadbeef de:ad:be:ef:00:01 12:34:56 1/2/2003 a,b,c John Smith ABC-12
aaaa aaa@ abab@ bcbc@ xx @@ @@@ === -> -----> aab aba""".split()
GLUE = [" ", "", "\n", ", ", "  ", ". ", "\t", "\u00a0", "\0"]


def random_text(generator):
    kind = generator.random()
    length = generator.choice((0, 1, 2, 3, 7, 20, 31, 32, 33, 63, 64, 65, 130, 400))
    if kind < 0.4:
        alphabet = generator.choice(ALPHABETS)
        return "".join(generator.choice(alphabet) for _ in range(length))
    if kind < 0.55:
        alphabet = generator.choice(ALPHABETS)
        runs = (generator.choice(alphabet) * generator.choice((1, 2, 5, 40, 70)) for _ in range(length // 20 + 1))
        return "".join(runs)
    if kind < 0.9:
        words = (generator.choice(WORDS) + generator.choice(GLUE) for _ in range(length // 4 + 1))
        return "".join(words)
    # a near miss: a good word with one character changed, far behind plain text
    word = list(generator.choice(WORDS))
    word[generator.randrange(len(word))] = generator.choice("a1-@ é\n")
    filler = generator.choice(("lorem ipsum ", "1234567890", "aaaaaaaa", "- - ", "日本語 "))
    return filler * generator.randrange(12) + "".join(word) + filler * generator.randrange(3)


def record(kind, content, suffix=""):
    data = content.encode()
    return f"{kind} {len(data)}{suffix}\n".encode() + data


def run(records):
    program = os.path.join(os.environ["LEAT_BUILD"], "tests", "match-cli")
    done = subprocess.run([program], input=b"".join(records), stdout=subprocess.PIPE, check=True)
    return iter(done.stdout.decode().split("\n"))


def expected(pattern, text):
    if pattern == r"\B" and text == "":
        return [""]  # Perl, PCRE2 and Python from 3.14 on; Python before says no
    return [list(found) if isinstance(found, tuple) else found for found in re.findall(pattern, text, re.ASCII)]


def check(pattern, texts, answers):
    """What is wrong, or None."""
    if (answer := next(answers)) != "ok":
        for _ in texts:
            next(answers)
        return answer
    fault = None
    for text in texts:
        answer = next(answers)
        wanted = expected(pattern, text)
        if fault is None and (answer.startswith("failed") or json.loads(answer) != wanted):
            fault = f"text {text!r}\n# wanted {wanted!r}\n# got    {answer}"
    return fault


def main():
    generator = random.Random(SEED)
    texts = ["", "\n", "\n\n", "a\n", "\n\x0b\n"] + [random_text(generator) for _ in range(TEXTS)]
    records = []
    for pattern in PATTERNS:
        records.append(record("pattern", pattern))
        records.extend(record("text", text) for text in texts)
    answers = run(records)
    print(f"1..{len(PATTERNS)}")
    failures = 0
    for number, pattern in enumerate(PATTERNS, 1):
        fault = check(pattern, texts, answers)
        failures += fault is not None
        name = pattern.encode("unicode_escape").decode().replace("#", "\\#")
        print(f"{'not ' if fault else ''}ok {number} - /{name}/" + (f"\n# {fault}" if fault else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

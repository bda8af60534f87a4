#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who was mentioned and did not answer: against a plain reading of the rule, and its single cases.

UNANSWERED_SEED changes what is random.
"""
import copy
import json
import os
import random
import re
import sys
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
from jira import issue, person  # noqa: E402
from program import leat, run_tests  # noqa: E402

SEED = int(os.environ.get("UNANSWERED_SEED", "20240229"))
EPOCH = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)


def at(minutes, zone=60, form="%Y-%m-%dT%H:%M:%S.000%z"):
    return (EPOCH + timedelta(minutes=minutes)).astimezone(timezone(timedelta(minutes=zone))).strftime(form)


def said(author, body, minutes, number=None, **options):
    return {"id": str(number if number is not None else 100 + minutes), "author": person(author), "body": body,
            "created": at(minutes, **options)}


def case(*comments, **fields):
    return issue("OPS-1", comments, **{"created": at(0), **fields})


def text(*words):
    """A document with paragraphs in a list; a tuple is a mention."""
    nodes = [{"type": "mention", "attrs": {"id": f"5b10:{word[0]}", "text": f"@{word[0].title()}"}} if isinstance(word, tuple)
             else {"type": "text", "text": word, "marks": [{"type": "strong"}]} for word in words]
    return {"type": "doc", "version": 1, "content": [{"type": "bulletList", "content": [{"type": "listItem", "content": [
        {"type": "paragraph", "content": nodes}]}]}]}


def ask(issues, *words):
    data = "".join(json.dumps(one, ensure_ascii=index % 2 == 0) + "\n" for index, one in enumerate(issues)).encode()
    return leat("-", ":", "unanswered", *(words or ("--user", "me", "--user", "5b10:me")), ":", "-", "-k", data=data)


def mention_of(one, *words):
    run = ask([one], *words).check(0)
    if not run.out:
        run.counted(filtered=1)
        return None
    found = json.loads(run.out)
    rest = {name: value for name, value in found.items() if name != "mention"}
    assert rest == one, "the issue was changed"
    date = found["mention"].pop("date")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", date) and found["mention"]["when"].startswith(date.replace(" ", "T"))
    return found["mention"]


def test_the_rule():
    """mentions after the user's last comment count, earlier ones, the user's own and other people's do not"""
    yes = said("bob", "so [~me], when?", 10)
    assert mention_of(case(yes)) == {"who": "Bob", "when": at(10), "what": "so @me, when?", "where": "110", "count": 1}
    assert mention_of(case(yes, said("me", "soon", 11))) is None
    assert mention_of(case(said("me", "hello", 9), yes))["where"] == "110"
    assert mention_of(case(said("me", "note for [~me]", 9))) is None
    assert mention_of(case(said("bob", "[~you], and [~mean] and me", 9))) is None
    assert mention_of(case()) is None
    assert mention_of(case(yes, said("eve", "indeed", 12), said("dan", "[~ME] please", 13))) == {
        "who": "Dan", "when": at(13), "what": "@ME please", "where": "113", "count": 2}


def test_order():
    """the time decides, whatever the order of the list and the zones; within a moment the list's order"""
    yes, answer = said("bob", "[~me]?", 10, zone=-480), said("me", "yes", 11, zone=330)
    assert mention_of(case(answer, yes)) is None
    assert mention_of(case(said("bob", "[~me]?", 12, zone=-480), answer))["where"] == "112"
    assert mention_of(case(said("bob", "[~me]", 5, 1), said("me", "x", 5, 2))) is None
    assert mention_of(case(said("me", "x", 5, 2), said("bob", "[~me]", 5, 1)))["where"] == "1"
    assert mention_of(case(said("bob", "[~me]", 5, form="%Y-%m-%dT%H:%M:%SZ", zone=0), said("me", "x", 4)))["count"] == 1


def test_description():
    """a description is the reporter's, at the time of the issue"""
    assert mention_of(case(description="[~me]: do it", reporter="ann")) == {
        "who": "Ann", "when": at(0), "what": "@me: do it", "where": "description", "count": 1}
    assert mention_of(case(said("me", "done", 3), description="[~me]: do it")) is None
    assert mention_of(case(description="a note for [~me]", reporter="me")) is None
    assert mention_of(case(description=text("do it, ", ("me",))))["what"] == "do it, @Me"


def test_spellings():
    """name, key, account id, e-mail; each as given, and nobody else"""
    for name, spelling in (("me", "me"), ("JIRAUSER-me", "JIRAUSER-me"), ("5b10:me", "accountid:5b10:me"),
                           ("me@example.org", "me@example.org"), ("a b.c", "a b.c")):
        one = case(said("bob", f"x [~{spelling}] y", 5))
        assert mention_of(one, "--user", name), name
        assert mention_of(one, "--user", name + "x") is None
        if name != "a b.c":
            one = case(said("bob", f"x [~{spelling}] y", 5), said("me", "answer", 6))
            assert mention_of(one, "--user", name) is None, name
    one = case(said("bob", "[~old.name] and [~accountid:5b10:me]", 5), said("me", "answer", 6))
    assert mention_of(one, "--user", "old.name")["count"] == 1
    assert mention_of(one, "--user", "old.name", "--user", "5b10:me") is None


def test_markup():
    """what is no mention in wiki markup: in code, behind a backslash, without an end"""
    for body, what in (
            ("{code:java}a[~me]b{code} hi [~me]", "a[~me]b hi @me"), ("{code}[~me]{code}", None), ("\\[~me]", None),
            ("{noformat}[~me]{noformat}", None), ("[~me", None), ("[~me\n]", None), ("{code} [~me]", "{code} @me"),
            ("{quote}[~me] said{quote}\r\n\r\nno", "@me said no"), ("{color:red}[~me]{color}", "@me"), ("[~]", None),
            ("{{[~me]}}", "{{@me}}"), ("[link|http://x] [~me]", "[link|http://x] @me"), ("a\t \n b [~me]", "a b @me"),
            ("\\{code}[~me]{code}", "{code}@me{code}"), ("", None), ("\u0000[~me]😀", "\u0000@me😀")):
        found = mention_of(case(said("bob", body, 5)))
        assert (found and found["what"]) == what, (body, found)


def test_documents():
    """mentions in Cloud's document format, however deep; other nodes give their text"""
    deep = {"type": "mention", "attrs": {"id": "5b10:me"}}
    for _ in range(200):
        deep = {"type": "panel", "content": [deep]}
    for body, what in (
            (text("when, ", ("me",), "?"), "when, @Me?"), (text("when, ", ("bob",)), None), (deep, "@5b10:me"),
            (text("[~me]"), None), (None, None), ({}, None), ([], None), (3, None),
            ({"type": "doc", "content": [
                {"type": "heading", "content": [{"type": "text", "text": "A"}]},
                {"type": "paragraph", "content": [{"type": "text", "text": "b"}, {"type": "hardBreak"}, deep["content"][0],
                                                  {"type": "emoji", "attrs": {"shortName": ":x:", "text": "☕"}},
                                                  {"type": "inlineCard", "attrs": {"url": "http://x"}}]}]},
             "A b @5b10:me ☕http://x")):
        found = mention_of(case(said("bob", body, 5)))
        what_found = found and found["what"]
        assert (what_found and " ".join(what_found.split())) == what, (body, found)


def test_excerpt():
    """a long comment: its begin, or what stands around the mention; whole characters"""
    long = "wörd " * 500
    found = mention_of(case(said("bob", "[~me] " + long, 5)))["what"]
    assert found.startswith("@me wörd") and found.endswith("wörd …") and len(found.encode()) < 320, found
    found = mention_of(case(said("bob", long + "[~me] " + long, 5)))["what"]
    assert found.startswith("… ") and found.endswith(" …") and "@me" in found and len(found.encode()) < 320, found


def test_what_cannot_be_told():
    """issues without their comments, or with a part of them, are set aside, never passed over"""
    part = case(said("bob", "[~me]", 5))
    part["fields"]["comment"]["total"] = 2
    none = case()
    del none["fields"]["comment"]
    nowhen = case(said("bob", "[~me]", 5))
    nowhen["fields"]["comment"]["comments"][0]["created"] = "yesterday"
    run = ask([part, none, nowhen, {"x": 1}, case(said("bob", "[~me]", 5))]).check(1).counted(failed=4, delivered=1)
    for words in ("2 comments and only 1 of them", "the field comment must be asked for", "comment 105 has no time",
                  "no field .fields"):
        assert words in run.err, run
    run = leat("-", ":", "unanswered", "--user", "me", ":", "-", data=b"{\"fields\": \nno json\n").check(1).counted(failed=2)
    assert leat("-", ":", "unanswered", ":", "-").check(2, "--user NAME")
    assert leat("-", ":", "unanswered", "me", ":", "-").check(2, "--user")


def test_against_the_rule():
    """ten thousand random issues: exactly those of a plain reading of the rule"""
    generator = random.Random(SEED)
    people, issues, wanted = ["me", "bob", "eve"], [], []
    for number in range(10000):
        comments, moments = [], generator.sample(range(1, 50), generator.randrange(6))
        for minutes in moments:
            whom = generator.choice(people + [None])
            wiki = f"to [~{whom}]" if whom else "to nobody"
            body = wiki if generator.random() < 0.5 else text("to ", (whom,) if whom else "nobody")
            comments.append((minutes, generator.choice(people), whom, body))
        described = generator.choice(["me", None, None])
        reporter = generator.choice(people)
        one = case(*(said(author, body, minutes, zone=generator.randrange(-700, 700)) for minutes, author, _, body in comments),
                   description=f"[~{described}]" if described else None, reporter=reporter)
        issues.append(copy.deepcopy(one) | {"key": f"OPS-{number}"})
        last = max([minutes for minutes, author, _, _ in comments if author == "me"], default=-1)
        hits = [minutes for minutes, author, whom, _ in comments if whom == "me" and author != "me" and minutes > last]
        count = len(hits) + (described == "me" and reporter != "me" and last < 0)
        if count:
            wanted.append((f"OPS-{number}", count, str(100 + max(hits)) if hits else "description"))
    run = ask(issues).check(0).counted(**{"in": 10000})
    found = [(one["key"], one["mention"]["count"], one["mention"]["where"]) for one in map(json.loads, run.out.splitlines())]
    assert len(wanted) > 1000 and found == wanted, f"seed {SEED}"


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

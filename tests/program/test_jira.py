#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The issues of a Jira server in both dialects: exactly all of them, each once, with all their comments; and its faults."""
import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
from jira import Jira, comment, cut, issue, moment, slow  # noqa: E402
from program import end, leat, run_tests, start, until, write  # noqa: E402

for name in [name for name in os.environ if name.startswith("JIRA_") or name.lower().endswith("_proxy")]:
    del os.environ[name]
SECRET = "s3cr3t-t0ken"
EDITIONS = ("server", "cloud")


def ask(server, *words, query="project = OPS", **environment):
    return leat(f"jira:{query}", *words, env={**os.environ, "JIRA_URL": server.url, **environment})


def issues_of(run):
    return [json.loads(line) for line in run.out.splitlines()]


def keys_of(run):
    keys = [one["key"] for one in issues_of(run)]
    assert len(keys) == len(set(keys)), f"some came twice: {keys}"
    return set(keys)


def many(count):
    return [issue(f"OPS-{number}") for number in range(1, count + 1)]


# ------------------------------------------------------------------------ finding

def test_pages():
    """all issues of many pages, each once, in the server's own bytes; the server's page is smaller than asked for"""
    for edition in EDITIONS:
        issues = many(137)
        issues[5]["fields"]["summary"] = "<ünï> \"q\" \\ \u2028 😀"
        with Jira(issues, edition, page=10) as server:
            run = ask(server, ":", "-").check(0).counted(delivered=137)
            assert keys_of(run) == {one["key"] for one in issues}
            assert {json.dumps(one) for one in issues} == {line.decode() for line in run.out.splitlines()}
            assert len(server.queries()) == 14, server.queries()


def test_short_pages():
    """Cloud: a short page, and an empty one, is not the last; the token decides"""
    with Jira(many(20), "cloud", page=7, pages=[3, 0, 0, 1, 5]) as server:
        assert len(keys_of(ask(server).check(0))) == 20


def test_token_circle():
    """Cloud: a token that comes again ends the run instead of going round for ever"""
    with Jira(many(20), "cloud", page=5) as server:
        names = iter("ABCABCABC")
        server.before = lambda number, path: (200, {}, {"issues": many(1), "nextPageToken": next(names)}) \
            if "search" in path else None
        ask(server).check(1, "came twice")


def test_issues_vanish_between_pages():
    """Server: issues that stop matching while the pages are read do not hide others"""
    issues = many(60)
    with Jira(issues, page=10) as server:
        server.after_page = lambda: issues.pop(0) if len(issues) > 50 else None
        run = ask(server).check(0)
        assert keys_of(run) >= {f"OPS-{number}" for number in range(11, 61)}, run


def test_comments_are_completed():
    """comments that the search left out are fetched page by page and put in their place; all else stays as it was"""
    for edition in EDITIONS:
        comments = [comment(number, "bob", f"text {number}") for number in range(123)]
        issues = [issue("OPS-1", comments, after={"x": [1, {}]}), issue("OPS-2", comments[:3]), issue("OPS-3")]
        with Jira(issues, edition, comments=5, comment_page=20) as server:
            found = {one["key"]: one for one in issues_of(ask(server).check(0))}
            wanted = json.loads(json.dumps(issues[0]))
            wanted["fields"]["comment"]["maxResults"] = 123
            assert found["OPS-1"] == wanted
            assert found["OPS-2"] == issues[1] and found["OPS-3"] == issues[2]
            assert len([path for _, path, _, _ in server.requests if "comment" in path]) == 7


def test_comments_that_cannot_be_had():
    """an issue whose comments are refused is set aside and says so; the others come"""
    comments = [comment(number, "bob", "text") for number in range(9)]
    with Jira([issue(f"OPS-{number}", comments) for number in (1, 2, 3)], comments=5) as server:
        server.before = lambda number, path: (404, {}, {"errorMessages": ["Gone"]}) if "OPS-2/comment" in path else None
        run = ask(server, ":", "-", "--errors", "errors").check(1).counted(delivered=2, failed=1)
        assert keys_of(run) == {"OPS-1", "OPS-3"}
        record = json.loads(open("errors", encoding="utf-8").read())
        assert "its comments: " in record["reason"] and "404" in record["reason"] and "Gone" in record["reason"], record


def test_query():
    """the query reaches the server as written, with an order when it has none; --fields"""
    with Jira(many(3)) as server:
        ask(server, "--fields", "summary, comment", query="text ~ \"order by x\" AND a = 'it''s' ORDER BY key").check(0)
        assert server.queries()[-1] == "text ~ \"order by x\" AND a = 'it''s' ORDER BY key"
        assert json.loads(server.requests[-1][2])["fields"] == ["summary", "comment", "updated"]
        ask(server, query="").check(0)
        assert server.queries()[-1] == "ORDER BY key"


def test_login():
    """a token alone is a bearer's, with a user it is basic; from the environment or a file"""
    for user, edition in ((None, "server"), ("ann@example.org", "cloud")):
        with Jira(many(2), edition, token=SECRET, user=user) as server:
            login = {"JIRA_USER": user} if user else {}
            assert len(keys_of(ask(server, JIRA_TOKEN=SECRET, **login).check(0))) == 2
            write("token", SECRET + "\n")
            assert len(keys_of(ask(server, JIRA_TOKEN_FILE="token", **login).check(0))) == 2


def test_ids():
    """an item's id is the same in every run, and another one once the issue has changed"""
    issues = many(1)
    with Jira(issues) as server:
        def identity():
            ask(server, ":", "where", ".no=1", ":", "-", "--errors", "errors").check(0)
            run = ask(server, ":", "match", "-f", ".none", "x=y", ":", "-", "--errors", "errors")
            return json.loads(open("errors", encoding="utf-8").read().splitlines()[-1])["id"] if run.code else None
        first = identity()
        assert first and first == identity()
        issues[0]["fields"]["updated"] = moment(-1)
        assert first != identity()


# ----------------------------------------------------------------------- beginning

def test_start():
    """what cannot begin says so in one line, without the secret, exit code 3 (2 where the command is wrong)"""
    def fails(url, said, query="project = OPS", *words, code=3, **environment):
        run = leat(f"jira:{query}", *words, env={**os.environ, **({"JIRA_URL": url} if url else {}), **environment})
        run.check(code, said)
        assert SECRET not in run.err and run.err.count("\n") == 1, run

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        fails(f"http://127.0.0.1:{unused.getsockname()[1]}", "connect")
    for said, *words in (("the server belongs into", "jira://host"), ("a page has from 1", "jira:x", "--page", "0")):
        leat("check", *words).check(2, said)
    fails(None, "JIRA_URL", code=2)
    fails("ftp://x", "http://", code=2)
    fails(f"https://ann:{SECRET}@x.example", "JIRA_TOKEN, not into the address", code=2)
    fails("http://jira.example", "unencrypted", code=2, JIRA_TOKEN=SECRET)
    with Jira(many(2), token=SECRET) as server:
        fails(server.url, ": 401: it refuses the login (JIRA_TOKEN)", JIRA_TOKEN=SECRET + "x")
        fails(server.url, ": 401: it refuses the login (nobody: there is no JIRA_TOKEN)")
        fails(server.url, "no JIRA_TOKEN", code=2, JIRA_USER="ann")
        fails(server.url, "JIRA_TOKEN_FILE: missing: No such file", JIRA_TOKEN_FILE="missing")
        fails(server.url, "400: it refuses: Error in the JQL Query: the operator is missing.", "syntax error",
              code=2, JIRA_TOKEN=SECRET)
        server.before = lambda number, path: (403, {}, {"errorMessages": ["No\nway"]})
        fails(server.url, ": 403: it refuses the login (JIRA_TOKEN): No way", JIRA_TOKEN=SECRET)
        server.before = lambda number, path: (302, {"Location": "https://login.example/?x=" + SECRET}, b"")
        fails(server.url, "sends somewhere else", JIRA_TOKEN=SECRET)
        server.before = lambda number, path: (200, {}, b"<html>log in</html>")
        fails(server.url, "no valid JSON object", JIRA_TOKEN=SECRET)
        server.before = None
        fails(server.url, "410", "project = OPS", "--edition", "cloud", JIRA_TOKEN=SECRET)
    with Jira(many(2), "cloud") as server:
        fails(server.url, "has been removed", "project = OPS", "--edition", "server")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        fails(f"http://127.0.0.1:{silent.getsockname()[1]}", "within 0.3 s", "project = OPS", "--timeout", "300ms")


# -------------------------------------------------------------------------- faults

def test_troubles_pass():
    """429 with Retry-After and without, 500, 503, cut answers, silence: asked again, and every issue comes once"""
    for edition in EDITIONS:
        with Jira(many(90), edition, page=10) as server:
            troubles = [(429, {"Retry-After": "1"}, b""), (503, {}, b"<html>"), cut, (429, {}, b"{}"), slow(1.5), (500, {}, b"")]
            times = []

            def trouble(number, path):
                times.append(time.monotonic())
                return troubles.pop(0) if number % 2 == 0 and troubles else None

            server.before = trouble
            run = ask(server, "--timeout", "1s").check(0).counted(delivered=90)
            assert len(keys_of(run)) == 90 and not troubles, troubles
            assert times[2] - times[1] >= 1, "it did not wait as long as the server wished"


def test_troubles_stay():
    """a server whose troubles do not pass: what was found is kept, the reason is told, exit code 1"""
    with Jira(many(40), page=10) as server:
        server.before = lambda number, path: (503, {}, b"") if number > 3 else None
        run = ask(server, "--patience", "1s").check(1, ["503", "--patience is over"])
        assert keys_of(run) == {f"OPS-{number}" for number in range(1, 21)}
        server.before = lambda number, path: (429, {"Retry-After": "3600"}, b"")
        begin = time.monotonic()
        ask(server).check(3, "429")
        assert time.monotonic() - begin < 100, "it waits for an hour that it does not have"


def test_token_is_withdrawn():
    """401 in the middle of a run: what was found is kept, and it is not asked again"""
    with Jira(many(40), page=10, token=SECRET) as server:
        server.before = lambda number, path: (401, {}, b"") if number > 3 else None
        run = ask(server, JIRA_TOKEN=SECRET).check(1, "refuses the login")
        assert len(keys_of(run)) == 20 and SECRET not in run.err
        assert len(server.requests) == 4


def test_broken_answers():
    """answers that are no JSON, or not the ones asked for: an error that names the place"""
    for body, said in ((b'{"issues": [{"key": }]}', ["/rest/api/2/search", "at byte 20"]), (b"[]", "something else"), (b"", "search"),
                       (b'{"total": 3}', "no list of issues"), (b'{"issues": []}', "has no total"),
                       (b'{"issues": ["\xff"], "total": 1}', "valid JSON")):
        with Jira(many(40), page=10) as server:
            server.before = lambda number, path, body=body: (200, {}, body) if number == 3 else None
            run = ask(server).check(1, said)
            assert len(keys_of(run)) == 10, run


def test_stop_while_waiting():
    """a signal while the server is silent ends the run at once"""
    with Jira(many(20), page=10) as server:
        server.before = lambda number, path: slow(100) if number == 3 else None
        process = start("jira:x = y", env={**os.environ, "JIRA_URL": server.url})
        until(lambda: len(server.requests) == 3, "the request")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        run = end(process)
        assert run.code in (0, 143) and len(keys_of(run)) == 10, run
        assert time.monotonic() - begin < 50, "it waited for the server"


# ------------------------------------------------------------------------- forever

def test_rounds():
    """--forever: each change once, from the second round on only what was updated lately, by the server's clock"""
    issues = [issue(f"OPS-{number}", ago=86400) for number in range(1, 31)]
    with Jira(issues, page=10) as server:
        with open("out", "wb") as out:
            process = start("jira:project = OPS OR a = b", "--forever", "--every", "1s", stdout=out,
                            env={**os.environ, "JIRA_URL": server.url})

        def lines():
            with open("out", "rb") as file:
                return [json.loads(line) for line in file.read().split(b"\n")[:-1]]

        until(lambda: len(lines()) == 30, "the first round")
        issues[3]["fields"]["updated"] = moment(50)  # it became visible late
        until(lambda: len(lines()) == 31, "the change")
        issues.append(issue("OPS-99", ago=0))
        until(lambda: len(lines()) == 32, "the new one")
        rounds = len(server.queries())
        until(lambda: len(server.queries()) >= rounds + 3, "three more rounds")
        process.send_signal(signal.SIGTERM)
        end(process).counted(delivered=32)
        assert [one["key"] for one in lines()][30:] == ["OPS-4", "OPS-99"]
        later = {query for query in server.queries() if "updated" in query}
        assert later == {"(project = OPS OR a = b) AND updated >= \"-3m\" ORDER BY key"}, later


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reminders from Jira, from end to end: the command of the manual and the file of the examples, with both editions of Jira
and a real mail server.

Debian's own Python, for which aiosmtpd is packaged.
"""
import configparser
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
from jira import Jira, comment, issue  # noqa: E402
from program import LEAT, Run, end, leat, run_tests, until  # noqa: E402
from smtp import Receiver  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / "examples" / "jira-reminder.yaml"
for name in [name for name in os.environ if re.match("(JIRA|SMTP|MAIL)_", name) or name.lower().endswith("_proxy")]:
    del os.environ[name]
TOKEN = "s3cr3t-t0ken"


def mention(edition, *words):
    """A text in the edition's form; a tuple is a mention."""
    if edition == "server":
        return "".join(f"[~{word[0]}]" if isinstance(word, tuple) else word for word in words)
    nodes = [{"type": "mention", "attrs": {"id": f"5b10:{word[0]}", "text": f"@{word[0].title()}"}} if isinstance(word, tuple)
             else {"type": "text", "text": word} for word in words]
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": nodes}]}


def tracker(edition):
    """Forty issues; in OPS-3, OPS-20 (far behind other comments) and WEB-31 (in the description) somebody waits for me."""
    issues = [issue(f"{'OPS' if number <= 30 else 'WEB'}-{number}", [comment(number, "eve", mention(edition, "nothing"), 900)])
              for number in range(1, 41)]

    def said(index, author, ago, *words):
        comments = issues[index - 1]["fields"]["comment"]["comments"]
        comments.insert(0, comment(1000 * index + len(comments), author, mention(edition, *words), ago))

    said(3, "bob", 100, "when, ", ("me",), "? <soon>")
    said(4, "bob", 100, "when, ", ("me",), "?")
    said(4, "me", 50, "now")
    said(5, "bob", 100, "ask ", ("eve",))
    for ago in range(60, 0, -1):
        said(20, "eve", 500 + ago, f"chat {ago}")
    said(20, "dan", 400, "over to ", ("me",))
    issues[30]["fields"]["description"] = mention(edition, ("me",), ": grüße")
    for one in issues:
        one["fields"]["comment"]["total"] = len(one["fields"]["comment"]["comments"])
    return issues, said


def environment(jira, mail, **more):
    return {**os.environ, "JIRA_URL": jira.url, "JIRA_TOKEN": TOKEN, "SMTP_URL": mail.url, "JIRA_ME": "5b10:me" if jira.user else "me",
            "REMIND": "me@example.org", "MAIL_FROM": "leat@example.org", "JIRA_QUERY": "project in (OPS, WEB)",
            **({"JIRA_USER": jira.user} if jira.user else {}), **more}


def servers(edition, issues):
    user = "leat@example.org" if edition == "cloud" else None
    return Jira(issues, edition, token=TOKEN, user=user, page=7, pages=[3, 0, 7], comments=5, comment_page=20), Receiver()


def reminded(mail):
    return re.findall(r"^\* (\w+-\d+): Summary", mail.part("plain"), re.M)


def check_first(mail, jira):
    """Exactly the three, with the reasons, in both parts."""
    assert mail.recipients == ["me@example.org"] and mail.sender == "leat@example.org"
    plain, page = mail.part("plain"), mail.part("html")
    assert reminded(mail) == ["OPS-3", "OPS-20", "WEB-31"], plain
    for words in ("Project OPS\n===========\n\n* OPS-3: Summary of OPS-3\n", f"\n  {jira.url}/browse/OPS-20\n", "Bob", "Dan", "Ann",
                  "? <soon>\n", "grüße\n", "\nProject WEB\n===========\n\n* WEB-31: ", "\n-- \n3 items\n"):
        assert words in plain, (words, plain)
    for words in ("? &lt;soon&gt;", f'href="{jira.url}/browse/WEB-31"', "grüße", ">Project OPS</h2>"):
        assert words in page, (words, page)


def test_file():
    """examples/jira-reminder.yaml: who waits is mailed once, what is new the next time, what is answered no more"""
    for edition in ("server", "cloud"):
        issues, said = tracker(edition)
        jira, mail = servers(edition, issues)
        with jira, mail:
            def run():
                before = len(mail.mails)
                leat("run", FILE, env=environment(jira, mail, STATE_DIRECTORY=os.path.abspath(edition))).check(0).counted(
                    **{"in": 40, "failed": 0, "returned": 0})
                return mail.mails[before:]

            os.mkdir(edition)
            first, = run()
            check_first(first, jira)
            assert first.message["Subject"] == "Waiting for your answer"
            assert not run(), "it was sent twice"
            said(3, "me", 10, "soon")
            said(9, "bob", 5, ("me",), "!")
            said(20, "dan", 4, "hello ", ("me",), ", still there?")
            second, = run()
            assert reminded(second) == ["OPS-9", "OPS-20"] and "still there?" in second.part("plain")
            assert not run()
            assert leat("run", FILE, "--set", "to.again=1s", env=environment(jira, mail, STATE_DIRECTORY=os.path.abspath(edition))).code == 0
            assert reminded(mail.mails[-1]) == ["OPS-9", "OPS-20", "WEB-31"]


def test_command():
    """the command of the manual"""
    chapter = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8").split("## Reminders from Jira\n")[1]
    command = chapter.split("\n\n")[0].replace("\n    ", "\n").strip().split("\n", 1)[1]
    assert command.startswith("leat 'jira:project = OPS' : unanswered --user me : 'mailto:"), command
    issues, _ = tracker("server")
    jira, mail = servers("server", issues)
    with jira, mail:
        path = os.path.dirname(LEAT) + os.pathsep + os.environ["PATH"]
        result = subprocess.run(["sh", "-c", command], env=environment(jira, mail, PATH=path), stdin=subprocess.DEVNULL,
                                capture_output=True, check=False)
        Run(result.returncode, result.stdout, result.stderr).check(0).counted(delivered=3)
        first, = mail.mails
        assert reminded(first) == ["OPS-3", "OPS-20", "WEB-31"] and first.message["Subject"] == "Waiting for you"
        assert TOKEN.encode() not in result.stderr


def test_killed():
    """killed when the mail has been accepted, before leat knows: run again the mail has the same Message-ID, then none comes"""
    issues, _ = tracker("server")
    jira, mail = servers("server", issues)
    with jira, mail:
        process = []

        def kill(_mail):
            process[0].send_signal(signal.SIGKILL)
            process[0].wait()

        mail.on_data = kill
        process.append(subprocess.Popen([LEAT, "run", FILE], env=environment(jira, mail), stdout=-1, stderr=-1))
        assert end(process[0]).code == -signal.SIGKILL
        mail.on_data = None
        for _ in range(2):
            leat("run", FILE, env=environment(jira, mail)).check(0).counted(delivered=3)
        assert len(mail.mails) == 2 and len({one.message["Message-ID"] for one in mail.mails}) == 1
        check_first(mail.mails[1], jira)


def test_service():
    """--forever: a mail after each round that finds somebody who waits, and only then; a signal ends it"""
    issues, said = tracker("cloud")
    jira, mail = servers("cloud", issues)
    with jira, mail:
        process = subprocess.Popen([LEAT, "run", FILE, "--forever", "--set", "from.every=1s", "--set", "to.every=300ms"],
                                   env=environment(jira, mail), stdout=-1, stderr=-1)
        until(lambda: sum(map(len, map(reminded, mail.mails))) == 3 or process.poll() is not None, "those who wait at first")
        until(lambda: len([query for query in jira.queries() if "updated" in query]) >= 2 or process.poll() is not None, "two rounds")
        said(7, "eve", 0, "and now ", ("me",))
        issues[6]["fields"]["updated"] = issues[6]["fields"]["comment"]["comments"][0]["created"]
        until(lambda: "OPS-7" in reminded(mail.mails[-1]) or process.poll() is not None, "the second mail")
        rounds = len(jira.queries())
        until(lambda: len(jira.queries()) >= rounds + 3 or process.poll() is not None, "more rounds")
        process.send_signal(signal.SIGTERM)
        end(process).counted(delivered=4, failed=0)
        found = [key for one in mail.mails for key in reminded(one)]
        assert sorted(found) == ["OPS-20", "OPS-3", "OPS-7", "WEB-31"] and found[-1] == "OPS-7", found


def test_units():
    """the units of systemd name the file and each other"""
    def unit(name):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read(ROOT / "examples" / name)
        return parser

    service, timer = unit("jira-reminder.service"), unit("jira-reminder.timer")
    words = service["Service"]["ExecStart"].split()
    assert words[1] == "run" and os.path.basename(words[2]) == FILE.name and service["Service"]["Type"] == "oneshot"
    assert timer["Timer"]["OnCalendar"] and timer["Install"]["WantedBy"] == "timers.target"
    leat("check", FILE, *words[3:], env={**os.environ, "REMIND": "a@b.c", "JIRA_ME": "me", "MAIL_FROM": "a@b.c",
                                         "JIRA_URL": "https://x"}).check(0)


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

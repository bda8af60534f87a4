#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Digests at a real SMTP receiver: their form, read by Python's email package; TLS; refusals; and that no mail comes twice.

Debian's own Python, for which aiosmtpd is packaged.
"""
import html.parser
import json
import os
import re
import resource
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
from program import end, leat, run_tests, start, until, write  # noqa: E402
from smtp import Receiver, certificate  # noqa: E402

for name in [name for name in os.environ if name.startswith("SMTP_") or name.lower().endswith("_proxy")]:
    del os.environ[name]
SECRET = "s3cr3t:p@ss"
FROM = ("--from", "leat@example.com")


def environment(server, **more):
    return {**os.environ, "SMTP_URL": server.url, **more}


def lines(*items):
    return "".join(json.dumps(item) + "\n" if not isinstance(item, str) else item + "\n" for item in items).encode()


def send(server, items, to, *words, **more):
    return leat("-", ":", to, *FROM, *words, data=lines(*items), env=environment(server, **more))


class Text(html.parser.HTMLParser):
    """The visible text and the links of a page, and whether all that was opened was closed."""

    def __init__(self, page):
        super().__init__()
        self.text, self.links, self.open, self.tags = "", [], [], set()
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag not in ("br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def well_formed(mail):
    """What is true of every mail."""
    raw = mail.raw
    assert max(map(len, raw.split(b"\r\n"))) <= 78 and b"\n" not in raw.replace(b"\r\n", b""), raw
    raw.decode("ascii")
    message = mail.message
    assert not message.defects and not any(part.defects for part in message.walk())
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert all(part["Content-Transfer-Encoding"] == "quoted-printable" and part.get_content_charset() == "utf-8"
               for part in message.iter_parts())
    assert re.fullmatch(r"<[0-9a-f]{32}\.leat@example\.com>", message["Message-ID"]), message["Message-ID"]
    assert abs(message["Date"].datetime.timestamp() - time.time()) < 1000
    assert message["Auto-Submitted"] == "auto-generated"
    for header in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        assert len(message.get_all(header)) == 1, header
    return Text(mail.part("html"))


# ---------------------------------------------------------------------------- form

def test_digest():
    """one mail with all items, in groups, as plain text and as HTML; headers and bodies beyond ASCII, long lines, dots"""
    items = [{"p": "Zoo", "t": "Ünïcode <b>&\"'", "l": "https://x.example/?a=1&b=2", "x": "first line\nsecond 😀 line"},
             {"p": "Äpfel", "t": "x" * 300, "l": "javascript:alert(1)", "x": "." + " word" * 100 + " \n.\n..\nFrom here"},
             {"p": "Zoo", "t": "third", "l": None, "x": "trailing space \r\nnul\u0000 \u0007bell"}, {"t": "no group"}]
    subject = "Grüße: " + "sehr langer Betreff " * 10 + "=?utf-8?q?x?= 😀"
    with Receiver() as server:
        quoted = "".join(f"%{byte:02X}" for byte in subject.encode())
        run = send(server, items, f"mailto:ann@example.org,bob@example.org?subject={quoted}&cc=eve@example.org&"
                   "bcc=dan@example.org&body=Good%20morning%2C%0D%0Ayou.", "--title", "{.t}", "--link", "{.l}", "--text", "{.x}",
                   "--group-by", ".p", "--from", "Änn \"A\" <ann@example.com>")
        run.check(0).counted(delivered=4)
        mail, = server.mails
        page = well_formed(mail)
        assert mail.message["Subject"] == subject, (mail.message["Subject"], mail.raw[:1500])
        assert mail.message["To"] == "ann@example.org, bob@example.org" and mail.message["Cc"] == "eve@example.org"
        assert mail.message["Bcc"] is None
        assert mail.message["From"].addresses[0].addr_spec == "ann@example.com"
        assert mail.message["From"].addresses[0].display_name == "Änn \"A"
        assert mail.sender == "ann@example.com"
        assert mail.recipients == [f"{name}@example.org" for name in ("ann", "bob", "eve", "dan")]
        plain = mail.part("plain")
        assert plain.startswith("Good morning,\nyou.\n\nZoo\n===\n\n* Ünïcode <b>&\"'\n  https://x.example/?a=1&b=2\n"
                                "  first line\n  second 😀 line\n\n* third\n  trailing space\n  nul bell\n"), plain
        assert "\nÄpfel\n=====\n\n* " in plain and plain.endswith("\nOthers\n======\n\n* no group\n\n-- \n4 items\n"), plain
        assert "\n  .\n  ..\n  From here\n" in plain
        assert page.links == ["https://x.example/?a=1&b=2"] and "javascript:alert(1)" in page.text and "b" not in page.tags
        assert "Ünïcode <b>&\"'" in page.text and "second 😀 line" in page.text and "\n.\n..\nFrom here" in page.text
        titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", mail.part("html"))
        assert titles == ["Zoo", "Äpfel", "Others"], titles


def test_plain_items():
    """without flags an item is its own headline; bytes that are no text do no harm"""
    with Receiver() as server:
        run = leat("-", ":", "mailto:ann@example.org", *FROM, data=b"hello\n\xff\xfe\x01<i>\n.\n\n" + b"y" * 5000 + b"\n",
                   env=environment(server))
        run.check(0).counted(delivered=5)
        page = well_formed(server.mails[0])
        assert server.mails[0].message["Subject"] == "Digest"
        plain = server.mails[0].part("plain")
        assert plain.startswith("* hello\n\n* \ufffd\ufffd <i>\n\n* .\n\n") and "y" * 500 + " …" in page.text.replace("\n", " ")


def test_recipients_of_items():
    """templates in addresses and subject: one mail for each recipient, with just that one's items"""
    items = [{"to": f"p{number % 7}@example.org", "n": number, "q": number % 2} for number in range(700)]
    with Receiver() as server:
        send(server, items, "mailto:{.to}?subject=For%20{.q}", "--title", "<{.n}>").check(0).counted(delivered=700)
        assert len(server.mails) == 14
        found = {}
        for mail in server.mails:
            well_formed(mail)
            for number in re.findall(r"^\* <(\d+)>$", mail.part("plain"), re.M):
                assert number not in found
                found[number] = (mail.recipients, mail.message["Subject"])
        assert found == {str(item["n"]): ([item["to"]], f"For {item['q']}") for item in items}


def test_recipients_from_strangers():
    """a value never adds a recipient or a header: what is no single address sets its item aside"""
    bad = ["a@x.org,b@x.org", "a@x.org\r\nBcc: b@x.org", "<a@x.org>", "a b@x.org", "a@", "@x", "", "a@x..org", "ä@x.org", "a",
           "a@x.org>", "a@x.org SIZE=1", "\"a b\"@x.org", 3, None, ["a@x.org"], "a" * 65 + "@x.org"]
    with Receiver() as server:
        run = send(server, [{"to": one} for one in bad] + [{"no": 1}, {"to": "good@x.org"}, {"to": "g'o+d.x=1@x-y.org"}],
                   "mailto:{.to}", "--errors", "errors")
        run.check(1).counted(failed=len(bad) + 1, delivered=2)
        assert [mail.recipients for mail in server.mails] == [["good@x.org"], ["g'o+d.x=1@x-y.org"]]
        subject = "a\r\nBcc: eve@x.org\u2028\u0000b"
        send(server, [{"s": subject}], "mailto:ann@x.org?subject={.s}").check(0)
        assert server.mails[-1].recipients == ["ann@x.org"] and server.mails[-1].message["Bcc"] is None
        well_formed(server.mails[-1])


def test_nothing():
    """no items: no mail; items that are all filtered: none either"""
    with Receiver() as server:
        send(server, [], "mailto:ann@example.org").check(0).counted(delivered=0)
        leat("-", ":", "where", ".x", ":", "mailto:ann@example.org", *FROM, data=b"{}\n{}\n", env=environment(server)) \
            .check(0).counted(filtered=2)
        assert not server.seen


def test_many():
    """far more than can be kept: all arrive, each once, in mails one after the other; nothing waits for ever"""
    with Receiver() as server:
        run = leat("gen:?count=5000&size=100", "--batch", "1", ":", "mailto:ann@example.org", *FROM, "--title", "<{.n}>",
                   env=environment(server)).check(0).counted(delivered=5000)
        assert 1 < len(server.mails) <= 6
        ids = [one for mail in server.mails for one in re.findall(r"^\* <(\d+)>$", mail.part("plain"), re.M)]
        assert len(ids) == len(set(ids)) == 5000
        count = len(server.mails)
        leat("gen:?count=3000&size=60k", ":", "mailto:ann@example.org", *FROM, "--title", "<{.n}>", env=environment(server)) \
            .check(0).counted(delivered=3000)
        assert count + 1 < len(server.mails) <= count + 4
        count = len(server.mails)
        leat("gen:?count=300&size=60k", ":", "mailto:ann@example.org", *FROM, "--title", "<{.n}>", "--memory", "4M",
             env=environment(server)).check(0).counted(delivered=300)
        assert count + 4 < len(server.mails) <= count + 12


# -------------------------------------------------------------------------- server

def test_tls():
    """STARTTLS and TLS from the first byte, with a login; a certificate that is not trusted, a wrong password: refused"""
    authority = certificate()
    for tls in ("starttls", "implicit"):
        with Receiver(tls, ("ann@example.com", SECRET), authority) as server:
            url = f"{server.scheme}://ann%40example.com:{SECRET.replace('@', '%40').replace(':', '%3A')}@{server.place}"
            for where in ({"SMTP_URL": url}, {"SMTP_URL": "", "SMTP_URL_FILE": write("url", url + "\n")}):
                run = leat("-", ":", "mailto:ann@example.org", "--cacert", authority[1], data=b"x\n", env=environment(server, **where))
                run.check(0)
            assert len(server.mails) == 2 and all(mail.secure and mail.sender == "ann@example.com" for mail in server.mails)
            for word, changed, said in ((authority[1], url.replace("s3cr3t", "wrong"), "refuses the login"), (None, url, "certificate")):
                run = leat("-", ":", "mailto:ann@example.org", *FROM, *(["--cacert", word] if word else []), data=b"x\n",
                           env=environment(server, SMTP_URL=changed)).check(3, said)
                assert "s3cr3t" not in run.err and "p@ss" not in run.err and run.err.count("\n") == 1, run
            assert len(server.seen) == 2


def test_start():
    """what cannot begin says so in one line"""
    with Receiver() as server:
        def fails(code, said, *words, to="mailto:ann@example.org", url=server.url):
            run = leat("-", ":", to, *words, data=b"x\n", env=environment(server, SMTP_URL=url)).check(code, said)
            assert SECRET not in run.err and run.err.count("\n") == 1, run

        fails(2, "SMTP_URL", url="")
        fails(2, "smtp://", url="http://x")
        fails(3, "connect", *FROM, url="smtp://127.0.0.1:1")
        fails(2, "who sends? --from", )
        fails(2, "\"nobody\" is no mail address", "--from", "nobody")
        for said, to, *words in (("\"ann\" is no mail address", "mailto:ann"), ("whom to?", "mailto:?subject=x"),
                                 ("there is no \"reply\"", "mailto:a@b.c?reply=x"), ("hexadecimal", "mailto:a@b.c?subject=%4"),
                                 ("brace", "mailto:{a@b.c"), ("need --sent", "mailto:ann@example.org", "--key", "x")):
            fails(2, said, *words, to=to)
            leat("check", "-", ":", to, *words, env=environment(server, SMTP_URL="")).check(2, said)
        leat("check", "-", ":", "mailto:ann@example.org", env=environment(server, SMTP_URL="")).check(0)
        fails(3, "No such file", "--sent", "missing/sent")
        write("sent", "no journal\n")
        fails(2, "line 1 is not one", "--sent", "sent")
        assert not server.seen
        run = leat("-", ":", "null:", "--dead", "mailto:ann@example.org", data=b"x\n", env=environment(server))
        run.check(2, "a dead end must take it at once")


def test_refusals():
    """a recipient, or a mail, that is refused for good: its items are set aside with the server's words, others arrive"""
    items = [{"to": f"p{number % 3}@example.org", "n": number} for number in range(30)]
    with Receiver() as server:
        server.refuse = {"p1@example.org": "550 5.1.1 no such person"}
        server.on_data = lambda mail: "554 5.7.1 looks like spam" if mail.recipients == ["p2@example.org"] else None
        run = send(server, items, "mailto:{.to}", "--errors", "errors").check(1).counted(delivered=10, failed=20)
        reasons = [json.loads(line)["reason"] for line in open("errors", encoding="utf-8")]
        assert sum("p1@example.org: " in one and "550 5.1.1 no such person" in one for one in reasons) == 10, reasons
        assert sum("p2@example.org: " in one and "554 5.7.1 looks like spam" in one for one in reasons) == 10, reasons
        assert [mail.recipients for mail in server.mails] == [["p0@example.org"]], run


def test_troubles_pass():
    """a refusal for now, and a connection that is lost: tried again, and each mail is accepted once"""
    items = [{"to": f"p{number}@example.org"} for number in range(3)]
    with Receiver() as server:
        replies = ["451 4.3.0 later", None, "421 4.3.2 bye", "452 4.2.2 full"]
        server.on_data = lambda mail: replies.pop(0) if replies else None
        send(server, items, "mailto:{.to}").check(0).counted(delivered=3)
        assert [mail.recipients[0] for mail in server.mails] == [item["to"] for item in items] and not replies


def test_troubles_stay():
    """a server that goes in the middle: what it accepted is delivered, the rest goes back to its queue, item by item"""
    items = [{"to": f"p{number % 4}@example.org", "n": number} for number in range(40)]
    leat("-", ":", "queue:q", data=lines(*items)).check(0)
    with Receiver() as server:
        server.on_data = lambda mail: "451 later" if len(server.mails) == 2 else None
        run = leat("queue:q", ":", "mailto:{.to}", *FROM, "--patience", "0s", env=environment(server))
        run.check(1, "451 later").counted(delivered=20, returned=20)
        server.on_data = None
        leat("queue:q", ":", "mailto:{.to}", *FROM, env=environment(server)).check(0).counted(delivered=20)
        assert sorted(mail.recipients[0] for mail in server.mails) == [f"p{number}@example.org" for number in range(4)]


# --------------------------------------------------------------------------- twice

def test_sent():
    """--sent: what was accepted is not sent again, and new items are; per recipient"""
    def run(server, *numbers, to="ann@example.org", words=()):
        before = len(server.mails)
        send(server, [{"n": number} for number in numbers], f"mailto:{to}", "--sent", "sent", "--key", "k{.n}", "--title", "<{.n}>",
             *words).check(0).counted(delivered=len(numbers))
        return [sorted(map(int, re.findall(r"^\* <(\d+)>$", mail.part("plain"), re.M))) for mail in server.mails[before:]]

    with Receiver() as server:
        assert run(server, 1, 2, 3) == [[1, 2, 3]]
        assert run(server, 1, 2, 3) == []
        assert run(server, 2, 3, 4, 4) == [[4]]
        assert run(server, 1, 4, to="bob@example.org") == [[1, 4]]
        time.sleep(1.1)
        assert run(server, 1, 2, words=("--again", "1h")) == []
        assert run(server, 1, 2, words=("--again", "1s")) == [[1, 2]]
        messages = [mail.message["Message-ID"] for mail in server.mails]
        assert len(set(messages)) == len(messages), "another mail with the same Message-ID would be dropped"
        with open("sent", "ab") as file:
            file.write(b'{"message":"<x>","sent":12')  # a write that was cut off
        assert run(server, 1, 5) == [[5]]
        busy = start("-", ":", "mailto:ann@example.org", *FROM, "--sent", "sent", stdin=-1, env=environment(server))
        until(lambda: "sent" in "".join(os.readlink(f"/proc/{busy.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{busy.pid}/fd")), "it")
        time.sleep(0.2)
        leat("-", ":", "mailto:ann@example.org", *FROM, "--sent", "sent", env=environment(server)).check(3, "another run uses it")
        busy.kill()
        busy.communicate()


def test_full_disk():
    """a journal that cannot be written ends the run before the next mail; nothing is lost, and nothing comes twice afterwards"""
    items = [{"to": f"p{number}@example.org"} for number in range(4)]
    write("in", lines(*items))
    for limit in range(0, 900, 60):
        words = ("in", ":", "mailto:{.to}", *FROM, "--sent", f"sent{limit}", "--key", "x")
        with Receiver() as server:
            run = leat(*words, env=environment(server), limits=[(resource.RLIMIT_FSIZE, limit)])
            if run.code:
                run.check(1, f"--sent sent{limit}: File too large").counted(delivered=len(server.mails))
            leat(*words, env=environment(server)).check(0).counted(delivered=4)
            once = {mail.message["Message-ID"]: mail.recipients[0] for mail in server.mails}
            assert sorted(once.values()) == [item["to"] for item in items], (limit, once)
            assert len(server.mails) <= 5


def test_killed_after_acceptance():
    """killed once a mail has been accepted and noted: the next run sends the other ones only"""
    items = [{"to": f"p{number % 5}@example.org", "n": number} for number in range(50)]
    with Receiver() as server:
        for round_ in range(5):
            process = []

            def kill(mail, count=len(server.mails)):
                if len(server.mails) == count + 1:  # the one before has been accepted and noted
                    process[0].send_signal(signal.SIGKILL)
                    return "451 too late"
                return None

            server.on_data = kill
            with open("in", "wb") as file:
                file.write(lines(*items))
            process.append(start("in", ":", "mailto:{.to}", *FROM, "--sent", "sent", "--key", "{.n}", env=environment(server)))
            code = end(process[0]).code
            assert code == -signal.SIGKILL or round_ == 4, (round_, code)
        assert sorted(mail.recipients[0] for mail in server.mails) == [f"p{number}@example.org" for number in range(5)]


def test_killed_between():
    """killed between the server's acceptance and the note of it: the second mail has the first one's Message-ID and items"""
    with Receiver() as server:
        process = []

        def kill(_mail):
            process[0].send_signal(signal.SIGKILL)
            process[0].wait()

        words = ("mailto:ann@example.org", *FROM, "--sent", "sent", "--key", "{.n}", "--title", "<{.n}>")
        server.on_data = kill
        process.append(start(write("in", lines({"n": 1}, {"n": 2})), ":", *words, env=environment(server)))
        assert end(process[0]).code == -signal.SIGKILL
        server.on_data = None
        write("in", lines({"n": 3}, {"n": 2}, {"n": 1}))  # and one has come meanwhile
        leat("in", ":", *words, env=environment(server)).check(0).counted(delivered=3)
        leat("in", ":", *words, env=environment(server)).check(0).counted(delivered=3)
        first, *rest = [(mail.message["Message-ID"], sorted(re.findall(r"^\* <(\d+)>$", mail.part("plain"), re.M)))
                        for mail in server.mails]
        assert first[1] == ["1", "2"] and len(rest) == 2 and first in rest, (first, rest)
        once = {message: found for message, found in reversed([first, *rest])}  # a receiver that drops what it knows
        assert sorted(number for found in once.values() for number in found) == ["1", "2", "3"]


def test_lost_answer():
    """the connection is lost after the mail was accepted, before the answer: sent again under the same Message-ID"""
    with Receiver() as server:
        replies = ["250 and gone"]
        server.on_data = lambda mail: replies.pop() if replies else None
        send(server, ["x"], "mailto:ann@example.org").check(0).counted(delivered=1)
        assert len(server.mails) == 2 and len({mail.message["Message-ID"] for mail in server.mails}) == 1


def test_killed_with_a_queue():
    """a queue's messages: killed again and again; for who drops mails whose Message-ID is known each arrives exactly once"""
    items = [{"to": f"p{number % 6}@example.org", "n": number} for number in range(60)]
    leat("-", ":", "queue:q", data=lines(*items)).check(0)
    with Receiver() as server:
        for delay in range(8):
            process = []

            def kill(_mail, left=[delay % 3]):
                if delay < 7 and left[0] == 0:
                    process[0].send_signal(signal.SIGKILL)
                    process[0].wait()
                left[0] -= 1

            server.on_data = kill
            process.append(start("queue:q", ":", "mailto:{.to}", *FROM, "--sent", "sent", "--key", "{.n}", "--title", "<{.n}>",
                                 env=environment(server)))
            run = end(process[0])
        run.check(0)
        once = {mail.message["Message-ID"]: mail.part("plain") for mail in server.mails}
        found = [number for text in once.values() for number in re.findall(r"^\* <(\d+)>$", text, re.M)]
        assert sorted(map(int, found)) == list(range(60))


# ------------------------------------------------------------------------- forever

def test_forever():
    """--forever: a mail some time after the first item came, with what came by then; a signal sends the rest"""
    with Receiver() as server:
        process = start("-", ":", "mailto:ann@example.org", *FROM, "--every", "1s", "--forever", stdin=-1, env=environment(server))
        process.stdin.write(b"one\n")
        process.stdin.flush()
        until(lambda: server.mails, "the first mail")
        begin = time.monotonic()
        process.stdin.write(b"two\nthree\n")
        process.stdin.flush()
        until(lambda: len(server.mails) == 2, "the second mail")
        assert time.monotonic() - begin >= 0.9, "too early"
        process.stdin.write(b"four\n")
        process.stdin.flush()
        process.stdin.close()
        process.stdin = None
        end(process).check(0).counted(delivered=4)
        assert [re.findall(r"^\* (\w+)$", mail.part("plain"), re.M) for mail in server.mails] == [["one"], ["two", "three"], ["four"]]


def test_forever_breaks():
    """--forever: a server that goes away ends the run, although nothing more comes; the item stays in its queue"""
    leat("-", ":", "queue:q", data=b"x\n").check(0)
    with Receiver() as server:
        server.on_data = lambda mail: "451 later"
        run = leat("queue:q", ":", "mailto:ann@example.org", *FROM, "--every", "100ms", "--patience", "0s", "--forever",
                   env=environment(server))
        run.check(1, "451 later").counted(returned=1)


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

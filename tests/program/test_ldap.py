#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Searches and crawls of a real directory server under its limits: exactly all entries, or what is missing and why.

LDAP_PEOPLE in the environment changes how many people the large directory has, LDAP_SEED what is random.
"""
import base64
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time

from program import SANITIZED, end, leat, run_tests, start, write
from slapd import ADMIN, PASSWORD, PEOPLE, SUFFIX, TOP, Slapd, below, people, person

COUNT = int(os.environ.get("LDAP_PEOPLE", 5000 if SANITIZED else 100000))
SEED = int(os.environ.get("LDAP_SEED", "20240229"))
SOME = 1500  # people of the smaller directories
SECRETS = ("LDAP_BIND_DN", "LDAP_PASSWORD", "LDAP_PASSWORD_FILE", "LDAPTLS_CACERT", "LDAPTLS_REQCERT")
for secret in SECRETS:
    os.environ.pop(secret, None)


def entries_of(run):
    return [json.loads(line) for line in run.out.splitlines()]


def numbers_of(run):
    """The numbers of the people in the output; nobody is there twice."""
    numbers = [int(entry["uid"][0][1:]) for entry in entries_of(run)]
    assert len(numbers) == len(set(numbers)), f"{len(numbers) - len(set(numbers))} are there twice"
    return set(numbers)


def failures_of(file):
    """(reason, item, code) of an error file."""
    with open(file, encoding="utf-8") as lines:
        return [(line["reason"], json.loads(line["item"]), line["code"]) for line in map(json.loads, lines)]


def crawl(server, *words, root=0, url="?uid", **options):
    return leat(f"{server.url}/{PEOPLE}{url}", "--tree", "manager", "--root", f"uid=p{root},{PEOPLE}", *words, **options)


def by_dn(run):
    found = {entry["dn"]: entry for entry in entries_of(run)}
    assert len(found) == run.counts["delivered"], "an entry is there twice"
    return found


# ------------------------------------------------------------------- the large one

def test_crawl_finds_everybody():
    """a crawl by manager finds exactly everybody, with one connection and with ten"""
    with Slapd(TOP + list(people(COUNT)), stats=True) as server:
        for connections in (1, 10):
            run = crawl(server, ":", "-", "-j", connections).check(0).counted(delivered=COUNT)
            assert numbers_of(run) == set(range(COUNT))
        assert 2 <= server.connections() - 1 <= 11, server.connections()  # one to see that it is there
        assert server.searches() < COUNT / 4, "they are not asked for together"


def test_filters():
    """a search for more than the limit; a crawl with a filter: what is below an entry that does not match is not found"""
    with Slapd(TOP + list(people(SOME))) as server:
        wanted = {number for number in range(SOME) if str(number).startswith("1")}
        assert len(wanted) > 500
        assert numbers_of(leat(f"{server.url}/{PEOPLE}?uid?one?(uid=p1*)").check(0)) == wanted
        run = crawl(server, ":", "where", ".uid[0]=p9", ":", "-", url="?uid,manager??(!(uid=p8))").check(0)
        assert run.counts["in"] == SOME - len(below(8, SOME)), run
        assert entries_of(run) == [{"dn": f"uid=p9,{PEOPLE}", "uid": ["p9"], "manager": [f"uid=p1,{PEOPLE}"]}]


# ------------------------------------------------------------- stops and failures

def test_rate():
    """--rate: never more searches than asked for, counted at the server"""
    with Slapd(TOP + list(people(SOME)), stats=True) as server:
        before, begin = server.searches(), time.monotonic()
        run = crawl(server, "--rate", "60/s", "--together", 10, "--connections", 4).check(0)
        seconds, searches = time.monotonic() - begin, server.searches() - before
        assert numbers_of(run) == set(range(SOME))
        assert searches >= SOME / 10, searches
        assert seconds >= (searches - 1) / 60, f"{searches} searches in {seconds} s"


def test_server_restarts():
    """the server is killed and started again in the middle of a crawl: everybody is found, once"""
    with Slapd(TOP + list(people(SOME))) as server:
        process = start(f"{server.url}/{PEOPLE}?uid", "--tree", "manager", "--root", f"uid=p0,{PEOPLE}",
                        "--rate", "200/s", "--together", 4, "--connections", 4, stdout=open("out", "wb"))
        for _ in range(2):
            size = os.path.getsize("out")
            while os.path.getsize("out") <= size and process.poll() is None:
                time.sleep(0.01)
            assert process.poll() is None, "it ended before the server was killed"
            server.end(kill=True)
            time.sleep(0.1)
            assert server.start()
        run = end(process)
        with open("out", "rb") as file:
            run.out = file.read()
        run.check(0).counted(delivered=SOME)
        assert numbers_of(run) == set(range(SOME))


def test_server_stays_away():
    """the server goes and does not come back: what was found is kept, what is missing is told, exit code 1"""
    with Slapd(TOP + list(people(SOME))) as server:
        process = start(f"{server.url}/{PEOPLE}?uid", "--tree", "manager", "--root", f"uid=p0,{PEOPLE}", "--rate", "200/s",
                        "--together", 4, "--patience", "1s", "--errors", "errors", stdout=open("out", "wb"))
        while os.path.getsize("out") == 0 and process.poll() is None:
            time.sleep(0.01)
        server.end(kill=True)
        run = end(process)
        with open("out", "rb") as file:
            run.out = file.read()
        run.check(1)
        found = numbers_of(run)
        (reason, item, _), = failures_of("errors")
        assert "cannot be reached; " in reason and "questions were not asked" in reason, reason
        missing = [int(dn.split(",")[0][5:]) for dn in item["below"]]
        assert 0 < run.counts["delivered"] < SOME
        told = set().union(*(below(number, SOME) for number in missing))
        assert found | told == set(range(SOME)), "somebody is neither found nor said to be missing"


def test_deadline():
    """a deadline in a crawl that is too slow for it: it ends, says what is missing and why, exit code 5"""
    with Slapd(TOP + list(people(SOME))) as server:
        begin = time.monotonic()
        run = crawl(server, "--rate", "20/s", "--together", 2, ":", "-", "--deadline", "2s", "--errors", "errors").check(5)
        assert time.monotonic() - begin >= 2
        assert numbers_of(run) < set(range(SOME))
        (reason, item, _), = failures_of("errors")
        assert "the run was stopped; " in reason and "questions were not asked" in reason, reason
        assert item["below"] and all(dn.endswith(PEOPLE) for dn in item["below"]), item
        assert run.counts["failed"] == 1


def test_server_that_says_nothing():
    """a server that takes the connection and says nothing: --timeout ends it"""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        leat(f"{url}/dc=x", "--timeout", "300ms").check(3, f"no answer from {url} within 0.3 s")


def test_server_that_falls_silent():
    """a server that falls silent in the middle of an answer: what came is kept, the rest is told"""
    with Slapd(TOP + list(people(SOME))) as server, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=serve_half, args=(listener, server.port), daemon=True).start()
        url = f"ldap://127.0.0.1:{listener.getsockname()[1]}/{PEOPLE}?uid?one?(uid=p*)"
        run = leat(url, "--timeout", "300ms", "--patience", "1s", "--errors", "errors").check(1)
        assert 0 < len(numbers_of(run)) < SOME
        reasons = [reason for reason, _, _ in failures_of("errors")]
        assert any("no answer from" in reason for reason in reasons), reasons


def serve_half(listener, port):
    """Pass on all that comes, and of what the server says the first 20 kB of each connection."""
    kept = []
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.create_connection(("127.0.0.1", port))
        kept.extend((client, upstream))
        threading.Thread(target=copy, args=(client, upstream, 1 << 30), daemon=True).start()
        threading.Thread(target=copy, args=(upstream, client, 20000), daemon=True).start()


def copy(source, sink, most):
    try:
        while most > 0:
            data = source.recv(min(most, 4096))
            if not data:
                return
            sink.sendall(data)
            most -= len(data)
    except OSError:
        pass


def test_start():
    """what cannot begin says so in one line, without secrets: no server, no base, wrong password, no password"""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"ldap://127.0.0.1:{unused.getsockname()[1]}"
        run = leat(url + "/dc=x").check(3, f"{url} cannot be reached")
        assert len(run.err.splitlines()) == 1, run
    with Slapd(TOP) as server:
        leat(f"{server.url}/dc=nowhere").check(3, "dc=nowhere: No such object")
        leat(f"{server.url}/{SUFFIX}??sub?(uid=").check(2, 'the filter "(uid=" is not valid')
        leat(f"{server.url}/{SUFFIX}??everything").check(2, "scope")
        leat(f"{server.url}/{SUFFIX}????!x-unknown").check(2, 'extension "x-unknown"')
        leat(f"{server.url}/{SUFFIX}", "--tree", "manager").check(2, "--tree manager needs --root")
        leat(f"{server.url}/{SUFFIX}", "--root", SUFFIX).check(2, "--root needs --tree")
        leat(f"{server.url}/{SUFFIX}", "--tree", "a)(b").check(2, "neither dn nor the name of an attribute")

        run = leat(f"{server.url}/{SUFFIX}", "--bind", ADMIN, env={**os.environ, "LDAP_PASSWORD": "wrong-one"})
        run.check(3, f"the login as {ADMIN} was refused: Invalid credentials")
        assert "wrong-one" not in run.err and len(run.err.splitlines()) == 1, run
        leat(f"{server.url}/{SUFFIX}", "--bind", ADMIN).check(2, f"there is no password for {ADMIN}")
        leat(f"{server.url}/{SUFFIX}", env={**os.environ, "LDAP_PASSWORD": "x"}).check(2, "nobody to use it")
        environment = {**os.environ, "LDAP_BIND_DN": ADMIN, "LDAP_PASSWORD_FILE": write("secret", PASSWORD + "\n")}
        assert len(entries_of(leat(f"{server.url}/{SUFFIX}??sub", env=environment).check(0))) == len(TOP)
        environment = {**os.environ, "LDAP_BIND_DN": ADMIN, "LDAP_PASSWORD_FILE": "nowhere"}
        leat(f"{server.url}/{SUFFIX}", env=environment).check(3, "nowhere: No such file")


def test_login_sees_more():
    """the login is used: it sees what is hidden from others"""
    rules = f"access to dn.subtree={PEOPLE} by * none\naccess to * by * read"
    with Slapd(TOP + list(people(9)), rules=rules) as server:
        assert len(entries_of(leat(f"{server.url}/{SUFFIX}??sub").check(0))) == 1
        environment = {**os.environ, "LDAP_PASSWORD": PASSWORD}
        run = crawl(server, "--bind", ADMIN, env=environment).check(0)
        assert numbers_of(run) == set(range(9))
        run = leat(f"{server.url}/{SUFFIX}??sub??bindname={ADMIN.replace(',', '%2C')}", env=environment).check(0)
        assert len(entries_of(run)) == 9 + len(TOP)


# ------------------------------------------------------------------------- limits

def test_limit_below_the_fan_out():
    """the server gives five entries at once and everybody manages eight: everybody is found"""
    with Slapd(TOP + list(people(300)), top="sizelimit 5") as server:
        run = crawl(server, "--connections", 3).check(0)
        assert numbers_of(run) == set(range(300))
        run = crawl(server, "--connections", 3, "--page", 0).check(0)
        assert numbers_of(run) == set(range(300))
        run = leat(f"{server.url}/{SUFFIX}?uid", "--tree", "dn").check(0)
        assert len(by_dn(run)) == 300 + len(TOP)
        run = leat(f"{server.url}/{SUFFIX}?uid?sub?(uid=*)", "--connections", 1).check(0)
        assert numbers_of(run) == set(range(300))


def test_what_cannot_be_split():
    """more entries of one name than the server gives at once: those it gives are kept, the rest is said to be missing"""
    entries = list(TOP)
    for number in range(20):
        entries.append((f"ou=o{number},{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": [f"o{number}"]}))
        entries.append(person("same", f"uid=same,ou=o{number},{SUFFIX}"))
    with Slapd(entries, top="sizelimit 5") as server:
        run = leat(f"{server.url}/{SUFFIX}?uid?sub?(uid=*)", "--errors", "errors").check(1)
        assert len(by_dn(run)) >= 5, run
        (reason, item, code), = failures_of("errors")
        assert reason.startswith(f"{SUFFIX}: Size limit exceeded after 5 entries, and what is left cannot be asked for in parts: ")
        assert item == {"dn": SUFFIX} and code == "EDQUOT"
        assert len(by_dn(leat(f"{server.url}/{SUFFIX}?uid", "--tree", "dn").check(0))) == len(entries)


# --------------------------------------------------------------------- odd entries

ODD = [",", "+", '"', "\\", "<", ">", ";", "#x", " lead", "trail ", "=", "*", "(", ")", "a*b(c)d\\e", "é", "日本", "\t",
       "\x7f", "a,b+c", "/", "?", "%2C", "'", "x" * 200, "&", "|", "!", "~=", "\\2a", "{}", "🦆"]


def escaped(value):
    """As RFC 4514 allows it: every byte in hexadecimal."""
    return "".join(f"\\{byte:02x}" for byte in value.encode())


def test_odd_names():
    """names with every special character: each of them manages the next one, and all are found"""
    entries, above = list(TOP), None
    for number, name in enumerate(ODD):
        dn = f"uid={escaped(name)},{PEOPLE}"
        entries.append(person(name, dn, above, description=[f"odd {number}"]))
        above = dn
    for top in ("sizelimit 500", "sizelimit 3"):
        with Slapd(entries, folder=top.replace(" ", ""), top=top) as server:
            root = f"uid={escaped(ODD[0])},{PEOPLE}"
            run = leat(f"{server.url}/{PEOPLE}", "--tree", "manager", "--root", root).check(0)
            found = {entry["description"][0]: entry["uid"][0] for entry in by_dn(run).values()}
            assert found == {f"odd {number}": name for number, name in enumerate(ODD)}, found
            run = leat(f"{server.url}/{PEOPLE}", "--tree", "dn").check(0)
            assert len(by_dn(run)) == len(ODD) + 1


def test_random_names():
    """a limit of three, and names of few characters, of any case, with spaces and without: all are found"""
    generator, names = random.Random(SEED), {}
    while len(names) < 200:
        name = "".join(generator.choice("aAbß é*\\🦆") for _ in range(generator.randrange(1, 7)))
        if name.strip():
            names[" ".join(name.split()).lower()] = name  # as the server compares them
    names = list(names.values())
    with Slapd(TOP + [person(name, f"uid={escaped(name)},{PEOPLE}") for name in names], top="sizelimit 3") as server:
        for words in ([f"{server.url}/{PEOPLE}?uid?one"], [f"{server.url}/{PEOPLE}?uid??(uid=*)", "--tree", "dn"]):
            run = leat(*words).check(0)
            assert sorted(entry["uid"][0] for entry in by_dn(run).values()) == sorted(names), f"seed {SEED}"


def test_cycle():
    """managers who manage each other, and themselves: each once"""
    def dn(name):
        return f"uid={name},{PEOPLE}"

    entries = TOP + [person("a", dn("a"), dn("c")), person("b", dn("b"), dn("a")), person("c", dn("c"), dn("b")),
                     person("self", dn("self"), dn("self"), seeAlso=[dn("a")]),
                     person("d", dn("d"), manager=[dn("a"), dn("b"), dn("self")])]
    with Slapd(entries) as server:
        run = leat(f"{server.url}/{PEOPLE}", "--tree", "manager", "--root", dn("b")).check(0)
        assert sorted(entry["uid"][0] for entry in by_dn(run).values()) == ["a", "b", "c", "d"]
        run = leat(f"{server.url}/{PEOPLE}", "--tree", "manager", "--root", dn("self"), "--root", dn("a"),
                   "--together", 1).check(0)
        assert sorted(entry["uid"][0] for entry in by_dn(run).values()) == ["a", "b", "c", "d", "self"]


def test_values():
    """values as JSON: always arrays, binary as base64, nothing that was not asked for; --first gives strings"""
    photo, token = bytes(range(256)), b"\xff\x00\xfe"
    dn = f"uid=x,{PEOPLE}"
    entry = person("x", dn, cn=["One", "Zwei \"2\"\n\té"], **{
        "cn;lang-de": ["Eins"], "jpegPhoto": [b"plain text", photo], "userPassword": [token], "description": ["\u0001"]})
    with Slapd(TOP + [entry]) as server:
        found = by_dn(leat(f"{server.url}/{dn}").check(0))[dn]
        values = dict(entry[1], dn=dn)
        for name, data in (("jpegPhoto", [b"plain text", photo]), ("userPassword", [token])):
            values[name] = [{"base64": base64.b64encode(value).decode()} for value in data]
        assert {name: value for name, value in found.items() if name != "objectClass"} == \
            {name: value for name, value in values.items() if name != "objectClass"}, found
        found = by_dn(leat(f"{server.url}/{dn}?uid,cn,jpegPhoto", "--first").check(0))[dn]
        assert found == {"dn": dn, "uid": "x", "cn": found["cn"], "cn;lang-de": "Eins",
                         "jpegPhoto": {"base64": base64.b64encode(b"plain text").decode()}}, found
        assert found["cn"] in values["cn"]
        assert by_dn(leat(f"{server.url}/{dn}?1.1").check(0)) == {dn: {"dn": dn}}
        found = by_dn(leat(f"{server.url}/{dn}?entryUUID,hasSubordinates").check(0))[dn]
        assert len(found["entryUUID"][0]) == 36 and found["hasSubordinates"] == ["FALSE"], found


# ---------------------------------------------------------------- trees and access

def test_tree():
    """the directory's own tree, with a filter that the containers do not match; scopes and roots"""
    entries = list(TOP)
    for unit in ("a", "b"):
        entries.append((f"ou={unit},{PEOPLE}", {"objectClass": ["organizationalUnit"], "ou": [unit]}))
        for number in range(30):
            entries.append(person(f"{unit}{number}", f"uid={unit}{number},ou={unit},{PEOPLE}"))
            if number % 10 == 0:
                entries.append(person(f"{unit}{number}x", f"uid={unit}{number}x,uid={unit}{number},ou={unit},{PEOPLE}"))
    with Slapd(entries, top="sizelimit 10") as server:
        everybody = {dn for dn, _ in entries}
        assert set(by_dn(leat(f"{server.url}/{SUFFIX}", "--tree", "dn").check(0))) == everybody
        named = {dn for dn in everybody if dn.startswith("uid=")}
        run = leat(f"{server.url}/{SUFFIX}?uid??(objectClass=person)", "--tree", "dn", "-j", 3).check(0)
        assert set(by_dn(run)) == named
        run = leat(f"{server.url}/{SUFFIX}", "--tree", "dn", "--root", f"ou=b,{PEOPLE}").check(0)
        assert set(by_dn(run)) == {dn for dn in everybody if f"ou=b,{PEOPLE}" in dn}
        assert set(by_dn(leat(f"{server.url}/{PEOPLE}??one").check(0))) == {f"ou=a,{PEOPLE}", f"ou=b,{PEOPLE}"}
        assert set(by_dn(leat(f"{server.url}/{PEOPLE}").check(0))) == {PEOPLE}
        leat(f"{server.url}/{SUFFIX}??one", "--tree", "dn").check(2, "no scope but sub")


def test_access():
    """a branch that may not be read is a failed item, and the rest is found"""
    entries = TOP + [(f"ou={unit},{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": [unit]})
                     for unit in ("secret", "open")]
    entries += [person(f"{unit}{number}", f"uid={unit}{number},ou={unit},{SUFFIX}")
                for unit in ("secret", "open") for number in range(5)]
    rules = f'access to dn.base="ou=secret,{SUFFIX}" attrs=entry by * =rd\naccess to * by * read'
    with Slapd(entries, rules=rules) as server:
        run = leat(f"{server.url}/{SUFFIX}", "--tree", "dn", "--errors", "errors").check(1)
        assert set(by_dn(run)) == {dn for dn, _ in entries if not dn.startswith("uid=secret")}
        (reason, item, code), = failures_of("errors")
        assert (reason, item, code) == (f"ou=secret,{SUFFIX}: Insufficient access", {"dn": f"ou=secret,{SUFFIX}"}, "EACCES")
        run = leat(f"{server.url}/{SUFFIX}", "--tree", "manager", "--root", f"uid=gone,{SUFFIX}", "--errors", "gone").check(1)
        assert failures_of("gone") == [(f"uid=gone,{SUFFIX}: No such object", {"dn": f"uid=gone,{SUFFIX}"}, "ENOENT")]


def test_references():
    """what another server has is said to be missing, unless that is ignored"""
    entries = TOP + [(f"dc=far,{SUFFIX}", {"objectClass": ["referral", "extensibleObject"], "dc": ["far"],
                                         "ref": ["ldap://far.example.org/dc=far"]})] + list(people(3))
    with Slapd(entries) as server:
        url = f"{server.url}/{SUFFIX}??sub"
        run = leat(url, "--errors", "errors").check(1)
        assert set(by_dn(run)) == {dn for dn, _ in entries if not dn.startswith("dc=far")}
        (reason, item, code), = failures_of("errors")
        assert "ldap://far.example.org/dc=far" in reason and code == "EREMOTE" and item == {"dn": SUFFIX}, reason
        leat(url, "--ignore-referrals").check(0).counted(delivered=len(entries) - 1)


# ------------------------------------------------------------------- connections

def make_certificate(folder, name):
    """A certificate for 127.0.0.1 that has signed itself."""
    key, certificate = f"{folder}/{name}.key", f"{folder}/{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True, timeout=60)
    return key, certificate


def test_tls():
    """ldaps and StartTLS: the server's certificate is checked; the local socket"""
    folder = os.getcwd()
    key, certificate = make_certificate(folder, "server")
    _, other = make_certificate(folder, "other")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = (folder + "/socket").replace("/", "%2F")
    with Slapd(TOP + list(people(600)), top=f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}",
               urls=[f"ldaps://127.0.0.1:{port}/", f"ldapi://{path}/"]) as server:
        trusting = {**os.environ, "LDAPTLS_CACERT": certificate}
        for url in (f"ldaps://127.0.0.1:{port}/{PEOPLE}?uid?one", f"{server.url}/{PEOPLE}?uid?one??StartTLS"):
            assert numbers_of(leat(url, env=trusting).check(0)) == set(range(600))
            for untrusting in ({**os.environ, "LDAPTLS_CACERT": other}, {**trusting, "LDAPTLS_CACERT": other,
                                                                         "LDAPTLS_REQCERT": "never"}):
                leat(url, env=untrusting).check(3, "certificate")
        run = leat(f"{server.url}/{PEOPLE}?uid?one", "--start-tls", env=trusting).check(0)
        assert numbers_of(run) == set(range(600))
        assert numbers_of(leat(f"ldapi://{path}/{PEOPLE}?uid?one").check(0)) == set(range(600))


def test_without_tls():
    """StartTLS at a server that cannot: no plain connection instead"""
    with Slapd(TOP) as server:
        leat(f"{server.url}/{SUFFIX}", "--start-tls").check(3)


def test_yaml():
    """the same as a file"""
    with Slapd(TOP + list(people(100))) as server:
        write("crawl.yaml", f"""
from:
  uri: {server.url}/{PEOPLE}?uid
  tree: manager
  root: ["uid=p1,{PEOPLE}"]
  together: 3
to: "-"
""")
        assert numbers_of(leat("run", "crawl.yaml").check(0)) == below(1, 100)


def test_example():
    """the example: a crawl in a page of C, also when the server is killed and started again meanwhile"""
    example = os.path.join(os.environ["LEAT_BUILD"], "examples", "example-crawl-directory")
    with Slapd(TOP + list(people(SOME))) as server:
        words = [example, server.url, PEOPLE, f"uid=p0,{PEOPLE}"]
        for kills in (0, 1):
            process = subprocess.Popen(words, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            if kills:
                assert process.stdout.read(1) == b"u"
                server.end(kill=True)
                assert server.start()
            out, err = process.communicate(timeout=120)
            names = (b"u" * kills + out).decode().splitlines()
            assert process.returncode == 0, err
            assert sorted(names) == sorted(f"uid=p{number},{PEOPLE}" for number in range(SOME))


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules["__main__"]))

# SPDX-License-Identifier: MIT
"""A private directory server (slapd) for a test: in a folder of its own, on a free loopback port, ended by its own pid."""
import base64
import os
import re
import shutil
import socket
import subprocess
import time

SLAPD = shutil.which("slapd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib/openldap")
SLAPADD = shutil.which("slapadd", path=os.environ.get("PATH", "") + ":/usr/sbin")
SUFFIX = "dc=example,dc=org"
ADMIN = f"cn=admin,{SUFFIX}"
PASSWORD = "geheim 42"
PEOPLE = f"ou=people,{SUFFIX}"
LIMIT = 60  # seconds for anything the server is waited for
SEARCH = re.compile(rb" SRCH base=")
CONNECTION = re.compile(rb" ACCEPT from ")

CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
threads 4
{top}
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw "{password}"
directory {folder}/db
maxsize 1073741824
index objectClass,uid,manager eq
{rules}
"""

TOP = [
    (SUFFIX, {"objectClass": ["dcObject", "organization"], "o": ["Example"], "dc": ["example"]}),
    (PEOPLE, {"objectClass": ["organizationalUnit"], "ou": ["people"]}),
]


def person(uid, dn, above=None, **more):
    entry = {"objectClass": ["inetOrgPerson"], "uid": [uid], "cn": ["Person " + uid], "sn": ["Number"]}
    if above:
        entry["manager"] = [above]
    entry.update(more)
    return dn, entry


def people(count, fan_out=8):
    """`count` people, each of whom (but the last ones) manages `fan_out` others; the first is at the top."""
    for number in range(count):
        above = number and f"uid=p{(number - 1) // fan_out},{PEOPLE}"
        yield person(f"p{number}", f"uid=p{number},{PEOPLE}", above or None)


def below(number, count, fan_out=8):
    """The numbers of all whom this one manages, also through others, and its own."""
    found = [number]
    for manager in found:
        found.extend(range(manager * fan_out + 1, min(manager * fan_out + fan_out + 1, count)))
    return set(found)


def ldif(entries):
    for dn, attributes in entries:
        yield b"dn:: " + base64.b64encode(dn.encode())
        for name, values in attributes.items():
            for value in values:
                data = value if isinstance(value, bytes) else value.encode()
                yield name.encode() + b":: " + base64.b64encode(data)
        yield b""


class Slapd:
    """with Slapd(entries, …) as server: server.url"""

    def __init__(self, entries, folder="slapd", top="sizelimit 500", rules="access to * by * read", urls=(), stats=False):
        self.folder = os.path.abspath(folder)
        self.urls, self.stats, self.process, self.port = list(urls), stats, None, None
        os.makedirs(self.folder + "/db")
        with open(self.folder + "/slapd.conf", "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.folder, top=top, rules=rules, suffix=SUFFIX, admin=ADMIN,
                                            password=PASSWORD))
        with open(self.folder + "/entries.ldif", "wb") as file:
            for line in ldif(entries):
                file.write(line + b"\n")
        run = subprocess.run([SLAPADD, "-q", "-f", self.folder + "/slapd.conf", "-l", self.folder + "/entries.ldif"],
                             stdin=subprocess.DEVNULL, capture_output=True, timeout=10 * LIMIT, check=False)
        assert run.returncode == 0, run.stderr.decode(errors="replace")[-3000:]

    def __enter__(self):
        for _ in range(20):  # somebody else may get the port before slapd does
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            if self.start():
                return self
        raise AssertionError("slapd does not start:\n" + self.log().decode(errors="replace")[-3000:])

    def __exit__(self, *_):
        self.end()

    @property
    def url(self):
        return f"ldap://127.0.0.1:{self.port}"

    def start(self):
        """True: it answers. False: it ended."""
        urls = " ".join([self.url + "/", *(url.format(port=self.port) for url in self.urls)])
        with open(self.folder + "/log", "ab") as log:
            self.process = subprocess.Popen([SLAPD, "-h", urls, "-f", self.folder + "/slapd.conf", "-d",
                                             "stats" if self.stats else "0"], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        end = time.monotonic() + LIMIT
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), LIMIT).close()
                return True
            except OSError:
                time.sleep(0.02)
        self.end()
        return False

    def end(self, kill=False):
        if self.process and self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(LIMIT)

    def log(self):
        with open(self.folder + "/log", "rb") as file:
            return file.read()

    def searches(self):
        """How many there were so far; needs stats."""
        return len(SEARCH.findall(self.log()))

    def connections(self):
        return len(CONNECTION.findall(self.log()))

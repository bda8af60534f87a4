#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Libraries that are loaded when they are needed: what needs one that is not there says so, and all else does without."""
import os
import re
import subprocess
import sys

from program import LEAT, leat, run_tests, write

with open(LEAT, "rb") as program:
    NAMES = {found[1].decode(): found[0].decode()  # soname by library; those of ends that this build has
             for found in re.finditer(rb"\blib(curl|microhttpd|ldap)\b[\w.-]*\.so\.[\d.]+", program.read())}
USERS = {  # by library: who needs it, the whole command, its environment
    "curl": (("jira:x = y", ("jira:x = y", ":", "null:"), {"JIRA_URL": "https://x.example"}),
             ("mailto:ann@x.example", ("in", ":", "mailto:ann@x.example", "--from", "leat@x.example"),
              {"SMTP_URL": "smtp://x.example"})),
    "ldap": [(url, (url, ":", "null:"), {}) for url in ("ldap://x.example/", "ldaps://x.example/", "ldapi://x/")],
    "microhttpd": (("--http 0", ("in", ":", "null:", "--http", "0"), {}),),
}


def fail(environment, reason):
    for library, soname in NAMES.items():
        for user, words, needed in USERS[library]:
            run = leat(*words, env={**environment, **needed})
            run.check(3, (f"leat: {user}: {soname} cannot be loaded: ", reason))
            assert run.err.count("\n") == 1, run


def test_not_there():
    """a library that cannot be loaded is one line that names it and who needs it, exit code 3; nobody else notices"""
    assert "microhttpd" in NAMES, NAMES
    for soname in NAMES.values():
        write(soname, "")
    write("in", "a\nb\n")
    environment = {**os.environ, "LD_LIBRARY_PATH": os.getcwd()}
    fail(environment, "file too short")
    run = leat("in", ":", "exec", "-d", "-i", "text", "echo", ":", "out", env=environment)
    run.check(0).counted(**{"in": 2, "delivered": 2})
    leat("--version", env=environment).check(0)


def test_lacking():
    """and so is one that lacks a function"""
    for soname in NAMES.values():
        subprocess.run(["cc", "-shared", "-o", soname, "-xc", os.devnull], check=True)
    write("in", "a\n")
    fail({**os.environ, "LD_LIBRARY_PATH": os.getcwd()}, "undefined symbol: ")


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

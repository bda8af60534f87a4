#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lists of tests/README.md are true: each behaviour's tests exist by name (or begin with it), and each planted bug was
found by one."""
import os
import pathlib
import re

TESTS = pathlib.Path(os.environ.get("LEAT_ROOT", pathlib.Path(__file__).resolve().parents[2])) / "tests"
README = (TESTS / "README.md").read_text()
BEHAVIOURS = range(1, 83)
SAID = {"all tests", "the same in simulation"}  # instead of a test's name


def file_of(name):
    return next((path for path in (TESTS / "runtime" / f"{name}.c", TESTS / "pipeline" / f"{name}.c") if path.exists()), None)


def names_in(path):
    text = path.read_text()
    return set(re.findall(r'^\s*\{"([^"]+)"', text, re.M)) | set(re.findall(r"cmocka_unit_test\w*\((\w+)", text))


def clauses(cell):
    """(files, name) for each test that a cell names: "file: name; name. file, file: name"."""
    cell = re.sub(r" \([^()]*(\([^()]*\))?[^()]*\)", "", cell)
    files = []
    for part in re.split(r"; |\. ", cell):
        head, colon, rest = part.partition(": ")
        named = [file_of(word) for word in head.split(", ")]
        if colon and all(named):
            files, part = named, rest
        if part.startswith("`program/") or not files:
            continue
        for name in part.split(", ") if files[0].parent.name == "pipeline" else [part]:
            yield files, name.strip()


def wrong_behaviours():
    rows = re.findall(r"^\| (\d*) \| (.*?) \| (.*) \|$", README, re.M)
    numbers = [int(number) for number, _, _ in rows if number]
    if numbers != list(BEHAVIOURS):
        yield f"behaviours are not listed as 1 to 82, each once: {sorted(set(BEHAVIOURS) ^ set(numbers))}"
    for number, what, cell in rows:
        for files, name in clauses(cell):
            for path in files:
                if name.split(", with")[0] not in SAID and not any(test.startswith(name) for test in names_in(path)):
                    yield f"{number or what}: {path.relative_to(TESTS)} has no test \"{name}\""


def wrong_bugs():
    rows = dict(re.findall(r"^\| (.*?) \| `[^`]*` \| (.*) \|$", README.partition("<!-- planted: begin -->")[2], re.M))
    for path in sorted((TESTS / "planted").glob("*.patch")):
        bug = re.search(r"^Bug: (.*)$", path.read_text(), re.M)[1]
        found = rows.pop(bug, "not listed")
        if not re.match(r"(test[-_]|\w+\.bats)", found):
            yield f"{path.name}: {found}"
    for bug in rows:
        yield f"listed, but not in tests/planted: {bug}"


def report(number, name, wrong):
    for line in wrong:
        print(f"# {line}")
    print(f"{'not ' if wrong else ''}ok {number} - {name}", flush=True)


def main():
    report(1, "the tests of each behaviour exist", list(wrong_behaviours()))
    report(2, "each planted bug is found by a test", list(wrong_bugs()))
    print("1..2")


if __name__ == "__main__":
    main()

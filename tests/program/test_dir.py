#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dir: lists what find lists, whatever the names, and goes on where it cannot enter; memory and descriptors are bounded.

DIR_SEED chooses the tree. LEAT_TEST_FULL: 500,000 files, a directory of a million, a chain of 20,000."""
import fcntl
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys

from program import LEAT, SANITIZED, Run, end, leat, lines_of, run_tests, start, start_flowing, write

FULL = bool(os.environ.get("LEAT_TEST_FULL"))
SEED = int(os.environ.get("DIR_SEED", random.randrange(1 << 32)))
ODD = (b"new\nline", b"\xff\xfe\x80", b" ", b"-rf", b"a?b%41&c=d", b"*", b"quo\"te'", b"back\\slash", b"...",
       b"\x01\x7f", b".hidden", b"caf\xc3\xa9", b"#", b"\xed\xa0\x80", b"x" * 255)


def name_of(chance, number):
    if chance.random() < 0.1:
        return chance.choice(ODD)[:240] + b"%d" % number
    return bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz_.", k=chance.randrange(1, 20))) + b"%d" % number


def make_tree(root, files, seed):
    """A tree of so many files: wide and narrow directories, deep ones, links, pipes, hostile names."""
    chance = random.Random(seed)
    os.mkdir(root)
    folders, number = [root], 0
    while number < files:
        # Mostly among the last ones, so that it becomes deep.
        above = folders[-1 - min(int(chance.expovariate(0.05)), len(folders) - 1)]
        if len(above) > 3000:
            above = root
        for _ in range(chance.randrange(1, 5)):
            number += 1
            folder = os.path.join(above, name_of(chance, number))
            os.mkdir(folder)
            folders.append(folder)
            for _ in range(chance.choice((0, 0, 1, 3, 10, 40))):
                number += 1
                path = os.path.join(folder, name_of(chance, number))
                kind = chance.random()
                if kind < 0.02:
                    os.symlink(chance.choice((b"..", b"nowhere", folder)), path)
                elif kind < 0.03:
                    os.mkfifo(path)
                else:
                    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    for count, folder in ((files // 5, b"many"), (files // 50, b"folders")):
        above = os.path.join(root, folder)
        os.mkdir(above)
        for name in range(count):
            path = os.path.join(above, b"%d" % name)
            os.mkdir(path) if folder == b"folders" else os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    for name in ODD:
        os.close(os.open(os.path.join(root, name), os.O_CREAT | os.O_WRONLY))


def found(*words):
    done = subprocess.run(["find", *words, "-print0"], stdout=subprocess.PIPE, check=True)
    return sorted(done.stdout.split(b"\0")[:-1])


def given(target, *words):
    run = leat(f"dir:{target}", ":", "-", "-0", *words).check(0)
    paths = sorted(run.out.split(b"\0")[:-1])
    run.counted(delivered=len(paths))
    return paths


def same(ours, theirs):
    if ours != theirs:
        missing, more = set(theirs) - set(ours), set(ours) - set(theirs)
        raise AssertionError(f"DIR_SEED={SEED}: {len(ours)} paths, find has {len(theirs)}; {len(missing)} missing "
                             f"({sorted(missing)[:3]}), {len(more)} more ({sorted(more)[:3]})")


def test_lists_what_find_lists():
    """a tree with hostile names: the paths that find gives, byte for byte, with one worker and with several"""
    make_tree(b"tree", 500000 if FULL else 20000, SEED)
    files = found("tree", "-type", "f")
    assert len(files) > 15000
    for words in ((), ("-j", 1), ("-j", 9)):
        same(given("tree", *words), files)
    same(given("tree/"), found("tree/", "-type", "f"))
    same(given("tree?type=d"), found("tree", "-mindepth", "1", "-type", "d"))
    same(given("tree?type=l"), found("tree", "-type", "l"))
    same(given("tree?hidden=0"), found("tree", "-name", ".?*", "-prune", "-o", "-type", "f"))
    same(given("tree?max-depth=3"), found("tree", "-maxdepth", "3", "-type", "f"))
    same(given("tree?glob=**/*1"), found("tree", "-name", "*1", "-type", "f"))
    same(given("tree?xdev=1"), files)


def test_cannot_enter():
    """directories that nobody may read are failed items, all else is listed; exit code 1"""
    make_tree(b"tree", 3000, SEED)
    folders = [path for path in found("tree", "-mindepth", "1", "-type", "d") if b"/many" not in path]
    closed = random.Random(SEED).sample(folders, 20)
    closed = [path for path in closed if not any(path.startswith(other + b"/") for other in closed)]
    for path in closed:
        os.chmod(path, 0)
    below = tuple(path + b"/" for path in closed)
    expected = [path for path in found("tree", "-type", "f") if not path.startswith(below)]
    for path in closed:
        os.chmod(path, 0)
    # Not the program itself: nobody may enter the folder that it was built in.
    shutil.copy(LEAT, "program")
    os.chmod(".", 0o777)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    run = leat("dir:tree", ":", "-", "-0", "--errors", "errors", program="./program", **nobody).check(1)
    for path in closed:
        os.chmod(path, 0o755)
    run.counted(failed=len(closed))
    same(sorted(run.out.split(b"\0")[:-1]), expected)
    for line in lines_of("errors"):
        record = json.loads(line)
        assert record["reason"] == f"{record['item']}: cannot open the directory: Permission denied", line


def test_few_descriptors():
    """a deep and wide tree with room for two dozen descriptors"""
    make_tree(b"tree", 3000, SEED)
    for most in (24, 40):
        for workers in (1, 8):
            run = leat("dir:tree", ":", "-", "-0", "-j", workers, limits=[(resource.RLIMIT_NOFILE, most)]).check(0)
            same(sorted(run.out.split(b"\0")[:-1]), found("tree", "-type", "f"))


def most_memory(*words, counts):
    """The most memory that the program had, in MiB, with nothing that others had before it."""
    with open("err", "wb") as err:
        process = start(*words, stdout=subprocess.DEVNULL, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    with open("err", "rb") as err:
        Run(process.returncode, b"", err.read()).check(0).counted(delivered=counts)
    return usage.ru_maxrss / 1024


def test_memory_of_a_large_directory():
    """a directory of files, and one of directories: neither entries nor paths pile up"""
    count = 1000000 if FULL else 10000
    os.makedirs("few")
    write("few/file", "")
    os.makedirs("files/below")
    os.makedirs("folders")
    for number in range(count):
        os.close(os.open(f"files/below/file-{number}", os.O_CREAT | os.O_WRONLY))
        os.mkdir(f"folders/folder-{number}")
    little = most_memory("dir:few", ":", "null:", counts=1)
    for words, counts, more in ((["dir:files"], count, 48), (["dir:folders?type=d"], count, 48 + 64 * count / 1e6),
                                (["dir:files", ":", "rate", "1G/s"], count, 48)):
        memory = most_memory(*words, ":", "null:", counts=counts)
        assert SANITIZED or memory < little + more, f"{words}: {memory:.0f} MiB; {little:.0f} MiB for one file"


def make_chain(depth):
    """Directories in each other, a file and a directory in each; paths that no system call takes."""
    os.mkdir("chain")
    above = os.open("chain", os.O_RDONLY)
    for _ in range(depth):
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=above))
        os.mkdir("d", dir_fd=above)
        os.mkdir("n", dir_fd=above)
        below = os.open("n", os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    os.close(above)


def remove_chain(depth):
    """shutil.rmtree has a path for each level; this moves what is below a directory up instead."""
    for _ in range(depth):
        os.unlink("chain/f")
        os.rmdir("chain/d")
        os.rename("chain/n", "next")
        os.rmdir("chain")
        os.rename("next", "chain")
    os.rmdir("chain")


def test_deep_chain():
    """directories in each other, deeper than a path or the descriptors reach"""
    depth = 20000 if FULL else 3000
    make_chain(depth)
    try:
        limits = [(resource.RLIMIT_NOFILE, 64)]
        run = leat("dir:chain", ":", "null:", limits=limits).check(0).counted(delivered=depth, failed=0)
        run = leat("dir:chain?type=d", ":", "null:", "-j", 4, limits=limits).check(0).counted(delivered=2 * depth)
        os.makedirs("few")
        write("few/file", "")
        little = most_memory("dir:few", ":", "null:", counts=1)
        memory = most_memory("dir:chain", ":", "null:", counts=depth)
        # 32 MiB of paths may be on their way, and each of the directories is known.
        assert SANITIZED or memory < little + 96, f"{memory:.0f} MiB; {little:.0f} MiB for one file"
    finally:
        remove_chain(depth)


def test_stop():
    """a signal in the middle of the walk, while its reader is behind, ends it at once"""
    make_tree(b"tree", 20000, SEED)
    process = start_flowing("dir:tree", ":", "rate", "1k/s", ":", "null:")
    process.send_signal(signal.SIGTERM)
    run = end(process)
    assert run.code == 128 + signal.SIGTERM, run
    run.balanced()


def test_other_file_system():
    """xdev: what is mounted below is not entered"""
    os.makedirs("tree/a/mounted/b")
    write("tree/a/file", "")
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "tree/a/mounted"], capture_output=True, check=False).returncode:
        return  # nobody may mount here
    try:
        write("tree/a/mounted/file", "")
        assert given("tree?xdev=1") == [b"tree/a/file"]
        assert given("tree") == [b"tree/a/file", b"tree/a/mounted/file"]
        same(given("tree?xdev=1&type=d"), found("tree", "-mindepth", "1", "-xdev", "-type", "d"))
    finally:
        subprocess.run(["umount", "-l", "tree/a/mounted"], check=True)


def test_lease():
    """a file that a file server has a lease on is waited for, as cat does"""
    write("leased", b"hello\n")
    fd = os.open("leased", os.O_RDWR)
    signal.signal(signal.SIGIO, lambda *_: fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK))
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    run = leat("-", ":", "read", "text", ":", "-", data=b"leased\n").check(0).counted(delivered=1)
    assert json.loads(run.out)["text"] == "hello\n", run
    os.close(fd)


if __name__ == "__main__":
    sys.exit(run_tests(sys.modules[__name__]))

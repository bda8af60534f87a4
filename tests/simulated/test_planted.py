#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mistakes that a concurrent runtime can have, planted one at a time into a copy: the simulation must find each.

A mistake is a replacement in one source file, which is compiled and linked before the rest of the simulation
library. Without a mistake no seed may fail. PLANTED_SEEDS says how many seeds of each work are tried (4000).
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("LEAT_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ["LEAT_BUILD"])
SEEDS = int(os.environ.get("PLANTED_SEEDS", "4000"))
FLAGS = ["-std=gnu17", "-O1", "-g", "-fno-omit-frame-pointer", "-D_GNU_SOURCE", "-DLEAT_SIMULATION",
         f"-I{ROOT}/include", f"-I{ROOT}/src", *os.environ.get("LEAT_CFLAGS", "").split()]

# name, file, what is there, what is put in its place, which works may show it
MISTAKES = [
    ("the waker looks for sleepers without a fence", "src/sched/idle.c",
     "void lt_notify(struct lt_runtime *runtime) {\n    lt_fence(seq_cst);", "void lt_notify(struct lt_runtime *runtime) {",
     ["buffered", "select", "unbuffered"]),
    ("a receive that timed out stays in the queue", "src/sync/channel.c",
     "    lt_waiters_remove(queue, waiter);\n    lt_chan_publish(chan);\n    lt_unlock(&chan->lock);\n    return result;",
     "    (void)queue, (void)waiter;\n    lt_chan_publish(chan);\n    lt_unlock(&chan->lock);\n    return result;",
     ["timers", "moments"]),
    ("a worker sleeps without a second look", "src/sched/idle.c",
     "    bool more = anything_to_do(runtime);", "    bool more = false && anything_to_do(runtime);", ["buffered", "calls", "unbuffered"]),
    ("a task is woken before its registers are saved", "src/sched/worker.c",
     "        wait_until_saved(task);", "        (void)wait_until_saved;", ["timers", "unbuffered", "calls", "moments"]),
    ("a channel is unlocked before the waiter is in its queue", "src/sync/channel.c",
     "    lt_waiters_append(queue, waiter);\n",
     "    lt_unlock(&chan->lock);\n    lt_lock(&chan->lock);\n    lt_waiters_append(queue, waiter);\n",
     ["unbuffered", "buffered"]),
    ("a select leaves its losing cases in their queues", "src/sync/select.c",
     "    delist(wait);\n", "    (void)delist;\n", ["select"]),
    ("the monitor fires timers behind the deadlock check", "src/sched/deadlock.c",
     "    uint32_t fires = lt_load(&runtime->monitor_fires, seq_cst);\n",
     "    uint32_t fires = 0;\n    runtime->monitor_fires = 0;\n", ["moments", "timers"]),
]


def compile_file(source, output, *flags):
    subprocess.run(["cc", *FLAGS, *flags, "-c", str(source), "-o", str(output)], check=True)


def link(objects, output):
    subprocess.run(["cc", *FLAGS, *map(str, objects), str(BUILD / "libleat-sim.a"), "-lm", "-o", str(output)], check=True)


def first_failure(program, works, seeds):
    """(seed, line) of the first work that fails; None."""
    for work in works:
        result = subprocess.run([str(program), work, str(seeds)], stderr=subprocess.PIPE, text=True, errors="replace",
                                check=False)
        found = re.search(r"^leat: seed (\d+) fails: (.*)", result.stderr, re.M)
        if found:
            return work, int(found.group(1)), found.group(2)
        if result.returncode:
            raise RuntimeError(f"{work} exited with {result.returncode}: {result.stderr}")
    return None


def main():
    failed = 0
    print(f"1..{len(MISTAKES) + 1}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        compile_file(ROOT / "tests/simulated/mixture.c", folder / "mixture.o")
        link([folder / "mixture.o"], folder / "sound")
        works = ["unbuffered", "buffered", "select", "timers", "calls", "moments"]
        found = first_failure(folder / "sound", works, SEEDS // 10)
        print(f"{'not ' if found else ''}ok 1 - without a mistake no seed fails {found or ''}", flush=True)
        failed += found is not None
        for number, (name, file, there, instead, works) in enumerate(MISTAKES, 2):
            text = (ROOT / file).read_text()
            if text.count(there) != 1:
                print(f"not ok {number} - {name}: its place is not in {file}", flush=True)
                failed += 1
                continue
            (folder / "mistake.c").write_text(text.replace(there, instead))
            compile_file(folder / "mistake.c", folder / "mistake.o", "-DLEAT_BUILDS_ITSELF")
            link([folder / "mixture.o", folder / "mistake.o"], folder / "mistaken")
            found = first_failure(folder / "mistaken", works, SEEDS)
            where = f"{found[0]}, seed {found[1]}: {found[2]}" if found else f"not found in {SEEDS} seeds"
            print(f"{'' if found else 'not '}ok {number} - {name} ({where})", flush=True)
            failed += found is None
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

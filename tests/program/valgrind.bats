#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# valgrind follows tasks from stack to stack: it complains of nothing in a right program, and finds what is wrong in a task.

setup() {
    bats_require_minimum_version 1.5.0
    case ${LEAT_CFLAGS:-} in *sanitize*) skip_sanitized=1 ;; *) skip_sanitized= ;; esac
}

@test "valgrind has nothing to say about tasks that switch, sleep and select" {
    [ -z "$skip_sanitized" ] || return 0 # the two do not run in one process
    run -0 --separate-stderr valgrind -q --error-exitcode=9 "$LEAT_BUILD/examples/example-tour"
    [ "$stderr" = "" ]
}

@test "valgrind finds a read of freed memory in a task, and says which function of the task did it" {
    [ -z "$skip_sanitized" ] || return 0
    cat >"$BATS_TEST_TMPDIR/wrong.c" <<'END'
#include <leat.h>
#include <stdlib.h>
static int reads_freed(void *arg) {
    volatile int *number = malloc(sizeof *number);
    leat_yield();
    free((void *)number);
    leat_yield();
    return *number == 7 && arg;
}
int main(void) { return leat_run(reads_freed, NULL) < 0; }
END
    cc -g -I"$LEAT_ROOT/include" "$BATS_TEST_TMPDIR/wrong.c" "$LEAT_BUILD/libleat.a" -lpthread -lm -o "$BATS_TEST_TMPDIR/wrong"
    run -9 valgrind -q --error-exitcode=9 "$BATS_TEST_TMPDIR/wrong"
    [[ "$output" == *"Invalid read of size 4"*"reads_freed"* ]]
}

@test "valgrind has nothing to say about a walk that reads files, although it does not know how leat opens them" {
    [ -z "$skip_sanitized" ] || return 0
    mkdir -p "$BATS_TEST_TMPDIR/tree/below"
    for i in 1 2 3; do echo "$i" | tee "$BATS_TEST_TMPDIR/tree/$i" >"$BATS_TEST_TMPDIR/tree/below/$i"; done
    run -0 --separate-stderr valgrind -q --error-exitcode=9 "$LEAT_BUILD/leat" "dir:$BATS_TEST_TMPDIR/tree" : read : null:
    [[ "$stderr" == "leat: 6 in = 6 delivered "* ]]
}

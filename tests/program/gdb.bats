#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tools/leat-gdb.py shows tasks to gdb.

look() {
    run -0 gdb -q -nx -batch -ex 'set confirm off' -ex 'set debuginfod enabled off' -ex "source $LEAT_ROOT/tools/leat-gdb.py" \
        -ex 'break stop_here' -ex run "$@" "$LEAT_BUILD/tests/gdb-target"
}

setup() {
    bats_require_minimum_version 1.5.0
}

@test "leat tasks: number, name, where it was spawned, what it does" {
    look -ex 'leat tasks'
    grep -E '^task 1 "main", .*runs on worker 0' <<<"$output"
    grep -E '^task 2 "patience", spawned at .*gdb-target\.c:[0-9]+, waits: receive "never"' <<<"$output"
    grep -E '^task 3 "waiter", spawned at .*gdb-target\.c:[0-9]+, has not begun' <<<"$output"
}

@test "leat bt: the frames of a task that waits" {
    look -ex 'leat bt 2'
    [ "$(grep -c ' in go_down ' <<<"$output")" -eq 3 ]
    grep -E ' in leat_recv .*channel\.c:[0-9]+' <<<"$output"
    grep -E ' in (waiter|task_entry) ' <<<"$output"
}

@test "leat bt: the frames of a task that runs, and of one that has not begun" {
    look -ex 'leat bt 1' -ex 'leat bt 3'
    grep -E ' in stop_here ' <<<"$output"
    grep -E 'has not begun; it will call .*waiter' <<<"$output"
}

@test "leat bt: a task that does not exist" {
    look -ex 'leat bt 99' -ex 'info program' # the last command decides the exit code
    [[ "$output" == *"there is no task 99"* ]]
}

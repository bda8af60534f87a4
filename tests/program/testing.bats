#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The example of docs/testing.md: a program of one's own in the simulation. (A hostile build has none.)

setup() {
    bats_require_minimum_version 1.5.0
    EXAMPLES=$LEAT_BUILD/examples
}

@test "close too early: the simulation finds the schedule, shows it short, and it can be repeated" {
    run -1 --separate-stderr "$EXAMPLES/example-close-too-early"
    [ "$output" = "a schedule was found that fails" ]
    [[ "$stderr" =~ leat:\ seed\ ([0-9]+)\ fails: ]]
    [[ "$stderr" =~ ,\ ([0-9]+)\ switches\ of\ [0-9]+ ]]
    [ "${BASH_REMATCH[1]}" -le 8 ]
    [[ "$stderr" == *'leat_chan_close "results" = 0'* ]]
    [[ "$stderr" =~ LEAT_SEED=([0-9]+)\ LEAT_SCHEDULE=([0-9.,+!\>]+) ]]
    local seed=${BASH_REMATCH[1]} schedule=${BASH_REMATCH[2]}
    failure=$(sed -n 's/^leat: seed [0-9]* fails: //p' <<<"$stderr")
    LEAT_SEED=$seed LEAT_SCHEDULE=$schedule run -1 --separate-stderr "$EXAMPLES/example-close-too-early"
    [[ "$stderr" == *"$failure"* ]]
    LEAT_SEED=$seed run -1 --separate-stderr "$EXAMPLES/example-close-too-early"
    [[ "$stderr" == *"$failure"* ]]
    run -0 "$EXAMPLES/example-close-too-early" right
    [ "${lines[-1]}" = "1000 schedules, none fails" ]
}

@test "what the environment says of seeds is a number, or nothing is run" {
    for wrong in LEAT_SEEDS=x LEAT_SEEDS=0 LEAT_SEEDS=-3 LEAT_SEED=abc LEAT_SEED= LEAT_SEED=99999999999999999999999 'LEAT_SCHEDULE=1.2>3'; do
        run env "$wrong" "$EXAMPLES/example-close-too-early" right
        [ "$status" -ne 0 ]
        [[ "$output" == *"leat: ${wrong%%=*}"* && "$output" != *"none fails"* ]]
    done
    LEAT_SEEDS=2k run -0 "$EXAMPLES/example-close-too-early" right
}

@test "a stack overflow in the simulation is named as such" {
    cat >"$BATS_TEST_TMPDIR/deep.c" <<'END'
#include <leat.h>
static int deeper(void *arg) {
    volatile char room[4096] = {1};
    return arg ? deeper((void *)room) + room[0] : 0;
}
int main(int argc, char **argv) { return (void)argc, leat_simulate_many(1, 3, NULL, deeper, argv) < 0; }
END
    cc -I"$LEAT_ROOT/include" ${LEAT_CFLAGS:-} "$BATS_TEST_TMPDIR/deep.c" "$LEAT_BUILD/libleat-sim.a" -lpthread -lm -o "$BATS_TEST_TMPDIR/deep"
    run -1 "$BATS_TEST_TMPDIR/deep"
    [[ "$output" == *'leat: stack overflow: task 1 "main", spawned at '*' has used up its '*' KiB of stack'* ]]
}

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

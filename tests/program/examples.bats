#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every example runs and prints what it promises, and is short enough to be read.

setup() {
    bats_require_minimum_version 1.5.0
    EXAMPLES=$LEAT_BUILD/examples
    OUT=$BATS_TEST_TMPDIR
}

@test "the tour: two tasks and a select that loses patience" {
    run -0 "$EXAMPLES/example-tour"
    [ "$output" = $'fast says 1\nfast says 2\nfast says 3\nenough' ]
}

@test "lines: a slow function on every line, with 50 workers" {
    seq 1000 3000 >"$OUT/in"
    run -0 sh -c '"$1" <"$2/in" >"$2/out"' - "$EXAMPLES/example-lines" "$OUT"
    rev "$OUT/in" | sort >"$OUT/wanted"
    sort "$OUT/out" | cmp - "$OUT/wanted"
}

@test "lines: no line, one line, no final newline" {
    run -0 sh -c '"$1" </dev/null' - "$EXAMPLES/example-lines"
    [ "$output" = "" ]
    run -0 sh -c 'printf "abc\n" | "$1"' - "$EXAMPLES/example-lines"
    [ "$output" = "cba" ]
    run -0 sh -c 'printf "abc\n\nxyz" | "$1" | sort' - "$EXAMPLES/example-lines"
    [ "$output" = $'\ncba\nzyx' ]
}

# accepted A = done D + dropped X
balanced() {
    [[ "$output" =~ ^accepted\ ([0-9]+)\ =\ done\ ([0-9]+)\ \+\ dropped\ ([0-9]+)$ ]]
    [ "${BASH_REMATCH[1]}" -eq $((BASH_REMATCH[2] + BASH_REMATCH[3])) ]
}

@test "service: drain finishes all that was accepted" {
    run -0 "$EXAMPLES/example-service" drain
    balanced
    [ "${BASH_REMATCH[1]}" -gt 500 ]
    [ "${BASH_REMATCH[3]}" -eq 0 ]
}

@test "service: drop accounts for all that was accepted" {
    run -0 "$EXAMPLES/example-service" drop
    balanced
    [ "${BASH_REMATCH[3]}" -gt 0 ]
}

@test "service: a signal stops it" {
    "$EXAMPLES/example-service" drop >"$OUT/out" 3>&- &
    sleep 0.1
    kill -TERM $!
    wait $!
    output=$(cat "$OUT/out")
    balanced
}

@test "deadlock: says who waits for what, where it was spawned, and ends" {
    run -1 --separate-stderr "$EXAMPLES/example-deadlock"
    [ "$output" = "ended with a deadlock" ]
    [[ "$stderr" == *deadlock* ]]
    grep -E 'worker.*deadlock\.c:[0-9]+.*send.*results' <<<"$stderr"
    grep -E 'main.*send.*work' <<<"$stderr"
}

@test "prime sieve" {
    run -0 "$EXAMPLES/example-prime-sieve" 200
    [ "${#lines[@]}" -eq 200 ]
    [ "${lines[0]}" = 2 ]
    [ "${lines[199]}" = 1223 ]
    for number in "${lines[@]}"; do echo "$number"; done | factor | awk 'NF != 2 { exit 1 }'
}

@test "every example can be read at a glance: under 80 lines" {
    for file in "$LEAT_ROOT"/examples/*.c; do
        [ "$(wc -l <"$file")" -lt 80 ]
    done
}

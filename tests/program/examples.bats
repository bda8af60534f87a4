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
    # Until it has taken SIGTERM over; the shell that becomes it blocks signals for a moment, too.
    until grep -qx example-service "/proc/$!/comm" && grep -q '^SigBlk:.*[4-7c-f]...$' "/proc/$!/status"; do
        sleep 0.01
    done
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

@test "count-lines: every file below a folder, the same as wc counts" {
    mkdir -p "$OUT/tree/a/b/c" "$OUT/tree/many" "$OUT/tree/empty"
    seq 1000 >"$OUT/tree/a/numbers"
    printf 'no newline at the end' >"$OUT/tree/a/b/unfinished"
    printf 'one\n\nthree\n' >"$OUT/tree/a/b/c/three"
    for i in $(seq 500); do seq "$i" >"$OUT/tree/many/$i"; done
    ln -s ../a "$OUT/tree/many/loop"
    wanted=$(find "$OUT/tree" -type f -exec cat {} + | wc -l)
    for workers in 1 2 8; do
        LEAT_WORKERS=$workers run -0 "$EXAMPLES/example-count-lines" "$OUT/tree"
        [ "$output" = "$wanted lines in 503 files" ]
    done
}

@test "count-lines: what cannot be read is told, and the rest is counted" {
    mkdir -p "$OUT/deep"
    seq 10 >"$OUT/deep/ten"
    name=$(printf 'd%.0s' $(seq 100)) # a path that can be made step by step only
    (cd "$OUT/deep" && for _ in $(seq 45); do mkdir "$name" && cd "$name"; done)
    run -1 --separate-stderr "$EXAMPLES/example-count-lines" "$OUT/deep"
    [ "$output" = "10 lines in 1 files" ]
    [[ "$stderr" == *"File name too long" ]]
    run -1 --separate-stderr "$EXAMPLES/example-count-lines" "$OUT/nowhere"
    [[ "$stderr" == *"nowhere: No such file or directory" ]]
}

@test "collatz: the longest below a million; what grows too large is counted" {
    for workers in 1 2 8; do
        LEAT_WORKERS=$workers run -0 "$EXAMPLES/example-collatz"
        [ "$output" = "837799 takes 524 steps; 0 grew too large" ]
    done
    run -0 "$EXAMPLES/example-collatz" 10 51
    [ "$output" = "6 takes 8 steps; 2 grew too large" ]
    run -0 "$EXAMPLES/example-collatz" 2
    [ "$output" = "1 takes 0 steps; 0 grew too large" ]
}

@test "every example can be read at a glance: under 80 lines" {
    for file in "$LEAT_ROOT"/examples/*.c; do
        [ "$(wc -l <"$file")" -lt 80 ]
    done
}

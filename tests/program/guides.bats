#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The C code of the README and of the library guide is true: it compiles, runs, and does what the text says.

setup() {
    : "${LEAT_BUILD:=$PWD/build}"
    root=$BATS_TEST_DIRNAME/../..
}

# build_blocks DOCUMENT PROGRAM: the document's C blocks, one after the other, are one program.
build_blocks() {
    awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$root/$1" >"$BATS_TEST_TMPDIR/blocks.c"
    # shellcheck disable=SC2086
    cc -std=gnu17 -D_GNU_SOURCE -g -Wall -Wextra -Wno-unused-parameter -Werror -I"$root/include" $LEAT_CFLAGS "$BATS_TEST_TMPDIR/blocks.c" \
        "$LEAT_BUILD/libleat.a" -pthread -lm -o "$2"
}

@test "the tour in the README builds and prints what it says" {
    build_blocks README.md "$BATS_TEST_TMPDIR/tour"
    [ "$("$BATS_TEST_TMPDIR/tour")" = 338350 ]
    grep -F '# 338350' "$root/README.md"
}

@test "every example of the library guide does what it claims" {
    build_blocks docs/library.md "$BATS_TEST_TMPDIR/guide"
    for workers in 1 2 8; do
        LEAT_WORKERS=$workers run "$BATS_TEST_TMPDIR/guide"
        echo "$output"
        [ "$output" = good ]
        [ "$status" -eq 0 ]
    done
}

@test "the library guide names every function of leat.h but the trivial forms" {
    missing=
    for name in $(tr '\n' ' ' <"$root/include/leat.h" | grep -o 'LEAT_API [^;({]*(' | grep -o 'leat_[a-z0-9_]*($' | tr -d '(' | sort -u); do
        case $name in
        *_try | *_until | *_with | *_at | *_free) continue ;;
        esac
        grep -qw "$name" "$root/docs/library.md" || missing="$missing $name"
    done
    echo "missing:$missing"
    [ -z "$missing" ]
}

@test "the manual names every option, end, stage and exit code that the help names" {
    missing=
    help=$BATS_TEST_TMPDIR/help
    "$LEAT_BUILD/leat" --help >"$help"
    for option in $(grep -oE '^ +(-[a-z0-9], )?--[a-z-]+' "$help" | grep -oE -- '--[a-z-]+' | sort -u); do
        grep -q -- "$option" "$root/docs/manual.md" || missing="$missing $option"
    done
    for name in $(sed -n '/^FROM:/,/^Options/p' "$help" | grep -oE '^  [a-z]+:?' | sort -u); do
        grep -q -- "\`$name" "$root/docs/manual.md" || missing="$missing $name"
    done
    for code in $(sed -n '/^Exit code:/,$p' "$help" | grep -oE '^  [0-9]+' | sort -u); do
        grep -q -- "^| $code " "$root/docs/manual.md" || missing="$missing exit-$code"
    done
    echo "missing:$missing"
    [ -z "$missing" ]
}

@test "every file that the documents name exists" {
    missing=
    for path in $(grep -ohE '`(src|include|tests|docs|examples|bench|tools)/[A-Za-z0-9_./-]*`' "$root"/README.md "$root"/docs/*.md | tr -d '`' | sort -u); do
        [ -e "$root/$path" ] || missing="$missing $path"
    done
    echo "missing:$missing"
    [ -z "$missing" ]
}

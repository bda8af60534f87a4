#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The library as others get it: what it exports, and that a program builds against an installation, shared and static.

setup_file() {
    export LEAT_BUILD=${LEAT_BUILD:-$PWD/build}
    export installed=$BATS_FILE_TMPDIR/installed
    meson install -C "$LEAT_BUILD" --no-rebuild --destdir "$installed" >"$BATS_FILE_TMPDIR/install.log" 2>&1 || {
        cat "$BATS_FILE_TMPDIR/install.log"
        return 1
    }
    export PKG_CONFIG_SYSROOT_DIR=$installed
    PKG_CONFIG_LIBDIR=$(dirname "$(find "$installed" -name leat.pc)")
    export PKG_CONFIG_LIBDIR
    export library_folder=${PKG_CONFIG_LIBDIR%/pkgconfig}

    cat >"$BATS_FILE_TMPDIR/sum.c" <<'END'
#include <leat.h>
#include <stdio.h>

static int count(void *out) {
    for (int i = 1; i <= 100; i++)
        if (leat_send(out, &i))
            return -1;
    return leat_chan_close(out);
}

static int sum(void *arg) {
    struct leat_chan *numbers = leat_chan_new(sizeof(int), 8);
    int number, total = 0, error = leat_go(NULL, count, numbers);
    while (!error && !leat_recv(numbers, &number))
        total += number;
    *(int *)arg = total;
    leat_chan_free(numbers);
    return error;
}

int main(void) {
    int total = 0, error = leat_run(sum, &total);
    return printf("%s %d %d\n", leat_version(), error, total) < 0;
}
END
}

# The functions that the installed headers declare.
declared() {
    cat "$installed"/usr/local/include/leat*.h | tr '\n' ' ' | grep -o 'LEAT_API [^;({]*(' | grep -o 'leat_[a-z0-9_]*($' |
        tr -d '(' | sort -u
}

exported() {
    nm -D --defined-only --without-symbol-versions "$library_folder/libleat.so" | awk '$2 != "A" { print $3 }' | sort -u
}

@test "the shared library exports what the headers declare and nothing else" {
    declared >"$BATS_TEST_TMPDIR/declared"
    exported >"$BATS_TEST_TMPDIR/exported"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/declared")" -gt 50 ]
    diff "$BATS_TEST_TMPDIR/declared" "$BATS_TEST_TMPDIR/exported"
}

@test "the shared library has a soname and versioned symbols" {
    readelf -d "$library_folder/libleat.so" | grep -F 'soname: [libleat.so.0]'
    nm -D --defined-only --with-symbol-versions "$library_folder/libleat.so" | grep -E ' leat_run@@LEAT_0$'
}

@test "the static library keeps its inner names from the program" {
    nm --defined-only --extern-only --quiet "$library_folder/libleat.a" >"$BATS_TEST_TMPDIR/names"
    grep -q ' leat_run$' "$BATS_TEST_TMPDIR/names"
    ! grep -vE '(^$|^[^ ]*:$| (__odr_asan\.)?(leat|lt)_[a-z0-9_]*$)' "$BATS_TEST_TMPDIR/names"
}

@test "the headers stand alone, as strict C11, and define only names of their own" {
    for header in leat.h leat-pipeline.h; do
        echo "#include <$header>" >"$BATS_TEST_TMPDIR/one.c"
        # shellcheck disable=SC2046
        cc -std=c11 -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags leat) -fsyntax-only "$BATS_TEST_TMPDIR/one.c"
    done
    # shellcheck disable=SC2046
    cc -dM -E $(pkg-config --cflags leat) "$BATS_TEST_TMPDIR/one.c" | awk '{ print $2 }' | sort >"$BATS_TEST_TMPDIR/with"
    printf '#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n' >"$BATS_TEST_TMPDIR/none.c"
    cc -dM -E "$BATS_TEST_TMPDIR/none.c" | awk '{ print $2 }' | sort >"$BATS_TEST_TMPDIR/without"
    [ -s "$BATS_TEST_TMPDIR/with" ]
    ! comm -23 "$BATS_TEST_TMPDIR/with" "$BATS_TEST_TMPDIR/without" | grep -vE '^(LEAT_|leat_)'
}

@test "a program builds against the installed shared library with pkg-config" {
    cd "$BATS_TEST_TMPDIR"
    # shellcheck disable=SC2046,SC2086
    cc -Wall -Wextra -Werror $LEAT_CFLAGS "$BATS_FILE_TMPDIR/sum.c" -o sum $(pkg-config --cflags --libs leat)
    readelf -d sum | grep -F 'Shared library: [libleat.so.0]'
    [ "$(LD_LIBRARY_PATH=$library_folder ./sum)" = "$(pkg-config --modversion leat) 0 5050" ]
}

@test "a program builds against the installed static library with pkg-config" {
    cd "$BATS_TEST_TMPDIR"
    flags=$(pkg-config --static --cflags --libs leat | sed 's/-lleat/-l:libleat.a/')
    # shellcheck disable=SC2086
    cc -Wall -Wextra -Werror $LEAT_CFLAGS "$BATS_FILE_TMPDIR/sum.c" -o sum $flags
    [ -z "$(readelf -d sum | grep -F libleat)" ]
    [ "$(./sum)" = "$(pkg-config --modversion leat) 0 5050" ]
}

@test "a program builds against the installed simulation library, shared and static, and a seed repeats" {
    cd "$BATS_TEST_TMPDIR"
    cat >simulated.c <<'END'
#include <leat.h>
#include <stdio.h>
#include <stdlib.h>

static int late(void *chan) {
    return leat_send(chan, &(int){1});
}

static int race(void *arg) {
    struct leat_chan *chan = leat_chan_new(sizeof(int), 1);
    leat_go(NULL, late, chan);
    leat_go(NULL, late, chan);
    *(int *)arg = leat_recv(chan, NULL) == 0 && leat_recv(chan, NULL) == 0;
    return 0;
}

int main(int argc, char **argv) {
    int done = 0, error = leat_simulate(strtoull(argv[argc - 1], NULL, 10), &(struct leat_simulation){.trace_fd = 1}, race, &done);
    printf("%d %d\n", error, done);
    return error != 0;
}
END
    # shellcheck disable=SC2046,SC2086
    cc -Wall -Wextra -Werror $LEAT_CFLAGS simulated.c -o shared $(pkg-config --cflags --libs leat-sim)
    # shellcheck disable=SC2046,SC2086
    cc -Wall -Wextra -Werror $LEAT_CFLAGS simulated.c -o static $(pkg-config --static --cflags --libs leat-sim | sed 's/-lleat-sim/-l:libleat-sim.a/')
    LD_LIBRARY_PATH=$library_folder ./shared 5 >first
    LD_LIBRARY_PATH=$library_folder ./shared 5 >second
    ./static 5 >third
    [ "$(tail -1 first)" = "0 1" ]
    cmp first second
    cmp first third
    LD_LIBRARY_PATH=$library_folder ./shared 6 >other
    ! cmp -s first other
}

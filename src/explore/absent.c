/* SPDX-License-Identifier: MIT */
/** What the ordinary library has in place of simulation. */
#include "leat-simulate.h"
#include "leat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int leat_simulate(uint64_t seed, const struct leat_simulation *options, leat_fn *fn, void *arg) {
    (void)seed, (void)options, (void)fn, (void)arg;
    return -ENOTSUP;
}

int leat_simulate_many(uint64_t first, uint64_t count, const struct leat_simulation *options, leat_fn *fn, void *arg) {
    (void)first, (void)count, (void)options, (void)fn, (void)arg;
    return -ENOTSUP;
}

void leat_check_at(bool holds, const char *condition, const char *file, int line) {
    if (holds)
        return;
    dprintf(2, "leat: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}

void leat_point_at(const char *file, int line) {
    (void)file, (void)line;
}

/* A program compiled for simulation runs with the ordinary library, too. */
void leat_calls(const char *function, const struct leat_chan *chan, const char *file, int line) {
    (void)function, (void)chan, (void)file, (void)line;
}

void leat_called(const char *function, const struct leat_chan *chan, long long result, const char *file, int line) {
    (void)function, (void)chan, (void)result, (void)file, (void)line;
}

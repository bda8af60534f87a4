/* SPDX-License-Identifier: MIT */
#include "cli/bench/options.h"
#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define OPTION(member) offsetof(struct lt_bench_options, member)

const struct leat_option lt_bench_options[] = {
    {"sweep", 0, LEAT_OPTION_STRING, OPTION(sweep), "N,N…", "1,2,3,4,6,8",
     "Numbers of workers to try, in place of -j; stages with a number of their own keep it."},
    {"repeat", 0, LEAT_OPTION_COUNT, OPTION(repeat), "N", "3", "Trials of each number, in a random order."},
    {"for", 0, LEAT_OPTION_DURATION, OPTION(duration), "TIME", "2s",
     "Measured time of a trial; an input that ends before is measured from its beginning to its end."},
    {"warm-up", 0, LEAT_OPTION_DURATION, OPTION(warm_up), "TIME", "500ms", "Left out at the beginning of a trial."},
    {"shuffle", 0, LEAT_OPTION_COUNT, OPTION(seed), "SEED", "1", "Another order of the trials."},
    {"baseline", 0, LEAT_OPTION_STRING, OPTION(baseline), "FILE", NULL,
     "Compare with the --report of an earlier bench; what is slower than all noise of both ends with exit code 1."},
    {NULL},
};

static int by_size(const void *left, const void *right) {
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return (a > b) - (a < b);
}

int lt_bench_sweep(const char *text, unsigned workers[LT_BENCH_SWEEP], struct leat_error *error) {
    enum { MOST = 4096 };
    int count = 0;
    for (const char *at = text;; at++) {
        char *end;
        unsigned long number = isdigit((unsigned char)*at) ? strtoul(at, &end, 10) : 0;
        if (number < 1 || number > MOST || (*end && *end != ','))
            return leat_fail(error, -EINVAL, "--sweep %s: write numbers from 1 to %d with commas, such as 1,2,4,8",
                             text, MOST);
        if (count == LT_BENCH_SWEEP)
            return leat_fail(error, -EINVAL, "--sweep %s: more than %d numbers", text, LT_BENCH_SWEEP);
        workers[count++] = (unsigned)number;
        at = end;
        if (!*at)
            break;
    }
    qsort(workers, (size_t)count, sizeof *workers, by_size);
    int kept = 1;
    for (int i = 1; i < count; i++)
        if (workers[i] != workers[kept - 1])
            workers[kept++] = workers[i];
    return kept;
}

/* SPDX-License-Identifier: MIT */
/**
 * A recursive function on all processors, its results and its errors collected.
 *
 * Which number below a limit takes most steps to reach 1, when an even number is
 * halved and an odd one becomes 3 n + 1? Halves of the range are searched by the
 * same function. A forked half is given away only if a worker has nothing to do,
 * so there is nothing to tune. Nobody closes a channel of results or counts
 * tasks: the join returns when the half is done, wherever that was, and its
 * result and its errors are where the caller put them.
 */
#include <leat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct range {
    uint64_t from, to;      /* in */
    uint64_t number, steps; /* out: the best one */
    uint64_t failed;        /* out: numbers that grew too large to follow */
    uint64_t limit;
};

static int count_steps(uint64_t number, uint64_t limit, uint64_t *steps) {
    for (*steps = 0; number != 1; ++*steps) {
        if (number > limit)
            return -EOVERFLOW;
        number = number % 2 ? 3 * number + 1 : number / 2;
    }
    return 0;
}

static int search(struct leat_forker *self, void *arg) {
    struct range *range = arg;
    if (range->to - range->from == 1) {
        range->number = range->from;
        int error = count_steps(range->from, range->limit, &range->steps);
        if (error) /* kept and counted: it is no reason to give up the others */
            *range = (struct range){.number = range->from, .failed = 1};
        return leat_cancelled();
    }
    struct range low = *range, high = *range;
    low.to = high.from = range->from + (range->to - range->from) / 2;

    struct leat_frame frame;
    leat_fork(self, &frame, search, &low); /* somebody else, if somebody is idle */
    int error = search(self, &high);       /* meanwhile, the other half */
    int joined = leat_join(self, &frame);  /* done by now, or done here and now */

    const struct range *best = high.steps > low.steps ? &high : &low;
    range->number = best->number;
    range->steps = best->steps;
    range->failed = low.failed + high.failed;
    return error ? error : joined;
}

static int run(void *arg) {
    return leat_parallel(search, arg);
}

int main(int argc, char **argv) {
    struct range range = {1, argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, .limit = UINT64_MAX / 4};
    if (argc > 2)
        range.limit = strtoull(argv[2], NULL, 10);
    if (range.to < 2)
        return 2;
    int error = leat_run(run, &range);
    printf("%llu takes %llu steps; %llu grew too large\n", (unsigned long long)range.number,
           (unsigned long long)range.steps, (unsigned long long)range.failed);
    return error != 0;
}

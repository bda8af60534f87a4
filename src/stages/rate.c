/* SPDX-License-Identifier: MIT */
/**
 * rate: let items pass at most so many a second, counted over all workers.
 *
 * Items leave with their batch, so what is even is the pace over some batches;
 * --batch 1 makes every item wait for itself alone.
 */
#include "stages/stages.h"
#include "base/error.h"
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    uint64_t burst;
};

static const struct leat_option options[] = {
    {"burst", 0, LEAT_OPTION_COUNT, offsetof(struct settings, burst), "N", "1",
     "Items that may pass at once after a pause."},
    {NULL},
};

static int open_rate(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = segment->settings;
    double rate;
    if (segment->word_count != 1)
        return leat_fail(error, -EINVAL, "%s: takes one word, the rate: 100/s, 6k/m, 10/h", segment->spelling);
    if (!lt_number_rate(segment->words[0], &rate) || rate <= 0)
        return leat_fail(error, -EINVAL, "%s: \"%s\" is not a rate (write 100/s, 6k/m or 10/h)", segment->spelling,
                         segment->words[0]);
    *stage = leat_limiter_new(rate, (double)settings->burst);
    return *stage ? 0 : leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
}

static int take_one(struct leat_limiter *limiter, struct leat_batch *batch) {
    int code = leat_limiter_take_try(limiter, 1);
    if (code != -EAGAIN)
        return code;
    enum leat_state before = leat_batch_state(batch, LEAT_THROTTLED);
    code = leat_limiter_take(limiter, 1);
    leat_batch_state(batch, before);
    return code;
}

static int process(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)worker;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].fate != LEAT_LIVE)
            continue;
        int code = take_one(stage, batch);
        if (code)
            return leat_fail(error, code, "rate: waiting for item %llu: %s",
                             (unsigned long long)batch->items[i].position, strerror(-code));
    }
    return 0;
}

static void close_rate(void *stage) {
    leat_limiter_free(stage);
}

const struct leat_stage_type lt_rate_stage = {
    .name = "rate",
    .syntax = "rate N/s [--burst N]",
    .summary = "Let at most so many items pass in a time.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .open = open_rate,
    .process = process,
    .close = close_rate,
};

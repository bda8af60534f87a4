/* SPDX-License-Identifier: MIT */
/**
 * rate: let items pass at most so many a second, counted over all workers.
 *
 * A batch waits once, for the tokens of all its items, and leaves as a whole. The
 * engine makes batches of about a millisecond of the slowest stage, which is this
 * one: so a rate below 1,000/s lets items out one by one.
 *
 * A sleep ends late, and a bucket without room forgets what would have come
 * meanwhile: at 10,000/s half of the rate was lost. So the bucket has room for
 * some milliseconds' worth, unless --burst says how much. It begins with one
 * token, so that the start of a run is no burst.
 *
 * Rejected: a token for each item (a sleep costs more than the pause between two
 * items of a fast rate).
 */
#include "stages/stages.h"
#include "base/error.h"
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** What the bucket can make up for: longer than a sleep is usually late. */
#define OVERSLEEPING (10 * LEAT_MILLISECOND)

struct settings {
    uint64_t burst;
};

static const struct leat_option options[] = {
    {"burst", 0, LEAT_OPTION_COUNT, offsetof(struct settings, burst), "N", NULL,
     "Items that may pass at once after a pause; without it what passes in 10 ms, at least one."},
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
    double burst = settings->burst ? (double)settings->burst : rate * OVERSLEEPING / LEAT_SECOND;
    struct leat_limiter *limiter = leat_limiter_new(rate, burst);
    if (!limiter)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    if (!settings->burst && burst > 1)
        leat_limiter_take_try(limiter, burst - 1);
    *stage = limiter;
    return 0;
}

static int take(struct leat_limiter *limiter, size_t count, struct leat_batch *batch) {
    int code = leat_limiter_take_try(limiter, (double)count);
    if (code != -EAGAIN)
        return code;
    enum leat_state before = leat_batch_state(batch, LEAT_THROTTLED);
    code = leat_limiter_take(limiter, (double)count);
    leat_batch_state(batch, before);
    return code;
}

static int process(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)worker;
    size_t count = 0;
    const struct leat_item *first = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].fate != LEAT_LIVE)
            continue;
        first = count++ ? first : &batch->items[i];
    }
    int code = count ? take(stage, count, batch) : 0;
    if (code)
        return leat_fail(error, code, "rate: waiting for %zu item%s from item %llu: %s", count, count == 1 ? "" : "s",
                         (unsigned long long)first->position, strerror(-code));
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

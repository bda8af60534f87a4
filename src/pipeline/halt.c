/* SPDX-License-Identifier: MIT */
/**
 * --halt WHEN,WHY: end the run once so many items have failed, succeeded or are done.
 *
 * - An item is counted by the worker whose stage decides about it, before that worker
 *   takes another one: so nothing is begun after the item that was one too many. One
 *   is done when it has failed, was filtered, or has passed the last stage.
 * - `soon`: what is being processed is finished; what has been read and not begun goes
 *   back. `now`: what is being processed is called off, and goes back. What is behind
 *   the stages is delivered in both cases.
 * - Per cent are of all items there are. When the source does not know that number it is
 *   known when all has been read; as long as it is not, of the items done so far,
 *   from LEAST_DONE on. (Reading everything first would need memory for everything.)
 */
#include "base/error.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <inttypes.h>

enum { LEAST_DONE = 100 };

static uint64_t total_of(struct lt_pipeline *pipeline) {
    const struct leat_source_type *type = pipeline->plan->source;
    pthread_mutex_lock(&pipeline->mutex);
    uint64_t total = pipeline->source_may_answer && type->total ? type->total(pipeline->source) : 0;
    pthread_mutex_unlock(&pipeline->mutex);
    if (total == 0 && lt_load(&pipeline->all_read, acquire))
        total = lt_load(&pipeline->tally.in, acquire);
    return total;
}

static bool is_reached(struct lt_pipeline *pipeline, uint64_t count, uint64_t done) {
    const struct lt_halt *halt = &pipeline->plan->options.halt;
    if (!halt->percent)
        return count >= halt->limit;
    uint64_t total = total_of(pipeline);
    if (total == 0)
        total = done >= LEAST_DONE ? done : UINT64_MAX / 100;
    return count * 100 >= total * halt->limit;
}

static void halt_run(struct lt_pipeline *pipeline, uint64_t count) {
    const struct lt_halt *halt = &pipeline->plan->options.halt;
    struct leat_error why;
    leat_fail(&why, -ECANCELED, "halted: %" PRIu64 " item%s %s (--halt %s)", count, count == 1 ? "" : "s",
              halt->why == LT_HALT_FAIL      ? "failed"
              : halt->why == LT_HALT_SUCCESS ? "succeeded"
                                             : "done",
              pipeline->plan->options.halt_text);
    lt_call_off(pipeline, halt->now ? LT_HALTED_NOW : LT_HALTED_SOON, &why);
}

void lt_halt_count(struct lt_pipeline *pipeline, enum lt_halt_why why, uint64_t items) {
    const struct lt_halt *halt = &pipeline->plan->options.halt;
    if (halt->why == LT_HALT_NEVER || items == 0)
        return;
    uint64_t done = lt_fetch_add(&pipeline->halt_done, items, acq_rel) + items;
    uint64_t count = done;
    if (halt->why != LT_HALT_DONE && why != halt->why)
        return;
    if (halt->why != LT_HALT_DONE)
        count = lt_fetch_add(&pipeline->halt_count, items, acq_rel) + items;
    if (is_reached(pipeline, count, done))
        halt_run(pipeline, count);
}

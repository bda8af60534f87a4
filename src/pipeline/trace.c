/* SPDX-License-Identifier: MIT */
/**
 * --trace: where the time of single items went, a line for each when it is settled.
 *
 * A batch notes how long it was in each place (lt_slot_move); that is the time of all
 * its items, since they travel together. Without --trace there is no room for the
 * notes, and none are made.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = LT_CONFIRMED + 1, ID_DIGITS = 16, LONGEST_LINE = 4096 };

struct line {
    char text[LONGEST_LINE];
    size_t size;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->size, sizeof line->text - line->size, format, arguments);
    va_end(arguments);
    size_t left = sizeof line->text - line->size;
    line->size += length < 0 ? 0 : (size_t)length < left ? (size_t)length : left - 1;
}

/* -------------------------------------------------------------------- words */

static bool whole_number(const char *text, int base, uint64_t *value) {
    char *end;
    errno = 0;
    *value = strtoull(text, &end, base);
    return *text && *text != '-' && *text != '+' && *end == '\0' && errno == 0;
}

int lt_trace_read(struct lt_trace *trace, const char *text, struct leat_error *error) {
    *trace = (struct lt_trace){0};
    if (!text)
        return 0;
    trace->wanted = strncmp(text, "1/", 2) == 0 && whole_number(text + 2, 10, &trace->number) ? LT_TRACE_EVERY
                    : strlen(text) == ID_DIGITS && whole_number(text, 16, &trace->number)     ? LT_TRACE_ID
                    : whole_number(text, 10, &trace->number)                                  ? LT_TRACE_POSITION
                                                                                              : LT_TRACE_NOTHING;
    if (trace->wanted == LT_TRACE_NOTHING || (trace->wanted != LT_TRACE_ID && trace->number == 0))
        return leat_fail(error, -EINVAL,
                         "--trace %s: write an item's position, its id of %d hexadecimal digits, or 1/N for every Nth",
                         text, ID_DIGITS);
    return 0;
}

static bool is_wanted(const struct lt_trace *trace, const struct leat_item *item) {
    switch (trace->wanted) {
    case LT_TRACE_POSITION:
        return item->position == trace->number;
    case LT_TRACE_ID:
        return item->id == trace->number;
    case LT_TRACE_EVERY:
        return item->position % trace->number == 0;
    default:
        return false;
    }
}

/* -------------------------------------------------------------------- notes */

size_t lt_trace_room(const struct lt_pipeline *pipeline) {
    return pipeline->trace.wanted ? PLACES * (pipeline->group_count + 2) : 0;
}

static leat_time *note_of(const struct lt_slot *slot, enum lt_place place, size_t column) {
    return &slot->notes[(size_t)place * (slot->pipeline->group_count + 2) + column];
}

void lt_trace_note(struct lt_slot *slot, leat_time now) {
    enum lt_place place = lt_load(&slot->place, relaxed);
    *note_of(slot, place, lt_load(&slot->column, relaxed)) += now - lt_load(&slot->since, relaxed);
}

void lt_trace_confirmed(struct lt_slot *slot) {
    leat_time now = lt_now();
    *note_of(slot, LT_SINKING, lt_load(&slot->column, relaxed)) += now - lt_load(&slot->since, relaxed);
    lt_store(&slot->since, now, relaxed);
}

void lt_trace_forget(struct lt_slot *slot) {
    memset(slot->notes, 0, lt_trace_room(slot->pipeline) * sizeof *slot->notes);
}

/* --------------------------------------------------------------------- line */

static void add_time(struct line *line, const char *what, const char *name, leat_time time) {
    if (time > 0)
        add(line, "%s%s %.3f ms, ", what, name, (double)time / (double)LEAT_MILLISECOND);
}

static const char *fate_name(enum leat_fate fate) {
    static const char *const names[] = {[LEAT_LIVE] = "live",
                                        [LEAT_DELIVERED] = "delivered",
                                        [LEAT_FILTERED] = "filtered",
                                        [LEAT_FAILED] = "failed",
                                        [LEAT_RETURNED] = "returned"};
    return names[fate];
}

static void add_way(struct line *line, const struct lt_pipeline *pipeline, const struct lt_slot *slot) {
    const char *to = pipeline->plan->to.spelling;
    add_time(line, "read ", pipeline->plan->from.spelling, *note_of(slot, LT_READING, 0));
    for (size_t g = 0; g < pipeline->group_count; g++) {
        add_time(line, "waited before ", pipeline->groups[g].name, *note_of(slot, LT_QUEUED, g + 1));
        add_time(line, "in ", pipeline->groups[g].name, *note_of(slot, LT_WORKED, g + 1));
    }
    size_t sink = pipeline->group_count + 1;
    add_time(line, "waited before ", to, *note_of(slot, LT_QUEUED, sink));
    add_time(line, "in ", to, *note_of(slot, LT_SINKING, sink));
    leat_time confirmed = 0;
    for (size_t column = 0; column <= sink; column++)
        confirmed += *note_of(slot, LT_CONFIRMED, column);
    add_time(line, "to be acknowledged", "", confirmed);
}

void lt_trace_settled(struct lt_pipeline *pipeline, const struct leat_batch *batch) {
    const struct lt_slot *slot = batch->engine;
    for (size_t i = 0; i < batch->count; i++) {
        const struct leat_item *item = &batch->items[i];
        if (!is_wanted(&pipeline->trace, item))
            continue;
        struct line line = {.size = 0};
        add(&line, "leat: trace: item %" PRIu64 " (id %016" PRIx64 ", with %zu others) %s: ", item->position, item->id,
            batch->count - 1, fate_name(item->fate));
        add_way(&line, pipeline, slot);
        add(&line, "%.3f ms since it was read\n", (double)(lt_now() - slot->read) / (double)LEAT_MILLISECOND);
        lt_report(STDERR_FILENO, line.text, line.size);
    }
}

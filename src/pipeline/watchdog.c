/* SPDX-License-Identifier: MIT */
/**
 * The watchdog: an ordinary thread, since it must work when every thread of the
 * runtime is stuck. It stops the run at its deadline, and after any stop gives
 * it the grace, says what is still held and by whom, drops the rest, and after a
 * last call leaves.
 *
 * The grace counts from the first stop and is never renewed. The report goes
 * out with write(2): whoever is stuck may hold the lock of stderr.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_LATE = 5 };

struct text {
    char *room;
    size_t size, capacity;
};

static void __attribute__((format(printf, 2, 3))) append(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->room + text->size, text->capacity - text->size, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->size += (size_t)length < text->capacity - text->size ? (size_t)length : text->capacity - text->size - 1;
}

static double seconds(leat_time duration) {
    return (double)duration / (double)LEAT_SECOND;
}

/* ------------------------------------------------------------ what is held */

/** Batches in one place of one column. */
struct held {
    size_t batches, items;
    leat_time since; /* of the oldest */
    uint64_t position, id;
};

static void look(struct lt_pipeline *pipeline, enum lt_place place, size_t column, struct held *held) {
    *held = (struct held){.since = LEAT_FOREVER};
    size_t slots = lt_load(&pipeline->slot_count, acquire);
    for (size_t s = 0; s < slots; s++) {
        struct lt_slot *slot = &pipeline->slots[s];
        bool here = lt_load(&slot->place, acquire) == (uint32_t)place &&
                    (place == LT_CONFIRMED || lt_load(&slot->column, relaxed) == column);
        if (!here)
            continue;
        held->batches++;
        held->items += lt_load(&slot->count, relaxed);
        leat_time since = lt_load(&slot->since, relaxed);
        if (since >= held->since)
            continue;
        held->since = since;
        held->position = lt_load(&slot->position, relaxed);
        held->id = lt_load(&slot->id, relaxed);
    }
}

static void tell(struct lt_pipeline *pipeline, struct text *text, enum lt_place place, size_t column, const char *what,
                 const char *name) {
    struct held held;
    look(pipeline, place, column, &held);
    if (!held.batches)
        return;
    append(text, "leat:   %s%s: %zu item%s, the oldest (position %" PRIu64 ", id %016" PRIx64 ") for %.1f s\n", what,
           name, held.items, held.items == 1 ? "" : "s", held.position, held.id, seconds(lt_now() - held.since));
}

static const char *state_name(enum leat_state state) {
    static const char *const names[LEAT_STATES] = {
        [LEAT_BUSY] = "busy",
        [LEAT_WAITS_INPUT] = "waits for input",
        [LEAT_WAITS_OUTPUT] = "waits for its output",
        [LEAT_WAITS_OUTSIDE] = "waits for the outside",
        [LEAT_THROTTLED] = "throttled",
    };
    return names[state];
}

/** The state in which most of a group's workers that hold something are. */
static void tell_workers(struct lt_group *group, struct text *text) {
    unsigned started = lt_load(&group->started, acquire);
    unsigned states[LEAT_STATES] = {[LEAT_WAITS_INPUT] = started < group->admitted ? group->admitted - started : 0};
    for (unsigned w = 0; w < started; w++) {
        struct lt_line_view view;
        lt_line_view(&group->members[w]->line, &view);
        states[view.state]++;
    }
    unsigned workers = lt_load(&group->admitted, relaxed);
    append(text, "leat:     its %u worker%s:", workers, workers == 1 ? "" : "s");
    const char *comma = "";
    for (int s = 0; s < LEAT_STATES; s++)
        if (states[s]) {
            append(text, "%s %u %s", comma, states[s], state_name(s));
            comma = ",";
        }
    append(text, "\n");
}

size_t lt_pipeline_held(struct lt_pipeline *pipeline, char *room, size_t capacity) {
    struct text text = {room, 0, capacity};
    struct held reading;
    look(pipeline, LT_READING, 0, &reading);
    if (reading.batches)
        append(&text, "leat:   source %s: in a read for %.1f s\n", pipeline->plan->from.spelling,
               seconds(lt_now() - reading.since));
    for (size_t g = 0; g < pipeline->group_count; g++) {
        struct lt_group *group = &pipeline->groups[g];
        size_t before = text.size;
        tell(pipeline, &text, LT_QUEUED, g + 1, "waiting before stage ", group->name);
        tell(pipeline, &text, LT_WORKED, g + 1, "in stage ", group->name);
        if (text.size > before)
            tell_workers(group, &text);
    }
    tell(pipeline, &text, LT_QUEUED, pipeline->group_count + 1, "waiting before sink ", pipeline->plan->to.spelling);
    tell(pipeline, &text, LT_SINKING, pipeline->group_count + 1, "not confirmed by sink ", pipeline->plan->to.spelling);
    tell(pipeline, &text, LT_CONFIRMED, 0, "confirmed, to be acknowledged to ", pipeline->plan->from.spelling);
    if (!text.size)
        append(&text, "leat:   no items; %s\n",
               lt_load(&pipeline->paused, acquire) && lt_level(pipeline) == LT_RUNNING
                   ? "the run is paused"
                   : "an end is being opened, flushed or closed");
    return text.size;
}

/* ------------------------------------------------------------------ thread */

static void say(const char *text, size_t size) {
    lt_report(STDERR_FILENO, text, size);
}

static void report_held(struct lt_pipeline *pipeline, leat_time stopped) {
    char room[16384];
    int length = snprintf(room, sizeof room, "leat: %.1f s after the stop the run has not ended; still held:\n",
                          seconds(lt_now() - stopped));
    size_t size = (size_t)length + lt_pipeline_held(pipeline, room + length, sizeof room - (size_t)length);
    say(room, size);
}

static void leave(struct lt_pipeline *pipeline) {
    if (!pipeline->leave)
        _exit(EXIT_LATE);
    struct lt_report report = {.outcome = LT_LATE};
    lt_pipeline_snapshot(pipeline, &report.last);
    leat_fail(&report.error, -ETIMEDOUT, "the run did not end within its grace; what was held is reported above");
    pipeline->leave(pipeline->leave_argument, &report);
}

/** Wait for the bell or the moment. False: the run is over. */
static bool wait_until(struct lt_pipeline *pipeline, uint32_t heard, leat_time moment) {
    if (!lt_load(&pipeline->over, acquire))
        lt_futex_wait(&pipeline->bell, heard, moment);
    return !lt_load(&pipeline->over, acquire);
}

static void last_call(struct lt_pipeline *pipeline) {
    leat_time end = lt_after(pipeline->grace < LT_LAST_CALL ? pipeline->grace : LT_LAST_CALL);
    while (lt_now() < end)
        if (!wait_until(pipeline, lt_load(&pipeline->bell, acquire), end))
            return;
    leave(pipeline);
}

/** Does the grace run? Who was halted soon may finish what was begun, however long that takes. */
static bool has_stopped(const struct lt_pipeline *pipeline) {
    bool halted = lt_load(&pipeline->halted, acquire) == LT_HALTED_SOON;
    bool only = !lt_load(&pipeline->asked, acquire) && !lt_load(&pipeline->broken, acquire);
    return lt_level(pipeline) == LT_DROPPING || (lt_level(pipeline) == LT_DRAINING && !(halted && only));
}

static void *watch(void *argument) {
    struct lt_pipeline *pipeline = argument;
    leat_time deadline = LEAT_FOREVER, stopped = 0, end = LEAT_FOREVER;
    if (pipeline->plan->options.deadline > 0)
        deadline = lt_after(pipeline->plan->options.deadline);
    for (;;) {
        uint32_t heard = lt_load(&pipeline->bell, acquire);
        leat_time now = lt_now();
        if (now >= deadline) {
            deadline = LEAT_FOREVER;
            lt_store(&pipeline->late, LT_PAST_DEADLINE, release);
            lt_raise(pipeline, LT_DROPPING);
            continue;
        }
        if (!stopped && has_stopped(pipeline)) {
            stopped = now;
            end = lt_after(pipeline->grace);
        }
        if (now >= end)
            break;
        if (!wait_until(pipeline, heard, end < deadline ? end : deadline))
            return NULL;
    }
    report_held(pipeline, stopped);
    if (lt_load(&pipeline->late, relaxed) == LT_IN_TIME)
        lt_store(&pipeline->late, LT_PAST_GRACE, release);
    lt_raise(pipeline, LT_DROPPING);
    last_call(pipeline);
    return NULL;
}

void lt_pipeline_on_stuck(struct lt_pipeline *pipeline, lt_leave *leave_with, void *argument) {
    pipeline->leave = leave_with;
    pipeline->leave_argument = argument;
}

void lt_watchdog_ring(struct lt_pipeline *pipeline) {
    lt_fetch_add(&pipeline->bell, 1, release);
    lt_futex_wake(&pipeline->bell, INT_MAX);
}

int lt_watchdog_start(struct lt_pipeline *pipeline) {
    return -pthread_create(&pipeline->watchdog, NULL, watch, pipeline);
}

void lt_watchdog_end(struct lt_pipeline *pipeline) {
    lt_store(&pipeline->over, true, release);
    lt_watchdog_ring(pipeline);
    pthread_join(pipeline->watchdog, NULL);
}

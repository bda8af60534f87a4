/* SPDX-License-Identifier: MIT */
/**
 * The monitor: a thread that looks at the workers every millisecond while any
 * of them works, for the sake of what a computing task would hold up: the task
 * in its worker's `next` slot, due timers, ready descriptors. It also gives
 * idle stacks back to the system. When all workers sleep it soon sleeps, too,
 * without a timeout.
 *
 * Why a thread: a busy worker cannot look after itself, and an idle one that
 * did it would not be asleep.
 */
#include "base/clock.h"
#include "base/hostile.h"
#include "base/os.h"
#include "sched/park.h"
#include "sched/runtime.h"

#include <errno.h>

static const leat_time TICK = LEAT_MILLISECOND;
static const leat_time LOOK = LEAT_SECOND; /* at idle stacks */
enum { IDLE_TICKS = 10, ASLEEP = 0, AWAKE = 1 };

/* What a worker that makes no choices holds up. */
static bool holds_up(struct lt_worker *worker, leat_time now) {
    if (lt_load(&worker->next, relaxed))
        lt_store(&worker->next_stale, 1, relaxed);
    return lt_load(&worker->next_stale, relaxed) || lt_ring_count(&worker->ring) ||
           lt_load(&worker->timers.earliest, relaxed) <= now;
}

/* All workers compute: a deadline must reach them all the same, for it is what they may be looking for. */
static void fire_timers(struct lt_runtime *runtime, leat_time now) {
    /* Between the heap and the queue a task stands nowhere, and the workers may all fall idle meanwhile. */
    uint32_t firing = lt_fetch_add(&runtime->monitor_fires, 1, seq_cst) + 1;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct lt_task *list = lt_timer_expire(&runtime->workers[i].timers, now);
        if (LT_HOSTILE && list && lt_perhaps(2))
            lt_futex_wait(&runtime->monitor_fires, firing, lt_now() + TICK);
        lt_ready_list(list);
    }
    lt_fetch_add(&runtime->monitor_fires, 1, seq_cst);
}

static void look_at_workers(struct lt_runtime *runtime, uint32_t *ticks) {
    leat_time now = lt_now();
    bool help = false;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct lt_worker *worker = &runtime->workers[i];
        uint32_t tick = lt_load(&worker->tick, relaxed);
        if (tick == ticks[i])
            help |= holds_up(worker, now);
        ticks[i] = tick;
    }
    if (help)
        lt_notify(runtime);
    if (help && !lt_load(&runtime->idle_count, relaxed))
        fire_timers(runtime, now);
    if (lt_load(&runtime->descriptor_waits, relaxed) && !lt_load(&runtime->has_poller, relaxed))
        lt_ready_list(lt_poll(0));
}

/* Sleep for good; but idle stacks must have been given back before. */
static void sleep_for_good(struct lt_runtime *runtime) {
    _Atomic uint32_t *word = &runtime->monitor_wake;
    lt_store(word, ASLEEP, seq_cst);
    if (lt_load(&runtime->idle_count, seq_cst) == runtime->worker_count && !lt_load(&runtime->stopping, seq_cst))
        lt_futex_wait(word, ASLEEP, LEAT_FOREVER);
    lt_store(word, AWAKE, relaxed);
}

static void *monitor_main(void *arg) {
    struct lt_runtime *runtime = arg;
    uint32_t ticks[LT_MAX_WORKERS] = {0};
    unsigned idle = 0;
    leat_time look = lt_now() + LOOK;
    while (!lt_load(&runtime->stopping, acquire)) {
        bool all_idle = lt_load(&runtime->idle_count, seq_cst) == runtime->worker_count;
        idle = all_idle ? idle + 1 : 0;
        leat_time now = lt_now();
        bool stacks_left = lt_stack_trim(now >= look);
        look = now >= look ? now + LOOK : look;
        if (idle >= IDLE_TICKS && !stacks_left) {
            sleep_for_good(runtime);
            idle = 0;
            continue;
        }
        lt_futex_wait(&runtime->monitor_wake, AWAKE, now + (idle >= IDLE_TICKS ? IDLE_TICKS * TICK : TICK));
        if (!all_idle)
            look_at_workers(runtime, ticks);
    }
    return NULL;
}

int lt_monitor_start(struct lt_runtime *runtime) {
    lt_store(&runtime->monitor_wake, AWAKE, relaxed);
    int error = lt_os_thread_start(&runtime->monitor, monitor_main, runtime);
    runtime->has_monitor = error == 0;
    return error;
}

void lt_monitor_stop(struct lt_runtime *runtime) {
    if (!runtime->has_monitor)
        return;
    lt_store(&runtime->monitor_wake, AWAKE + 1, seq_cst);
    lt_futex_wake(&runtime->monitor_wake, 1);
    lt_os_thread_join(&runtime->monitor);
}

void lt_monitor_wake(struct lt_runtime *runtime) {
    if (lt_load(&runtime->monitor_wake, seq_cst) != ASLEEP)
        return;
    lt_store(&runtime->monitor_wake, AWAKE, seq_cst);
    lt_futex_wake(&runtime->monitor_wake, 1);
}

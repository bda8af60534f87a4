/* SPDX-License-Identifier: MIT */
/**
 * When everything waits for ever.
 *
 * The last worker to fall idle asks: can anything still happen? A set timer, a
 * wait for a descriptor, a blocking call, an injected task and a thread that is
 * not itself waiting in leat each mean yes. Threads are counted by the kernel,
 * so one that leat has never seen counts, too: no false alarm, at the price of
 * no alarm while such a thread lives.
 *
 * A deadlock is reported with every task, and the root scope is cancelled with
 * -EDEADLK, so that tasks can clean up. If all wait again for ever after that
 * (shielded, say), the run is abandoned.
 */
#include "base/clock.h"
#include "base/os.h"
#include "sched/runtime.h"
#include "sched/thread.h"
#include "sync/scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const leat_time LOOK_AGAIN = 200 * LEAT_MILLISECOND;

static void dump_one(struct lt_task *task, void *fd) {
    bool thread = lt_load(&task->kind, relaxed) == LT_THREAD;
    if (thread && lt_load(&task->wait, relaxed) == LT_WAIT_NOTHING)
        return;
    char text[512] = "  ";
    int length = 2 + lt_task_describe(task, text + 2, sizeof text - 2);
    lt_report(*(int *)fd, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void leat_dump(int fd) {
    lt_task_each(dump_one, &fd);
}

/* Threads that the runtime knows to be unable to act. */
static uint32_t harmless_threads(struct lt_runtime *runtime) {
    uint32_t count = 1 + runtime->worker_count + runtime->has_monitor; /* 1: in leat_run() */
    count += lt_load(&runtime->blocking_threads, seq_cst);
    count += lt_threads_waiting();
#if defined(LEAT_TSAN)
    count++; /* its background thread */
#endif
    return count;
}

static bool nothing_pending(struct lt_runtime *runtime) {
    for (unsigned i = 0; i < runtime->worker_count; i++)
        if (lt_load(&runtime->workers[i].timers.earliest, seq_cst) != LEAT_FOREVER)
            return false;
    return !lt_load(&runtime->injection.count, seq_cst) && !lt_load(&runtime->descriptor_waits, seq_cst) &&
           !lt_load(&runtime->blocking_calls, seq_cst) && !lt_load(&runtime->done, seq_cst) &&
           !lt_load(&runtime->stopping, seq_cst);
}

/* Everything waits: say so, or give up when it was said before. */
static leat_time report(struct lt_runtime *runtime) {
    if (runtime->reports++) {
        lt_store(&runtime->done, LT_ABANDONED, release);
        lt_futex_wake(&runtime->done, 1);
        return LEAT_FOREVER;
    }
    static const char headline[] = "leat: deadlock: every task waits for something that cannot happen any more\n";
    lt_report(runtime->report_fd, headline, sizeof headline - 1);
    leat_dump(runtime->report_fd);
    leat_scope_cancel(runtime->root, -EDEADLK);
    return 0;
}

leat_time lt_deadlock_check(struct lt_runtime *runtime) {
    if (!lt_load(&runtime->begun, seq_cst))
        return lt_now() + LEAT_MILLISECOND;
    uint32_t fires = lt_load(&runtime->monitor_fires, seq_cst);
    if (!nothing_pending(runtime))
        return LEAT_FOREVER;
    /* Perhaps it has taken a timer's task out of a heap and not queued it yet; perhaps it has not, and wakes nobody. */
    if (fires % 2)
        return lt_now() + LEAT_MILLISECOND;
    /* Another worker may come here before this one has made ready all whom its report wakes: no reason for a second. */
    uint32_t nobody = 0;
    if (!lt_cas(&runtime->reporting, &nobody, 1, seq_cst))
        return lt_now() + LEAT_MILLISECOND;
    uint32_t woken = lt_threads_woken();
    uint32_t harmless = harmless_threads(runtime);
    uint32_t threads = lt_threads();
    leat_time again = 0;
    /* Threads that acted, fell asleep or ended while they were counted have left their traces by now. */
    if (threads == 0 || threads > harmless)
        again = lt_now() + LOOK_AGAIN;
    else if (lt_load(&runtime->idle_count, seq_cst) == runtime->worker_count && nothing_pending(runtime) &&
             lt_load(&runtime->monitor_fires, seq_cst) == fires && harmless_threads(runtime) == harmless &&
             lt_threads_woken() == woken)
        again = report(runtime);
    lt_store(&runtime->reporting, 0, seq_cst);
    return again;
}

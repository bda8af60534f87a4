/* SPDX-License-Identifier: MIT */
/** The hostile build's disturbances; see base/hostile.h. */
#include "base/hostile.h"
#include "sched/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { NEEDLESS = 8, NEEDLESS_POLL = 64, PATIENCE = 100, RUBBISH = 0xdb, RUBBISH_BYTES = 4096 };

/* Somebody wakes for nothing. */
static void wake_anybody(struct lt_runtime *runtime) {
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct lt_worker *worker = &runtime->workers[i];
        if (lt_load(&runtime->idle_count, relaxed) && lt_perhaps(runtime->worker_count)) {
            lt_notify_worker(runtime, worker);
            return;
        }
    }
}

void lt_disturb_thread(void) {
    struct lt_runtime *runtime = lt_visit();
    if (runtime && lt_perhaps(NEEDLESS))
        wake_anybody(runtime);
    if (runtime && lt_perhaps(NEEDLESS_POLL))
        lt_poll_interrupt();
    lt_visit_end();
    if (lt_perhaps(4))
        lt_thread_yield();
}

void lt_disturb_task(void) {
    lt_disturb_thread();
    struct lt_worker *worker = lt_worker_here();
    if (worker && worker->current && !lt_locks_held())
        leat_yield();
}

bool lt_refuses(struct lt_runtime *runtime, struct lt_worker *worker, struct lt_task *task) {
    bool migrates = runtime->worker_count == 1 || !task->context || task->worker != worker;
    /* Others may compute for long, so patience ends; by chance, or the same task would be passed over each time. */
    if (migrates || (++worker->refusals > PATIENCE && lt_perhaps(4))) {
        worker->refusals = 0;
        return false;
    }
    lt_inject(&runtime->injection, task, task, 1);
    if (lt_load(&runtime->idle_count, relaxed))
        wake_anybody(runtime);
    lt_thread_yield();
    return true;
}

void lt_spoil_stack(struct lt_stack *stack) {
    memset(stack->top - RUBBISH_BYTES, RUBBISH, RUBBISH_BYTES);
}

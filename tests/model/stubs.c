/* SPDX-License-Identifier: MIT */
/** What the sources of a model call, and no model needs: memory comes from the world, the rest must not happen. */
#include "model/checker.h"
#include "sched/offer.h"
#include "sched/park.h"
#include "sched/runtime.h"
#include "sync/scope.h"

static void never(const char *what) {
    model_check_at(false, what, "a model called", 0);
}

/* ---- records and stacks */

struct lt_task *lt_task_new(struct lt_worker *worker) {
    (void)worker;
    struct lt_task *task = model_allocate(sizeof *task);
    lt_store(&task->kind, LT_TASK, relaxed);
    return task;
}

void lt_task_free(struct lt_worker *worker, struct lt_task *task) {
    (void)worker, (void)task;
}

struct lt_stack *lt_stack_new(struct lt_worker *worker, unsigned stack_class) {
    (void)worker, (void)stack_class;
    never("lt_stack_new");
    return NULL;
}

void lt_stack_free(struct lt_worker *worker, struct lt_stack *stack) {
    (void)worker, (void)stack;
}

void lt_os_thread_at_end(void (*function)(void *), void *value) {
    (void)function, (void)value;
    never("lt_os_thread_at_end");
}

/* SPDX-License-Identifier: MIT */
/**
 * Parking: two workers look for tasks and sleep (all of worker.c and idle.c),
 * others hand tasks over. Whatever the order, no task is left behind by workers
 * that sleep, and none is run twice.
 *
 * A task here is a record that is marked when a worker has found it; what a
 * worker does then is a plain function. There is no monitor: in reality it
 * looks every millisecond and would hide what was lost.
 */
#include "sched/worker.c"

#include "model/checker.h"

#include <string.h>

enum { WORKERS = 2, TASKS = 3 };

static struct lt_runtime runtime;
static struct lt_worker workers[WORKERS];
static struct lt_task tasks[TASKS];
static unsigned char run[TASKS];
static unsigned count; /* of tasks that must be run */
static void (*body)(struct lt_worker *worker, unsigned index);
static _Atomic uint32_t interrupted; /* the poller's descriptor */

/* ------------------------------------------------------------ what is not modelled */

leat_time lt_deadlock_check(struct lt_runtime *with) {
    (void)with;
    return LEAT_FOREVER;
}

void lt_monitor_wake(struct lt_runtime *with) {
    (void)with;
}

struct lt_task *lt_timer_expire(struct lt_timer_heap *heap, leat_time now) {
    (void)heap, (void)now;
    return NULL;
}

struct lt_task *lt_poll(leat_time deadline) {
    while (deadline != 0 && !lt_exchange(&interrupted, 0, seq_cst))
        lt_futex_wait(&interrupted, 0, LEAT_FOREVER);
    return NULL;
}

void lt_poll_interrupt(void) {
    lt_store(&interrupted, 1, seq_cst);
    lt_futex_wake(&interrupted, 1);
}

void lt_thread_ready(struct lt_task *task) {
    (void)task;
    model_check(false);
}

int lt_thread_park(struct lt_task *self, uint64_t token, leat_time deadline, void (*commit)(void *arg), void *arg) {
    (void)self, (void)token, (void)deadline, (void)commit, (void)arg;
    model_check(false);
    return 0;
}

struct lt_task *lt_thread_self(void) {
    return NULL;
}

void lt_thread_yield(void) {
}

int lt_errno(void) {
    return 0;
}

void lt_errno_set(int value) {
    (void)value;
}

void lt_overflow_worker(struct lt_worker *worker) {
    (void)worker;
}

void lt_overflow_worker_end(struct lt_worker *worker) {
    (void)worker;
}

void lt_scope_task_ends(struct lt_task *task, int result) {
    (void)task, (void)result;
}

void lt_scope_enlist(struct lt_task *task) {
    (void)task;
}

void lt_scope_adopt(struct leat_scope *scope, struct lt_task *task) {
    (void)scope, (void)task;
}

/* ------------------------------------------------------------ the world */

static void set_up(void) {
    memset(&runtime, 0, sizeof runtime);
    memset(workers, 0, sizeof workers);
    memset(tasks, 0, sizeof tasks);
    memset(run, 0, sizeof run);
    interrupted = 0;
    count = 0;
    body = NULL;
    runtime.worker_count = WORKERS;
    runtime.workers = workers;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].index = i;
        lt_store(&workers[i].timers.earliest, LEAT_FOREVER, relaxed);
    }
    for (unsigned i = 0; i < TASKS; i++) {
        lt_store(&tasks[i].kind, LT_TASK, relaxed);
        tasks[i].context = &tasks[i]; /* has run before, so needs no stack */
    }
    lt_store(&lt_runtime, &runtime, relaxed);
}

/* Numbers that only count, and the dice. */
static void forget(void) {
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].random = 0;
        workers[i].tick = 0;
    }
}

static void work(unsigned index) {
    struct lt_worker *worker = &workers[index];
    become(worker);
    for (struct lt_task *task; (task = find(&runtime, worker));) {
        model_check(!run[task - tasks]);
        run[task - tasks] = 1;
        worker->current = task;
        if (body)
            body(worker, (unsigned)(task - tasks));
        worker->current = NULL;
    }
}

/* Workers may sleep for ever, but not with tasks to run. */
static const char *judge(const bool *ended) {
    for (unsigned i = 0; i < count; i++)
        if (!run[i])
            return "everybody sleeps, and a task waits";
    return ended[WORKERS] ? NULL : "who hands over waits for ever";
}

/* ------------------------------------------------------------ tasks from outside */

static void set_up_outside(void) {
    set_up();
    count = 2;
}

static void outside(unsigned index) {
    if (index < WORKERS) {
        work(index);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        enqueue_from_outside(&tasks[i]);
}

/* ------------------------------------------------------------ a task that makes others, and waits for them to run */

static void make_others(struct lt_worker *worker, unsigned index) {
    if (index != 0)
        return;
    for (unsigned i = 1; i < count; i++)
        lt_enqueue(worker, &tasks[i]);
    for (unsigned i = 1; i < count; i++)
        while (!run[i])
            model_wait();
}

static void set_up_computing(void) {
    set_up();
    count = 2;
    body = make_others;
}

static void computing(unsigned index) {
    if (index < WORKERS)
        work(index);
    else
        enqueue_from_outside(&tasks[0]);
}

/* ------------------------------------------------------------ one waits for the next to run at the same time */

static void wait_for_the_other(struct lt_worker *worker, unsigned index) {
    (void)worker;
    while (!run[1 - index])
        model_wait();
}

static void set_up_both(void) {
    set_up();
    count = 2;
    body = wait_for_the_other;
}

/* ------------------------------------------------------------ one worker sleeps in epoll */

static void set_up_poller(void) {
    set_up();
    count = 1;
    lt_store(&runtime.descriptor_waits, 1, relaxed);
}

/* ------------------------------------------------------------ the end of a run */

static void end_run(unsigned index) {
    if (index < WORKERS) {
        work(index);
        return;
    }
    enqueue_from_outside(&tasks[0]);
    lt_store(&runtime.stopping, 1, seq_cst);
    lt_notify_all(&runtime);
    for (unsigned i = 0; i < WORKERS; i++)
        lt_notify_worker(&runtime, &workers[i]); /* as runtime.c does before it joins each */
}

static const char *judge_run(const bool *ended) {
    return ended[0] && ended[1] && ended[2] ? NULL : "a worker sleeps although the run has ended";
}

#define BOUND .preemptions = 2
#define HINTS .hints = {&runtime.hungry, &lt_visitors}

static const struct model models[] = {
    {.name = "tasks from outside while workers fall asleep",
     3,
     set_up_outside,
     outside,
     NULL,
     judge,
     forget,
     BOUND,
     HINTS},
    {.name = "a task that computes, and the tasks it made",
     3,
     set_up_computing,
     computing,
     NULL,
     judge,
     forget,
     BOUND,
     HINTS},
    {.name = "tasks that must run at the same time", 3, set_up_both, outside, NULL, judge, forget, BOUND, HINTS},
    {.name = "a task from outside while one sleeps in epoll",
     3,
     set_up_poller,
     outside,
     NULL,
     judge,
     forget,
     BOUND,
     HINTS},
    {.name = "the end of a run wakes all", 3, set_up, end_run, NULL, judge_run, forget, BOUND, HINTS},
};

int main(void) {
    return model_main(models, sizeof models / sizeof *models);
}

/* SPDX-License-Identifier: MIT */
/**
 * leat_block(): threads for calls that block.
 *
 * A call goes to an idle thread, else to a new one, else (at the limit) into a
 * queue without bound, so that handing a call over never waits for a call to
 * end. Idle threads end after a while.
 */
#include "base/clock.h"
#include "base/os.h"
#include "sched/park.h"
#include "sched/runtime.h"

#include <errno.h>

enum { THREADS = 512 };
static const leat_time IDLE_LIFE = 5 * LEAT_SECOND;

struct call {
    leat_fn *function;
    void *argument;
    struct lt_task *task;
    uint64_t token;
    struct call *next;
};

struct idle_thread {
    struct call *call;
    _Atomic uint32_t woken;
    struct idle_thread *next, **link;
};

static struct {
    struct lt_lock lock;
    struct call *head, *tail;
    struct idle_thread *idle;
    bool ending;
} pool;

static void unlink_idle(struct idle_thread *thread) {
    *thread->link = thread->next;
    if (thread->next)
        thread->next->link = thread->link;
}

/* This thread ends: nobody may count on it from here on. Under the lock, which it releases; the last touch of the run.
 */
static struct call *leave(struct lt_runtime *runtime) {
    _Atomic uint32_t *count = &runtime->blocking_threads;
    bool last = lt_fetch_sub(count, 1, release) == 1;
    lt_unlock(&pool.lock);
    if (last)
        lt_futex_wake(count, 1);
    return NULL;
}

static struct call *wait_for_call(struct lt_runtime *runtime, struct idle_thread *here) {
    leat_time end = lt_after(IDLE_LIFE);
    while (!lt_load(&here->woken, acquire)) {
        if (lt_futex_wait(&here->woken, 0, end) != -ETIMEDOUT)
            continue;
        lt_lock(&pool.lock);
        if (!lt_load(&here->woken, relaxed)) {
            unlink_idle(here);
            return leave(runtime);
        }
        lt_unlock(&pool.lock);
    }
    if (here->call)
        return here->call;
    lt_lock(&pool.lock);
    return leave(runtime);
}

/* The next call, or NULL when this thread must end. */
static struct call *next_call(struct lt_runtime *runtime) {
    lt_lock(&pool.lock);
    struct call *call = pool.head;
    if (call) {
        pool.head = call->next;
        if (!pool.head)
            pool.tail = NULL;
        lt_unlock(&pool.lock);
        return call;
    }
    if (pool.ending)
        return leave(runtime);
    struct idle_thread here = {.next = pool.idle, .link = &pool.idle};
    if (pool.idle)
        pool.idle->link = &here.next;
    pool.idle = &here;
    lt_unlock(&pool.lock);
    return wait_for_call(runtime, &here);
}

static void *blocking_main(void *first) {
    struct lt_runtime *runtime = lt_the_runtime();
    for (struct call *call = first; call; call = next_call(runtime)) {
        struct lt_task *task = call->task;
        uint64_t token = call->token;
        int result = call->function(call->argument);
        /* Nothing else can end this wait, so the call's memory is good until here. */
        if (lt_fire(task, token, result))
            lt_ready(task, LT_SHARE);
    }
    return NULL;
}

static int new_thread(struct lt_runtime *runtime, struct call *call) {
    lt_fetch_add(&runtime->blocking_threads, 1, relaxed);
    int error = lt_os_thread_detached(blocking_main, call);
    if (error)
        lt_fetch_sub(&runtime->blocking_threads, 1, relaxed);
    return error;
}

static void append(struct call *call) {
    call->next = NULL;
    if (pool.tail)
        pool.tail->next = call;
    else
        pool.head = call;
    pool.tail = call;
}

/* After the task is parked, so that a fast call cannot end before. */
static void hand_over(void *arg) {
    struct call *call = arg;
    struct lt_runtime *runtime = lt_the_runtime();
    lt_lock(&pool.lock);
    struct idle_thread *thread = pool.idle;
    if (thread) {
        unlink_idle(thread);
        thread->call = call;
        _Atomic uint32_t *word = &thread->woken;
        lt_store(word, 1, release);
        lt_unlock(&pool.lock);
        lt_futex_wake(word, 1);
        return;
    }
    if (lt_load(&runtime->blocking_threads, relaxed) >= THREADS) {
        append(call);
        lt_unlock(&pool.lock);
        return;
    }
    lt_unlock(&pool.lock);
    if (new_thread(runtime, call) == 0)
        return;
    /* No new thread can be had: one of those that are there serves it in its turn. */
    lt_lock(&pool.lock);
    bool idle = pool.idle != NULL;
    bool served = lt_load(&runtime->blocking_threads, relaxed) > 0;
    if (!idle && served)
        append(call);
    lt_unlock(&pool.lock);
    if (idle)
        hand_over(call);
    else if (!served && lt_fire(call->task, call->token, -EAGAIN))
        lt_ready(call->task, LT_SHARE);
}

int leat_block(leat_fn *fn, void *arg) {
    lt_disturb();
    struct lt_task *self = lt_self();
    if (!self || lt_load(&self->kind, relaxed) == LT_THREAD)
        return fn(arg);
    int cancelled = lt_cancelled(self);
    if (cancelled)
        return cancelled;
    struct lt_runtime *runtime = lt_the_runtime();
    lt_store(&self->uncancellable, 1, relaxed);
    struct call call = {.function = fn, .argument = arg, .task = self, .token = lt_arm(self)};
    lt_fetch_add(&runtime->blocking_calls, 1, seq_cst);
    lt_waits(self, LT_WAIT_BLOCKING, NULL, NULL);
    int result = lt_park(self, hand_over, &call);
    lt_fetch_sub(&runtime->blocking_calls, 1, seq_cst);
    lt_store(&self->uncancellable, 0, relaxed);
    return result;
}

void lt_blocking_end(struct lt_runtime *runtime) {
    lt_lock(&pool.lock);
    pool.ending = true;
    for (struct idle_thread *thread = pool.idle; thread;) {
        struct idle_thread *next = thread->next;
        _Atomic uint32_t *word = &thread->woken;
        lt_store(word, 1, release);
        lt_futex_wake(word, 1);
        thread = next;
    }
    pool.idle = NULL;
    lt_unlock(&pool.lock);
    for (uint32_t count; (count = lt_load(&runtime->blocking_threads, acquire));)
        lt_futex_wait(&runtime->blocking_threads, count, LEAT_FOREVER);
    pool.ending = false;
}

/* SPDX-License-Identifier: MIT */
/**
 * Workers: which task runs next, and the switch to it.
 *
 * A task that waits picks the next one itself and switches straight to it;
 * only when there is none does it switch to the worker's own stack, which looks
 * in the wider world (injection queue, timers, other workers) and sleeps.
 *
 * Order of choice: the `next` slot (a task that was just given something; at
 * most STREAK times in a row, so that a pair of tasks cannot starve the rest),
 * then the ring. Every TURN choices the worker's own stack has a look at what
 * came from outside, so that neither timers nor injected tasks starve.
 */
#include "base/clock.h"
#include "sched/offer.h"
#include "sched/park.h"
#include "sched/runtime.h"
#include "sched/thread.h"
#include "sync/scope.h"

#include <errno.h>
#include <stdlib.h>

#if defined(LEAT_SIMULATION)
/* What is far away in reality is near in a simulation, which sees few steps. */
enum { STREAK = 3, TURN = 5, STEAL_PASSES = 1, PATIENCE = 2, SPINS = 1, REST = 1 };
static const leat_time SPIN = LEAT_MICROSECOND / 2;
#else
enum { STREAK = 16, TURN = 64, STEAL_PASSES = 4, PATIENCE = 200, SPINS = 100, REST = 32 };
static const leat_time SPIN = 20 * LEAT_MICROSECOND;
#endif

struct lt_runtime *_Atomic lt_runtime;
_Atomic uint32_t lt_visitors;

#if defined(LEAT_SIMULATION)
static void become(struct lt_worker *worker) {
    *lt_virtual_local(LT_LOCAL_WORKER) = worker;
}
#else
_Thread_local struct lt_worker *lt_worker_of_thread __attribute__((tls_model("initial-exec")));

static void become(struct lt_worker *worker) {
    lt_worker_of_thread = worker;
}

#if !defined(__x86_64__)
__attribute__((noinline)) struct lt_worker *lt_worker_here(void) {
    __asm__ volatile("");
    return lt_worker_of_thread;
}
#endif
#endif

/* ------------------------------------------------------------ queues */

static void push(struct lt_runtime *runtime, struct lt_worker *worker, struct lt_task *task) {
    while (!lt_ring_push(&worker->ring, task)) {
        struct lt_task *list;
        uint32_t count = lt_ring_spill(&worker->ring, &list);
        if (!count)
            continue;
        struct lt_task *tail = list;
        while (tail->next)
            tail = tail->next;
        lt_inject(&runtime->injection, list, tail, count);
    }
}

/* From outside: the run may end as soon as the task is in. */
static void enqueue_from_outside(struct lt_task *task) {
    struct lt_runtime *runtime = lt_visit();
    if (runtime) {
        lt_inject(&runtime->injection, task, task, 1);
        lt_notify(runtime);
    }
    lt_visit_end();
}

void lt_enqueue(struct lt_worker *worker, struct lt_task *task) {
    if (!worker) {
        enqueue_from_outside(task);
        return;
    }
    struct lt_runtime *runtime = lt_the_runtime();
    push(runtime, worker, task);
    if (runtime->worker_count > 1)
        lt_notify(runtime);
}

static void run_next(struct lt_worker *worker, struct lt_task *task) {
    if (LT_HOSTILE) {
        lt_enqueue(worker, task);
        return;
    }
    /* It will be switched to soon: have the top of its stack at hand. */
    const char *stack = task->context;
    __builtin_prefetch(stack);
    __builtin_prefetch(stack + 64);
    __builtin_prefetch(stack + 128);
    struct lt_task *displaced = lt_exchange(&worker->next, task, acq_rel);
    lt_store(&worker->next_stale, 0, relaxed);
    if (!displaced)
        return;
    struct lt_runtime *runtime = lt_the_runtime();
    push(runtime, worker, displaced);
    if (runtime->worker_count > 1)
        lt_notify(runtime);
}

/* Nanoseconds, unless the worker that saves the task's registers was preempted: then let it run. */
static __attribute__((noinline)) void wait_until_saved(const struct lt_task *task) {
    for (int spins = 0; lt_load(&task->on_cpu, acquire); spins++) {
        if (spins < SPINS)
            lt_pause();
        else
            lt_thread_yield();
    }
}

void lt_ready(struct lt_task *task, enum lt_placement placement) {
    if (lt_load(&task->kind, relaxed) == LT_THREAD) {
        /* The thread may be gone as soon as it sees the store; the wake-up then meets nobody. */
        lt_thread_ready(task);
        return;
    }
    if (__builtin_expect(lt_load(&task->on_cpu, acquire), 0))
        wait_until_saved(task);
    lt_store(&task->wait, LT_WAIT_NOTHING, relaxed);
    struct lt_worker *worker = lt_worker_here();
    if (worker && placement == LT_RUN_NEXT)
        run_next(worker, task);
    else
        lt_enqueue(worker, task);
}

void lt_ready_list(struct lt_task *list) {
    while (list) {
        struct lt_task *task = list;
        list = task->next;
        lt_ready(task, LT_SHARE);
    }
}

static struct lt_task *take_next(struct lt_worker *worker) {
    if (!lt_load(&worker->next, relaxed))
        return NULL;
    return lt_exchange(&worker->next, NULL, acq_rel);
}

/* The next task of this worker's own queues, or NULL: then the worker's own stack decides. */
static struct lt_task *pick(struct lt_worker *worker) {
    uint32_t tick = lt_load(&worker->tick, relaxed) + 1;
    lt_store(&worker->tick, tick, relaxed);
    if (tick % TURN == 0)
        return NULL;
    if (worker->streak < STREAK) {
        struct lt_task *task = take_next(worker);
        if (task) {
            worker->streak++;
            return task;
        }
    }
    worker->streak = 0;
    struct lt_task *task = lt_ring_pop(&worker->ring);
    if (LT_HOSTILE && task && lt_refuses(lt_the_runtime(), worker, task))
        return NULL;
    return task ? task : take_next(worker);
}

/* ------------------------------------------------------------ switching */

static void task_entry(void);

bool lt_prepare(struct lt_worker *worker, struct lt_task *task) {
    if (task->context)
        return true;
    task->stack = lt_stack_new(worker, task->stack_class);
    if (!task->stack)
        return false;
    lt_annotate_stack_again(task->stack->bottom, task->stack->top);
    task->context = lt_context_new(task->stack->bottom, task->stack->top, task_entry);
    return true;
}

/* On the worker's own stack: its end may wake any task, also the one that was about to wait when it was picked. */
static bool prepare_or_end(struct lt_worker *worker, struct lt_task *task) {
    if (lt_prepare(worker, task))
        return true;
    lt_scope_task_ends(task, -ENOMEM);
    lt_task_free(worker, task);
    return false;
}

/* NULL, too, when the task picked can have no stack: it is left to the worker's own stack. */
static struct lt_task *pick_prepared(struct lt_worker *worker) {
    struct lt_task *task = pick(worker);
    if (!task || lt_prepare(worker, task))
        return task;
    push(lt_the_runtime(), worker, task);
    return NULL;
}

/* What must happen as soon as the stack that was left is no longer in use. */
static inline void arrive(struct lt_worker *worker) {
    struct lt_task *left = worker->left;
    void (*commit)(void *arg) = worker->commit;
    worker->commit = NULL;
    if (LT_HOSTILE && lt_perhaps(16))
        lt_thread_yield();
    if (left)
        lt_store(&left->on_cpu, 0, release);
    if (commit)
        commit(worker->commit_arg);
}

/* Go over to `to` (NULL: the worker's own stack). Not instrumented: its frame begins in one fiber and ends in another.
 */
__attribute__((noinline, no_sanitize("thread"))) static void
switch_to(struct lt_worker *worker, void **save, struct lt_annotation *from, struct lt_task *to, bool ends) {
    void *context = worker->context;
    struct lt_annotation *note = &worker->annotation;
    worker->current = to;
    if (to) {
        context = to->context;
        note = &to->stack->annotation;
        to->worker = worker;
        lt_store(&to->on_cpu, 1, relaxed);
    }
    lt_annotate_leave(from, note, ends);
    lt_context_switch(save, context);
}

int lt_park(struct lt_task *self, void (*commit)(void *arg), void *arg) {
    if (lt_load(&self->kind, relaxed) == LT_THREAD)
        return lt_thread_park(self, 0, LEAT_FOREVER, commit, arg);
    int kept = lt_errno();
    struct lt_worker *worker = self->worker;
    struct lt_task *next = pick_prepared(worker);
    worker->left = self;
    worker->commit = commit;
    worker->commit_arg = arg;
    switch_to(worker, &self->context, &self->stack->annotation, next, false);
    lt_annotate_arrive(&self->stack->annotation);
    arrive(self->worker);
    lt_errno_set(kept);
    return self->wake_result;
}

void lt_commit_unlock(void *lock) {
    lt_unlock(lock);
}

static void enqueue_self(void *task) {
    struct lt_task *self = task;
    struct lt_worker *worker = lt_worker_here();
    push(lt_the_runtime(), worker, self);
}

int leat_yield(void) {
    struct lt_worker *worker = lt_worker_here();
    if (!worker) {
        lt_thread_yield();
        return 0;
    }
    struct lt_task *self = worker->current;
    bool alone = !lt_load(&worker->next, relaxed) && lt_ring_count(&worker->ring) == 0;
    if (LT_HOSTILE || !alone || (lt_load(&worker->tick, relaxed) + 1) % TURN == 0)
        lt_park(self, enqueue_self, self);
    else
        lt_store(&worker->tick, lt_load(&worker->tick, relaxed) + 1, relaxed);
    return lt_cancelled(self);
}

/* ------------------------------------------------------------ a task's life */

static void bury(void *arg) {
    struct lt_task *task = arg;
    struct lt_worker *worker = lt_worker_here();
    if (LT_HOSTILE)
        lt_spoil_stack(task->stack);
    lt_stack_free(worker, task->stack);
    lt_task_free(worker, task);
}

/* A task that has not run may use the stack of the one that ends: no switch at all. */
static bool may_inherit(const struct lt_task *next, const struct lt_task *self) {
#if defined(LEAT_TSAN)
    /* Two tasks in one fiber would never be seen to race. */
    (void)next, (void)self;
    return false;
#else
    return next && !next->context && next->stack_class == self->stack_class;
#endif
}

static struct lt_task *inherit(struct lt_worker *worker, struct lt_task *self, struct lt_task *next) {
    next->stack = self->stack;
    next->worker = worker;
    lt_store(&next->on_cpu, 1, relaxed);
    worker->current = next;
    lt_task_free(worker, self);
    return next;
}

static void task_entry(void) {
    struct lt_worker *worker = lt_worker_here();
    struct lt_task *self = worker->current;
    lt_annotate_arrive(&self->stack->annotation);
    arrive(worker);
    for (;;) {
        int result = self->function(self->argument);
        lt_scope_task_ends(self, result);
        worker = self->worker;
        struct lt_task *next = pick(worker);
        if (may_inherit(next, self)) {
            self = inherit(worker, self, next);
            continue;
        }
        if (next && !lt_prepare(worker, next)) {
            push(lt_the_runtime(), worker, next);
            next = NULL;
        }
        worker->left = NULL;
        worker->commit = bury;
        worker->commit_arg = self;
        switch_to(worker, &self->context, &self->stack->annotation, next, true);
    }
}

/* ------------------------------------------------------------ the worker's own stack */

/* Queue a list behind what waits already, and take the first of all. One task needs no other worker's help. */
static struct lt_task *queue_list(struct lt_runtime *runtime, struct lt_worker *worker, struct lt_task *list) {
    struct lt_task *rest = list->next;
    wait_until_saved(list);
    lt_store(&list->wait, LT_WAIT_NOTHING, relaxed);
    push(runtime, worker, list);
    lt_ready_list(rest);
    return lt_ring_pop(&worker->ring);
}

static struct lt_task *expired(struct lt_runtime *runtime, struct lt_worker *worker) {
    leat_time now = lt_now();
    struct lt_task *list = lt_timer_expire(&worker->timers, now);
    /* A worker that computes for long leaves its timers to others. */
    for (unsigned i = 0; !list && i < runtime->worker_count; i++)
        list = lt_timer_expire(&runtime->workers[i].timers, now);
    return list;
}

/* What came from outside: injected tasks, timers, descriptors. Due timers do not wait until nothing is injected. */
static struct lt_task *from_outside(struct lt_runtime *runtime, struct lt_worker *worker) {
    size_t share = lt_load(&runtime->injection.count, relaxed) / runtime->worker_count + 1;
    size_t most = (LT_RING_SLOTS - lt_ring_count(&worker->ring)) / 2 + 1;
    struct lt_task *task = lt_injection_take(&runtime->injection, &worker->ring, share < most ? share : most);
    struct lt_task *list = expired(runtime, worker);
    if (task) {
        lt_ready_list(list);
        return task;
    }
    if (!list && lt_load(&runtime->descriptor_waits, relaxed))
        list = lt_poll(0);
    return list ? queue_list(runtime, worker, list) : NULL;
}

/**
 * Whether the victim gets through what it has by itself, within a few microseconds. Tasks that do so little at a time
 * mostly talk to each other, and that goes faster on one worker than across two.
 */
static bool keeps_up(struct lt_worker *victim) {
    uint32_t head = lt_load(&victim->ring.head, acquire);
    uint32_t count = lt_load(&victim->ring.tail, acquire) - head;
    for (int i = 0; i < PATIENCE; i++) {
        if (lt_load(&victim->ring.head, relaxed) - head >= count)
            return true;
        lt_pause();
    }
    return false;
}

static struct lt_task *steal_from(struct lt_worker *worker, struct lt_worker *victim) {
    struct lt_task *task = !LT_HOSTILE && keeps_up(victim) ? NULL : lt_ring_steal(&worker->ring, &victim->ring);
    if (task || !lt_load(&victim->next_stale, relaxed))
        return task;
    return take_next(victim);
}

static struct lt_task *steal(struct lt_runtime *runtime, struct lt_worker *worker) {
    for (int pass = 0; pass < STEAL_PASSES; pass++) {
        worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
        unsigned start = (unsigned)(worker->random >> 33) % runtime->worker_count;
        for (unsigned i = 0; i < runtime->worker_count; i++) {
            struct lt_worker *victim = &runtime->workers[(start + i) % runtime->worker_count];
            struct lt_task *task = victim == worker ? NULL : steal_from(worker, victim);
            if (task)
                return task;
        }
    }
    return NULL;
}

/* At most half of the busy workers search, so that a burst of wake-ups does not set all of them on one task. */
static void begin_search(struct lt_runtime *runtime, struct lt_worker *worker) {
    if (worker->searching)
        return;
    uint32_t awake = runtime->worker_count - lt_load(&runtime->idle_count, relaxed);
    if (2 * lt_load(&runtime->searching, relaxed) >= awake)
        return;
    worker->searching = true;
    lt_fetch_add(&runtime->searching, 1, seq_cst);
}

/* Found something: the last searcher wakes the next one, for where one task was there may be more. */
static void end_search(struct lt_runtime *runtime, struct lt_worker *worker) {
    if (!worker->searching)
        return;
    worker->searching = false;
    if (lt_fetch_sub(&runtime->searching, 1, seq_cst) == 1)
        lt_notify(runtime);
}

static struct lt_task *search(struct lt_runtime *runtime, struct lt_worker *worker) {
    begin_search(runtime, worker);
    if (!worker->searching)
        return NULL;
    leat_time end = runtime->may_spin ? lt_now() + SPIN : 0;
    do {
        struct lt_task *task = steal(runtime, worker);
        if (!task)
            task = lt_offer_take(runtime, worker);
        if (!task)
            task = from_outside(runtime, worker);
        if (task)
            return task;
        for (int i = 0; i < REST; i++)
            lt_pause();
    } while (lt_now() < end && !lt_load(&runtime->stopping, relaxed));
    return NULL;
}

static struct lt_task *find(struct lt_runtime *runtime, struct lt_worker *worker) {
    for (;;) {
        if (lt_load(&runtime->stopping, acquire))
            return NULL;
        /* A worker that refuses what comes first must look at what others hold, too. */
        bool idle = LT_HOSTILE && lt_perhaps(4) && lt_ring_count(&worker->ring) == 0;
        struct lt_task *task = idle ? steal(runtime, worker) : NULL;
        if (!task)
            task = from_outside(runtime, worker);
        if (!task)
            task = take_next(worker);
        if (!task)
            task = lt_ring_pop(&worker->ring);
        if (!task && runtime->worker_count > 1) {
            lt_hunger(runtime, worker, true);
            task = lt_offer_take(runtime, worker);
            if (!task)
                task = search(runtime, worker);
        }
        if (LT_HOSTILE && task && lt_refuses(runtime, worker, task))
            continue;
        if (task && prepare_or_end(worker, task)) {
            lt_hunger(runtime, worker, false);
            end_search(runtime, worker);
            return task;
        }
        if (!task)
            lt_idle(runtime, worker);
    }
}

void *lt_worker_main(void *arg) {
    struct lt_worker *worker = arg;
    struct lt_runtime *runtime = lt_the_runtime();
    become(worker);
    lt_store(&worker->thread_id, lt_os_thread_id(), relaxed);
    worker->random = worker->index + 1;
    lt_annotate_thread(&worker->annotation);
    lt_overflow_worker(worker);
    for (struct lt_task *task; (task = find(runtime, worker));) {
        lt_store(&worker->tick, lt_load(&worker->tick, relaxed) + 1, relaxed);
        worker->left = NULL;
        worker->commit = NULL;
        switch_to(worker, &worker->context, &worker->annotation, task, false);
        lt_annotate_arrive(&worker->annotation);
        arrive(worker);
    }
    lt_overflow_worker_end(worker);
    become(NULL);
    return NULL;
}

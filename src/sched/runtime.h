/* SPDX-License-Identifier: MIT */
/**
 * The runtime: its workers and what they share. There is one at a time in a
 * process; lt_runtime points to it while leat_run() runs.
 */
#ifndef LEAT_SCHED_RUNTIME_H
#define LEAT_SCHED_RUNTIME_H

#include "base/context.h"
#include "base/hostile.h"
#include "base/os.h"
#include "sched/queue.h"
#include "sched/task.h"
#include "sched/thread.h"

enum { LT_MAX_WORKERS = 256 };

/** How a run is over. */
enum { LT_COMPLETE = 1, LT_ABANDONED = 2 };

/** What a worker's parking place says. */
enum { LT_NOT_NOTIFIED = 0, LT_NOTIFIED = 1 };

struct lt_worker {
    /* The owner's. */
    struct lt_task *current; /* NULL while the worker looks for work */
    void *context;           /* of the worker's own stack, while a task runs */
    struct lt_task *left;    /* whose registers were just saved */
    void (*commit)(void *arg);
    void *commit_arg;
    _Atomic uint32_t tick; /* choices made; the monitor looks whether it moves */
    uint32_t streak;       /* tasks run from `next` in a row */
    bool searching;
    bool hungry; /* counted in the runtime's `hungry` */
    uint64_t random;
    struct lt_task_list free_tasks;
    struct lt_stack_list free_stacks[LT_STACK_CLASSES];
    struct lt_annotation annotation;
    uint64_t next_id, last_id;
#if defined(LEAT_HOSTILE)
    uint32_t refusals; /* in a row */
#endif

    /* Thieves', too. */
    _Alignas(64) struct lt_task *_Atomic next; /* runs right after the current one */
    _Atomic uint32_t next_stale;               /* the owner computes: thieves may have it */
    struct lt_ring ring;
    _Alignas(64) struct lt_timer_heap timers;

    /* Under the idle lock, except for `notified`. */
    _Alignas(64) _Atomic uint32_t notified;
    bool idle;
    bool polling; /* sleeps in epoll rather than on `notified` */
    struct lt_worker *idle_next, **idle_link;

    unsigned index;
    struct lt_os_thread thread;
    _Atomic int thread_id; /* 0 until it runs */
    void *signal_stack;
};

struct lt_runtime {
    unsigned worker_count;
    unsigned started; /* workers whose threads exist */
    bool may_spin;    /* there is a processor for each worker */
    int report_fd;
    struct lt_worker *workers;
    struct lt_injection injection;

    /* Idle workers (sched/idle.c). */
    _Alignas(64) struct lt_lock idle_lock;
    struct lt_worker *idle_head;
    _Atomic uint32_t idle_count;
    _Atomic uint32_t has_poller; /* written under the lock */
    _Alignas(64) _Atomic uint32_t searching;
    _Atomic uint32_t stopping;

    /* Calls that somebody would give away (sched/offer.h). */
    _Alignas(64) _Atomic uint32_t hungry; /* workers that found nothing to do; every fork reads it */
    _Alignas(64) struct lt_offer *_Atomic offer;

    /* The monitor (sched/monitor.c). */
    struct lt_os_thread monitor;
    bool has_monitor;
    _Atomic uint32_t monitor_wake;  /* 0 while it sleeps for good */
    _Atomic uint32_t monitor_fires; /* odd: tasks may be in neither heap nor queue, on their way */

    /* The world outside: what can still make a task ready when no worker runs. */
    _Atomic uint32_t descriptor_waits;
    _Atomic uint32_t blocking_calls;
    _Atomic uint32_t blocking_threads;
    _Atomic uint32_t reporting; /* a worker decides about a deadlock, or tells the tasks of it */
    uint32_t reports;           /* deadlocks reported; by whoever set `reporting` */

    struct leat_scope *root;
    _Atomic uint32_t begun; /* the first task has been spawned */
    _Atomic uint32_t done;  /* leat_run() sleeps on it */
    _Atomic uint64_t ids;
};

extern struct lt_runtime *_Atomic lt_runtime;

/**
 * Ordinary threads that are handing a task to the runtime, or look for one. The
 * run may end before they are done, so its memory waits for them.
 */
extern _Atomic uint32_t lt_visitors;

/** The runtime as long as its tasks and scopes live, which the caller must be sure of; else lt_visit(). */
static inline struct lt_runtime *lt_the_runtime(void) {
    return lt_load(&lt_runtime, acquire);
}

/** The runtime (or NULL) until lt_visit_end(), which must come soon, from whatever thread. */
static inline struct lt_runtime *lt_visit(void) {
    lt_fetch_add(&lt_visitors, 1, seq_cst);
    return lt_load(&lt_runtime, seq_cst);
}

static inline void lt_visit_end(void) {
    lt_fetch_sub(&lt_visitors, 1, release);
}

#if defined(LEAT_SIMULATION)
static inline struct lt_worker *lt_worker_here(void) {
    return *lt_virtual_local(LT_LOCAL_WORKER);
}
#else
/** The worker of this thread; read it by lt_worker_here() only. */
extern _Thread_local struct lt_worker *lt_worker_of_thread __attribute__((tls_model("initial-exec")));

#if defined(__x86_64__)
/**
 * The worker whose thread this is, or NULL. A compiler that sees a plain
 * thread-local variable keeps its address in a register across calls, and after
 * a switch the task is on another thread; so it must not see one.
 */
static inline struct lt_worker *lt_worker_here(void) {
    struct lt_worker *worker;
    __asm__ volatile("movq lt_worker_of_thread@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(worker)::"memory");
    return worker;
}
#else
struct lt_worker *lt_worker_here(void);
#endif
#endif

/** The calling task; for an ordinary thread a record of its own. NULL only when memory is short. */
static inline struct lt_task *lt_self(void) {
    struct lt_worker *worker = lt_worker_here();
    return __builtin_expect(worker != NULL, 1) ? worker->current : lt_thread_self();
}

/** The thread of a worker. */
void *lt_worker_main(void *worker);

/** Give a task that has not run its stack. False: no memory. */
bool lt_prepare(struct lt_worker *worker, struct lt_task *task);

/** Put a ready task into this worker's queues (or, without one, into the injection queue). */
void lt_enqueue(struct lt_worker *worker, struct lt_task *task);

/* ---- idle.c: sleeping and waking */

/** Wake an idle worker if there is one and nobody searches already. Call after publishing a task. */
void lt_notify(struct lt_runtime *runtime);
/** Wake this worker if it sleeps. */
void lt_notify_worker(struct lt_runtime *runtime, struct lt_worker *worker);
/** Wake all, for good. */
void lt_notify_all(struct lt_runtime *runtime);
/** Sleep until notified, a descriptor is ready or a timer of this worker is due. */
void lt_idle(struct lt_runtime *runtime, struct lt_worker *worker);

/* ---- monitor.c */
int lt_monitor_start(struct lt_runtime *runtime);
void lt_monitor_stop(struct lt_runtime *runtime);
/** A worker woke when all slept. */
void lt_monitor_wake(struct lt_runtime *runtime);

/* ---- poll.c */
int lt_poll_start(void);
void lt_poll_end(void);
/** Wait until `deadline` (0: do not wait); the tasks that became ready, linked by `next`. */
struct lt_task *lt_poll(leat_time deadline);
/** Break a wait. */
void lt_poll_interrupt(void);

/* ---- block.c */
void lt_blocking_end(struct lt_runtime *runtime);

/* ---- deadlock.c */
/** All workers idle: can anything still happen? Reports if not. Returns when to look again (LEAT_FOREVER: no need). */
leat_time lt_deadlock_check(struct lt_runtime *runtime);

/* ---- hostile.c: in the hostile build only */
void lt_disturb_task(void);
void lt_disturb_thread(void);
/** The task was on this worker last, and has been put where another one finds it. */
bool lt_refuses(struct lt_runtime *runtime, struct lt_worker *worker, struct lt_task *task);
/** Nobody may look at a stack whose task has ended. */
void lt_spoil_stack(struct lt_stack *stack);

/** Begins every operation that may wait: nothing, but in the hostile build the caller yields. */
static inline void lt_disturb(void) {
    if (LT_HOSTILE)
        lt_disturb_task();
}

/** Begins every operation that never waits. Callers may rely on staying on their thread, and may hold locks of it. */
static inline void lt_disturb_here(void) {
    if (LT_HOSTILE)
        lt_disturb_thread();
}

/* ---- overflow.c */
int lt_overflow_start(void);
void lt_overflow_end(void);
/** For the calling worker's thread. */
void lt_overflow_worker(struct lt_worker *worker);
void lt_overflow_worker_end(struct lt_worker *worker);

#endif

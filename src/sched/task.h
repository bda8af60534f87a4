/* SPDX-License-Identifier: MIT */
/**
 * The record of a task, and of an ordinary thread that calls leat.
 *
 * Invariants
 * - A record is in exactly one place: free, in a run queue, running on a
 *   worker, or parked; the ticket (sched/park.h) decides who moves a parked one.
 * - `on_cpu` is 1 from the moment a worker picks the task until its registers
 *   are saved; only then may another worker run it.
 * - Records live in slabs that are kept until the runtime ends, so a report may
 *   walk all of them at any time.
 * - A stack is bound when a task first runs, not when it is spawned: a million
 *   waiting tasks cost a million records, not stacks.
 */
#ifndef LEAT_SCHED_TASK_H
#define LEAT_SCHED_TASK_H

#include "base/atomic.h"
#include "leat.h"
#include "sched/stack.h"
#include "sched/timer.h"

struct lt_worker;

enum lt_task_kind { LT_FREE, LT_TASK, LT_THREAD };

/** What a task waits for, for reports. */
enum lt_wait {
    LT_WAIT_NOTHING,
    LT_WAIT_SEND,
    LT_WAIT_RECEIVE,
    LT_WAIT_SELECT,
    LT_WAIT_SLEEP,
    LT_WAIT_SCOPE,
    LT_WAIT_GROUP,
    LT_WAIT_MUTEX,
    LT_WAIT_CONDITION,
    LT_WAIT_BLOCKING,
    LT_WAIT_DESCRIPTOR,
    LT_WAIT_BRANCH,
    LT_WAIT_JOIN,
};

struct lt_task {
    /* The line that every switch and every wake-up touches. */
    _Alignas(64) void *context; /* saved stack pointer; NULL: has not run yet */
    _Atomic uint64_t ticket;
    struct lt_worker *worker; /* that runs it; meaningful to the task itself only */
    struct lt_task *next;     /* in the list it stands in */
    struct leat_scope *_Atomic scope;
    int wake_result; /* written by the winner of the ticket */
    _Atomic uint32_t on_cpu;
    _Atomic uint32_t uncancellable; /* the present wait ends by its event only */
    _Atomic uint8_t kind;
    uint8_t stack_class;
    uint8_t in_scope_list;

    /* What it runs, and what a report tells of it. */
    leat_fn *function;
    void *argument;
    struct lt_stack *stack;
    struct leat_scope *home; /* the scope it was spawned in */
    uint64_t id;
    const char *name;
    const char *file;
    int line;
    _Atomic int wait; /* enum lt_wait */
    const void *_Atomic wait_object;
    const char *_Atomic wait_name;
    struct lt_task *scope_next, **scope_link;
    struct lt_timer timer;

    /* An ordinary thread sleeps here. */
    _Atomic uint32_t futex;
    uint64_t random;
    struct lt_annotation annotation; /* of a thread; a task's is its stack's */
};

/** A list of free records or stacks, kept by each worker so that most spawns touch nothing shared. */
struct lt_task_list {
    struct lt_task *head;
    unsigned count;
};

/** A free record, zeroed where it must be; NULL when memory is short. `worker` NULL: called by an ordinary thread. */
struct lt_task *lt_task_new(struct lt_worker *worker);
/** Give a record back. */
void lt_task_free(struct lt_worker *worker, struct lt_task *task);
/** Call `visit` for every record in use. Records may change under it. */
void lt_task_each(void (*visit)(struct lt_task *task, void *arg), void *arg);

/** Free the records of tasks that an abandoned run left behind. No worker runs any more. */
void lt_tasks_abandon(void);

#if defined(LEAT_SIMULATION)
/** Free all records, also of threads, so that the next run of the process begins like the first. */
void lt_tasks_forget(void);
#endif

/** One line about a task: number, name, where spawned, what it waits for. Returns the length as snprintf does. */
int lt_task_describe(const struct lt_task *task, char *text, size_t size);

#endif

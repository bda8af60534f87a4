/* SPDX-License-Identifier: MIT */
/**
 * Calls on offer: work that a running task could do itself, and gives away only
 * if somebody has nothing to do.
 *
 * Invariants
 * - One place for the whole runtime: an offer stands there until an idle worker
 *   takes it or its owner withdraws it; a compare-and-swap on the place decides.
 *   So there is never more than one offer that nobody has taken, and an offer
 *   costs its owner no task, no stack and no queue.
 * - The taker makes the task, on its own worker: what was withdrawn in time cost
 *   nothing, and no queue of the owner's is touched, where it would wait behind
 *   the owner itself.
 * - `hungry` counts the workers that found no task, whether they still look or
 *   sleep. It is only a hint: an offer that is made while nobody is left to take
 *   it is withdrawn by its owner, who comes to it in any case.
 * - Who makes an offer wakes a sleeper as any publisher does (idle.c).
 *
 * Rejected: a place for each worker (the owner would have to look at all of
 * them; with one it looks at a word); tasks in the owner's queue (each fork that
 * somebody might take pays for a record, and thieves wait for queues that are
 * about to be emptied by their owner, which this one is not).
 */
#ifndef LEAT_SCHED_OFFER_H
#define LEAT_SCHED_OFFER_H

#include "sched/runtime.h"

struct lt_offer;

/** What many offers have in common. */
struct lt_offer_kind {
    leat_fn *run;                           /* with the offer as its argument, in a task of its own */
    void (*refuse)(struct lt_offer *offer); /* there was no memory for that task */
    struct leat_scope *scope;               /* of the task; does not end before the offer's owner */
    const char *name, *file;                /* of the task, for reports */
    int line;
};

struct lt_offer {
    const struct lt_offer_kind *kind;
};

/** Let an idle worker have it. False: another offer stands. */
bool lt_offer_make(struct lt_runtime *runtime, struct lt_offer *offer);

/** Take it back. False: somebody has taken it. */
bool lt_offer_withdraw(struct lt_runtime *runtime, struct lt_offer *offer);

/** By a worker that has nothing else: a task that runs the offer; NULL: there is none. */
struct lt_task *lt_offer_take(struct lt_runtime *runtime, struct lt_worker *worker);

/** Say whether the worker has nothing to do. */
static inline void lt_hunger(struct lt_runtime *runtime, struct lt_worker *worker, bool hungry) {
    if (worker->hungry == hungry)
        return;
    worker->hungry = hungry;
    lt_fetch_add(&runtime->hungry, hungry ? 1u : -1u, relaxed);
}

#endif

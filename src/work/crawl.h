/* SPDX-License-Identifier: MIT */
/** The crawl's inside, shared by its files; see crawl.c for how it works. */
#ifndef LEAT_WORK_CRAWL_H
#define LEAT_WORK_CRAWL_H

#include "base/atomic.h"
#include "base/lock.h"
#include "leat.h"
#include "sync/waiters.h"

#include <stdalign.h>

/** A branch, the bytes behind it in the same block. */
struct lt_branch {
    struct leat_branch what;         /* first: visits see only this */
    struct lt_branch *newer, *older; /* in the list it stands in */
    struct lt_branch *with;          /* the next one of the same call, once it was begun */
    struct lt_branch *parent;        /* while it is held back */
    uint64_t order;                  /* in its worker's stack */
    leat_time due;                   /* of its next attempt */
    int error;                       /* set by leat_crawl_fail() in this call */
    size_t room;                     /* for bytes */
    alignas(max_align_t) char bytes[];
};

struct lt_branches {
    struct lt_branch *newest, *oldest;
    size_t count;
};

/** The branches of one worker: those not begun, and the calls that returned LEAT_MORE, each in the order of coming. */
struct lt_crawl_stack {
    struct lt_lock lock;
    struct lt_branches whole;
    struct lt_branches begun; /* the first branch of each such call; `with` leads to the others */
    uint64_t order;           /* numbers both lists together */
    _Atomic size_t to_take;   /* how many others may take: a peek without the lock */
};

struct lt_crawl_worker {
    _Alignas(64) struct lt_crawl_stack stack;
    /* The worker's own. */
    _Alignas(64) struct leat_visit visit;
    struct lt_crawl *crawl;
    struct lt_task *task;
    struct leat_branch **branches; /* of the present call; room for `batch` */
    struct lt_branches held_back;  /* added by the present call, when it may have to be repeated */
    size_t added;                  /* by the present call */
    uint64_t order;                /* of the present call in the stack */
    uint64_t ticket;               /* of the task when the call began: it changes when the task waits */
    bool waits;                    /* the last call did */
    bool unannounced;              /* branches came onto the stack, and nobody has looked since who wants one */
    struct lt_branch *spare;       /* memory of branches that are gone, linked by `with` */
    unsigned spare_count;
    struct lt_key *keys; /* those this worker found first */
    struct leat_crawl_report counts;
    size_t failure_room;
};

struct lt_key;

struct lt_crawl {
    struct leat_crawl_options options; /* with the defaults filled in */
    struct leat_scope *scope;
    struct lt_crawl_worker *workers;
    _Atomic int first_error; /* of a branch */

    /** Somebody would take a branch: a worker is idle, or not all have been started. */
    _Alignas(64) _Atomic bool wanting;

    _Alignas(64) struct lt_lock lock;
    struct lt_waiters idle; /* parked workers */
    unsigned idle_count;
    unsigned live;            /* workers that were started and have not ended */
    _Atomic unsigned started; /* workers[0 … started) are in use */
    unsigned most_busy;
    bool over;                  /* every branch is done */
    struct lt_branches delayed; /* wait for their next attempt; by `due`, the oldest first */
    _Atomic leat_time due;      /* of the first of them; LEAT_FOREVER: none */
    unsigned refused;
    int enter_error;

    struct lt_key *_Atomic seen;
    uint64_t seed; /* of the keys' hashes */
};

static inline struct lt_branch *lt_branch_of(struct leat_branch *branch) {
    return (struct lt_branch *)branch;
}

/* ---- crawl-stack.c: branches and where they wait */

struct lt_branch *lt_branch_new(struct lt_crawl_worker *worker, const void *data, size_t size, unsigned depth);
/** Any branch, by the worker's task. */
void lt_branch_free(struct lt_crawl_worker *worker, struct lt_branch *branch);
void lt_branch_free_spare(struct lt_crawl_worker *worker);
void lt_branch_append(struct lt_branches *list, struct lt_branch *branch);
void lt_branch_remove(struct lt_branches *list, struct lt_branch *branch);

/** Put a branch on top. Returns how many wait in the stack now. */
size_t lt_stack_push(struct lt_crawl_stack *stack, struct lt_branch *branch, bool movable);
/** Put a call that is to be continued (linked by `with`) below all that was added since it began. */
void lt_stack_push_begun(struct lt_crawl_stack *stack, struct lt_branch *first, uint64_t order, bool movable);
/** Take what comes next: a call to be continued, or up to `most` branches, linked by `with`. NULL: nothing. */
struct lt_branch *lt_stack_pop(struct lt_crawl_stack *stack, size_t most, bool more_wanted, bool movable,
                               uint64_t *order);
/** Move the oldest ones (at most half, at least one, up to `most`) from one stack to another. Returns how many. */
size_t lt_stack_move(struct lt_crawl_stack *from, struct lt_crawl_stack *to, size_t most, bool movable);

/* ---- crawl-seen.c: which keys there were */

/** The branch's key was not there before. */
bool lt_seen_first(struct lt_crawl_worker *worker, struct lt_branch *branch, int *error);
void lt_seen_free(struct lt_crawl *crawl);

/* ---- crawl-end.c: what becomes of branches after a visit */

/** Take a branch in, unless it is a duplicate. */
int lt_crawl_accept(struct lt_crawl_worker *worker, struct lt_branch *branch);
/** The call returned `verdict`. */
void lt_crawl_conclude(struct lt_crawl_worker *worker, int verdict);
/** Everything that was left is unvisited. */
void lt_crawl_drain(struct lt_crawl *crawl);
/** Add up what the workers did. */
void lt_crawl_report(struct lt_crawl *crawl, struct leat_crawl_report *report);

/* ---- crawl.c */

/** Give a branch to somebody who wants one. */
void lt_crawl_offer(struct lt_crawl_worker *worker);

#endif

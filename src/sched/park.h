/* SPDX-License-Identifier: MIT */
/**
 * Parking and waking: the one protocol by which every wait in leat ends.
 *
 * A wait has a ticket: a generation and a state in one word. Whoever ends the
 * wait (a channel's peer, a timer, a cancellation, a descriptor) must win one
 * compare-and-swap on it, ARMED to FIRED. The winner writes the result and makes
 * the task ready; a loser does nothing. A generation is used once, so a waker
 * that comes late cannot end the next wait.
 *
 *     uint64_t token = lt_arm(self);              announce the wait
 *     … put {self, token} where wakers look …
 *     int result = lt_park(self, unlock, lock);   save, switch, then unlock
 *     … take {self, token} away again if still there …
 *
 * Invariants
 * - Nobody runs a task before its registers are saved. A channel's lock is held
 *   until then (`commit` runs on the next stack); wakers that hold no such lock
 *   wait in lt_ready() for `on_cpu` to fall, which is some nanoseconds away.
 * - lt_arm() stores with sequential consistency, and the task looks at its
 *   scope's state after it; a canceller stores the state before it looks at
 *   tickets. One of them sees the other.
 * - The worker may be another one after lt_park(): it is read again through
 *   self->worker. `self` never changes.
 */
#ifndef LEAT_SCHED_PARK_H
#define LEAT_SCHED_PARK_H

#include "sched/task.h"
#include "sync/scope.h"

enum { LT_TICKET_IDLE = 0, LT_TICKET_ARMED = 1, LT_TICKET_FIRED = 2, LT_TICKET_STATES = 3 };

/** Where a task goes that a wake-up made ready. */
enum lt_placement {
    LT_RUN_NEXT, /* the waker will soon wait itself: run it here, right after */
    LT_SHARE,    /* the waker goes on computing: let an idle worker have it */
};

/** Begin a wait. Returns the token that wakers need. */
static inline uint64_t lt_arm(struct lt_task *self) {
    if (__builtin_expect(!self->in_scope_list, 0) && lt_load(&self->kind, relaxed) == LT_TASK)
        lt_scope_enlist(self);
    uint64_t token = (lt_load(&self->ticket, relaxed) | LT_TICKET_STATES) + 1 + LT_TICKET_ARMED;
    lt_exchange(&self->ticket, token, seq_cst);
    return token;
}

/** Win a wait. Only the caller that got true may write the result and call lt_ready(). */
static inline bool lt_fire(struct lt_task *task, uint64_t token, int result) {
    uint64_t expected = token;
    if (!lt_cas(&task->ticket, &expected, token - LT_TICKET_ARMED + LT_TICKET_FIRED, acq_rel))
        return false;
    task->wake_result = result;
    return true;
}

/** Give a wait up before parking. False: somebody fired it, and the task must park to meet the wake-up. */
static inline bool lt_disarm(struct lt_task *self, uint64_t token) {
    uint64_t expected = token;
    return lt_cas(&self->ticket, &expected, token - LT_TICKET_ARMED, acq_rel);
}

/** Leave the processor until the ticket is won; `commit(arg)` runs once the task can be woken. Returns the result. */
int lt_park(struct lt_task *self, void (*commit)(void *arg), void *arg);

/** lt_park() with a timer that wins with -ETIMEDOUT. LEAT_FOREVER: none. */
int lt_park_until(struct lt_task *self, uint64_t token, leat_time deadline, void (*commit)(void *arg), void *arg);

/** Make a task runnable whose ticket was won. */
void lt_ready(struct lt_task *task, enum lt_placement placement);
/** The same for a list linked by `next`. */
void lt_ready_list(struct lt_task *list);

/** Why the task must not wait: its scope's -ECANCELED or -ETIMEDOUT, or 0. */
static inline int lt_cancelled(const struct lt_task *self) {
    struct leat_scope *scope = lt_load(&self->scope, relaxed);
    return scope ? lt_load(&((struct lt_scope_head *)scope)->stop, seq_cst) : 0;
}

/** Say what the wait is for, for reports. */
static inline void lt_waits(struct lt_task *self, enum lt_wait what, const void *object, const char *name) {
    lt_store(&self->wait, what, relaxed);
    lt_store(&self->wait_object, object, relaxed);
    lt_store(&self->wait_name, name, relaxed);
}

/** A number for fair choices; cheap, not for secrets. */
static inline uint64_t lt_random(struct lt_task *self) {
    uint64_t x = self->random ? self->random : (uint64_t)(uintptr_t)self | 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return self->random = x;
}

/** The lock as a commit: for waits whose queue is guarded by one lock. */
void lt_commit_unlock(void *lock);

#endif

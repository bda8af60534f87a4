/* SPDX-License-Identifier: MIT */
/**
 * Mutex, condition and wait group: a small lock, a number, a queue of waiters.
 *
 * Invariants
 * - All state is under the small lock, and unlocking it is a call's last touch,
 *   so that the object may be freed as soon as a wait for it has returned.
 * - A free mutex goes to whoever asks first, which may be somebody that runs
 *   rather than the waiter just woken; handing it to the waiter would make
 *   every holder wait for a switch. A waiter that was passed over goes back to
 *   the head of the queue.
 * - A condition's signal is taken by a waiter that waited before it.
 */
#include "sync/waiters.h"

#include <errno.h>

struct mutex {
    struct lt_lock lock;
    uint32_t held;
    struct lt_waiters waiters;
};
_Static_assert(sizeof(struct mutex) <= sizeof(struct leat_mutex), "struct leat_mutex is too small");

struct condition {
    struct lt_lock lock;
    uint32_t unused;
    struct lt_waiters waiters;
};
_Static_assert(sizeof(struct condition) <= sizeof(struct leat_cond), "struct leat_cond is too small");

struct group {
    struct lt_lock lock;
    int32_t count;
    struct lt_waiters waiters;
};
_Static_assert(sizeof(struct group) <= sizeof(struct leat_wg), "struct leat_wg is too small");

static const leat_time NEVER_WAIT = -1;

static void prepend(struct lt_waiters *queue, struct lt_waiter *waiter) {
    waiter->previous = NULL;
    waiter->next = queue->head;
    waiter->queued = true;
    if (queue->head)
        queue->head->previous = waiter;
    else
        queue->tail = waiter;
    queue->head = waiter;
}

/* Arm under the lock; a cancelled task does not wait. 0: armed; else the lock is released. */
static int arm(struct lt_task *self, struct lt_lock *lock, struct lt_waiter *waiter) {
    waiter->token = lt_arm(self);
    int cancelled = lt_load(&self->uncancellable, relaxed) ? 0 : lt_cancelled(self);
    if (!cancelled || !lt_disarm(self, waiter->token))
        return 0;
    lt_unlock(lock);
    return cancelled;
}

static void forget(struct lt_lock *lock, struct lt_waiters *queue, struct lt_waiter *waiter) {
    lt_lock(lock);
    lt_waiters_remove(queue, waiter);
    lt_unlock(lock);
}

/* ------------------------------------------------------------ mutex */

static int lock_mutex(struct mutex *mutex, struct lt_task *self, leat_time deadline) {
    for (bool again = false;; again = true) {
        /* Who was woken has the wake-up of all who wait behind: it tries first, and gives up only if others hold it. */
        int cancelled = again || lt_load(&self->uncancellable, relaxed) ? 0 : lt_cancelled(self);
        if (cancelled)
            return cancelled;
        lt_lock(&mutex->lock);
        if (!mutex->held) {
            mutex->held = 1;
            lt_unlock(&mutex->lock);
            return 0;
        }
        if (deadline == NEVER_WAIT) {
            lt_unlock(&mutex->lock);
            return -EAGAIN;
        }
        struct lt_waiter waiter = {.task = self};
        int error = arm(self, &mutex->lock, &waiter);
        if (error)
            return error;
        if (again)
            prepend(&mutex->waiters, &waiter);
        else
            lt_waiters_append(&mutex->waiters, &waiter);
        lt_waits(self, LT_WAIT_MUTEX, mutex, NULL);
        error = lt_park_until(self, waiter.token, deadline, lt_commit_unlock, &mutex->lock);
        if (error) {
            forget(&mutex->lock, &mutex->waiters, &waiter);
            return error;
        }
    }
}

static int lock_as_self(struct leat_mutex *mutex, leat_time deadline) {
    if (deadline != NEVER_WAIT)
        lt_disturb();
    struct lt_task *self = lt_self();
    return self ? lock_mutex((struct mutex *)mutex, self, deadline) : -ENOMEM;
}

int leat_lock(struct leat_mutex *mutex) {
    return lock_as_self(mutex, LEAT_FOREVER);
}

int leat_lock_try(struct leat_mutex *mutex) {
    return lock_as_self(mutex, NEVER_WAIT);
}

int leat_lock_until(struct leat_mutex *mutex, leat_time deadline) {
    return lock_as_self(mutex, deadline < 0 ? 0 : deadline);
}

int leat_unlock(struct leat_mutex *opaque) {
    lt_disturb_here();
    struct mutex *mutex = (struct mutex *)opaque;
    lt_lock(&mutex->lock);
    if (!mutex->held) {
        lt_unlock(&mutex->lock);
        return -EPERM;
    }
    mutex->held = 0;
    struct lt_waiter *waiter = lt_waiters_win(&mutex->waiters);
    struct lt_task *task = waiter ? waiter->task : NULL;
    lt_unlock(&mutex->lock);
    if (task)
        lt_ready(task, LT_RUN_NEXT);
    return 0;
}

/* ------------------------------------------------------------ condition */

int leat_cond_wait_until(struct leat_cond *opaque, struct leat_mutex *mutex, leat_time deadline) {
    lt_disturb();
    struct condition *condition = (struct condition *)opaque;
    struct lt_task *self = lt_self();
    if (!self)
        return -ENOMEM;
    struct lt_waiter waiter = {.task = self};
    lt_lock(&condition->lock);
    int error = arm(self, &condition->lock, &waiter);
    if (error)
        return error;
    lt_waiters_append(&condition->waiters, &waiter);
    int unlocked = leat_unlock(mutex);
    lt_waits(self, LT_WAIT_CONDITION, condition, NULL);
    error = lt_park_until(self, waiter.token, deadline, lt_commit_unlock, &condition->lock);
    if (error)
        forget(&condition->lock, &condition->waiters, &waiter);
    if (unlocked < 0)
        return unlocked;
    /* Cancelled or not, the caller holds the mutex again. */
    lt_store(&self->uncancellable, 1, relaxed);
    int locked = lock_mutex((struct mutex *)mutex, self, LEAT_FOREVER);
    lt_store(&self->uncancellable, 0, relaxed);
    return error ? error : locked;
}

int leat_cond_wait(struct leat_cond *cond, struct leat_mutex *mutex) {
    return leat_cond_wait_until(cond, mutex, LEAT_FOREVER);
}

void leat_cond_signal(struct leat_cond *opaque) {
    lt_disturb_here();
    struct condition *condition = (struct condition *)opaque;
    lt_lock(&condition->lock);
    struct lt_waiter *waiter = lt_waiters_win(&condition->waiters);
    struct lt_task *task = waiter ? waiter->task : NULL;
    lt_unlock(&condition->lock);
    if (task)
        lt_ready(task, LT_RUN_NEXT);
}

static struct lt_task *win_all(struct lt_waiters *queue) {
    struct lt_task *list = NULL, **end = &list;
    for (struct lt_waiter *waiter; (waiter = lt_waiters_win(queue));) {
        *end = waiter->task;
        end = &waiter->task->next;
    }
    *end = NULL;
    return list;
}

void leat_cond_broadcast(struct leat_cond *opaque) {
    lt_disturb_here();
    struct condition *condition = (struct condition *)opaque;
    lt_lock(&condition->lock);
    struct lt_task *list = win_all(&condition->waiters);
    lt_unlock(&condition->lock);
    lt_ready_list(list);
}

/* ------------------------------------------------------------ wait group */

int leat_wg_add(struct leat_wg *opaque, int n) {
    lt_disturb_here();
    struct group *group = (struct group *)opaque;
    lt_lock(&group->lock);
    int32_t count;
    if (__builtin_add_overflow(group->count, n, &count) || count < 0) {
        lt_unlock(&group->lock);
        return -EINVAL;
    }
    group->count = count;
    struct lt_task *list = count == 0 ? win_all(&group->waiters) : NULL;
    lt_unlock(&group->lock);
    if (list && !list->next)
        lt_ready(list, LT_RUN_NEXT);
    else
        lt_ready_list(list);
    return 0;
}

int leat_wg_done(struct leat_wg *wg) {
    return leat_wg_add(wg, -1);
}

int leat_wg_wait_until(struct leat_wg *opaque, leat_time deadline) {
    lt_disturb();
    struct group *group = (struct group *)opaque;
    struct lt_task *self = lt_self();
    if (!self)
        return -ENOMEM;
    int error = lt_cancelled(self);
    if (error)
        return error;
    lt_lock(&group->lock);
    if (group->count == 0) {
        lt_unlock(&group->lock);
        return 0;
    }
    struct lt_waiter waiter = {.task = self};
    error = arm(self, &group->lock, &waiter);
    if (error)
        return error;
    lt_waiters_append(&group->waiters, &waiter);
    lt_waits(self, LT_WAIT_GROUP, group, NULL);
    error = lt_park_until(self, waiter.token, deadline, lt_commit_unlock, &group->lock);
    if (error)
        forget(&group->lock, &group->waiters, &waiter);
    return error;
}

int leat_wg_wait(struct leat_wg *wg) {
    return leat_wg_wait_until(wg, LEAT_FOREVER);
}

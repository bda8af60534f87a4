/* SPDX-License-Identifier: MIT */
/**
 * Queues of waiting tasks, first come first served; guarded by their owner's lock.
 *
 * A waiter lives on its task's stack. It is in its queue, or it has been popped
 * by somebody who holds the lock; the task removes it itself, under the lock,
 * before it goes on, when its wait ended in another way.
 */
#ifndef LEAT_SYNC_WAITERS_H
#define LEAT_SYNC_WAITERS_H

#include "sched/park.h"
#include "sched/runtime.h"

#include <stddef.h>

struct lt_waiter {
    struct lt_waiter *next, *previous;
    struct lt_task *task;
    uint64_t token;
    void *value; /* channels: where to copy to or from */
    size_t room; /* channels: how many elements the waiter takes or has */
    size_t done; /* channels: how many were copied */
    int index;   /* the result of the wait: of a select, the case */
    bool closed; /* channels: closed meanwhile */
    bool queued;
};

struct lt_waiters {
    struct lt_waiter *head, *tail;
};

static inline void lt_waiters_append(struct lt_waiters *queue, struct lt_waiter *waiter) {
    waiter->next = NULL;
    waiter->previous = queue->tail;
    waiter->queued = true;
    if (queue->tail)
        queue->tail->next = waiter;
    else
        queue->head = waiter;
    queue->tail = waiter;
}

static inline void lt_waiters_remove(struct lt_waiters *queue, struct lt_waiter *waiter) {
    if (!waiter->queued)
        return;
    waiter->queued = false;
    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        queue->head = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    else
        queue->tail = waiter->previous;
}

/** Win the first waiter that can still be won (the others are waits that ended otherwise); NULL: none. */
static inline struct lt_waiter *lt_waiters_win(struct lt_waiters *queue) {
    for (struct lt_waiter *waiter; (waiter = queue->head);) {
        lt_waiters_remove(queue, waiter);
        if (lt_fire(waiter->task, waiter->token, waiter->index))
            return waiter;
    }
    return NULL;
}

#endif

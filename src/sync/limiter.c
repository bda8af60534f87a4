/* SPDX-License-Identifier: MIT */
/**
 * The limiter: a token bucket whose callers are served in the order of arrival.
 *
 * Invariants:
 * - Waiters stand in a queue. Only the first one waits for a moment of the
 *   clock; the others wait to become the first. So a new rate, or a waiter that
 *   gives up, changes nobody's plan but the first one's.
 * - A waiter takes its tokens itself, as the first, in one step with leaving
 *   the queue. One that gives up has never taken any.
 * - A waiter is woken under the lock and takes the lock before it returns, so
 *   that its event, which lies on its stack, outlives whoever wakes it.
 * - The bucket holds at most `burst`, or what the first waiter needs if that is
 *   more: a large request is slow, not impossible.
 *
 * The lock is a plain one: it is held for a few instructions and never while
 * waiting, and a mutex for tasks would refuse a caller that is cancelled.
 *
 * Rejected: reserving a moment for each caller and sleeping until then. It is
 * shorter, but a new rate or a reservation given back reaches no one who
 * already sleeps.
 */
#include "leat.h"

#include "base/clock.h"
#include "base/lock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct waiter {
    struct waiter *next, *previous;
    double need;
    struct leat_wg event; /* counts 1 until there is something to look at */
    bool told;
};

struct leat_limiter {
    struct lt_lock lock;
    double rate;  /* tokens a second */
    double burst; /* most tokens saved up */
    double tokens;
    leat_time counted; /* the moment `tokens` belongs to */
    struct waiter *first, *last;
};

static void refill(struct leat_limiter *limiter) {
    double most = limiter->burst;
    if (limiter->first && limiter->first->need > most)
        most = limiter->first->need;
    leat_time now = lt_now();
    double tokens = limiter->tokens + (double)(now - limiter->counted) * 1e-9 * limiter->rate;
    limiter->tokens = tokens < most ? tokens : most;
    limiter->counted = now;
}

/* When `need` tokens will be there, at the present rate. */
static leat_time moment_of(const struct leat_limiter *limiter, double need) {
    double wait = (need - limiter->tokens) / limiter->rate * 1e9;
    if (!(wait < (double)(LEAT_FOREVER - limiter->counted)))
        return LEAT_FOREVER;
    return limiter->counted + (wait < 0 ? 0 : (leat_time)wait) + 1;
}

static void tell_first(struct leat_limiter *limiter) {
    struct waiter *first = limiter->first;
    if (!first || first->told)
        return;
    first->told = true;
    leat_wg_done(&first->event);
}

static void enqueue(struct leat_limiter *limiter, struct waiter *waiter) {
    waiter->previous = limiter->last;
    if (limiter->last)
        limiter->last->next = waiter;
    else
        limiter->first = waiter;
    limiter->last = waiter;
}

static void leave(struct leat_limiter *limiter, struct waiter *waiter) {
    bool was_first = limiter->first == waiter;
    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        limiter->first = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    else
        limiter->last = waiter->previous;
    if (was_first)
        tell_first(limiter);
}

/* Take the tokens if they are there. Called with the lock, by whoever comes first. */
static bool take(struct leat_limiter *limiter, double need) {
    refill(limiter);
    if (limiter->tokens < need)
        return false;
    limiter->tokens -= need;
    return true;
}

/* Sleep until told, until it may be our turn, or until the deadline. Called with the lock, which is free meanwhile. */
static int pause_waiter(struct leat_limiter *limiter, struct waiter *waiter, leat_time deadline) {
    leat_time until = deadline;
    if (limiter->first == waiter) {
        leat_time moment = moment_of(limiter, waiter->need);
        until = moment < deadline ? moment : deadline;
    }
    lt_unlock(&limiter->lock);
    leat_wg_wait_until(&waiter->event, until);
    int cancelled = leat_cancelled();
    lt_lock(&limiter->lock);
    if (waiter->told) {
        waiter->told = false;
        leat_wg_add(&waiter->event, 1);
    }
    return cancelled;
}

static int wait_in_line(struct leat_limiter *limiter, double need, leat_time deadline) {
    struct waiter waiter = {.need = need};
    leat_wg_add(&waiter.event, 1);
    enqueue(limiter, &waiter);
    int error;
    for (;;) {
        error = pause_waiter(limiter, &waiter, deadline);
        if (error)
            break;
        if (limiter->first == &waiter && take(limiter, need))
            break;
        if (lt_now() >= deadline) {
            error = -ETIMEDOUT;
            break;
        }
    }
    leave(limiter, &waiter);
    return error;
}

int leat_limiter_take_until(struct leat_limiter *limiter, double n, leat_time deadline) {
    if (!(n >= 0) || isinf(n))
        return -EINVAL;
    int error = leat_cancelled();
    if (error)
        return error;
    lt_lock(&limiter->lock);
    if (limiter->first || !take(limiter, n))
        error = wait_in_line(limiter, n, deadline);
    lt_unlock(&limiter->lock);
    return error;
}

int leat_limiter_take(struct leat_limiter *limiter, double n) {
    return leat_limiter_take_until(limiter, n, LEAT_FOREVER);
}

int leat_limiter_take_try(struct leat_limiter *limiter, double n) {
    if (!(n >= 0) || isinf(n))
        return -EINVAL;
    int error = leat_cancelled();
    if (error)
        return error;
    lt_lock(&limiter->lock);
    if (limiter->first || !take(limiter, n))
        error = -EAGAIN;
    lt_unlock(&limiter->lock);
    return error;
}

int leat_limiter_set(struct leat_limiter *limiter, double rate) {
    if (!(rate > 0) || isinf(rate))
        return -EINVAL;
    lt_lock(&limiter->lock);
    refill(limiter);
    limiter->rate = rate;
    tell_first(limiter);
    lt_unlock(&limiter->lock);
    return 0;
}

struct leat_limiter *leat_limiter_new(double rate, double burst) {
    if (!(rate > 0) || isinf(rate))
        return NULL;
    struct leat_limiter *limiter = calloc(1, sizeof *limiter);
    if (!limiter)
        return NULL;
    limiter->rate = rate;
    limiter->burst = burst >= 1 ? burst : 1;
    limiter->tokens = limiter->burst;
    limiter->counted = lt_now();
    return limiter;
}

void leat_limiter_free(struct leat_limiter *limiter) {
    free(limiter);
}

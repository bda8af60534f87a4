/* SPDX-License-Identifier: MIT */
/**
 * How workers go to sleep and are woken.
 *
 * Invariants
 * - A task that was published (in a ring, the injection queue; or a call that
 *   is on offer) while a worker is idle is seen: the publisher publishes, fences, then looks for searchers
 *   and idle workers; a worker enters the idle list and stops counting as a
 *   searcher, fences, then looks at all queues again. One sees the other.
 * - Who skips a wake-up because somebody searches relies on that searcher: it
 *   looks everywhere once more after it stops counting, counts again if there is
 *   something, and when it has a task and is the last searcher, it wakes the
 *   next (worker.c: end_search).
 * - A worker is taken from the idle list by exactly one waker, under the idle
 *   lock; the waker counts it as a searcher before it runs.
 * - An idle process sleeps without a timeout unless a timer is set.
 * - At most one worker sleeps in epoll; the others, and all of them when no
 *   task waits for a descriptor, sleep on their own word.
 *
 * Rejected: a bit mask with compare-and-swap in place of the lock (a wake-up
 * costs a system call anyway, and the lock makes the states few enough to
 * check by hand); condition variables (glibc's lose wake-ups).
 */
#include "base/clock.h"
#include "base/os.h"
#include "sched/park.h"
#include "sched/runtime.h"

/* ---- the idle list; all under the idle lock */

static void enter(struct lt_runtime *runtime, struct lt_worker *worker) {
    worker->idle = true;
    worker->idle_link = &runtime->idle_head;
    worker->idle_next = runtime->idle_head;
    if (runtime->idle_head)
        runtime->idle_head->idle_link = &worker->idle_next;
    runtime->idle_head = worker;
    lt_store(&runtime->idle_count, lt_load(&runtime->idle_count, relaxed) + 1, seq_cst);
}

static void leave(struct lt_runtime *runtime, struct lt_worker *worker) {
    worker->idle = false;
    *worker->idle_link = worker->idle_next;
    if (worker->idle_next)
        worker->idle_next->idle_link = worker->idle_link;
    uint32_t before = lt_load(&runtime->idle_count, relaxed);
    lt_store(&runtime->idle_count, before - 1, seq_cst);
    if (before == runtime->worker_count)
        lt_monitor_wake(runtime);
}

/* Take the worker out of the list, as a searcher. The lock is released before the system call. */
static void wake_locked(struct lt_runtime *runtime, struct lt_worker *worker) {
    leave(runtime, worker);
    bool polling = worker->polling;
    lt_fetch_add(&runtime->searching, 1, seq_cst);
    lt_store(&worker->notified, LT_NOTIFIED, release);
    lt_unlock(&runtime->idle_lock);
    if (polling)
        lt_poll_interrupt();
    else
        lt_futex_wake(&worker->notified, 1);
}

void lt_notify(struct lt_runtime *runtime) {
    lt_fence(seq_cst);
    bool needless = LT_HOSTILE && lt_perhaps(8);
    if (!lt_load(&runtime->idle_count, relaxed) || (lt_load(&runtime->searching, relaxed) && !needless))
        return;
    lt_lock(&runtime->idle_lock);
    if (runtime->idle_head && (!lt_load(&runtime->searching, relaxed) || needless)) {
        wake_locked(runtime, runtime->idle_head);
        return;
    }
    lt_unlock(&runtime->idle_lock);
}

void lt_notify_worker(struct lt_runtime *runtime, struct lt_worker *worker) {
    lt_lock(&runtime->idle_lock);
    if (worker->idle) {
        wake_locked(runtime, worker);
        return;
    }
    lt_unlock(&runtime->idle_lock);
}

void lt_notify_all(struct lt_runtime *runtime) {
    for (;;) {
        lt_lock(&runtime->idle_lock);
        if (!runtime->idle_head)
            break;
        wake_locked(runtime, runtime->idle_head);
    }
    lt_unlock(&runtime->idle_lock);
}

/* ---- going to sleep */

static bool anything_to_do(struct lt_runtime *runtime) {
    if (lt_load(&runtime->injection.count, acquire) || lt_load(&runtime->stopping, acquire))
        return true;
    if (lt_load(&runtime->offer, acquire))
        return true;
    leat_time now = 0;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct lt_worker *worker = &runtime->workers[i];
        if (lt_ring_count(&worker->ring))
            return true;
        leat_time earliest = lt_load(&worker->timers.earliest, acquire);
        if (earliest == LEAT_FOREVER)
            continue;
        now = now ? now : lt_now();
        if (earliest <= now)
            return true;
    }
    return false;
}

/* Leave the list on our own. False: a waker was faster, and we are its searcher. */
static bool withdraw(struct lt_runtime *runtime, struct lt_worker *worker) {
    lt_lock(&runtime->idle_lock);
    bool mine = worker->idle;
    if (mine)
        leave(runtime, worker);
    if (worker->polling)
        lt_store(&runtime->has_poller, 0, relaxed);
    worker->polling = false;
    lt_unlock(&runtime->idle_lock);
    return mine;
}

static bool become_poller(struct lt_runtime *runtime, struct lt_worker *worker) {
    if (!lt_load(&runtime->descriptor_waits, acquire) || lt_load(&runtime->has_poller, relaxed))
        return false;
    lt_lock(&runtime->idle_lock);
    bool mine = worker->idle && !lt_load(&runtime->has_poller, relaxed);
    if (mine) {
        worker->polling = true;
        lt_store(&runtime->has_poller, 1, relaxed);
    }
    lt_unlock(&runtime->idle_lock);
    return mine;
}

/* Returns tasks whose descriptors became ready. */
static struct lt_task *sleep_until(struct lt_runtime *runtime, struct lt_worker *worker, leat_time deadline) {
    if (become_poller(runtime, worker))
        return lt_poll(deadline);
    while (!lt_load(&worker->notified, acquire))
        if (lt_futex_wait(&worker->notified, LT_NOT_NOTIFIED, deadline) < 0)
            break;
    return NULL;
}

void lt_idle(struct lt_runtime *runtime, struct lt_worker *worker) {
    lt_lock(&runtime->idle_lock);
    lt_store(&worker->notified, LT_NOT_NOTIFIED, relaxed);
    enter(runtime, worker);
    bool last = lt_load(&runtime->idle_count, relaxed) == runtime->worker_count;
    lt_unlock(&runtime->idle_lock);
    bool searched = worker->searching;
    if (searched) {
        worker->searching = false;
        lt_fetch_sub(&runtime->searching, 1, seq_cst);
    }
    lt_fence(seq_cst);
    leat_time deadline = lt_load(&worker->timers.earliest, acquire);
    struct lt_task *ready = NULL;
    bool more = anything_to_do(runtime);
    if (!more) {
        if (last) {
            leat_time again = lt_deadlock_check(runtime);
            deadline = again < deadline ? again : deadline;
        }
        ready = sleep_until(runtime, worker, deadline);
    }
    if (!withdraw(runtime, worker))
        worker->searching = true;
    /* As a searcher, so that the tasks below do not wake others before this worker has one itself; and for what came
     * while it searched, for which nobody was woken: it still owes the next wake-up. */
    if ((ready || (more && searched)) && !worker->searching) {
        worker->searching = true;
        lt_fetch_add(&runtime->searching, 1, seq_cst);
    }
    lt_ready_list(ready);
}

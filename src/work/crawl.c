/* SPDX-License-Identifier: MIT */
/**
 * The crawl: workers that go down a tree whose size nobody knows.
 *
 * Each worker has a stack of branches of its own (crawl-stack.c) and visits the
 * newest; the order is that of a recursion, and so is the memory. A worker
 * without branches takes the oldest one of another, which is the largest; finds
 * it none, it parks in the list of the idle. Whoever then has a branch to spare
 * puts it on the parked worker's stack and wakes it.
 *
 * Invariants
 * - A branch is on one stack, in one call, or delayed until its next attempt.
 * - A parked worker's stack is empty: it parks with an empty one, and who puts a
 *   branch there takes it out of the list, under the lock.
 * - So the crawl is over exactly when the last worker that is not parked has
 *   nothing left and nothing is delayed. The worker that sees this, under the
 *   lock, ends the others. No counter is shared by branches.
 * - Nobody parks while there is a branch to take: a worker enters the list, then
 *   looks at all stacks; who adds a branch pushes it, then looks at `wanting`,
 *   with a fence between. One of them sees the other.
 * - Branches handed over and not begun are never more than the workers waiting
 *   for one: each is given to a worker that was won for it.
 * - A worker whose `enter` fails leaves its stack to the others, and starts the
 *   next one when it was the only one.
 *
 * A worker keeps its last branch: a chain stays with one worker, and nobody is
 * woken for every link of it. Unless its visits wait (their task parked): then
 * another worker is better at anything that comes up meanwhile.
 *
 * Rejected: a channel of branches (bounded it deadlocks, as every worker sends;
 * unbounded it is a breadth-first queue that holds the widest level); visiting
 * in place within leat_crawl_add() when enough branches wait (bounded, but the
 * visit is entered again while its connection is in the middle of an answer, and
 * the stack is as deep as the tree); counting branches (every visit on every
 * processor would write one word).
 */
#include "work/crawl.h"
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 64, CALLS_PER_YIELD = 64, OVER = 1 };

static int work(void *arg);

/* ------------------------------------------------------------ handing over */

/* Under the lock, after any change of who is idle, started or alive. */
static void take_stock(struct lt_crawl *crawl) {
    unsigned busy = crawl->live - crawl->idle_count;
    if (busy > crawl->most_busy)
        crawl->most_busy = busy;
    bool more = lt_load(&crawl->started, relaxed) < crawl->options.workers;
    lt_store(&crawl->wanting, crawl->idle_count || more, seq_cst);
}

static int start_worker(struct lt_crawl *crawl, unsigned index) {
    struct leat_task_options task = {.name = crawl->options.name, .stack = crawl->options.stack};
    int error = leat_go_with(crawl->scope, work, &crawl->workers[index], &task);
    if (!error)
        return 0;
    lt_lock(&crawl->lock);
    crawl->live--;
    crawl->refused++;
    crawl->enter_error = crawl->enter_error ? crawl->enter_error : error;
    take_stock(crawl);
    lt_unlock(&crawl->lock);
    return error;
}

/* Under the lock. The number of a worker to start, or -1. */
static int next_worker(struct lt_crawl *crawl) {
    unsigned index = lt_load(&crawl->started, relaxed);
    if (index == crawl->options.workers)
        return -1;
    lt_store(&crawl->started, index + 1, seq_cst);
    crawl->live++;
    take_stock(crawl);
    return (int)index;
}

/* Under the lock. A parked worker, which nobody else will wake any more; or NULL. */
static struct lt_crawl_worker *win_idle(struct lt_crawl *crawl) {
    struct lt_waiter *waiter = lt_waiters_win(&crawl->idle);
    if (!waiter)
        return NULL;
    crawl->idle_count--;
    take_stock(crawl);
    return waiter->value;
}

void lt_crawl_offer(struct lt_crawl_worker *worker) {
    struct lt_crawl *crawl = worker->crawl;
    lt_lock(&crawl->lock);
    struct lt_crawl_worker *peer = win_idle(crawl);
    int index = peer ? -1 : next_worker(crawl);
    lt_unlock(&crawl->lock);
    if (peer) {
        const struct leat_crawl_options *options = &crawl->options;
        worker->counts.handed_over += lt_stack_move(&worker->stack, &peer->stack, options->batch, options->movable);
        peer->unannounced = true;
        lt_ready(peer->task, LT_SHARE);
    } else if (index >= 0) {
        start_worker(crawl, (unsigned)index);
    }
}

/* Does anybody want a branch, and is there one to spare? With the fence after a branch came; one that was left was
 * there to see for everybody when it came. */
static void offer_if_wanted(struct lt_crawl_worker *worker, size_t spare) {
    if (worker->unannounced)
        lt_fence(seq_cst);
    worker->unannounced = false;
    if (!lt_load(&worker->crawl->wanting, relaxed))
        return;
    if (lt_load(&worker->stack.to_take, relaxed) >= spare)
        lt_crawl_offer(worker);
}

/* Take from another worker. */
static bool take_over(struct lt_crawl_worker *worker) {
    struct lt_crawl *crawl = worker->crawl;
    unsigned started = lt_load(&crawl->started, acquire);
    for (unsigned i = 1; i < started; i++) {
        struct lt_crawl_worker *other = &crawl->workers[(worker->visit.worker + i) % started];
        if (!lt_load(&other->stack.to_take, relaxed))
            continue;
        size_t count = lt_stack_move(&other->stack, &worker->stack, crawl->options.batch, crawl->options.movable);
        worker->counts.handed_over += count;
        worker->unannounced = true;
        if (count)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------ having nothing */

static bool anything_pending(struct lt_crawl *crawl) {
    unsigned started = lt_load(&crawl->started, acquire);
    for (unsigned i = 0; i < started; i++)
        if (lt_load(&crawl->workers[i].stack.to_take, relaxed))
            return true;
    return false;
}

/* Under the lock, by one that has nothing. Returns the parked workers to wake, linked. */
static struct lt_task *end(struct lt_crawl *crawl) {
    struct lt_task *list = NULL;
    crawl->over = true;
    for (struct lt_crawl_worker *peer; (peer = win_idle(crawl));) {
        peer->task->next = list;
        list = peer->task;
    }
    return list;
}

static void leave_idle(struct lt_crawl *crawl, struct lt_waiter *waiter) {
    lt_waiters_remove(&crawl->idle, waiter);
    crawl->idle_count--;
    take_stock(crawl);
}

/* With the lock, which is released: park until there is a branch, the end, or the moment of a delayed branch. */
static void park(struct lt_crawl_worker *worker) {
    struct lt_crawl *crawl = worker->crawl;
    struct lt_task *self = worker->task;
    struct lt_waiter waiter = {.task = self, .token = lt_arm(self), .value = worker};
    lt_waiters_append(&crawl->idle, &waiter);
    crawl->idle_count++;
    take_stock(crawl);
    lt_fence(seq_cst);
    if ((lt_cancelled(self) || anything_pending(crawl)) && lt_disarm(self, waiter.token)) {
        leave_idle(crawl, &waiter);
        lt_unlock(&crawl->lock);
        return;
    }
    lt_waits(self, LT_WAIT_BRANCH, crawl, crawl->options.name);
    leat_time due = lt_load(&crawl->due, relaxed);
    if (lt_park_until(self, waiter.token, due, lt_commit_unlock, &crawl->lock) == 0)
        return;
    lt_lock(&crawl->lock);
    leave_idle(crawl, &waiter);
    lt_unlock(&crawl->lock);
}

/* OVER: every branch is done. 0: look again. */
static int wait_for_branches(struct lt_crawl_worker *worker) {
    struct lt_crawl *crawl = worker->crawl;
    lt_lock(&crawl->lock);
    if (!crawl->over && crawl->idle_count + 1 == crawl->live && !crawl->delayed.count && !anything_pending(crawl)) {
        struct lt_task *list = end(crawl);
        lt_unlock(&crawl->lock);
        lt_ready_list(list);
        return OVER;
    }
    if (crawl->over) {
        lt_unlock(&crawl->lock);
        return OVER;
    }
    park(worker);
    return 0;
}

/* Delayed branches whose moment has come. */
static void take_due(struct lt_crawl_worker *worker) {
    struct lt_crawl *crawl = worker->crawl;
    leat_time due = lt_load(&crawl->due, relaxed);
    if (due == LEAT_FOREVER || due > leat_now())
        return;
    leat_time now = leat_now();
    lt_lock(&crawl->lock);
    struct lt_branches *list = &crawl->delayed;
    for (size_t most = crawl->options.batch; most > 0 && list->oldest && list->oldest->due <= now; most--) {
        struct lt_branch *branch = list->oldest;
        lt_branch_remove(list, branch);
        branch->due = 0;
        lt_stack_push(&worker->stack, branch, crawl->options.movable);
        worker->unannounced = true;
    }
    lt_store(&crawl->due, list->oldest ? list->oldest->due : LEAT_FOREVER, relaxed);
    lt_unlock(&crawl->lock);
}

/* ------------------------------------------------------------ a worker's life */

/* The branches of the next call. False: the worker has none. */
static bool begin_call(struct lt_crawl_worker *worker) {
    struct lt_crawl *crawl = worker->crawl;
    take_due(worker);
    bool wanting = lt_load(&crawl->wanting, relaxed);
    struct lt_branch *branch =
        lt_stack_pop(&worker->stack, crawl->options.batch, wanting, crawl->options.movable, &worker->order);
    size_t count = 0;
    for (; branch; branch = branch->with)
        worker->branches[count++] = &branch->what;
    worker->visit.branch = worker->branches[0];
    worker->visit.count = count;
    worker->added = 0;
    if (count)
        offer_if_wanted(worker, 1);
    return count > 0;
}

/* The crawl is being stopped before the call: its branches stay. */
static void undo_call(struct lt_crawl_worker *worker) {
    for (size_t i = 0; i < worker->visit.count; i++)
        lt_stack_push(&worker->stack, lt_branch_of(worker->branches[i]), worker->crawl->options.movable);
}

static int call(struct lt_crawl_worker *worker) {
    struct lt_crawl *crawl = worker->crawl;
    int error = crawl->options.limiter ? leat_limiter_take(crawl->options.limiter, 1) : 0;
    if (error) {
        undo_call(worker);
        return error;
    }
    worker->counts.calls++;
    worker->ticket = lt_load(&worker->task->ticket, relaxed);
    int verdict = crawl->options.visit(&worker->visit);
    worker->waits = worker->ticket != lt_load(&worker->task->ticket, relaxed);
    lt_crawl_conclude(worker, verdict);
    return worker->counts.calls % CALLS_PER_YIELD ? 0 : leat_yield();
}

static void visit_all(struct lt_crawl_worker *worker) {
    while (!leat_cancelled()) {
        if (begin_call(worker))
            call(worker);
        else if (!take_over(worker) && wait_for_branches(worker) == OVER)
            return;
    }
}

/* `enter` failed. The others must not wait for this worker. */
static void retire(struct lt_crawl_worker *worker, int error) {
    struct lt_crawl *crawl = worker->crawl;
    struct lt_task *list = NULL;
    lt_lock(&crawl->lock);
    crawl->live--;
    crawl->refused++;
    crawl->enter_error = crawl->enter_error ? crawl->enter_error : error;
    int index = crawl->live ? -1 : next_worker(crawl);
    if (crawl->live && crawl->idle_count == crawl->live && !crawl->delayed.count && !anything_pending(crawl))
        list = end(crawl);
    take_stock(crawl);
    lt_unlock(&crawl->lock);
    lt_ready_list(list);
    if (index >= 0)
        start_worker(crawl, (unsigned)index);
}

static int say_goodbye(void *arg) {
    struct lt_crawl_worker *worker = arg;
    worker->crawl->options.leave(worker->visit.arg, worker->visit.state);
    return 0;
}

static int work(void *arg) {
    struct lt_crawl_worker *worker = arg;
    const struct leat_crawl_options *options = &worker->crawl->options;
    worker->task = lt_self();
    int error = options->enter ? options->enter(options->arg, worker->visit.worker, &worker->visit.state) : 0;
    if (error < 0) {
        retire(worker, error);
        return 0;
    }
    worker->counts.workers = 1;
    visit_all(worker);
    return options->leave ? leat_shield(say_goodbye, worker) : 0;
}

/* ------------------------------------------------------------ within a visit */

int leat_crawl_add(struct leat_visit *visit, const struct leat_branch *parent, const void *data, size_t size) {
    struct lt_crawl_worker *worker =
        (struct lt_crawl_worker *)((char *)visit - offsetof(struct lt_crawl_worker, visit));
    const struct leat_crawl_options *options = &worker->crawl->options;
    if (!parent)
        parent = visit->branch;
    size_t pending = lt_load(&worker->stack.to_take, relaxed) + worker->held_back.count;
    if (options->pending_limit && pending >= options->pending_limit)
        return -ENOBUFS;
    struct lt_branch *branch = lt_branch_new(worker, data, size, parent->depth + 1);
    if (!branch)
        return -ENOMEM;
    if (options->retries) {
        branch->parent = lt_branch_of((struct leat_branch *)parent);
        lt_branch_append(&worker->held_back, branch);
    } else {
        int error = lt_crawl_accept(worker, branch);
        if (error)
            return error;
        bool waits = worker->waits || worker->ticket != lt_load(&worker->task->ticket, relaxed);
        offer_if_wanted(worker, waits ? 1 : 2);
    }
    return ++worker->added >= options->room ? LEAT_FULL : 0;
}

int leat_crawl_emit(struct leat_visit *visit, const void *value) {
    struct lt_crawl_worker *worker =
        (struct lt_crawl_worker *)((char *)visit - offsetof(struct lt_crawl_worker, visit));
    struct leat_chan *out = worker->crawl->options.out;
    int error = out ? leat_send(out, value) : -EINVAL;
    worker->counts.emitted += error == 0;
    if (error == -EPIPE)
        leat_scope_cancel(worker->crawl->scope, -EPIPE);
    return error;
}

void leat_crawl_fail(struct leat_visit *visit, struct leat_branch *branch, int error) {
    (void)visit;
    lt_branch_of(branch)->error = error < 0 ? error : -EIO;
}

/* ------------------------------------------------------------ the whole */

static void fill_in(struct leat_crawl_options *options) {
    if (!options->workers)
        options->workers = leat_workers();
    if (!options->batch)
        options->batch = 1;
    if (!options->room)
        options->room = 2 * (size_t)options->workers > ROOM ? 2 * (size_t)options->workers : ROOM;
    if (!options->name)
        options->name = "crawl";
}

static int make_workers(struct lt_crawl *crawl) {
    size_t count = crawl->options.workers, batch = crawl->options.batch;
    crawl->workers = aligned_alloc(alignof(struct lt_crawl_worker), count * sizeof *crawl->workers);
    struct leat_branch **branches = calloc(count, batch * sizeof *branches);
    if (!crawl->workers || !branches) {
        free(crawl->workers);
        free(branches);
        return -ENOMEM;
    }
    memset(crawl->workers, 0, count * sizeof *crawl->workers);
    for (size_t i = 0; i < count; i++) {
        struct lt_crawl_worker *worker = &crawl->workers[i];
        worker->crawl = crawl;
        worker->branches = branches + i * batch;
        worker->visit =
            (struct leat_visit){.arg = crawl->options.arg, .worker = (unsigned)i, .branches = worker->branches};
    }
    return 0;
}

static int plant(struct lt_crawl *crawl, const struct leat_bytes *roots, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct lt_branch *branch = lt_branch_new(&crawl->workers[0], roots[i].data, roots[i].size, 0);
        int error = branch ? lt_crawl_accept(&crawl->workers[0], branch) : -ENOMEM;
        if (error)
            return error;
    }
    return 0;
}

static int run_workers(struct lt_crawl *crawl) {
    crawl->scope =
        leat_scope_open(&(struct leat_scope_options){.name = crawl->options.name, .deadline = crawl->options.deadline});
    if (!crawl->scope)
        return -ENOMEM;
    lt_lock(&crawl->lock);
    int index = next_worker(crawl);
    lt_unlock(&crawl->lock);
    start_worker(crawl, (unsigned)index);
    return leat_scope_close(crawl->scope);
}

static int crawl_all(struct lt_crawl *crawl, const struct leat_bytes *roots, size_t count,
                     struct leat_crawl_report *report) {
    int error = make_workers(crawl);
    if (error)
        return error;
    error = plant(crawl, roots, count);
    if (!error && crawl->workers[0].stack.whole.count)
        error = run_workers(crawl);
    lt_crawl_drain(crawl);
    lt_crawl_report(crawl, report);
    if (!error && !report->workers)
        error = crawl->enter_error;
    lt_seen_free(crawl);
    for (unsigned i = 0; i < crawl->options.workers; i++)
        lt_branch_free_spare(&crawl->workers[i]);
    free(crawl->workers[0].branches);
    free(crawl->workers);
    return error ? error : lt_load(&crawl->first_error, relaxed);
}

int leat_crawl(const struct leat_crawl_options *options, const struct leat_bytes *roots, size_t count) {
    struct leat_crawl_report report = {0};
    struct lt_crawl crawl = {.options = *options, .due = LEAT_FOREVER, .seed = lt_hash_mix((uint64_t)leat_now())};
    fill_in(&crawl.options);
    bool valid = options->visit && crawl.options.workers;
    int error = valid ? crawl_all(&crawl, roots, count, &report) : -EINVAL;
    if (options->out)
        leat_chan_close(options->out);
    if (options->report)
        *options->report = report;
    else
        leat_crawl_report_free(&report);
    return error;
}

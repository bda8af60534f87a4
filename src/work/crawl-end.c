/* SPDX-License-Identifier: MIT */
/**
 * What becomes of branches: taken in, done, visited again, given up, left over;
 * and the count of all that.
 *
 * Invariants
 * - A branch that was taken in is counted once as visited, failed or unvisited,
 *   and its memory is freed in that moment; nobody else has a pointer to it.
 * - Keys are looked up when a branch is taken in for good, not when it is held
 *   back: what a call added that will be repeated must not be a duplicate then.
 */
#include "base/clock.h"
#include "work/crawl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct lt_crawl_worker *worker, struct lt_branch *branch) {
    const struct leat_crawl_options *options = &worker->crawl->options;
    if (options->destroy)
        options->destroy(options->arg, &branch->what);
    lt_branch_free(worker, branch);
}

/* ------------------------------------------------------------ giving up */

static void list_failure(struct lt_crawl_worker *worker, const struct leat_branch *branch, int error) {
    struct leat_crawl_report *counts = &worker->counts;
    if (counts->failure_count == worker->failure_room) {
        size_t room = worker->failure_room ? 2 * worker->failure_room : 8;
        struct leat_crawl_failure *list = realloc(counts->failures, room * sizeof *list);
        if (!list)
            return;
        counts->failures = list;
        worker->failure_room = room;
    }
    void *data = malloc(branch->size + 1);
    if (!data)
        return;
    memcpy(data, branch->data, branch->size);
    counts->failures[counts->failure_count++] = (struct leat_crawl_failure){
        .error = error, .depth = branch->depth, .attempts = branch->attempt, .data = data, .size = branch->size};
}

static void give_up(struct lt_crawl_worker *worker, struct lt_branch *branch, int error) {
    struct lt_crawl *crawl = worker->crawl;
    worker->counts.failed++;
    int none = 0;
    lt_cas(&crawl->first_error, &none, error, acq_rel);
    if (crawl->options.failed)
        crawl->options.failed(crawl->options.arg, &branch->what, error);
    else if (crawl->options.report)
        list_failure(worker, &branch->what, error);
    destroy(worker, branch);
    if (crawl->options.stop_on_error)
        leat_scope_cancel(crawl->scope, error);
}

/* ------------------------------------------------------------ taking in */

static int accept(struct lt_crawl_worker *worker, struct lt_branch *branch) {
    struct lt_crawl *crawl = worker->crawl;
    int error = 0;
    if (crawl->options.unique && !lt_seen_first(worker, branch, &error)) {
        if (error)
            return error;
        worker->counts.duplicates++;
        destroy(worker, branch);
        return 0;
    }
    worker->counts.branches++;
    size_t pending = lt_stack_push(&worker->stack, branch, crawl->options.movable);
    worker->unannounced = true;
    if (pending > worker->counts.most_pending)
        worker->counts.most_pending = pending;
    return 0;
}

int lt_crawl_accept(struct lt_crawl_worker *worker, struct lt_branch *branch) {
    int error = accept(worker, branch);
    if (error)
        lt_branch_free(worker, branch);
    return error;
}

/* What the call held back: forget the children of those that will be visited again. */
static void release(struct lt_crawl_worker *worker) {
    struct lt_branch *next;
    for (struct lt_branch *branch = worker->held_back.oldest; branch; branch = next) {
        next = branch->newer;
        if (branch->parent->due) {
            destroy(worker, branch);
            continue;
        }
        int error = accept(worker, branch);
        if (!error)
            continue;
        worker->counts.branches++;
        give_up(worker, branch, error);
    }
    worker->held_back = (struct lt_branches){NULL, NULL, 0};
}

/* ------------------------------------------------------------ after a call */

/* How long to wait before the next attempt. */
static leat_time patience(const struct leat_crawl_options *options, unsigned attempt) {
    leat_time most = options->backoff_limit > 0 ? options->backoff_limit : LEAT_FOREVER;
    leat_time wait = options->backoff;
    for (unsigned i = 1; i < attempt && wait < most; i++)
        wait = wait > LEAT_FOREVER / 2 ? LEAT_FOREVER : 2 * wait;
    return wait < most ? wait : most;
}

/* Decide about a branch that failed: `due` is set when it will be visited again. */
static void plan_retry(struct lt_crawl_worker *worker, struct lt_branch *branch) {
    const struct leat_crawl_options *options = &worker->crawl->options;
    branch->what.attempt++;
    if (branch->what.attempt > options->retries)
        return;
    if (options->retry && !options->retry(options->arg, &branch->what, branch->error))
        return;
    branch->due = lt_after(patience(options, branch->what.attempt));
}

static void visit_again(struct lt_crawl_worker *worker, struct lt_branch *branch) {
    struct lt_crawl *crawl = worker->crawl;
    worker->counts.retries++;
    branch->error = 0;
    lt_lock(&crawl->lock);
    struct lt_branches *list = &crawl->delayed;
    struct lt_branch *before = list->newest;
    while (before && before->due > branch->due)
        before = before->older;
    branch->older = before;
    branch->newer = before ? before->newer : list->oldest;
    *(branch->newer ? &branch->newer->older : &list->newest) = branch;
    *(before ? &before->newer : &list->oldest) = branch;
    list->count++;
    lt_store(&crawl->due, list->oldest->due, relaxed);
    lt_unlock(&crawl->lock);
}

/* Cut off rather than failed: it only tells that the crawl is being stopped. */
static bool cut_off(int error) {
    return error == leat_cancelled();
}

/* One branch of the call. True: it goes on with the rest that LEAT_MORE asked for. */
static bool settle(struct lt_crawl_worker *worker, struct lt_branch *branch, bool more) {
    if (branch->due) {
        visit_again(worker, branch);
        return false;
    }
    if (branch->error && cut_off(branch->error)) {
        lt_stack_push(&worker->stack, branch, worker->crawl->options.movable);
        return false;
    }
    if (branch->error) {
        give_up(worker, branch, branch->error);
        return false;
    }
    if (more)
        return true;
    worker->counts.visited++;
    destroy(worker, branch);
    return false;
}

void lt_crawl_conclude(struct lt_crawl_worker *worker, int verdict) {
    struct lt_crawl *crawl = worker->crawl;
    size_t count = worker->visit.count;
    for (size_t i = 0; i < count; i++) {
        struct lt_branch *branch = lt_branch_of(worker->branches[i]);
        if (verdict < 0 && !branch->error)
            branch->error = verdict;
        if (branch->error && !cut_off(branch->error))
            plan_retry(worker, branch);
    }
    release(worker);
    struct lt_branch *first = NULL, **end = &first;
    for (size_t i = 0; i < count; i++) {
        struct lt_branch *branch = lt_branch_of(worker->branches[i]);
        branch->with = NULL;
        if (!settle(worker, branch, verdict == LEAT_MORE))
            continue;
        *end = branch;
        end = &branch->with;
    }
    if (!first)
        return;
    lt_stack_push_begun(&worker->stack, first, worker->order, crawl->options.movable);
    worker->unannounced = true;
}

/* ------------------------------------------------------------ the end */

static void drop(struct lt_crawl *crawl, struct lt_branch *branch) {
    crawl->workers[0].counts.unvisited++;
    destroy(&crawl->workers[0], branch);
}

static void drop_list(struct lt_crawl *crawl, struct lt_branches *list) {
    for (struct lt_branch *branch; (branch = list->newest);) {
        lt_branch_remove(list, branch);
        drop(crawl, branch);
    }
}

void lt_crawl_drain(struct lt_crawl *crawl) {
    drop_list(crawl, &crawl->delayed);
    for (unsigned i = 0; i < crawl->options.workers; i++) {
        struct lt_crawl_stack *stack = &crawl->workers[i].stack;
        drop_list(crawl, &stack->whole);
        for (struct lt_branch *first; (first = stack->begun.newest);) {
            lt_branch_remove(&stack->begun, first);
            for (struct lt_branch *next; first; first = next) {
                next = first->with;
                drop(crawl, first);
            }
        }
    }
}

static void add_counts(struct leat_crawl_report *sum, const struct leat_crawl_report *counts) {
    sum->branches += counts->branches;
    sum->visited += counts->visited;
    sum->failed += counts->failed;
    sum->unvisited += counts->unvisited;
    sum->duplicates += counts->duplicates;
    sum->calls += counts->calls;
    sum->retries += counts->retries;
    sum->handed_over += counts->handed_over;
    sum->emitted += counts->emitted;
    sum->workers += counts->workers;
    if (counts->most_pending > sum->most_pending)
        sum->most_pending = counts->most_pending;
}

static void add_failures(struct leat_crawl_report *sum, const struct leat_crawl_report *counts) {
    size_t count = sum->failure_count + counts->failure_count;
    struct leat_crawl_failure *list = realloc(sum->failures, count * sizeof *list);
    if (!list) { /* they are counted, at least */
        for (size_t i = 0; i < counts->failure_count; i++)
            free(counts->failures[i].data);
        return;
    }
    memcpy(list + sum->failure_count, counts->failures, counts->failure_count * sizeof *list);
    sum->failures = list;
    sum->failure_count = count;
}

void lt_crawl_report(struct lt_crawl *crawl, struct leat_crawl_report *report) {
    *report = (struct leat_crawl_report){
        .most_busy = crawl->most_busy, .refused = crawl->refused, .enter_error = crawl->enter_error};
    for (unsigned i = 0; i < crawl->options.workers; i++) {
        struct leat_crawl_report *counts = &crawl->workers[i].counts;
        add_counts(report, counts);
        if (counts->failure_count)
            add_failures(report, counts);
        free(counts->failures);
    }
}

void leat_crawl_report_free(struct leat_crawl_report *report) {
    for (size_t i = 0; i < report->failure_count; i++)
        free(report->failures[i].data);
    free(report->failures);
    report->failures = NULL;
    report->failure_count = 0;
}

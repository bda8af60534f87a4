/* SPDX-License-Identifier: MIT */
/**
 * Scopes: who belongs to whom, who must stop, what went wrong.
 *
 * Invariants
 * - `live` counts the tasks that have not ended, and 1 for the opener until it
 *   waits. Whoever takes it to 0 wakes the opener and touches the scope no more.
 * - `stop` changes once, from 0 to what blocking calls return. It is set in a
 *   scope before it is set in the scopes within it; a scope opened within a
 *   stopped one is born stopped. Locks are taken from the outside inwards.
 * - An error is recorded before the cancellation that it causes is visible, so
 *   the first cause is never somebody's -ECANCELED.
 * - `tasks` lists those tasks that have ever parked (the others need no waking:
 *   they see `stop` at their next blocking call), so that spawning and ending a
 *   task that never waits takes no lock.
 * - A task is woken by cancellation only in the scope that is current for it:
 *   an inner scope that shields is not reached.
 *
 * Rejected: one lock for the whole tree (spawning in one request's scope would
 * wait for the cancellation of another's); looking up the chain of parents at
 * each blocking call (depth times as dear as one load).
 */
#include "sync/scope.h"
#include "base/os.h"
#include "sched/park.h"
#include "sched/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct failure {
    struct leat_failure what;
    struct failure *next;
};

struct leat_scope {
    struct lt_scope_head head;
    _Atomic int cause;
    _Atomic int64_t live;
    struct lt_lock lock;
    bool collect, shield, waited, has_timer, counted_in_root;
    bool in_frame; /* its memory is a function's */
    int result;    /* of the wait */
    const char *name;
    const char *_Atomic cause_name;
    struct leat_scope *parent, *children, *sibling, **sibling_link;
    struct lt_task *owner;
    uint64_t wait_token;
    struct lt_task *tasks;
    struct failure *failures, **failures_end;
    size_t failure_count;
    struct leat_failure *failure_list; /* made when asked for */
    struct lt_timer timer;
};

/* ------------------------------------------------------------ membership */

void lt_scope_enlist(struct lt_task *task) {
    struct leat_scope *scope = task->home;
    lt_lock(&scope->lock);
    task->scope_next = scope->tasks;
    task->scope_link = &scope->tasks;
    if (scope->tasks)
        scope->tasks->scope_link = &task->scope_next;
    scope->tasks = task;
    task->in_scope_list = 1;
    lt_unlock(&scope->lock);
}

static void delist(struct leat_scope *scope, struct lt_task *task) {
    lt_lock(&scope->lock);
    *task->scope_link = task->scope_next;
    if (task->scope_next)
        task->scope_next->scope_link = task->scope_link;
    task->in_scope_list = 0;
    lt_unlock(&scope->lock);
}

/* `scope` is zeroed. */
static void scope_init(struct leat_scope *scope, const struct leat_scope_options *options) {
    lt_store(&scope->live, 1, relaxed);
    scope->failures_end = &scope->failures;
    scope->timer.index = LT_TIMER_OUT;
    if (!options)
        return;
    scope->name = options->name;
    scope->collect = options->collect;
    scope->shield = options->shield;
}

static struct leat_scope *scope_new(const struct leat_scope_options *options) {
    struct leat_scope *scope = calloc(1, sizeof *scope);
    if (scope)
        scope_init(scope, options);
    return scope;
}

static void scope_free(struct leat_scope *scope) {
    while (scope->failures) {
        struct failure *next = scope->failures->next;
        free(scope->failures);
        scope->failures = next;
    }
    free(scope->failure_list);
    if (!scope->in_frame)
        free(scope);
}

struct leat_scope *lt_scope_root(void) {
    struct leat_scope *root = scope_new(&(struct leat_scope_options){.name = "main"});
    /* Nobody opened it: the first task takes the place of an opener. */
    if (root)
        lt_store(&root->live, 0, relaxed);
    return root;
}

void lt_scope_root_free(struct leat_scope *root) {
    if (root)
        scope_free(root);
}

/* ------------------------------------------------------------ cancellation */

int leat_cancelled(void) {
    lt_disturb_here();
    struct lt_task *self = lt_self();
    return self ? lt_cancelled(self) : 0;
}

static void keep_cause(struct leat_scope *scope, int cause) {
    int none = 0;
    lt_cas(&scope->cause, &none, cause, acq_rel);
}

static struct lt_task *win(struct lt_task *task, struct leat_scope *scope, int result, struct lt_task *list) {
    uint64_t token = lt_load(&task->ticket, seq_cst);
    if ((token & LT_TICKET_STATES) != LT_TICKET_ARMED)
        return list;
    /* Read after the ticket: were they of a later wait, the ticket would have changed, and lt_fire() fails. */
    if (lt_load(&task->scope, acquire) != scope || lt_load(&task->uncancellable, acquire))
        return list;
    if (!lt_fire(task, token, result))
        return list;
    task->next = list;
    return task;
}

/* Stop the scope and all within it; returns the tasks to wake. */
static struct lt_task *stop_all(struct leat_scope *scope, int stop, int cause, const char *name, struct lt_task *list) {
    lt_lock(&scope->lock);
    if (lt_load(&scope->head.stop, relaxed)) {
        lt_unlock(&scope->lock);
        return list;
    }
    keep_cause(scope, cause);
    lt_store(&scope->cause_name, name, release);
    lt_store(&scope->head.stop, stop, seq_cst);
    lt_fence(seq_cst);
    if (scope->owner)
        list = win(scope->owner, scope, stop, list);
    for (struct lt_task *task = scope->tasks; task; task = task->scope_next)
        list = win(task, scope, stop, list);
    for (struct leat_scope *child = scope->children; child; child = child->sibling)
        if (!child->shield)
            list = stop_all(child, stop, stop, name, list);
    lt_unlock(&scope->lock);
    return list;
}

void leat_scope_cancel(struct leat_scope *scope, int cause) {
    lt_disturb_here();
    lt_ready_list(stop_all(scope, -ECANCELED, cause < 0 ? cause : -ECANCELED, scope->name, NULL));
}

static void deadline_passed(struct lt_timer *timer) {
    struct leat_scope *scope = (struct leat_scope *)((char *)timer - offsetof(struct leat_scope, timer));
    lt_ready_list(stop_all(scope, -ETIMEDOUT, -ETIMEDOUT, scope->name, NULL));
}

int leat_scope_cause(const struct leat_scope *scope) {
    return lt_load(&((struct leat_scope *)scope)->cause, acquire);
}

const char *leat_scope_cause_name(const struct leat_scope *scope) {
    return lt_load(&((struct leat_scope *)scope)->cause_name, acquire);
}

/* ------------------------------------------------------------ open, wait, close */

static int start_deadline(struct leat_scope *scope, struct lt_task *self, leat_time deadline) {
    struct lt_runtime *runtime = lt_the_runtime();
    struct lt_worker *worker = lt_worker_here() ? self->worker : &runtime->workers[0];
    scope->timer.later = deadline_passed;
    int error = lt_timer_start(&worker->timers, &scope->timer, deadline);
    scope->has_timer = error == 0;
    if (!lt_worker_here())
        lt_notify_worker(runtime, worker);
    return error;
}

static void adopt(struct leat_scope *parent, struct leat_scope *scope) {
    lt_lock(&parent->lock);
    scope->parent = parent;
    scope->sibling = parent->children;
    scope->sibling_link = &parent->children;
    if (parent->children)
        parent->children->sibling_link = &scope->sibling;
    parent->children = scope;
    int stop = scope->shield ? 0 : lt_load(&parent->head.stop, relaxed);
    if (stop) {
        lt_store(&scope->cause, stop, relaxed);
        lt_store(&scope->cause_name, lt_load(&parent->cause_name, relaxed), relaxed);
        lt_store(&scope->head.stop, stop, seq_cst);
    }
    lt_unlock(&parent->lock);
}

static void orphan(struct leat_scope *scope) {
    struct leat_scope *parent = scope->parent;
    lt_lock(&parent->lock);
    *scope->sibling_link = scope->sibling;
    if (scope->sibling)
        scope->sibling->sibling_link = scope->sibling_link;
    lt_unlock(&parent->lock);
}

/* One more task (or opener). False: the scope is over. */
static bool join_scope(struct leat_scope *scope) {
    int64_t live = lt_load(&scope->live, relaxed);
    while (live > 0)
        if (lt_cas(&scope->live, &live, live + 1, acq_rel))
            return true;
    return false;
}

static void leave_scope(struct leat_scope *scope) {
    if (lt_fetch_sub(&scope->live, 1, acq_rel) != 1)
        return;
    struct lt_runtime *runtime = lt_the_runtime();
    if (scope == runtime->root) {
        lt_store(&runtime->done, LT_COMPLETE, release);
        lt_futex_wake(&runtime->done, 1);
        return;
    }
    struct lt_task *owner = scope->owner;
    if (lt_fire(owner, scope->wait_token, 0))
        lt_ready(owner, LT_RUN_NEXT);
}

/* For an ordinary thread: the root, which does not end before the thread's scope. NULL: there is no run, or it ends. */
static struct leat_scope *join_root(void) {
    struct lt_runtime *runtime = lt_visit();
    struct leat_scope *root = runtime ? runtime->root : NULL;
    if (root && !join_scope(root))
        root = NULL;
    lt_visit_end();
    return root;
}

/* Make it the current scope. False: there is no run, or it ends. */
static bool enter(struct leat_scope *scope, struct lt_task *self) {
    struct leat_scope *parent = lt_load(&self->scope, relaxed);
    if (!parent) {
        parent = join_root();
        if (!parent)
            return false;
        scope->counted_in_root = true;
    }
    scope->owner = self;
    adopt(parent, scope);
    lt_store(&self->scope, scope, release);
    return true;
}

struct leat_scope *leat_scope_open(const struct leat_scope_options *options) {
    lt_disturb_here();
    struct lt_task *self = lt_self();
    struct leat_scope *scope = self ? scope_new(options) : NULL;
    if (!scope)
        return NULL;
    if (!enter(scope, self)) {
        scope_free(scope);
        return NULL;
    }
    if (options && options->deadline && options->deadline != LEAT_FOREVER &&
        start_deadline(scope, self, options->deadline) < 0) {
        leat_scope_close(scope);
        return NULL;
    }
    return scope;
}

static int first_real_failure(const struct leat_scope *scope) {
    for (const struct failure *failure = scope->failures; failure; failure = failure->next)
        if (!failure->what.consequence)
            return failure->what.error;
    return 0;
}

int leat_scope_wait(struct leat_scope *scope) {
    lt_disturb();
    struct lt_task *self = lt_self();
    if (scope->owner != self)
        return -EINVAL;
    if (scope->waited)
        return scope->result;
    lt_store(&self->uncancellable, 1, relaxed);
    scope->wait_token = lt_arm(self);
    lt_waits(self, LT_WAIT_SCOPE, scope, scope->name);
    if (lt_fetch_sub(&scope->live, 1, acq_rel) == 1) {
        lt_disarm(self, scope->wait_token);
        lt_store(&self->wait, LT_WAIT_NOTHING, relaxed);
    } else {
        lt_park(self, NULL, NULL);
    }
    lt_store(&self->uncancellable, 0, relaxed);
    if (scope->has_timer)
        lt_timer_stop(&scope->timer);
    scope->waited = true;
    scope->result = lt_load(&scope->cause, acquire);
    return scope->result;
}

int leat_scope_close(struct leat_scope *scope) {
    if (!scope)
        return 0;
    struct lt_task *self = lt_self();
    if (scope->owner != self || lt_load(&self->scope, relaxed) != scope)
        return -EINVAL;
    int result = leat_scope_wait(scope);
    orphan(scope);
    lt_store(&self->scope, scope->counted_in_root ? NULL : scope->parent, release);
    if (scope->counted_in_root)
        leave_scope(scope->parent);
    scope_free(scope);
    return result;
}

int leat_scope_stop(struct leat_scope *scope) {
    if (scope->owner != lt_self())
        return -EINVAL;
    if (scope->waited)
        return scope->result;
    bool stopped_before = lt_load(&scope->head.stop, acquire) != 0;
    leat_scope_cancel(scope, -ECANCELED);
    leat_scope_wait(scope);
    if (!stopped_before)
        scope->result = first_real_failure(scope);
    return scope->result;
}

/* ------------------------------------------------------------ tasks */

int leat_go_at(struct leat_scope *scope, leat_fn *fn, void *arg, const struct leat_task_options *options,
               const char *function, const char *file, int line) {
    lt_disturb_here();
    struct lt_runtime *runtime = lt_the_runtime();
    struct lt_worker *worker = lt_worker_here();
    if (!scope && worker)
        scope = lt_load(&worker->current->scope, relaxed);
    else if (!scope && runtime) {
        struct lt_task *self = lt_self();
        scope = self ? lt_load(&self->scope, relaxed) : NULL;
    }
    if (!scope || !runtime || !fn)
        return -EINVAL;
    /* The first task of a run finds the root empty. */
    if (scope == runtime->root && !worker && !lt_load(&runtime->begun, relaxed))
        lt_fetch_add(&scope->live, 1, relaxed);
    else if (!join_scope(scope))
        return -ESHUTDOWN;
    struct lt_task *task = lt_task_new(worker);
    if (!task) {
        leave_scope(scope);
        return -ENOMEM;
    }
    task->function = fn;
    task->argument = arg;
    task->home = scope;
    lt_store(&task->scope, scope, relaxed);
    task->name = options && options->name ? options->name : function;
    task->file = file;
    task->line = line;
    task->stack_class = (uint8_t)(options ? options->stack : LEAT_STACK_DEFAULT);
    lt_enqueue(worker, task);
    return 0;
}

void lt_scope_adopt(struct leat_scope *scope, struct lt_task *task) {
    lt_fetch_add(&scope->live, 1, relaxed);
    task->home = scope;
    lt_store(&task->scope, scope, relaxed);
}

static void record(struct leat_scope *scope, const struct lt_task *task, int error) {
    struct failure *failure = malloc(sizeof *failure);
    lt_lock(&scope->lock);
    int stop = lt_load(&scope->head.stop, relaxed);
    bool consequence = stop && error == stop;
    if (failure) {
        *failure = (struct failure){.what = {.error = error,
                                             .task = task->id,
                                             .name = task->name,
                                             .file = task->file,
                                             .line = task->line,
                                             .consequence = consequence}};
        *scope->failures_end = failure;
        scope->failures_end = &failure->next;
        scope->failure_count++;
    }
    if (!consequence)
        keep_cause(scope, error);
    lt_unlock(&scope->lock);
    if (!consequence && !scope->collect)
        leat_scope_cancel(scope, error);
}

void lt_scope_task_ends(struct lt_task *task, int result) {
    struct leat_scope *home = task->home;
    /* Scopes left open by mistake end with their task: nothing outlives its scope. */
    for (struct leat_scope *open; (open = lt_load(&task->scope, relaxed)) != home;)
        leat_scope_close(open);
    if (task->in_scope_list)
        delist(home, task);
    if (result < 0)
        record(home, task, result);
    leave_scope(home);
}

size_t leat_scope_failures(const struct leat_scope *scope, const struct leat_failure **list) {
    struct leat_scope *mine = (struct leat_scope *)scope;
    if (!mine->failure_list && mine->failure_count) {
        mine->failure_list = malloc(mine->failure_count * sizeof *mine->failure_list);
        size_t i = 0;
        for (struct failure *failure = mine->failures; failure && mine->failure_list; failure = failure->next)
            mine->failure_list[i++] = failure->what;
    }
    *list = mine->failure_list;
    return mine->failure_list ? mine->failure_count : 0;
}

int leat_shield(leat_fn *fn, void *arg) {
    lt_disturb_here();
    struct lt_task *self = lt_self();
    /* No memory is asked for: clean-up must be done also when there is none. */
    struct leat_scope scope = {.in_frame = true};
    scope_init(&scope, &(struct leat_scope_options){.name = "shield", .shield = true});
    if (!self || !enter(&scope, self))
        return -ENOMEM;
    int result = fn(arg);
    int cause = leat_scope_close(&scope);
    return result ? result : cause;
}

int leat_within(leat_time deadline, leat_fn *fn, void *arg) {
    /* The moment 0 has passed, too; an option of 0 would mean none. */
    struct leat_scope_options options = {.name = "within", .deadline = deadline ? deadline : 1};
    struct leat_scope *scope = leat_scope_open(&options);
    if (!scope)
        return -ENOMEM;
    int result = fn(arg);
    int cause = leat_scope_close(scope);
    return result ? result : cause;
}

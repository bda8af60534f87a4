/* SPDX-License-Identifier: MIT */
/** Scopes: who is waited for, who is cancelled and why, whose errors are kept, what a shield keeps out. */
#include "runtime/runtime.h"

static int sleep_for_ever(void *arg) {
    (void)arg;
    return leat_sleep_until(LEAT_FOREVER);
}

static int return_it(void *arg) {
    return *(int *)arg;
}

/* ------------------------------------------------------ the tree of scopes */

struct node {
    _Atomic int *waiting, *cancelled;
    int depth;
};

static int grow(void *arg) {
    struct node *node = arg;
    if (node->depth) {
        struct node below = {node->waiting, node->cancelled, node->depth - 1};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, grow, &below);
        leat_go(scope, grow, &below);
        int error = leat_scope_close(scope);
        lt_fetch_add(node->cancelled, error == -ECANCELED, relaxed);
        return error;
    }
    lt_fetch_add(node->waiting, 1, relaxed);
    int error = leat_sleep_until(LEAT_FOREVER);
    lt_fetch_add(node->cancelled, error == -ECANCELED, relaxed);
    return error;
}

static int reaches_descendants(void *arg) {
    (void)arg;
    enum { DEPTH = 6 };
    _Atomic int waiting = 0, cancelled = 0;
    struct node root = {&waiting, &cancelled, DEPTH};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, grow, &root);
    while (waiting < 1 << DEPTH)
        leat_yield();
    leat_scope_cancel(scope, 0);
    equal(leat_scope_close(scope), -ECANCELED);
    equal(cancelled, (2 << DEPTH) - 1);
    return 0;
}

static int stays_below(void *arg) {
    (void)arg;
    struct leat_scope *outer = leat_scope_open(NULL);
    struct leat_scope *inner = leat_scope_open(NULL);
    leat_go(inner, sleep_for_ever, NULL);
    leat_scope_cancel(inner, -EIO);
    equal(leat_cancelled(), -ECANCELED);
    equal(leat_scope_close(inner), -EIO);
    equal(leat_scope_cause(outer), 0);
    equal(leat_cancelled(), 0);
    equal(leat_yield(), 0);
    equal(leat_scope_close(outer), 0);
    return 0;
}

static int born_cancelled(void *arg) {
    (void)arg;
    struct leat_scope *outer = leat_scope_open(NULL);
    leat_scope_cancel(outer, 0);
    struct leat_scope *inner = leat_scope_open(NULL);
    equal(leat_cancelled(), -ECANCELED);
    /* A cancelled scope still takes the task; its first blocking call tells it. */
    equal(leat_go(inner, sleep_for_ever, NULL), 0);
    equal(leat_scope_close(inner), -ECANCELED);
    equal(leat_scope_close(outer), -ECANCELED);
    return 0;
}

/* -------------------------------------------------------------- deadlines */

static int earlier_deadline(void *arg) {
    (void)arg;
    for (int inner_first = 0; inner_first < 2; inner_first++) {
        leat_time soon = leat_after(3 * LEAT_MILLISECOND), late = leat_after(3600 * LEAT_SECOND);
        struct leat_scope_options outer_options = {.name = "outer", .deadline = inner_first ? late : soon};
        struct leat_scope_options inner_options = {.name = "inner", .deadline = inner_first ? soon : late};
        struct leat_scope *outer = leat_scope_open(&outer_options);
        struct leat_scope *inner = leat_scope_open(&inner_options);
        leat_go(inner, sleep_for_ever, NULL);
        equal(leat_scope_wait(inner), -ETIMEDOUT);
        check(leat_now() >= soon);
        const char *name = leat_scope_cause_name(inner);
        check(name && strcmp(name, inner_first ? "inner" : "outer") == 0);
        equal(leat_scope_cause(inner), -ETIMEDOUT);
        equal(leat_scope_cause(outer), inner_first ? 0 : -ETIMEDOUT);
        check((leat_scope_cause_name(outer) == NULL) == inner_first);
        equal(leat_scope_close(inner), -ETIMEDOUT);
        equal(leat_cancelled(), inner_first ? 0 : -ETIMEDOUT);
        equal(leat_scope_close(outer), inner_first ? 0 : -ETIMEDOUT);
    }
    return 0;
}

/* Who has waited in time is not cut off later. */
static int deadline_ends_with_the_wait(void *arg) {
    (void)arg;
    for (int i = 0; i < 5; i++) {
        leat_time deadline = leat_after(10 * LEAT_MILLISECOND);
        struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.deadline = deadline});
        int waited = leat_scope_wait(scope);
        if (waited == 0) {
            equal(leat_sleep_until(deadline + LEAT_MILLISECOND), 0);
            equal(leat_cancelled(), 0);
        }
        equal(leat_scope_close(scope), waited);
    }
    return 0;
}

static int past_deadline(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.deadline = 1});
    leat_go(scope, sleep_for_ever, NULL);
    equal(leat_scope_close(scope), -ETIMEDOUT);
    return 0;
}

static int within(void *arg) {
    (void)arg;
    leat_time deadline = leat_after(2 * LEAT_MILLISECOND);
    equal(leat_within(deadline, sleep_for_ever, NULL), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(leat_within(leat_after(3600 * LEAT_SECOND), return_it, &(int){0}), 0);
    equal(leat_within(leat_after(3600 * LEAT_SECOND), return_it, &(int){-EIO}), -EIO);
    equal(leat_within(leat_after(3600 * LEAT_SECOND), return_it, &(int){17}), 17);
    equal(leat_cancelled(), 0);
    return 0;
}

static int spawn_late(void *arg) {
    (void)arg;
    return leat_go(NULL, sleep_for_ever, NULL);
}

static int within_cuts_off(void *arg) {
    (void)arg;
    equal(leat_within(leat_after(2 * LEAT_MILLISECOND), spawn_late, NULL), -ETIMEDOUT);
    return 0;
}

/* ------------------------------------------------------------------ causes */

/* True: the cancellations came before the deadline, as the test presupposes. */
static bool keeps_first_cause(leat_time patience) {
    leat_time deadline = leat_after(patience);
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.deadline = deadline});
    leat_scope_cancel(scope, -EXDEV);
    bool in_time = leat_now() < deadline;
    int first = in_time ? -EXDEV : leat_scope_cause(scope);
    leat_scope_cancel(scope, -EIO);
    leat_scope_cancel(scope, 0);
    equal(leat_scope_cause(scope), first);
    while (leat_now() < deadline)
        leat_yield();
    leat_go(scope, return_it, &(int){-ENOENT});
    equal(leat_scope_wait(scope), first);
    equal(leat_scope_close(scope), first);
    return in_time;
}

static int first_cause(void *arg) {
    (void)arg;
    leat_time patience = LEAT_MILLISECOND;
    while (!keeps_first_cause(patience)) /* the machine is busy elsewhere */
        patience *= 2;
    return 0;
}

struct rivals {
    struct leat_scope *scope;
    _Atomic bool go;
    int cause;
};

static int cancel_it(void *arg) {
    struct rivals *rivals = arg;
    while (!lt_load(&rivals->go, acquire))
        leat_yield();
    leat_scope_cancel(rivals->scope, rivals->cause);
    return 0;
}

static int one_cause_of_many(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(300); i++) {
        struct leat_scope *helpers = leat_scope_open(&(struct leat_scope_options){.shield = true});
        struct leat_scope *scope = leat_scope_open(NULL);
        struct rivals rivals[4];
        for (int k = 0; k < 4; k++) {
            rivals[k] = (struct rivals){.scope = scope, .cause = -10 - k};
            leat_go(helpers, cancel_it, &rivals[k]);
        }
        leat_go(scope, sleep_for_ever, NULL);
        for (int k = 0; k < 4; k++)
            lt_store(&rivals[k].go, true, release);
        int cause = leat_scope_wait(scope);
        equal(leat_scope_wait(helpers), 0); /* they use the scope */
        check(cause <= -10 && cause >= -13);
        equal(leat_scope_cause(scope), cause);
        equal(leat_scope_close(scope), cause);
        equal(leat_scope_close(helpers), 0);
    }
    return 0;
}

/* Scopes opened and closed within a long-lived one, in great number: closing takes them out of its list. */
static int closed_scopes_are_gone(void *arg) {
    (void)arg;
    struct leat_scope *outer = leat_scope_open(NULL);
    for (size_t i = 0; i < scaled(100000); i++) {
        struct leat_scope *inner =
            leat_scope_open(&(struct leat_scope_options){.deadline = leat_after(LEAT_SECOND * 3600)});
        if (i % 3 == 0)
            leat_scope_cancel(inner, 0);
        equal(leat_scope_close(inner), i % 3 ? 0 : -ECANCELED);
    }
    leat_scope_cancel(outer, 0);
    equal(leat_scope_close(outer), -ECANCELED);
    return 0;
}

struct knot {
    struct leat_scope *mine, *other;
};

static int cancel_other(void *arg) {
    struct knot *knot = arg;
    leat_scope_cancel(knot->other, 0);
    leat_scope_cancel(knot->mine, 0);
    return leat_sleep_until(LEAT_FOREVER);
}

static int interlocked(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(500); i++) {
        struct leat_scope *a = leat_scope_open(NULL), *b = leat_scope_open(NULL);
        struct knot knots[4] = {{a, b}, {b, a}, {a, b}, {b, a}};
        for (int k = 0; k < 4; k++)
            leat_go(knots[k].mine, cancel_other, &knots[k]);
        equal(leat_scope_wait(b), -ECANCELED);
        equal(leat_scope_wait(a), -ECANCELED); /* its tasks use b */
        equal(leat_scope_close(b), -ECANCELED);
        equal(leat_scope_close(a), -ECANCELED);
    }
    return 0;
}

/* ---------------------------------------------- what cancellation wakes */

struct place {
    struct leat_chan *chan;
    struct leat_mutex mutex;
    struct leat_cond cond;
    struct leat_wg wg;
    struct leat_limiter *limiter;
    int fd;
    int result, again;
};

static int in_send(struct place *place) {
    return leat_send(place->chan, &(int){1});
}
static int in_send_many(struct place *place) {
    return (int)leat_send_many(place->chan, (int[]){1, 2}, 2);
}
static int in_receive(struct place *place) {
    return leat_recv(place->chan, NULL);
}
static int in_select(struct place *place) {
    struct leat_case cases[] = {{LEAT_RECV, place->chan}, {LEAT_SEND, place->chan, &(int){1}}};
    return leat_select(cases, 2);
}
static int in_empty_select(struct place *place) {
    (void)place;
    return leat_select(NULL, 0);
}
static int in_sleep(struct place *place) {
    (void)place;
    return leat_sleep(LEAT_FOREVER);
}
static int in_wait_group(struct place *place) {
    return leat_wg_wait(&place->wg);
}
static int in_lock(struct place *place) {
    return leat_lock(&place->mutex);
}
static int in_limiter(struct place *place) {
    return leat_limiter_take(place->limiter, 1);
}
static int in_descriptor(struct place *place) {
    return leat_wait_fd(place->fd, LEAT_READABLE);
}
static int in_join(struct place *place) {
    (void)place;
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, sleep_for_ever, NULL);
    return leat_scope_close(scope);
}
static int in_condition(struct place *place) {
    static struct leat_mutex mutex;
    int error = leat_lock(&mutex);
    if (error)
        return error;
    error = leat_cond_wait(&place->cond, &mutex);
    equal(leat_unlock(&mutex), 0); /* held, also after an error */
    return error;
}
static int in_yield(struct place *place) {
    (void)place;
    int error;
    while ((error = leat_yield()) == 0)
        leat_sleep(LEAT_MILLISECOND / 10);
    return error;
}

static int (*const calls[])(struct place *) = {in_send,       in_send_many, in_receive,    in_select, in_empty_select,
                                               in_sleep,      in_lock,      in_wait_group, in_join,   in_limiter,
                                               in_descriptor, in_condition, in_yield};
enum { CALLS = sizeof calls / sizeof *calls };

struct visit {
    struct place *place;
    int (*call)(struct place *);
    int first, second;
};

static int be_there(void *arg) {
    struct visit *visit = arg;
    visit->first = visit->call(visit->place);
    visit->second = visit->call(visit->place);
    return visit->first;
}

static void make_place(struct place *place, int fd) {
    *place = (struct place){.chan = leat_chan_new(sizeof(int), 0), .limiter = leat_limiter_new(1e-6, 1), .fd = fd};
    equal(leat_lock(&place->mutex), 0);
    equal(leat_wg_add(&place->wg, 1), 0);
    equal(leat_limiter_take(place->limiter, 1), 0);
}

static void check_wakes(bool by_deadline, bool late) {
    int fds[2];
    if (!equal(pipe(fds), 0))
        return;
    int wanted = by_deadline ? -ETIMEDOUT : -ECANCELED;
    for (int i = 0; i < CALLS; i++) {
        struct place place;
        make_place(&place, fds[0]);
        struct visit visit = {&place, calls[i], 0, 0};
        leat_time deadline = by_deadline ? leat_after(2 * LEAT_MILLISECOND) : 0;
        struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.deadline = deadline});
        leat_go(scope, be_there, &visit);
        if (!by_deadline && late)
            settle();
        if (!by_deadline)
            leat_scope_cancel(scope, 0);
        equal(leat_scope_close(scope), wanted);
        if (!equal(visit.first, wanted) || !equal(visit.second, wanted))
            dprintf(2, "# that was call number %d\n", i);
        /* Nobody waits there any more. */
        equal(leat_recv_try(place.chan, NULL), -EAGAIN);
        equal(leat_send_try(place.chan, &(int){1}), -EAGAIN);
        equal(leat_unlock(&place.mutex), 0);
        equal(leat_lock(&place.mutex), 0);
        leat_chan_free(place.chan);
        leat_limiter_free(place.limiter);
    }
    leat_close_fd(fds[0]);
    close(fds[1]);
}

static int cancel_wakes(void *arg) {
    (void)arg;
    check_wakes(false, true);
    check_wakes(false, false);
    return 0;
}

static int deadline_wakes(void *arg) {
    (void)arg;
    check_wakes(true, true);
    return 0;
}

static int try_everything(void *arg) {
    struct place *place = arg;
    int wanted = -ECANCELED;
    equal(leat_yield(), wanted);
    equal(leat_sleep(1), wanted);
    equal(leat_sleep(0), wanted);
    equal(leat_cancelled(), wanted);
    struct leat_case ready[] = {{LEAT_RECV, place->chan, NULL}};
    equal(leat_recv(place->chan, NULL), wanted); /* cancelled comes before ready … */
    equal(leat_recv_try(place->chan, NULL), wanted);
    equal(leat_recv_until(place->chan, NULL, 0), wanted);
    equal(leat_recv_many(place->chan, NULL, 1), wanted);
    equal(leat_send(place->chan, &(int){1}), wanted);
    equal(leat_send_try(place->chan, &(int){1}), wanted);
    equal(leat_select(ready, 1), wanted);
    equal(leat_select_try(ready, 1), wanted);
    equal(leat_lock(&place->mutex), wanted);
    equal(leat_lock_try(&place->mutex), wanted);
    equal(leat_limiter_take(place->limiter, 1), wanted);
    equal(leat_limiter_take_try(place->limiter, 1), wanted);
    equal(leat_block(return_it, &(int){0}), wanted);
    leat_chan_close(place->chan);
    equal(leat_recv(place->chan, NULL), wanted); /* … and before closed */
    equal(leat_send(place->chan, &(int){1}), wanted);
    return 0;
}

static int stays_cancelled(void *arg) {
    (void)arg;
    struct place place = {.chan = leat_chan_new(sizeof(int), 4), .limiter = leat_limiter_new(1e6, 10)};
    equal(leat_send(place.chan, &(int){1}), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_scope_cancel(scope, 0);
    try_everything(&place);
    leat_go(scope, try_everything, &place);
    equal(leat_scope_close(scope), -ECANCELED);
    /* The scope is gone, and so is the cancellation. */
    equal(leat_cancelled(), 0);
    equal(leat_recv(place.chan, NULL), 0);
    equal(leat_lock(&place.mutex), 0);
    leat_chan_free(place.chan);
    leat_limiter_free(place.limiter);
    return 0;
}

/* ------------------------------------------------------------------ shield */

static int clean_up(void *arg) {
    int *steps = arg;
    equal(leat_cancelled(), 0);
    equal(leat_sleep(LEAT_MILLISECOND), 0);
    struct leat_chan *chan = leat_chan_new(sizeof(int), 1);
    equal(leat_send(chan, &(int){1}), 0);
    equal(leat_recv(chan, steps), 0);
    leat_chan_free(chan);
    return 21;
}

static int work_and_clean_up(void *arg) {
    equal(leat_sleep_until(LEAT_FOREVER), -ECANCELED);
    equal(leat_shield(clean_up, arg), 21);
    equal(leat_yield(), -ECANCELED);
    return 0;
}

static int wait_shielded(void *arg) {
    struct leat_scope *outer = arg;
    leat_scope_cancel(outer, 0);
    return leat_sleep(2 * LEAT_MILLISECOND);
}

static int shielded(void *arg) {
    (void)arg;
    int steps = 0;
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, work_and_clean_up, &steps);
    settle();
    leat_scope_cancel(scope, 0);
    equal(leat_scope_close(scope), -ECANCELED);
    equal(steps, 1);

    /* Cancelled while within the shield: told right after it. */
    scope = leat_scope_open(NULL);
    equal(leat_shield(wait_shielded, scope), 0);
    equal(leat_yield(), -ECANCELED);
    struct leat_scope *shield = leat_scope_open(&(struct leat_scope_options){.shield = true});
    equal(leat_yield(), 0);
    leat_scope_cancel(shield, -EIO); /* its own cancellation it does feel */
    equal(leat_yield(), -ECANCELED);
    equal(leat_scope_close(shield), -EIO);
    equal(leat_scope_close(scope), -ECANCELED);
    return 0;
}

static int close_foreign(void *arg) {
    equal(leat_scope_close(arg), -EINVAL);
    return 0;
}

static int misnesting(void *arg) {
    (void)arg;
    struct leat_scope *outer = leat_scope_open(NULL), *inner = leat_scope_open(NULL);
    equal(leat_scope_close(outer), -EINVAL);
    leat_go(inner, close_foreign, inner);
    equal(leat_scope_close(inner), 0);
    equal(leat_scope_close(outer), 0);
    equal(leat_scope_close(NULL), 0);
    return 0;
}

static int no_function(void *arg) {
    (void)arg;
    leat_fn *none = NULL;
    equal(leat_go(NULL, none, NULL), -EINVAL);
    struct leat_scope *scope = leat_scope_open(NULL);
    equal(leat_go(scope, none, NULL), -EINVAL);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static const struct test tests[] = {
    {"a task without a function is refused", no_function},
    {"cancelling reaches all descendants", reaches_descendants},
    {"cancelling a child leaves its parent alone", stays_below},
    {"a scope within a cancelled one starts cancelled", born_cancelled},
    {"the earlier deadline wins and is named", earlier_deadline},
    {"a deadline ends with the wait for its scope", deadline_ends_with_the_wait},
    {"a deadline in the past", past_deadline},
    {"a function within a deadline", within},
    {"late tasks of a function within a deadline are cut off", within_cuts_off},
    {"the first cause is kept", first_cause},
    {"of causes at the same time one is kept", one_cause_of_many},
    {"closed scopes leave nothing in their parent", closed_scopes_are_gone},
    {"scopes that cancel each other do not deadlock", interlocked},
    {"cancelling wakes tasks wherever they wait", cancel_wakes},
    {"a deadline wakes tasks wherever they wait", deadline_wakes},
    {"cancelled stays cancelled until the scope is closed", stays_cancelled},
    {"a shield keeps cancellation out until its end", shielded},
    {"scopes closed out of order are refused", misnesting},
};

int main(int argc, char **argv) {
    return run_group("scope", tests, sizeof tests / sizeof *tests, argc, argv);
}

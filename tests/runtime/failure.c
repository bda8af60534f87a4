/* SPDX-License-Identifier: MIT */
/** What a scope knows of its tasks: all are waited for, all errors are kept in order, nobody outlives it. */
#include "runtime/runtime.h"

static int return_it(void *arg) {
    return *(int *)arg;
}

static int sleep_for_ever(void *arg) {
    (void)arg;
    return leat_sleep_until(LEAT_FOREVER);
}

/* ----------------------------------------------------- waiting for all */

struct family {
    struct leat_scope *scope; /* NULL: the task's own */
    _Atomic int born, gone;
    int depth;
};

struct member {
    struct family *family;
    int depth;
};

static int multiply(void *arg) {
    struct member *member = arg;
    struct family *family = member->family;
    lt_fetch_add(&family->born, 1, relaxed);
    for (int i = 0; i < 3 && member->depth; i++) {
        struct member *child = malloc(sizeof *child);
        *child = (struct member){family, member->depth - 1};
        if (!equal(leat_go(family->scope, multiply, child), 0))
            free(child);
        if (i == 1)
            leat_yield();
    }
    if (member->depth % 2)
        leat_sleep(LEAT_MILLISECOND / 5);
    lt_fetch_add(&family->gone, 1, relaxed);
    free(member);
    return 0;
}

static int waits_for_all(void *arg) {
    (void)arg;
    for (int named = 0; named < 2; named++) {
        struct leat_scope *scope = leat_scope_open(NULL);
        struct family family = {.scope = named ? scope : NULL};
        struct member *first = malloc(sizeof *first);
        *first = (struct member){&family, 6};
        leat_go(scope, multiply, first);
        equal(leat_scope_wait(scope), 0);
        equal(family.born, (3 * 3 * 3 * 3 * 3 * 3 * 3 - 1) / 2);
        equal(family.gone, family.born);
        equal(leat_scope_wait(scope), 0);
        equal(leat_scope_close(scope), 0);
    }
    return 0;
}

static _Atomic int outlived;

static int end_late(void *arg) {
    (void)arg;
    leat_sleep(5 * LEAT_MILLISECOND);
    lt_fetch_add(&outlived, 1, relaxed);
    return 0;
}

static int leave_behind(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++)
        leat_go(NULL, end_late, NULL);
    return 3;
}

static void nobody_outlives(void) {
    outlived = 0;
    assert_int_equal(leat_run_with(&(struct leat_options){.workers = 2}, leave_behind, NULL), 3);
    assert_int_equal(outlived, 10);
}

static int fail_behind(void *arg) {
    leat_go(NULL, return_it, arg);
    leat_go(NULL, sleep_for_ever, NULL);
    return 0;
}

static void run_returns_errors(void) {
    assert_int_equal(leat_run_with(&(struct leat_options){.workers = 2}, fail_behind, &(int){-EIO}), -EIO);
    assert_int_equal(leat_run(return_it, &(int){-ENXIO}), -ENXIO);
    assert_int_equal(leat_run(return_it, &(int){5}), 5);
}

/* -------------------------------------------------------------- failures */

static int list_of_failures(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = "team"});
    struct leat_task_options options = {.name = "the bad one"};
    for (int i = 0; i < 5; i++)
        leat_go(scope, sleep_for_ever, NULL);
    settle();
    int line = __LINE__ + 1;
    leat_go_with(scope, return_it, &(int){-EIO}, &options);
    equal(leat_scope_wait(scope), -EIO);
    equal(leat_scope_cause(scope), -EIO);

    const struct leat_failure *list = NULL;
    if (equal(leat_scope_failures(scope, &list), 6)) {
        equal(list[0].error, -EIO);
        check(!list[0].consequence);
        check(strcmp(list[0].name, "the bad one") == 0);
        check(strstr(list[0].file, "failure.c") != NULL);
        equal(list[0].line, line);
        for (int i = 1; i < 6; i++) {
            equal(list[i].error, -ECANCELED);
            check(list[i].consequence);
            check(strcmp(list[i].name, "sleep_for_ever") == 0);
            for (int k = 0; k < i; k++)
                check(list[i].task != list[k].task);
        }
    }
    equal(leat_scope_close(scope), -EIO);
    return 0;
}

struct step {
    struct leat_chan *turn;
    int error;
};

static int fail_in_turn(void *arg) {
    struct step *step = arg;
    leat_recv(step->turn, NULL);
    return step->error;
}

static int two_failures(void *arg) {
    (void)arg;
    struct step steps[2] = {{leat_chan_new(0, 0), -EIO}, {leat_chan_new(0, 0), -ENXIO}};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, fail_in_turn, &steps[0]);
    leat_go(scope, fail_in_turn, &steps[1]);
    equal(leat_send(steps[1].turn, NULL), 0);
    /* The second one is woken by the cancellation, and yet reports an error of its own. */
    equal(leat_scope_wait(scope), -ENXIO);
    const struct leat_failure *list;
    if (equal(leat_scope_failures(scope, &list), 2)) {
        equal(list[0].error, -ENXIO);
        equal(list[1].error, -EIO);
        check(!list[0].consequence && !list[1].consequence);
    }
    equal(leat_scope_close(scope), -ENXIO);
    leat_chan_free(steps[0].turn);
    leat_chan_free(steps[1].turn);
    return 0;
}

static int note_and_succeed(void *arg) {
    int error = leat_sleep(2 * LEAT_MILLISECOND);
    *(int *)arg = error ? error : 1;
    return 0;
}

static int collects(void *arg) {
    (void)arg;
    enum { COUNT = 50 };
    int errors[COUNT], results[COUNT] = {0};
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.collect = true});
    for (int i = 0; i < COUNT; i++) {
        errors[i] = -1 - i;
        leat_go(scope, return_it, &errors[i]);
        leat_go(scope, note_and_succeed, &results[i]);
    }
    check(leat_scope_wait(scope) < 0);
    equal(leat_cancelled(), 0);
    const struct leat_failure *list;
    size_t count = leat_scope_failures(scope, &list);
    long sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += list[i].error;
        check(!list[i].consequence);
    }
    equal(count, COUNT);
    equal(sum, -COUNT * (COUNT + 1) / 2);
    for (int i = 0; i < COUNT; i++)
        equal(results[i], 1);
    int first = list[0].error;
    equal(leat_scope_close(scope), first);
    return 0;
}

struct witness {
    struct leat_scope *scope;
    _Atomic int missed;
};

static int look_when_cancelled(void *arg) {
    struct witness *witness = arg;
    int error = leat_sleep_until(LEAT_FOREVER);
    lt_fetch_add(&witness->missed, leat_scope_cause(witness->scope) != -EIO, relaxed);
    return error;
}

static int recorded_before_cancelled(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(1000); i++) {
        struct leat_scope *scope = leat_scope_open(NULL);
        struct witness witness = {.scope = scope};
        for (int k = 0; k < 3; k++)
            leat_go(scope, look_when_cancelled, &witness);
        leat_go(scope, return_it, &(int){-EIO});
        equal(leat_scope_wait(scope), -EIO);
        equal(witness.missed, 0);
        const struct leat_failure *list;
        if (check(leat_scope_failures(scope, &list) >= 1)) {
            equal(list[0].error, -EIO);
            check(!list[0].consequence);
        }
        equal(leat_scope_close(scope), -EIO);
    }
    return 0;
}

static int wakes_the_opener(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(200); i++) {
        struct leat_chan *chan = leat_chan_new(sizeof(int), 0);
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, return_it, &(int){-EIO});
        equal(leat_recv(chan, NULL), -ECANCELED);
        equal(leat_scope_close(scope), -EIO);
        equal(leat_recv_try(chan, NULL), -EAGAIN);
        leat_chan_free(chan);
    }
    return 0;
}

static int fail_inside(void *arg) {
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, return_it, arg);
    return leat_scope_close(scope);
}

static int passes_upwards(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, fail_inside, &(int){-EIO});
    leat_go(scope, sleep_for_ever, NULL);
    equal(leat_scope_wait(scope), -EIO);
    const struct leat_failure *list;
    equal(leat_scope_failures(scope, &list), 2);
    check(strcmp(list[0].name, "fail_inside") == 0);
    equal(leat_scope_close(scope), -EIO);
    return 0;
}

/* ------------------------------------------------------------------ stop */

static int stops(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 5; i++)
        leat_go(scope, sleep_for_ever, NULL);
    equal(leat_scope_stop(scope), 0);
    equal(leat_scope_stop(scope), 0);
    equal(leat_go(scope, sleep_for_ever, NULL), -ESHUTDOWN);
    equal(leat_scope_stop(scope), 0);
    equal(leat_scope_close(scope), 0);

    scope = leat_scope_open(NULL);
    leat_go(scope, sleep_for_ever, NULL);
    leat_go(scope, return_it, &(int){-EIO});
    while (!leat_scope_cause(scope))
        leat_yield();
    equal(leat_scope_stop(scope), -EIO);
    equal(leat_scope_stop(scope), -EIO);
    equal(leat_scope_close(scope), -EIO);
    return 0;
}

static int waited_for_takes_no_more(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, return_it, &(int){0});
    equal(leat_scope_wait(scope), 0);
    equal(leat_go(scope, return_it, &(int){0}), -ESHUTDOWN);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static _Atomic int stack_use;

static int use_stack(void *arg) {
    volatile char room[2048];
    memset((void *)room, 1, sizeof room);
    lt_fetch_add(&stack_use, room[100], relaxed);
    leat_yield();
    return *(int *)arg;
}

/* Thousands of scopes and failures, one after another and side by side: nothing is lost or mixed up. */
static int opener(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(200); i++) {
        struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.collect = true});
        int codes[5] = {0, -5, 0, -6, 0};
        for (int k = 0; k < 5; k++)
            leat_go(scope, use_stack, &codes[k]);
        leat_scope_wait(scope);
        const struct leat_failure *list;
        if (equal(leat_scope_failures(scope, &list), 2))
            equal(list[0].error + list[1].error, -11);
        check(leat_scope_close(scope) < 0);
    }
    return 0;
}

static int side_by_side(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 20; i++)
        leat_go(scope, opener, NULL);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static const struct test tests[] = {
    {"a scope waits for all its tasks and theirs", waits_for_all},
    {"no task outlives the run", .plain = nobody_outlives},
    {"the run returns the first error", .plain = run_returns_errors},
    {"a failure cancels the others, and all errors are listed", list_of_failures},
    {"two errors of their own", two_failures},
    {"collecting cancels nobody", collects},
    {"an error is recorded before the cancellation is felt", recorded_before_cancelled},
    {"a failure wakes the opener", wakes_the_opener},
    {"errors pass from inner to outer scopes", passes_upwards},
    {"stop cancels and waits, as often as one likes", stops},
    {"a scope that was waited for takes no more tasks", waited_for_takes_no_more},
    {"many scopes side by side", side_by_side},
};

int main(int argc, char **argv) {
    return run_group("failure", tests, sizeof tests / sizeof *tests, argc, argv);
}

/* SPDX-License-Identifier: MIT */
/** The crawl when something goes wrong: errors, retries, workers that cannot enter, cancellation, deadlines, limits. */
#include "runtime/crawl.h"

/* What was done, and what undone. */
struct book {
    struct leat_scope *scope;
    _Atomic uint64_t done, after, added, destroyed, cursors;
    _Atomic bool stopped;
    uint64_t stop_at;
};

/* ------------------------------------------------------------ errors of branches */

/* A number's children are its digits' places: "root" has 0 … 9, and each of these ten more. Odd ones fail. */
static int fail_odd(struct leat_visit *visit) {
    const struct leat_branch *branch = visit->branch;
    int number = *(int *)branch->data;
    for (int i = 0; branch->depth < 2 && i < 10; i++) {
        int child = 10 * number + i;
        check(leat_crawl_add(visit, NULL, &child, sizeof child) == 0);
    }
    return branch->depth == 2 && number % 2 ? -(1 + number) : 0;
}

static int errors(void *arg) {
    (void)arg;
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = fail_odd, .workers = 5, .report = &report};
    int root = 0;
    int error = crawl(&options, &root, sizeof root);
    equal(report.visited, 1 + 10 + 50);
    equal(report.failed, 50);
    equal(report.failure_count, 50);
    balanced(&report);
    int sum = 0;
    bool first_is_one_of_them = false;
    for (size_t i = 0; i < report.failure_count; i++) {
        const struct leat_crawl_failure *failure = &report.failures[i];
        equal(failure->size, sizeof(int));
        equal(failure->error, -(1 + *(int *)failure->data));
        equal(failure->depth, 2);
        equal(failure->attempts, 1);
        sum += *(int *)failure->data;
        first_is_one_of_them |= failure->error == error;
    }
    equal(sum, 2500); /* 1 + 3 + … + 99 */
    check(first_is_one_of_them);
    leat_crawl_report_free(&report);
    equal(report.failure_count, 0);
    return 0;
}

static void note_failure(void *arg, const struct leat_branch *branch, int error) {
    equal(error, -(1 + *(int *)branch->data));
    lt_fetch_add((_Atomic int *)arg, *(int *)branch->data, relaxed);
}

static int error_function(void *arg) {
    (void)arg;
    _Atomic int sum = 0;
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {
        .visit = fail_odd, .arg = &sum, .workers = 3, .failed = note_failure, .report = &report};
    int root = 0;
    check(crawl(&options, &root, sizeof root) < 0);
    equal(sum, 2500);
    equal(report.failed, 50);
    equal(report.failure_count, 0);
    return 0;
}

static int stop_on_error(void *arg) {
    (void)arg;
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {
        .visit = fail_odd, .workers = 1, .stop_on_error = true, .report = &report};
    int root = 0;
    int error = crawl(&options, &root, sizeof root);
    equal(report.failed, 1);
    equal(report.failures[0].error, error);
    check(report.unvisited > 0);
    balanced(&report);
    leat_crawl_report_free(&report);
    return 0;
}

/* ------------------------------------------------------------ retries */

struct attempts {
    _Atomic int calls, added;
    leat_time last, backoff;
};

/* The root fails twice, the second time after it has added; its children fail once. */
static int fail_first(struct leat_visit *visit) {
    struct attempts *attempts = visit->arg;
    const struct leat_branch *branch = visit->branch;
    equal(branch->cursor, branch->attempt ? visit->arg : NULL);
    visit->branch->cursor = visit->arg;
    lt_fetch_add(&attempts->calls, 1, relaxed);
    if (branch->depth == 1)
        return branch->attempt == 0 ? -EIO : 0;
    leat_time now = leat_now();
    check(branch->attempt == 0 || now >= attempts->last + (attempts->backoff << (branch->attempt - 1)));
    attempts->last = now;
    for (int i = 0; branch->attempt > 0 && i < 10; i++) {
        lt_fetch_add(&attempts->added, 1, relaxed);
        check(leat_crawl_add(visit, NULL, &i, sizeof i) == 0);
    }
    return branch->attempt < 2 ? -EIO : 0;
}

static int retries(void *arg) {
    (void)arg;
    struct attempts attempts = {.backoff = 3 * LEAT_MILLISECOND};
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = fail_first,
                                               .arg = &attempts,
                                               .workers = 4,
                                               .retries = 2,
                                               .backoff = attempts.backoff,
                                               .unique = true,
                                               .report = &report};
    equal(crawl(&options, "root", 4), 0);
    equal(attempts.added, 20);
    equal(report.branches, 11); /* what the failed attempt added is forgotten, and was not a duplicate */
    equal(report.visited, 11);
    equal(report.duplicates, 0);
    equal(attempts.calls, 3 + 20);
    equal(report.calls, 3 + 20);
    equal(report.retries, 2 + 10);
    equal(report.failed, 0);
    return 0;
}

static int add_then_fail(struct leat_visit *visit) {
    if (visit->branch->depth == 1)
        return 0;
    for (int i = 0; i < 3; i++)
        check(leat_crawl_add(visit, NULL, &i, sizeof i) == 0);
    return visit->branch->size ? -EACCES : -EIO;
}

static bool only_io(void *arg, const struct leat_branch *branch, int error) {
    (void)arg;
    check(branch->attempt > 0);
    return error == -EIO;
}

static int gives_up(void *arg) {
    (void)arg;
    const struct leat_bytes roots[] = {{"no permission", 13}, {"", 0}};
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {
        .visit = add_then_fail, .retries = 4, .retry = only_io, .workers = 1, .report = &report};
    int error = leat_crawl(&options, roots, 2);
    check(error == -EIO || error == -EACCES);
    equal(report.calls, 1 + 5 + 6);
    equal(report.visited, 6); /* what the last attempt added is kept */
    equal(report.failed, 2);
    for (size_t i = 0; i < report.failure_count; i++)
        equal(report.failures[i].attempts, report.failures[i].error == -EIO ? 5 : 1);
    balanced(&report);
    leat_crawl_report_free(&report);
    return 0;
}

/* Every third of a batch fails, each time. */
static int fail_some(struct leat_visit *visit) {
    for (size_t i = 0; i < visit->count; i++) {
        struct leat_branch *branch = visit->branches[i];
        int number = *(int *)branch->data;
        if (number % 3 == 0)
            leat_crawl_fail(visit, branch, -ENOENT);
        if (branch->depth == 0)
            check(leat_crawl_add(visit, branch, &number, sizeof number) >= 0);
    }
    return 0;
}

static int fails_singly(void *arg) {
    (void)arg;
    int numbers[30];
    struct leat_bytes roots[30];
    for (int i = 0; i < 30; i++) {
        numbers[i] = i;
        roots[i] = (struct leat_bytes){(char *)&numbers[i], sizeof numbers[i]};
    }
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {
        .visit = fail_some, .batch = 10, .retries = 1, .workers = 3, .report = &report};
    equal(leat_crawl(&options, roots, 30), -ENOENT);
    equal(report.branches, 60);
    equal(report.failed, 20);
    equal(report.retries, 20);
    equal(report.failure_count, 20);
    for (size_t i = 0; i < report.failure_count; i++)
        equal(*(int *)report.failures[i].data % 3, 0);
    balanced(&report);
    leat_crawl_report_free(&report);
    return 0;
}

/* The first to be visited waits an hour for its next attempt; the third of the others ends it all. */
static int wait_for_others(struct leat_visit *visit) {
    struct book *book = visit->arg;
    if (*(char *)visit->branch->data == 'x')
        return -EAGAIN;
    if (lt_fetch_add(&book->done, 1, relaxed) + 1 == 3)
        leat_scope_cancel(book->scope, 0);
    return 0;
}

static int backoff_holds_nobody(void *arg) {
    (void)arg;
    struct book book = {.scope = leat_scope_open(NULL)};
    const struct leat_bytes roots[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"x", 1}};
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = wait_for_others,
                                               .arg = &book,
                                               .workers = 1,
                                               .retries = 1,
                                               .backoff = 3600 * LEAT_SECOND,
                                               .report = &report};
    equal(leat_crawl(&options, roots, 4), -ECANCELED);
    equal(leat_scope_close(book.scope), -ECANCELED);
    equal(report.visited, 3);
    equal(report.unvisited, 1);
    return 0;
}

/* Were there no limit to the wait, this would take hours. */
static int backoff_limit(void *arg) {
    (void)arg;
    struct attempts attempts = {.backoff = LEAT_MICROSECOND};
    const struct leat_crawl_options options = {.visit = fail_first,
                                               .arg = &attempts,
                                               .retries = 2,
                                               .backoff = 3600 * LEAT_SECOND,
                                               .backoff_limit = 2 * LEAT_MICROSECOND};
    equal(crawl(&options, "root", 4), 0);
    equal(attempts.calls, 3 + 20);
    return 0;
}

/* ------------------------------------------------------------ workers that enter and leave */

struct door {
    _Atomic int tried, inside, left;
    int refuse; /* how many fail */
    int most;
};

static int enter(void *arg, unsigned worker, void **state) {
    struct door *door = arg;
    *state = NULL;
    check(worker < (unsigned)door->most);
    if (leat_sleep(LEAT_MICROSECOND * (worker % 3)) < 0)
        return -ECANCELED;
    if (lt_fetch_add(&door->tried, 1, relaxed) < door->refuse)
        return -ECONNREFUSED;
    lt_fetch_add(&door->inside, 1, relaxed);
    *state = door;
    return 0;
}

static void leave(void *arg, void *state) {
    struct door *door = arg;
    equal(state == door, 1);
    check(leat_sleep(LEAT_MICROSECOND) == 0); /* may wait, also when the crawl was cancelled */
    lt_fetch_add(&door->left, 1, relaxed);
}

static int three_below(struct leat_visit *visit) {
    check(visit->state == visit->arg);
    for (int i = 0; visit->branch->depth < 4 && i < 3; i++)
        if (leat_crawl_add(visit, NULL, &i, sizeof i) < 0)
            return -ENOMEM;
    return leat_sleep(LEAT_MICROSECOND);
}

static int some_cannot_enter(void *arg) {
    (void)arg;
    for (int refuse = 0; refuse <= 10; refuse++) {
        struct door door = {.refuse = refuse, .most = 10};
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {
            .visit = three_below, .arg = &door, .workers = 10, .enter = enter, .leave = leave, .report = &report};
        int error = crawl(&options, "", 0);
        equal(error, refuse < 10 ? 0 : -ECONNREFUSED);
        equal(report.visited, refuse < 10 ? 121 : 0);
        equal(report.unvisited, refuse < 10 ? 0 : 1);
        equal(report.refused, refuse);
        equal(report.enter_error, refuse ? -ECONNREFUSED : 0);
        equal(report.workers, door.inside);
        equal(door.left, door.inside);
        balanced(&report);
    }
    return 0;
}

static int one_is_enough(void *arg) {
    (void)arg;
    struct door door = {.most = 50};
    const struct leat_crawl_options options = {
        .visit = three_below, .arg = &door, .workers = 50, .enter = enter, .leave = leave, .batch = 200};
    equal(leat_crawl(&options, NULL, 0), 0);
    equal(door.tried, 0); /* nobody enters for nothing */
    return 0;
}

/* ------------------------------------------------------------ being stopped */

static void write_off(void *arg, struct leat_branch *branch) {
    struct book *book = arg;
    lt_fetch_add(&book->destroyed, 1, relaxed);
    lt_fetch_add(&book->cursors, branch->cursor != NULL, relaxed);
    free(branch->cursor);
}

static int work_until_stopped(struct leat_visit *visit) {
    struct book *book = visit->arg;
    if (!visit->branch->cursor)
        visit->branch->cursor = malloc(1);
    for (int i = 0; i < 3; i++) {
        check(leat_crawl_add(visit, NULL, &i, sizeof i) >= 0);
        lt_fetch_add(&book->added, 1, relaxed);
    }
    lt_fetch_add(&book->after, lt_load(&book->stopped, acquire), relaxed);
    if (lt_fetch_add(&book->done, 1, relaxed) + 1 == book->stop_at) {
        leat_scope_cancel(book->scope, 0);
        lt_store(&book->stopped, true, release);
    }
    return 0;
}

static int cancelled(void *arg) {
    (void)arg;
    for (unsigned workers = 1; workers <= 8; workers += 7) {
        struct book book = {.scope = leat_scope_open(NULL), .stop_at = 1000};
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {
            .visit = work_until_stopped, .arg = &book, .workers = workers, .destroy = write_off, .report = &report};
        equal(crawl(&options, "", 0), -ECANCELED);
        equal(leat_scope_close(book.scope), -ECANCELED);
        equal(report.visited, book.done); /* each finished branch is counted once */
        equal(report.failed, 0);
        equal(report.branches, 1 + book.added);
        equal(book.destroyed, report.branches);
        equal(book.cursors, book.done);
        check(book.after <= workers); /* one grain each */
        balanced(&report);
    }
    return 0;
}

static int wait_long(struct leat_visit *visit) {
    for (int i = 0; visit->branch->depth == 0 && i < 20; i++)
        check(leat_crawl_add(visit, NULL, &i, sizeof i) >= 0);
    return visit->branch->depth == 0 ? 0 : leat_sleep(LEAT_SECOND * 3600);
}

static int deadline(void *arg) {
    (void)arg;
    struct door door = {.most = 7};
    struct leat_crawl_report report;
    leat_time begin = leat_now(), patience = 10 * LEAT_MILLISECOND;
    const struct leat_crawl_options options = {.visit = wait_long,
                                               .arg = &door,
                                               .workers = 7,
                                               .enter = enter,
                                               .leave = leave,
                                               .deadline = begin + patience,
                                               .retries = 5,
                                               .report = &report};
    equal(crawl(&options, "", 0), -ETIMEDOUT);
    check(leat_now() >= begin + patience);
    check(report.visited <= 1); /* the root, if its time was not over before it began */
    equal(report.failed, 0);
    equal(report.failure_count, 0);
    equal(door.left, door.inside);
    balanced(&report);
    return 0;
}

static int stopped_idle(struct leat_visit *visit) {
    (void)visit;
    return leat_sleep(LEAT_SECOND * 3600);
}

static int stop_later(void *scope) {
    settle();
    leat_scope_cancel(scope, 0);
    return 0;
}

/* Workers that wait for branches, and branches that wait for their time. */
static int cancelled_idle(void *arg) {
    (void)arg;
    const struct leat_bytes roots[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    for (int round = 0; round < 2; round++) {
        struct leat_scope *outer = leat_scope_open(NULL), *scope = leat_scope_open(NULL);
        leat_go(outer, stop_later, scope);
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {.visit = round ? add_then_fail : stopped_idle,
                                                   .workers = 9,
                                                   .retries = 1,
                                                   .backoff = LEAT_SECOND * 3600,
                                                   .report = &report};
        equal(leat_crawl(&options, roots, 3), -ECANCELED);
        equal(report.unvisited, 3);
        balanced(&report);
        equal(leat_scope_close(scope), -ECANCELED);
        equal(leat_scope_close(outer), 0);
    }
    return 0;
}

static int write_down(struct leat_visit *visit) {
    struct book *book = visit->arg;
    for (int i = 0; visit->branch->depth < 4 && i < 4; i++)
        check(leat_crawl_add(visit, NULL, &i, sizeof i) >= 0);
    lt_fetch_add(&book->added, 4 * (visit->branch->depth < 4), relaxed);
    return visit->branch->depth % 2 ? -EIO : 0;
}

static int destroyed_once(void *arg) {
    (void)arg;
    struct book book = {0};
    struct leat_crawl_report report;
    struct leat_crawl_options options = {
        .visit = write_down, .arg = &book, .workers = 4, .destroy = write_off, .report = &report};
    equal(crawl(&options, "", 0), -EIO);
    equal(book.destroyed, 1 + 4 + 16 + 64 + 256);
    leat_crawl_report_free(&report);
    options.unique = true;
    options.retries = 1;
    book = (struct book){0};
    equal(crawl(&options, "", 0), -EIO);
    equal(book.destroyed, 1 + book.added); /* done, failed, duplicates, forgotten ones */
    leat_crawl_report_free(&report);
    return 0;
}

/* ------------------------------------------------------------ limits */

static int count_call(struct leat_visit *visit) {
    lt_fetch_add((_Atomic int *)visit->arg, 1, relaxed);
    for (int i = 0; visit->branch->depth == 0 && i < 19; i++)
        check(leat_crawl_add(visit, NULL, &i, sizeof i) >= 0);
    return 0;
}

static int limiter(void *arg) {
    (void)arg;
    struct leat_limiter *limiter = leat_limiter_new(1000, 5);
    _Atomic int calls = 0;
    const struct leat_crawl_options options = {.visit = count_call, .arg = &calls, .workers = 6, .limiter = limiter};
    leat_time begin = leat_now();
    equal(crawl(&options, "", 0), 0);
    equal(calls, 20);
    check(leat_now() >= begin + 15 * LEAT_MILLISECOND - LEAT_MICROSECOND); /* twenty, five of them saved up */
    leat_limiter_free(limiter);
    return 0;
}

static int stop_at_limiter(void *arg) {
    (void)arg;
    struct leat_limiter *limiter = leat_limiter_new(0.001, 1);
    _Atomic int calls = 0;
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = count_call,
                                               .arg = &calls,
                                               .workers = 3,
                                               .limiter = limiter,
                                               .deadline = leat_after(5 * LEAT_MILLISECOND),
                                               .report = &report};
    equal(crawl(&options, "", 0), -ETIMEDOUT);
    check(calls <= 1);
    equal(report.visited, calls);
    balanced(&report);
    leat_limiter_free(limiter);
    return 0;
}

static const struct test tests[] = {
    {"errors: the others are visited, each error is listed with its branch", errors},
    {"errors told to a function", error_function},
    {"the first error ends it, if asked", stop_on_error},
    {"what failed is visited again, not too early, and adds once", retries},
    {"after so many attempts, or at once, it is given up", gives_up},
    {"of a batch some fail", fails_singly},
    {"who waits for its next attempt holds up nobody", backoff_holds_nobody},
    {"the wait for the next attempt has a limit", backoff_limit},
    {"workers that cannot enter", some_cannot_enter},
    {"nobody enters for nothing", one_is_enough},
    {"cancelling stops within a grain, each branch counted and destroyed once", cancelled},
    {"a deadline", deadline},
    {"cancelled while all wait", cancelled_idle},
    {"every branch is destroyed once", destroyed_once},
    {"a limiter shared by all workers", limiter},
    {"stopped while waiting for the limiter", stop_at_limiter},
};

int main(int argc, char **argv) {
    return run_group("crawl-errors", tests, sizeof tests / sizeof *tests, argc, argv);
}

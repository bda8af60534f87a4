/* SPDX-License-Identifier: MIT */
/** The scheduler: everybody gets a turn, work spreads over all workers, an idle process is idle, starting and ending.
 */
#include "runtime/runtime.h"

#include <pthread.h>
#include <sys/resource.h>

/* ----------------------------------------------------------- everybody */

struct flags {
    _Atomic bool stop;
    _Atomic size_t count;
};

static int yield_until_told(void *arg) {
    struct flags *flags = arg;
    while (!lt_load(&flags->stop, relaxed))
        leat_yield();
    return 0;
}

static int count_one(void *arg) {
    struct flags *flags = arg;
    lt_fetch_add(&flags->count, 1, relaxed);
    return 0;
}

static int tell_to_stop(void *arg) {
    struct flags *flags = arg;
    leat_yield();
    lt_store(&flags->stop, true, relaxed);
    return 0;
}

static int yielding_lets_others_run(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct flags flags = {0};
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int k = 0; k < 20; k++)
            leat_go(scope, yield_until_told, &flags);
        leat_go(scope, tell_to_stop, &flags);
        equal(leat_scope_close(scope), 0);
    }
    return 0;
}

struct table {
    struct leat_chan *there, *back;
    _Atomic bool stop;
};

static int ping(void *arg) {
    struct table *table = arg;
    while (!lt_load(&table->stop, relaxed)) {
        leat_send(table->there, NULL);
        leat_recv(table->back, NULL);
    }
    leat_chan_close(table->there);
    return 0;
}

static int pong(void *arg) {
    struct table *table = arg;
    while (leat_recv(table->there, NULL) == 0)
        leat_send(table->back, NULL);
    return 0;
}

/* Pairs that hand over to each other again and again, on every worker, must not keep the others from running. */
static int ping_pong_starves_nobody(void *arg) {
    (void)arg;
    struct table tables[8];
    struct flags flags = {0};
    unsigned pairs = leat_workers() < 8 ? leat_workers() : 8;
    struct leat_scope *players = leat_scope_open(NULL);
    for (unsigned i = 0; i < pairs; i++) {
        tables[i] = (struct table){leat_chan_new(0, 0), leat_chan_new(0, 0), false};
        leat_go(players, ping, &tables[i]);
        leat_go(players, pong, &tables[i]);
    }
    for (int i = 0; i < 50; i++) {
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int k = 0; k < 10; k++)
            leat_go(scope, count_one, &flags);
        equal(leat_scope_close(scope), 0);
    }
    equal(flags.count, 500);
    for (unsigned i = 0; i < pairs; i++)
        lt_store(&tables[i].stop, true, relaxed);
    equal(leat_scope_close(players), 0);
    for (unsigned i = 0; i < pairs; i++) {
        leat_chan_free(tables[i].there);
        leat_chan_free(tables[i].back);
    }
    return 0;
}

static int compute_until_told(void *arg) {
    struct flags *flags = arg;
    leat_go(NULL, count_one, flags); /* what runs next here, if this task would only stop computing */
    lt_fetch_add(&flags->count, 1000, relaxed);
    while (!lt_load(&flags->stop, relaxed))
        ;
    return 0;
}

/* A task that waits behind one that computes is taken over by another worker. */
static int computing_holds_up_nobody(void *arg) {
    (void)arg;
    if (leat_workers() == 1)
        return 0;
    for (int i = 0; i < 20; i++) {
        struct flags flags = {0};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, compute_until_told, &flags);
        while (flags.count != 1001)
            leat_sleep(LEAT_MILLISECOND / 10);
        lt_store(&flags.stop, true, relaxed);
        equal(leat_scope_close(scope), 0);
    }
    return 0;
}

struct woken {
    struct leat_chan *chan;
    struct flags flags;
};

static int wait_then_count(void *arg) {
    struct woken *woken = arg;
    equal(leat_recv(woken->chan, NULL), 0);
    return count_one(&woken->flags);
}

static int wake_then_compute(void *arg) {
    struct woken *woken = arg;
    equal(leat_send(woken->chan, NULL), 0);
    while (!lt_load(&woken->flags.count, relaxed)) /* its turn is next here: somewhere else */
        ;
    return 0;
}

/* What a task woke stands closer to its worker than the queue; it must get away from there, too. */
static int computing_holds_up_nobody_it_woke(void *arg) {
    (void)arg;
    if (leat_workers() == 1)
        return 0;
    for (int i = 0; i < 20; i++) {
        struct woken woken = {.chan = leat_chan_new(0, 0)};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, wait_then_count, &woken);
        leat_go(scope, wake_then_compute, &woken);
        equal(leat_scope_close(scope), 0);
        leat_chan_free(woken.chan);
    }
    return 0;
}

struct outside {
    struct leat_scope *scope;
    struct flags *flags;
};

static void *go_from_outside(void *arg) {
    struct outside *outside = arg;
    for (int i = 0; i < 200; i++)
        equal(leat_go(outside->scope, count_one, outside->flags), 0);
    return NULL;
}

/* Tasks of each worker's own never end, and still those that come from outside get their turn. */
static int outside_work_is_served(void *arg) {
    (void)arg;
    struct flags busy = {0}, served = {0};
    struct leat_scope *scope = leat_scope_open(NULL), *crowd = leat_scope_open(NULL);
    for (unsigned i = 0; i < 4 * leat_workers(); i++)
        leat_go(crowd, yield_until_told, &busy);
    struct outside outside = {scope, &served};
    pthread_t thread;
    if (equal(pthread_create(&thread, NULL, go_from_outside, &outside), 0)) {
        while (served.count < 200)
            leat_yield();
        pthread_join(thread, NULL);
    }
    lt_store(&busy.stop, true, relaxed);
    equal(leat_scope_close(crowd), 0);
    equal(leat_scope_close(scope), 0);
    return 0;
}

/* ------------------------------------------------------------ in parallel */

struct meeting {
    _Atomic unsigned there;
    unsigned count;
};

/* Nobody leaves before all are there, and nobody lets others run meanwhile. */
static int meet(void *arg) {
    struct meeting *meeting = arg;
    lt_fetch_add(&meeting->there, 1, relaxed);
    while (lt_load(&meeting->there, relaxed) < meeting->count)
        ;
    return 0;
}

static int all_workers_compute(void *arg) {
    (void)arg;
    for (int i = 0; i < 5; i++) {
        struct meeting meeting = {.count = leat_workers()};
        struct leat_scope *scope = leat_scope_open(NULL);
        for (unsigned k = 0; k < meeting.count; k++)
            equal(leat_go(scope, meet, &meeting), 0);
        equal(leat_scope_close(scope), 0);
        leat_sleep(LEAT_MILLISECOND); /* the next round begins with workers asleep */
    }
    return 0;
}

static int spawn_storm(void *arg) {
    struct flags *flags = arg;
    for (int i = 0; i < 600; i++) { /* more than a worker's own queue holds */
        equal(leat_go(NULL, count_one, flags), 0);
        if (i % 97 == 0)
            leat_yield();
    }
    return 0;
}

static int each_runs_once(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(20); i++) {
        struct flags flags = {0};
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int k = 0; k < 8; k++)
            leat_go(scope, spawn_storm, &flags);
        equal(leat_scope_close(scope), 0);
        equal(flags.count, 8 * 600);
    }
    return 0;
}

/* --------------------------------------------- sleeping and being woken */

static void *feed_slowly(void *arg) {
    struct table *table = arg;
    uint64_t seed = seeded(424242);
    while (leat_send(table->there, NULL) == 0)
        if (next_random(&seed) % 4 == 0)
            usleep((useconds_t)(next_random(&seed) % 100));
    return NULL;
}

/* Workers fall asleep between values that come from outside; one lost wake-up and this hangs. */
static int no_lost_wake_up(void *arg) {
    (void)arg;
    struct table table = {.there = leat_chan_new(0, 0)};
    pthread_t thread;
    if (!equal(pthread_create(&thread, NULL, feed_slowly, &table), 0))
        return 0;
    for (size_t i = 0; i < scaled(5000); i++)
        equal(leat_recv(table.there, NULL), 0);
    leat_chan_close(table.there);
    pthread_join(thread, NULL);
    leat_chan_free(table.there);
    return 0;
}

static int finish(void *arg) {
    return leat_wg_done(arg);
}

static int bursts(void *arg) {
    (void)arg;
    uint64_t seed = seeded(5);
    for (size_t i = 0; i < scaled(1500); i++) {
        struct leat_wg wg = {0};
        int count = 1 + (int)(next_random(&seed) % 6);
        leat_wg_add(&wg, count);
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int k = 0; k < count; k++)
            leat_go(scope, finish, &wg);
        equal(leat_wg_wait(&wg), 0);
        equal(leat_scope_close(scope), 0);
        if (i % 4 == 0)
            leat_sleep((leat_time)(next_random(&seed) % 200) * LEAT_MICROSECOND);
    }
    return 0;
}

/* One wake-up for the sleep itself, a few to fall asleep again: no ticking, nobody spins. */
static bool idle_for_a_while(void) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    leat_sleep(400 * LEAT_MILLISECOND);
    getrusage(RUSAGE_SELF, &after);
    long used =
        (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000L +
        after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
    return after.ru_nvcsw - before.ru_nvcsw < 60 && used < (THREAD_SANITIZER ? 100000 : 20000);
}

static int idle_is_idle(void *arg) {
    (void)arg;
    int windows = 20; /* on a machine that is busy elsewhere workers take their time to fall asleep */
    leat_sleep(100 * LEAT_MILLISECOND);
    while (!idle_for_a_while() && --windows)
        continue;
    check(windows > 0);
    return 0;
}

/* -------------------------------------------------------- start and end */

static int spawn_while_ending(void *arg) {
    size_t depth = (size_t)(uintptr_t)arg;
    for (int i = 0; i < 2 && depth; i++)
        leat_go(NULL, spawn_while_ending, (void *)(uintptr_t)(depth - 1));
    return 0;
}

static int runs_inside(void *arg) {
    (void)arg;
    equal(leat_run(count_one, &(struct flags){0}), -EBUSY);
    return 0;
}

static void starts_and_ends(void) {
    unsigned counts[MAX_WORKER_COUNTS];
    size_t count = worker_counts(counts);
    for (size_t i = 0; i < scaled(50); i++) {
        struct leat_options options = {.workers = counts[i % count]};
        assert_int_equal(leat_run_with(&options, spawn_while_ending, (void *)(uintptr_t)(i % 9)), 0);
        assert_int_equal(leat_workers(), 0);
    }
    assert_int_equal(leat_run(runs_inside, NULL), 0);
}

static int short_run(void *arg) {
    struct flags *flags = arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 20; i++)
        leat_go(scope, count_one, flags);
    leat_yield();
    return leat_scope_close(scope);
}

static void *run_often(void *arg) {
    struct flags *flags = arg;
    for (size_t i = 0, done = 0; done < scaled(100); i++) {
        int result = leat_run_with(&(struct leat_options){.workers = 2}, short_run, flags);
        check(result == 0 || result == -EBUSY);
        done += result == 0;
        if (result)
            usleep(20);
    }
    return NULL;
}

/* Threads that start runs compete: one at a time, and each run is whole. */
static void runs_compete(void) {
    pthread_t threads[4];
    struct flags flags = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, &flags), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(flags.count, 4 * 20 * scaled(100));
}

static void *scopes_of_a_thread(void *arg) {
    struct flags *flags = arg;
    while (!lt_load(&flags->stop, relaxed)) {
        struct leat_scope *scope = leat_scope_open(NULL);
        if (!scope)
            continue; /* no run at the moment */
        leat_go(scope, count_one, flags);
        leat_scope_close(scope);
        usleep(100); /* a run waits for the scopes that are open: leave gaps in which it can end */
    }
    return NULL;
}

static int nap(void *arg) {
    (void)arg;
    return leat_sleep(200 * LEAT_MICROSECOND);
}

/* A thread opens scopes and spawns tasks while runs end and begin. One thread: several could keep a run alive for ever.
 */
static void thread_against_the_end(void) {
    pthread_t thread;
    struct flags flags = {0};
    assert_int_equal(pthread_create(&thread, NULL, scopes_of_a_thread, &flags), 0);
    for (size_t i = 0; i < scaled(300); i++)
        assert_int_equal(leat_run_with(&(struct leat_options){.workers = 2}, nap, NULL), 0);
    lt_store(&flags.stop, true, relaxed);
    pthread_join(thread, NULL);
}

static int note_workers(void *arg) {
    *(unsigned *)arg = leat_workers();
    return 0;
}

static void number_of_workers(void) {
    unsigned workers = 0;
    assert_int_equal(leat_run_with(&(struct leat_options){.workers = 3}, note_workers, &workers), 0);
    assert_int_equal(workers, 3);
    setenv("LEAT_WORKERS", "5", 1);
    assert_int_equal(leat_run(note_workers, &workers), 0);
    assert_int_equal(workers, 5);
    assert_int_equal(leat_run_with(&(struct leat_options){.workers = 2}, note_workers, &workers), 0);
    assert_int_equal(workers, 2);
    unsetenv("LEAT_WORKERS");
    assert_int_equal(leat_run(note_workers, &workers), 0);
    assert_true(workers >= 1);
}

struct ids {
    struct leat_chan *chan;
};

static int tell_id(void *arg) {
    struct ids *ids = arg;
    return leat_send(ids->chan, &(uint64_t){leat_task_id()});
}

static int compare_ids(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int ids_differ(void *arg) {
    (void)arg;
    enum { COUNT = 3000 };
    static uint64_t seen[COUNT];
    struct ids ids = {leat_chan_new(sizeof(uint64_t), LEAT_UNBOUNDED)};
    for (int i = 0; i < 3; i++) { /* records are used again, numbers are not */
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int k = 0; k < COUNT / 3; k++)
            leat_go(scope, tell_id, &ids);
        equal(leat_scope_close(scope), 0);
    }
    equal(leat_recv_many(ids.chan, seen, COUNT), COUNT);
    qsort(seen, COUNT, sizeof *seen, compare_ids);
    check(seen[0] != 0);
    for (int i = 1; i < COUNT; i++)
        check(seen[i] != seen[i - 1]);
    leat_chan_free(ids.chan);
    return 0;
}

static const struct test tests[] = {
    {"yielding lets all others run", yielding_lets_others_run},
    {"a ping-pong pair starves nobody", ping_pong_starves_nobody},
    {"a computing task holds up nobody behind it", computing_holds_up_nobody},
    {"a computing task holds up nobody that it woke", computing_holds_up_nobody_it_woke},
    {"work from outside is served although local work never ends", outside_work_is_served},
    {"all workers compute at the same time", all_workers_compute},
    {"each task runs once, however many are spawned", each_runs_once},
    {"no wake-up from outside is lost", no_lost_wake_up},
    {"bursts of tasks between pauses", bursts},
    {"an idle process is idle", idle_is_idle, .real = "it measures processor time"},
    {"tasks are spawned while the run ends", .plain = starts_and_ends},
    {"threads that start runs compete", .plain = runs_compete},
    {"a thread opens scopes while runs end", .plain = thread_against_the_end},
    {"the number of workers: asked for, from the environment, from the machine", .plain = number_of_workers,
     .real = "it asks the machine"},
    {"task numbers are never used twice", ids_differ},
};

int main(int argc, char **argv) {
    return run_group("scheduler", tests, sizeof tests / sizeof *tests, argc, argv);
}

/* SPDX-License-Identifier: MIT */
/*
 * The engine when it does not go well: stops at many moments, deadlines, broken
 * ends and stages, ends that cannot be opened, calls that never return. What
 * holds always (each item told once, nothing both delivered and returned,
 * balanced counts, all closed) is checked by world_run().
 */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ------------------------------------------------------------------- stops */

static void set_up_stop(struct world *world, uint64_t seed) {
    world_open(world, 5000);
    world->seed = seed;
    world->confirm = (enum confirm)(world_random(seed, 1) % 4);
    world->stop_at = 1 + world_random(seed, 2) % world->total;
    world->plan.options.workers = 1 + (unsigned)(world_random(seed, 3) % 4);
    world->plan.options.keep_order = world_random(seed, 4) % 2;
    world->plan.options.batch_items = 1 + world_random(seed, 5) % 40;
    world->plan.options.errors = "/dev/null";
    world->waits_at_end = world_random(seed, 6) % 2;
    if (world_random(seed, 7) % 4)
        world_stage(world, &stage_nap, 0);
    if (world_random(seed, 8) % 2)
        world_stage(world, &stage_seventh, 3);
    if (world_random(seed, 9) % 2)
        world_stage(world, &stage_fifth, 0);
}

static void drained_at_any_moment(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world;
        struct lt_report report;
        set_up_stop(&world, seed);
        world.stop_how = LT_STOP_DRAIN;
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_FINISHED);
        assert_int_equal(report.last.counts.returned, 0);
        assert_true(report.last.counts.in >= world.stop_at);
        assert_true(report.last.stopping);
        world_close(&world);
    }
}

static void dropped_at_any_moment(void **state) {
    uint64_t returned = 0, delivered = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world;
        struct lt_report report;
        set_up_stop(&world, seed);
        world.stop_how = LT_STOP_DROP;
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_STOPPED);
        returned += report.last.counts.returned;
        delivered += report.last.counts.delivered;
        world_close(&world);
    }
    assert_true(returned > 0 && delivered > 0);
}

static void a_source_has_the_last_word(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world;
        struct lt_report report;
        set_up_stop(&world, seed);
        world.plan.source = &world_last_source;
        world.stop_how = seed % 2 ? LT_STOP_DRAIN : LT_STOP_DROP;
        world.waits_at_end = false;
        world.stop_at = 1 + world.stop_at / 2;
        world_run(&world, &report);
        assert_true(report.last.counts.in > world.stop_at);
        assert_int_equal(world.last_words, 1);
        assert_true(report.last.counts.failed >= 1);
        world_close(&world);
    }
}

static void *stop_after_a_while(void *argument) {
    struct world *world = argument;
    leat_sleep((leat_time)(world_random(world->seed, 77) % 3000) * LEAT_MICROSECOND);
    lt_pipeline_stop(world->pipeline, LT_STOP_DRAIN);
    leat_sleep((leat_time)(world_random(world->seed, 78) % 1000) * LEAT_MICROSECOND);
    lt_pipeline_stop(world->pipeline, LT_STOP_DROP);
    return NULL;
}

static void drained_then_dropped_by_a_thread(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world;
        struct lt_report report;
        struct leat_error error;
        pthread_t thread;
        set_up_stop(&world, seed);
        world.stop_at = 0;
        world.pipeline = lt_pipeline_new(&world.plan, &error);
        assert_int_equal(pthread_create(&thread, NULL, stop_after_a_while, &world), 0);
        lt_pipeline_run(world.pipeline, &report);
        pthread_join(thread, NULL);
        struct lt_counts *counts = &report.last.counts;
        assert_int_equal(counts->in, counts->delivered + counts->filtered + counts->failed + counts->returned);
        assert_int_equal(world.opened, world.closed);
        assert_int_equal(world.wrong, 0);
        for (uint64_t id = 0; id < world.total; id++)
            assert_int_equal(world.book[id].told, world.book[id].read);
        world_close(&world);
    }
}

static void a_drop_wakes_patient_stages(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 1000);
    world.plan.options.workers = 4;
    world.plan.options.batch_items = 1;
    world.stop_at = 8;
    world.stop_how = LT_STOP_DROP;
    world_stage(&world, &stage_patient, 0);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_STOPPED);
    assert_int_equal(report.last.counts.returned, report.last.counts.in);
    assert_int_equal(report.last.counts.failed, 0);
    world_close(&world);
}

static void stopped_before_it_began(void **state) {
    struct world world;
    struct lt_report report;
    struct leat_error error;
    (void)state;
    world_open(&world, 1000);
    world.pipeline = lt_pipeline_new(&world.plan, &error);
    lt_pipeline_stop(world.pipeline, LT_STOP_DRAIN);
    lt_pipeline_run(world.pipeline, &report);
    assert_int_equal(report.outcome, LT_STOPPED);
    assert_int_equal(report.last.counts.in, 0);
    assert_int_equal(world.opened, world.closed);
    assert_int_equal(world.writes, 0);
    world_close(&world);
}

static int open_for_ever(void **source, const struct leat_segment *segment, struct leat_error *error) {
    (void)source;
    struct world *world = (struct world *)segment->settings;
    lt_pipeline_stop(world->pipeline, LT_STOP_DRAIN);
    return leat_fail(error, leat_sleep(LEAT_FOREVER), "nobody answers");
}

static void stopped_while_opening(void **state) {
    struct world world;
    struct lt_report report;
    struct leat_source_type slow = world_source;
    (void)state;
    world_open(&world, 1000);
    slow.open = open_for_ever;
    world.plan.source = &slow;
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_STOPPED);
    world_close(&world);
}

static void late(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 1000);
    world.waits_at_end = true;
    world.plan.options.deadline = 50 * LEAT_MILLISECOND;
    world_stage(&world, &stage_fifth, 0);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_LATE);
    assert_int_equal(report.error.code, -ETIMEDOUT);
    assert_string_equal(report.error.text, "the deadline passed; what was not delivered is with its source");
    world_close(&world);
}

/* When the machine is busy, the end after the drop may take longer than the last call. */
static void go_on(void *argument, const struct lt_report *report) {
    (void)argument;
    (void)report;
}

/* A drain that takes longer than the grace becomes a drop, and still ends properly. */
static void past_its_grace(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 1000);
    world.plan.options.workers = 4;
    world.plan.options.grace = 2 * LEAT_SECOND;
    world.stop_at = 8;
    world.stop_how = LT_STOP_DRAIN;
    world_stage(&world, &stage_patient, 0);
    world.on_stuck = go_on;
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_LATE);
    assert_string_equal(report.error.text,
                        "the grace after the stop was over; what was not delivered is with its source");
    assert_int_equal(report.last.counts.returned, report.last.counts.in);
    world_close(&world);
}

static void *stop_again_and_again(void *argument) {
    struct world *world = argument;
    while (!lt_load(&world->in_flight, relaxed))
        leat_sleep(LEAT_MILLISECOND);
    while (!lt_load(&world->run_is_over, acquire)) {
        lt_pipeline_stop(world->pipeline, LT_STOP_DRAIN);
        leat_sleep(LEAT_MILLISECOND);
    }
    return NULL;
}

/* Somebody who stops it for ever does not keep it for ever. */
static void stopped_again_and_again(void **state) {
    struct world world;
    struct lt_report report;
    struct leat_error error;
    pthread_t thread;
    (void)state;
    world_open(&world, 1000);
    world.plan.options.workers = 4;
    world.plan.options.grace = LEAT_SECOND / 2;
    world_stage(&world, &stage_patient, 0);
    world.pipeline = lt_pipeline_new(&world.plan, &error);
    lt_pipeline_on_stuck(world.pipeline, go_on, &world);
    assert_int_equal(pthread_create(&thread, NULL, stop_again_and_again, &world), 0);
    lt_pipeline_run(world.pipeline, &report);
    lt_store(&world.run_is_over, true, release);
    pthread_join(thread, NULL);
    assert_int_equal(report.outcome, LT_LATE);
    world_close(&world);
}

static void in_time(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 1000);
    world.plan.options.deadline = 3600 * LEAT_SECOND;
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_FINISHED);
    world_close(&world);
}

/* ------------------------------------------------------------------ broken */

static void broken_source(void **state) {
    (void)state;
    for (uint64_t at = 1; at < 3000; at += 731) {
        struct world world;
        struct lt_report report;
        world_open(&world, 5000);
        world.error_at = at;
        world.confirm = BY_A_TASK;
        world_stage(&world, &stage_nap, 0);
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_BROKEN);
        assert_string_equal(report.error.text, "world:in: the tape is torn");
        assert_int_equal(report.error.code, -EIO);
        assert_int_equal(report.last.counts.delivered, at - 1);
        world_close(&world);
    }
}

static void source_that_gives_nothing(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 10);
    world.gives_nothing = true;
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_BROKEN);
    assert_string_equal(report.error.text, "world:in: it gave neither items nor the end");
    world_close(&world);
}

static void source_that_cannot_be_told(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 100000);
    world.finish_error = -ENOSPC;
    world.plan.options.workers = 2;
    world.plan.options.batch_items = 10;
    world.waits_at_end = true;
    world_stage(&world, &stage_fifth, 0);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_BROKEN);
    assert_string_equal(report.error.text, "world:in: the receipt book is full");
    world_close(&world);
}

static void broken_stage(void **state) {
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        struct world world;
        struct lt_report report;
        world_open(&world, 5000);
        world.plan.options.workers = 2;
        world.plan.options.batch_items = 8;
        world.plan.options.keep_order = keep;
        world.waits_at_end = true;
        world_stage(&world, &stage_nap, 2);
        world_stage(&world, &stage_broken, 2);
        world_stage(&world, &stage_nap, 2);
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_BROKEN);
        assert_string_equal(report.error.text, "broken: the child has gone");
        /* Of the other worker at most one call, for which it looked just before. */
        assert_true(world.calls_after_break <= 1);
        /* What had passed it was delivered, what had not was not. */
        assert_true(report.last.counts.delivered > 0);
        assert_true(report.last.counts.returned > 0);
        world_close(&world);
    }
}

static void broken_sink(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 24; seed++) {
        struct world world;
        struct lt_report report;
        world_open(&world, 20000);
        world.confirm = (enum confirm)(seed % 4);
        world.write_error_at = 1 + seed % 6;
        world.plan.options.workers = 2;
        world.plan.options.batch_items = 16;
        world.plan.options.keep_order = seed % 3 == 0;
        world.waits_at_end = true;
        world_stage(&world, &stage_nap, 0);
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_BROKEN);
        assert_string_equal(report.error.text, "world:out: the shelf is full");
        assert_int_equal(report.error.code, -ENOSPC);
        assert_true(report.last.counts.returned > 0);
        assert_int_equal(world.writes, world.write_error_at);
        world_close(&world);
    }
}

static void sink_that_never_confirms(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 5);
    world.confirm = NEVER;
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_BROKEN);
    assert_string_equal(report.error.text, "world:out: it was flushed and has not confirmed 1 of its batches");
    assert_int_equal(report.last.counts.returned, 5);
    world_close(&world);
}

static void assert_not_started(struct world *world, const char *text) {
    struct lt_report report;
    world->workers_seen = 0;
    world_run(world, &report);
    assert_int_equal(report.outcome, LT_NOT_STARTED);
    assert_string_equal(report.error.text, text);
    assert_int_equal(world->reads, 0);
    world_close(world);
}

static void what_cannot_be_opened(void **state) {
    struct world world;
    (void)state;
    world_open(&world, 10);
    world.plan.source = &shut_source;
    assert_not_started(&world, "world:in: it is not there");
    world_open(&world, 10);
    world.plan.sink = &shut_sink;
    world_stage(&world, &stage_fifth, 2);
    assert_not_started(&world, "world:out: it is not there");
    world_open(&world, 10);
    world.plan.dead = &shut_sink;
    world.plan.dead_to.spelling = "world:graves";
    assert_not_started(&world, "world:graves: it is not there");
    world_open(&world, 10);
    world_stage(&world, &stage_fifth, 2);
    world_stage(&world, &shut_stage, 0);
    assert_not_started(&world, "shut: it is not there");
    world_open(&world, 10);
    world.shut_worker = 1;
    world_stage(&world, &shut_worker_stage, 4);
    assert_not_started(&world, "shut: no more children");
    world_open(&world, 10);
    world.plan.options.errors = "/nonexistent/errors";
    assert_not_started(&world, "error file /nonexistent/errors: No such file or directory");
}

/* Workers are started in mid-run. One that cannot be opened ends the run, and those there are finish what was read. */
static void worker_that_cannot_be_opened(void **state) {
    (void)state;
    for (unsigned shut = 2; shut < 20; shut += 4) {
        struct world world;
        struct lt_report report;
        world_open(&world, MOST_ITEMS);
        world.shut_worker = shut;
        world.waits_at_end = true;
        world.plan.options.workers = 2;
        world.plan.options.batch_items = 4;
        world.plan.options.keep_order = shut % 8 == 2;
        world_stage(&world, &stage_fifth, 0);
        world_stage(&world, &shut_worker_stage, 40);
        world_stage(&world, &stage_seventh, 0);
        world.plan.options.errors = "/dev/null";
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_BROKEN);
        assert_string_equal(report.error.text, "shut: no more children");
        assert_int_equal(report.error.code, -EMFILE);
        assert_int_equal(report.last.counts.returned, 0);
        assert_true(report.last.counts.delivered > 0);
        assert_int_equal(report.last.stages[2].workers, 40);
        world_close(&world);
    }
}

static void too_many_stages(void **state) {
    struct leat_error error;
    struct lt_plan plan = {.stage_count = LT_MAX_STAGES + 1};
    (void)state;
    assert_null(lt_pipeline_new(&plan, &error));
    assert_int_equal(error.code, -EINVAL);
}

/* ---------------------------------------------------------------- watchdog */

static void *stop_when_busy(void *argument) {
    struct world *world = argument;
    while (lt_load(&world->stage_calls, acquire) < 1 && lt_load(&world->writes, acquire) < 1)
        leat_sleep(LEAT_MILLISECOND);
    lt_pipeline_stop(world->pipeline, LT_STOP_DRAIN);
    return NULL;
}

static void leave_with_42(void *argument, const struct lt_report *report) {
    const struct world *world = argument;
    bool right = report->outcome == LT_LATE && report->last.counts.in > 0 && world->total == 1000;
    _exit(right ? 42 : 43);
}

struct stuck_case {
    bool stage, sink, deadline, hook;
    int code;
    const char *says;
};

static void run_stuck(const struct stuck_case *stuck) {
    struct world world;
    struct lt_report report;
    struct leat_error error;
    pthread_t thread;
    world_open(&world, 1000);
    world.sink_stuck = stuck->sink;
    world.plan.options.workers = 4;
    world.plan.options.grace = 100 * LEAT_MILLISECOND;
    world.plan.options.deadline = stuck->deadline ? 5 * LEAT_SECOND : 0;
    if (stuck->stage)
        world_stage(&world, &stage_stuck, 0);
    world.pipeline = lt_pipeline_new(&world.plan, &error);
    if (stuck->hook)
        lt_pipeline_on_stuck(world.pipeline, leave_with_42, &world);
    if (!stuck->deadline)
        pthread_create(&thread, NULL, stop_when_busy, &world);
    lt_pipeline_run(world.pipeline, &report);
    _exit(0);
}

static void calls_that_never_return(void **state) {
    static const struct stuck_case cases[] = {
        {.stage = true, .code = 5, .says = "in stage stuck: "},
        {.stage = true, .deadline = true, .code = 5, .says = "in stage stuck: "},
        {.sink = true, .code = 5, .says = "not confirmed by sink world:out: "},
        {.stage = true, .hook = true, .code = 42, .says = "in stage stuck: "},
    };
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int ends[2], status;
        char said[16384];
        size_t size = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], STDERR_FILENO);
            close(ends[0]);
            close(ends[1]);
            run_stuck(&cases[c]);
        }
        close(ends[1]);
        for (ssize_t got; (got = read(ends[0], said + size, sizeof said - 1 - size)) > 0;)
            size += (size_t)got;
        close(ends[0]);
        said[size] = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), cases[c].code);
        assert_non_null(strstr(said, "still held:"));
        assert_non_null(strstr(said, cases[c].says));
        assert_non_null(strstr(said, "the oldest (position "));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drained_at_any_moment),
        cmocka_unit_test(dropped_at_any_moment),
        cmocka_unit_test(a_source_has_the_last_word),
        cmocka_unit_test(drained_then_dropped_by_a_thread),
        cmocka_unit_test(a_drop_wakes_patient_stages),
        cmocka_unit_test(stopped_before_it_began),
        cmocka_unit_test(stopped_while_opening),
        cmocka_unit_test(late),
        cmocka_unit_test(past_its_grace),
        cmocka_unit_test(stopped_again_and_again),
        cmocka_unit_test(in_time),
        cmocka_unit_test(broken_source),
        cmocka_unit_test(source_that_gives_nothing),
        cmocka_unit_test(source_that_cannot_be_told),
        cmocka_unit_test(broken_stage),
        cmocka_unit_test(broken_sink),
        cmocka_unit_test(sink_that_never_confirms),
        cmocka_unit_test(what_cannot_be_opened),
        cmocka_unit_test(worker_that_cannot_be_opened),
        cmocka_unit_test(too_many_stages),
        cmocka_unit_test(calls_that_never_return),
    };
    return cmocka_run_group_tests_name("run-stop", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The engine: counts, order, bounds, acknowledgement, zero stages, pools of their own. */
#include "pipeline/engine.h"
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const enum confirm ways[] = {AT_ONCE, BY_A_TASK, BY_A_THREAD, BEFORE_WRITE_RETURNS_REVERSED, TWICE};

/** What seventh and fifth leave of ids 0 … total - 1, in this order. */
static void expect(const struct lt_report *report, uint64_t total) {
    uint64_t failed = 0, filtered = 0;
    for (uint64_t id = 0; id < total; id++) {
        failed += id % 7 == 0;
        filtered += id % 7 != 0 && id % 5 == 0;
    }
    assert_int_equal(report->outcome, LT_FINISHED);
    assert_int_equal(report->last.counts.in, total);
    assert_int_equal(report->last.counts.failed, failed);
    assert_int_equal(report->last.counts.filtered, filtered);
    assert_int_equal(report->last.counts.returned, 0);
    assert_int_equal(report->last.counts.delivered, total - failed - filtered);
}

/** What the ends counted is in the last snapshot, although they are closed. */
static void check_counters(const struct lt_snapshot *last, const struct world *world) {
    const struct lt_counters *source = &last->source_counters, *sink = &last->sink_counters;
    assert_int_equal(source->count, 1);
    assert_string_equal(source->list[0].name, "reads");
    assert_int_equal(source->list[0].value, world->reads);
    assert_false(source->list[0].level);
    assert_int_equal(sink->count, 2);
    assert_string_equal(sink->list[0].name, "writes");
    assert_int_equal(sink->list[0].value, world->writes);
    assert_string_equal(sink->list[1].name, "held");
    assert_true(sink->list[1].level);
}

static void every_item_once(void **state) {
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        struct world world;
        struct lt_report report;
        world_open(&world, 50000);
        world.confirm = ways[w];
        world.plan.options.workers = 3;
        world.plan.options.errors = "/dev/null";
        world_stage(&world, &stage_seventh, 0);
        world_stage(&world, &stage_fifth, 0);
        world_run(&world, &report);
        expect(&report, world.total);
        assert_int_equal(report.last.stage_count, 3);
        assert_string_equal(report.last.stages[1].name, "seventh+fifth");
        assert_int_equal(report.last.stages[1].workers, 3);
        assert_int_equal(report.last.total, world.total);
        check_counters(&report.last, &world);
        world_close(&world);
    }
}

static void no_items_at_all(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 0);
    world_stage(&world, &stage_fifth, 0);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_FINISHED);
    assert_int_equal(report.last.counts.in, 0);
    world_close(&world);
}

static void without_stages(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 100000);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_FINISHED);
    assert_int_equal(report.last.counts.delivered, world.total);
    assert_int_equal(report.last.stage_count, 2);
    assert_int_equal(world.out_of_order, 0);
    world_close(&world);
}

static void kept_order(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world world;
        struct lt_report report;
        world_open(&world, 3000);
        world.seed = seed;
        world.confirm = ways[seed % 5];
        world.plan.options.workers = 8;
        world.plan.options.keep_order = true;
        world.plan.options.batch_items = 1 + seed * 3;
        world.plan.options.errors = "/dev/null";
        world_stage(&world, &stage_seventh, 0);
        world_stage(&world, &stage_nap, 0);
        world_stage(&world, &stage_nap, 3);
        world_stage(&world, &stage_fifth, 0);
        world_run(&world, &report);
        expect(&report, world.total);
        assert_int_equal(world.out_of_order, 0);
        world_close(&world);
    }
}

/* All but the first batch come before the first. */
static void the_window_holds_all_there_are(void **state) {
    enum { ROOM = 5 };
    struct leat_batch batches[2 * ROOM];
    struct lt_order order;
    (void)state;
    assert_int_equal(lt_order_open(&order, ROOM), 0);
    for (size_t first = 0; first < 2 * ROOM; first += ROOM) {
        for (size_t i = first + ROOM; i-- > first;) {
            assert_null(lt_order_take(&order));
            batches[i].sequence = i;
            lt_order_put(&order, &batches[i]);
        }
        for (size_t i = first; i < first + ROOM; i++)
            assert_ptr_equal(lt_order_take(&order), &batches[i]);
    }
    lt_order_close(&order);
}

/* Shows that the stage used by kept_order does mix up the order, so that the test above means something. */
static void order_is_lost_without_asking(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 3000);
    world.plan.options.workers = 8;
    world.plan.options.batch_items = 4;
    world_stage(&world, &stage_nap, 0);
    world_run(&world, &report);
    assert_int_equal(report.last.counts.delivered, world.total);
    assert_true(world.out_of_order > 0);
    world_close(&world);
}

static void pools_of_their_own(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 2000);
    world.plan.options.workers = 2;
    world.plan.options.errors = "/dev/null";
    world_stage(&world, &stage_seventh, 0);
    world_stage(&world, &stage_nap, 5);
    world_stage(&world, &stage_nap, 0);
    world_stage(&world, &stage_fifth, 1);
    world_run(&world, &report);
    expect(&report, world.total);
    assert_int_equal(report.last.stage_count, 6);
    assert_int_equal(report.last.stages[2].workers, 5);
    assert_int_equal(report.last.stages[3].workers, 2);
    assert_int_equal(report.last.stages[4].workers, 1);
    for (size_t s = 0; s < 6; s++)
        assert_int_equal(report.last.stages[s].items, world.total);
    world_close(&world);
}

static void *drop_when_all_work(void *argument) {
    struct world *world = argument;
    while (lt_load(&world->stage_calls, acquire) < 50)
        leat_sleep(LEAT_MILLISECOND);
    lt_pipeline_stop(world->pipeline, LT_STOP_DROP);
    return NULL;
}

/* 60 items that each take long keep 50 workers at work: no worker may be given two while others have none. */
static void few_slow_items_use_all_workers(void **state) {
    struct world world;
    struct lt_report report;
    struct leat_error error;
    pthread_t thread;
    (void)state;
    world_open(&world, 60);
    world.plan.options.workers = 50;
    world_stage(&world, &stage_patient, 0);
    world.waits_at_end = true;
    world.pipeline = lt_pipeline_new(&world.plan, &error);
    assert_int_equal(pthread_create(&thread, NULL, drop_when_all_work, &world), 0);
    lt_pipeline_run(world.pipeline, &report);
    pthread_join(thread, NULL);
    assert_int_equal(world.workers_seen, 50);
    assert_int_equal(report.outcome, LT_STOPPED);
    assert_int_equal(report.last.counts.returned, report.last.counts.in);
    assert_true(report.last.counts.in >= 50);
    world_close(&world);
}

/* Each item waits until all are in the stage: ends only if there is a worker for each, whatever the stage says of it.
 */
static void a_worker_for_each_item(void **state) {
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        struct world world;
        struct lt_report report;
        world_open(&world, 300);
        leat_wg_add(&world.meeting, (int)world.total);
        world.plan.options.workers = 65536;
        world.plan.options.keep_order = keep;
        world_stage(&world, &stage_seventh, 2);
        world_stage(&world, &stage_meets_all, 0);
        world.plan.options.errors = "/dev/null";
        world.plan.options.batch_items = 1;
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_FINISHED);
        assert_true(world.workers_seen >= world.total);
        world_close(&world);
    }
}

/* A stage that never waits keeps as many workers busy as there are processors: what is beyond is not even opened. */
static void no_worker_without_use(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 50000);
    world.plan.options.workers = 65536;
    world.plan.options.batch_items = 4;
    world_stage(&world, &stage_fifth, 0);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_FINISHED);
    assert_int_equal(report.last.stages[1].workers, 65536);
    assert_true(world.workers_opened < 1000);
    assert_true(world.most_in_flight < 3000);
    world_close(&world);
}

static void batches_are_bounded(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 20000);
    world.plan.options.workers = 2;
    world.plan.options.batch_bytes = 16 << 10;
    world.body = 1000;
    world.write_time = LEAT_MILLISECOND;
    world_run(&world, &report);
    assert_int_equal(report.last.counts.delivered, world.total);
    /* A batch is full when its bodies exceed the limit: one item more may be in it. */
    assert_true(world.most_bytes_in_flight <= world_batches(&world) * ((16 << 10) + 1000));
    assert_true(world.most_in_flight > 1);
    world_close(&world);
}

static void giant_items_pass(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 20);
    world.body = 5 << 20;
    world.write_time = LEAT_SECOND / 5; /* time to read far ahead, were it allowed */
    world_stage(&world, &stage_fifth, 2);
    world_run(&world, &report);
    assert_int_equal(report.last.counts.delivered, 16);
    assert_int_equal(report.last.counts.bytes_in, 20 * world.body);
    assert_int_equal(report.last.counts.bytes_out, 16 * world.body);
    assert_true(world.most_bytes_in_flight < LT_BYTES_IN_FLIGHT + world.body);
    world_close(&world);
}

static void sink_refuses_items(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 10000);
    world.refuse_every = 10;
    world.confirm = BY_A_TASK;
    world.plan.options.errors = "/dev/null";
    world_stage(&world, &stage_nap, 4);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_FINISHED);
    assert_int_equal(report.last.counts.failed, 1000);
    assert_int_equal(report.last.counts.delivered, 9000);
    world_close(&world);
}

static void *watch(void *argument) {
    struct world *world = argument;
    struct lt_snapshot snapshot;
    do {
        lt_pipeline_snapshot(world->pipeline, &snapshot);
        struct lt_counts *counts = &snapshot.counts;
        CHECK(world, counts->in >= counts->delivered + counts->filtered + counts->failed + counts->returned);
        for (size_t s = 0; s < snapshot.stage_count; s++)
            for (int state = 0; state < LEAT_STATES; state++)
                CHECK(world, snapshot.stages[s].time[state] >= 0 &&
                                 snapshot.stages[s].time[state] <= snapshot.elapsed * snapshot.stages[s].workers);
    } while (snapshot.counts.in < world->total);
    return NULL;
}

static void snapshots_of_a_run(void **state) {
    struct world world;
    struct lt_report report;
    struct leat_error error;
    pthread_t thread;
    (void)state;
    world_open(&world, 3000);
    world.plan.options.workers = 4;
    world.plan.options.batch_items = 2;
    world_stage(&world, &stage_nap, 0);
    world.pipeline = lt_pipeline_new(&world.plan, &error);
    assert_int_equal(pthread_create(&thread, NULL, watch, &world), 0);
    lt_pipeline_run(world.pipeline, &report);
    pthread_join(thread, NULL);
    assert_int_equal(world.wrong, 0);
    assert_int_equal(report.last.counts.delivered, world.total);
    /* Every worker's time is in one state or another, all the time. */
    leat_time sum = 0;
    for (int s = 0; s < LEAT_STATES; s++)
        sum += report.last.stages[1].time[s];
    assert_true(sum <= 4 * report.last.elapsed);
    assert_true(report.last.stages[1].time[LEAT_WAITS_OUTSIDE] > 0);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_once),
        cmocka_unit_test(no_items_at_all),
        cmocka_unit_test(without_stages),
        cmocka_unit_test(kept_order),
        cmocka_unit_test(the_window_holds_all_there_are),
        cmocka_unit_test(order_is_lost_without_asking),
        cmocka_unit_test(pools_of_their_own),
        cmocka_unit_test(few_slow_items_use_all_workers),
        cmocka_unit_test(a_worker_for_each_item),
        cmocka_unit_test(no_worker_without_use),
        cmocka_unit_test(batches_are_bounded),
        cmocka_unit_test(giant_items_pass),
        cmocka_unit_test(sink_refuses_items),
        cmocka_unit_test(snapshots_of_a_run),
    };
    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}

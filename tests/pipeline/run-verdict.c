/* SPDX-License-Identifier: MIT */
/* The verdict, on snapshots made up for the purpose: ten seconds, 10000 items, three columns. */
#include "pipeline/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SECONDS = 10, ITEMS = 10000 };

/** Shares in hundredths of the workers' time: busy, waits for input, for output, for the outside, throttled. */
static void column(struct lt_snapshot *snapshot, const char *name, unsigned workers, const int shares[LEAT_STATES],
                   double cpu) {
    struct lt_stage_snapshot *stage = &snapshot->stages[snapshot->stage_count++];
    stage->name = name;
    stage->workers = workers;
    stage->items = ITEMS;
    for (int s = 0; s < LEAT_STATES; s++)
        stage->time[s] = SECONDS * LEAT_SECOND * workers * shares[s] / 100;
    stage->cpu = (leat_time)(cpu * (double)LEAT_SECOND);
}

static void begin(struct lt_snapshot *snapshot) {
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->elapsed = SECONDS * LEAT_SECOND;
    snapshot->counts.in = ITEMS;
}

static void judge(const struct lt_snapshot *to, struct lt_verdict *verdict) {
    static const struct lt_snapshot from;
    lt_verdict(&from, to, 2, verdict);
}

static void processors(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){10, 0, 90, 0, 0}, 0.6);
    column(&snapshot, "match", 4, (int[]){98, 1, 1, 0, 0}, 18.4);
    column(&snapshot, "out", 1, (int[]){10, 90, 0, 0, 0}, 0.8);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_CPU);
    assert_int_equal(verdict.stage, 1);
    assert_true(verdict.gain == 1);
    assert_true(verdict.capacity > 1000 && verdict.capacity < 1020);
    assert_string_equal(verdict.text, "the processors: 2.0 of 2 busy, mostly in match (93 %); a faster machine or a "
                                      "second one helps, more workers do not");
}

/* Half of what it could use goes to other processes: still nothing but processors helps. */
static void processors_of_others(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){10, 0, 90, 0, 0}, 0.4);
    column(&snapshot, "match", 4, (int[]){98, 1, 1, 0, 0}, 9.2);
    column(&snapshot, "out", 1, (int[]){10, 90, 0, 0, 0}, 0.4);
    snapshot.delayed = 99 * SECONDS * LEAT_SECOND / 100;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_CPU);
    assert_int_equal(verdict.stage, 1);
    assert_string_equal(verdict.text,
                        "the processors: 1.0 of 2 busy here, mostly in match (92 %), and others have 1.0 that "
                        "would be used; more workers do not help");
    snapshot.delayed = 50 * SECONDS * LEAT_SECOND / 100;
    judge(&snapshot, &verdict);
    assert_int_not_equal(verdict.kind, LT_LIMIT_CPU);
}

/* Four workers that are always at work have a processor for as long as one would: they wait for each other. */
static void contention(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 0.3);
    column(&snapshot, "match", 4, (int[]){98, 1, 1, 0, 0}, 6);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 0.2);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_CONTENTION);
    assert_int_equal(verdict.stage, 1);
    assert_true(verdict.gain == 1);
    assert_string_equal(verdict.text, "contention: match is at work 98 % of the time, but 68 % of that without a "
                                      "processor: it waits for a lock, memory or a disk in its middle; while it is a "
                                      "lock more workers do not help");
    snapshot.delayed = 15 * LEAT_SECOND; /* they were ready, and others had the processors */
    judge(&snapshot, &verdict);
    assert_int_not_equal(verdict.kind, LT_LIMIT_CONTENTION);
}

/* Children compute while their workers wait for them: that is not waiting for the outside, of which there is more. */
static void processors_of_commands(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 0.2);
    column(&snapshot, "exec", 2, (int[]){1, 0, 0, 99, 0}, 19.6);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 0.2);
    snapshot.stages[1].commands = 19 * LEAT_SECOND;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_CPU);
    assert_true(verdict.gain == 1);
    assert_string_equal(verdict.text, "the processors: 2.0 of 2 busy, mostly in the commands of exec (98 %); a faster "
                                      "machine or a second one helps, more workers do not");
}

/* Children that compute and have no more than a part of the processors; and ones that sleep, which lose little. */
static void processors_of_others_for_commands(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 0);
    column(&snapshot, "exec", 2, (int[]){0, 0, 0, 100, 0}, 5);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 0);
    snapshot.stages[1].commands = 5 * LEAT_SECOND;
    snapshot.commands_delayed = 15 * LEAT_SECOND;
    snapshot.machine = 20 * LEAT_SECOND;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_CPU);
    assert_string_equal(verdict.text,
                        "the processors: 0.5 of 2 busy here, mostly in the commands of exec (100 %), and others have "
                        "1.5 that would be used; more workers do not help");
    snapshot.machine = 6 * LEAT_SECOND; /* nobody else had them: they waited for each other */
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    snapshot.machine = 0; /* unknown */
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    snapshot.machine = 20 * LEAT_SECOND;
    snapshot.stages[1].workers = 20;
    snapshot.stages[1].time[LEAT_WAITS_OUTSIDE] *= 10;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_true(verdict.gain > 1.049 && verdict.gain < 1.051);
}

static void a_rate(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "rate+match", 2, (int[]){10, 0, 0, 0, 90}, 2);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_THROTTLE);
    assert_int_equal(verdict.stage, 1);
    assert_string_equal(verdict.text,
                        "the rate you set: rate+match is held back 90 % of the time; raise the rate to go faster");
}

/* 8 workers that wait for children: one more brings an eighth, until the sink is next. */
static void a_stage(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "exec", 8, (int[]){5, 1, 0, 94, 0}, 4);
    column(&snapshot, "out", 1, (int[]){50, 50, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_int_equal(verdict.stage, 1);
    assert_true(verdict.gain > 1.124 && verdict.gain < 1.126);
    assert_int_equal(verdict.next, 1);
    assert_true(verdict.capacity > 1000 && verdict.capacity < 1020);
    assert_string_equal(verdict.text,
                        "exec: 8 workers, 99 % of the time waiting for the outside, 1.01e+03 items/s; one "
                        "more would bring about 12 %");
    snapshot.stage_count = 2;
    column(&snapshot, "out", 1, (int[]){97, 3, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_int_equal(verdict.next, 2);
    assert_true(verdict.gain < 1.03);
}

/* Sixty workers: one more brings a sixtieth, which is all it can bring. */
static void many_workers(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "exec", 60, (int[]){0, 1, 0, 99, 0}, 4);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_string_equal(verdict.text,
                        "exec: 60 workers, 99 % of the time waiting for the outside, 1.01e+03 items/s; one "
                        "more would bring about 2 %");
    snapshot.stages[1].workers = 240;
    snapshot.stages[1].time[LEAT_WAITS_OUTSIDE] *= 4;
    judge(&snapshot, &verdict);
    assert_non_null(strstr(verdict.text, "; one more would bring about 0.4 %"));
}

/* Who limits next when one more worker would not help: another part, or the processors. */
static void what_limits_next(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "match", 4, (int[]){99, 1, 0, 0, 0}, 16);
    column(&snapshot, "out", 1, (int[]){100, 0, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_int_equal(verdict.next, 2);
    assert_non_null(strstr(verdict.text, "; one more would not help, out limits next"));
    snapshot.stage_count = 2;
    snapshot.stages[1].cpu = 1899 * LEAT_SECOND / 100;
    snapshot.stages[0].cpu = 0;
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 0);
    snapshot.stages[1].time[LEAT_BUSY] = 189 * LEAT_SECOND / 10;
    snapshot.stages[1].workers = 2;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_int_equal(verdict.next, 1);
    assert_non_null(strstr(verdict.text, "; one more would not help, the processors limit next"));
}

/* Of two stages at work all the time the slower one is to blame. */
static void the_slower_of_two(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "first", 2, (int[]){60, 0, 40, 0, 0}, 4);
    column(&snapshot, "second", 1, (int[]){99, 1, 0, 0, 0}, 4);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_int_equal(verdict.stage, 2);
    assert_int_equal(verdict.next, 1);
    assert_true(verdict.gain > 1.6 && verdict.gain < 1.7);
}

static void the_source(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "amqp:in", 1, (int[]){10, 0, 5, 85, 0}, 1);
    column(&snapshot, "match", 2, (int[]){10, 90, 0, 0, 0}, 2);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_INPUT);
    assert_string_equal(verdict.text,
                        "the source: everything waits for amqp:in, which is waiting for the outside 95 % of the time");
    snapshot.stage_count = 0;
    column(&snapshot, "queue:in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "match", 2, (int[]){10, 90, 0, 0, 0}, 2);
    column(&snapshot, "out", 1, (int[]){5, 95, 0, 0, 0}, 1);
    snapshot.acknowledging = 9 * LEAT_SECOND;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_INPUT);
    assert_string_equal(verdict.text, "the source: acknowledging to queue:in takes 90 % of the time");
}

static void the_sink(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "match", 2, (int[]){10, 0, 90, 0, 0}, 2);
    column(&snapshot, "queue:out", 1, (int[]){20, 2, 0, 78, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_OUTPUT);
    assert_int_equal(verdict.stage, 2);
    assert_string_equal(verdict.text,
                        "the sink: everything waits for queue:out, which is waiting for the outside 98 % of the time");
}

/* A server is to blame when the source waits for it, or for confirmations of what is on its way, or now for one and now
 * for the other; and only if there is one. */
static void a_server(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "amqp:in", 1, (int[]){5, 0, 45, 50, 0}, 1);
    column(&snapshot, "match", 2, (int[]){10, 90, 0, 0, 0}, 2);
    column(&snapshot, "amqp:out", 1, (int[]){2, 0, 0, 98, 0}, 1);
    snapshot.counts.delivered = ITEMS;
    snapshot.under_way = 100000000; /* 10 ms of each item */
    snapshot.with_sink = 80000000;
    judge(&snapshot, &verdict);
    assert_int_not_equal(verdict.kind, LT_LIMIT_SERVER);
    snapshot.source_server = snapshot.sink_server = "the broker";
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_SERVER);
    assert_int_equal(verdict.stage, 0);
    assert_string_equal(verdict.text,
                        "the broker: amqp:in waits for it 50 % of the time, and 80 % of an item's way (10 ms, "
                        "10 items at once) is waiting for amqp:out to confirm; more workers do not help");
    snapshot.sink_counters.count = 1;
    snapshot.sink_counters.list[0] = (struct leat_counter){.name = "x", .value = 4000, .hindrance = "it slept"};
    snapshot.source_server = NULL;
    snapshot.with_sink = 20000000;
    judge(&snapshot, &verdict);
    assert_int_not_equal(verdict.kind, LT_LIMIT_SERVER);
    snapshot.stage_count = 0;
    column(&snapshot, "load", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&snapshot, "amqp:out", 1, (int[]){2, 0, 0, 98, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_SERVER);
    assert_int_equal(verdict.stage, 1);
    assert_string_equal(verdict.text,
                        "the broker: 20 % of an item's way (10 ms, 10 items at once) is waiting for amqp:out to "
                        "confirm; 40 % of the time it slept; more workers do not help");
}

/* A source with nothing in it is no slow one. */
static void an_empty_source(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    snapshot.source_server = "the broker";
    column(&snapshot, "amqp:in", 1, (int[]){5, 90, 0, 5, 0}, 1);
    column(&snapshot, "match", 2, (int[]){10, 90, 0, 0, 0}, 2);
    column(&snapshot, "amqp:out", 1, (int[]){2, 58, 0, 40, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_INPUT);
    assert_string_equal(verdict.text, "the source: amqp:in has nothing 90 % of the time");
}

/* So little is on its way that all of it is with the sink: the stage has nothing to wait with. */
static void the_sink_has_it_all(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){1, 0, 99, 0, 0}, 0.1);
    column(&snapshot, "match", 2, (int[]){1, 71, 28, 0, 0}, 0.1);
    column(&snapshot, "out", 1, (int[]){98, 2, 0, 0, 0}, 0.1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_OUTPUT);
    assert_int_equal(verdict.stage, 2);
    assert_true(verdict.gain == 1);
}

/* A sink at work all the time: the source waits for it now and then, so it is not the source. */
static void the_sink_not_the_source(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "gen", 1, (int[]){55, 0, 45, 0, 0}, 5);
    column(&snapshot, "match", 2, (int[]){12, 60, 28, 0, 0}, 2);
    column(&snapshot, "queue:out", 1, (int[]){98, 2, 0, 0, 0}, 9);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_OUTPUT);
    snapshot.stage_count = 1;
    column(&snapshot, "queue:out", 1, (int[]){98, 2, 0, 0, 0}, 9);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_OUTPUT);
    assert_int_equal(verdict.stage, 1);
    snapshot.stage_count = 0;
    column(&snapshot, "gen", 1, (int[]){98, 0, 2, 0, 0}, 5);
    column(&snapshot, "queue:out", 1, (int[]){60, 40, 0, 0, 0}, 5);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_INPUT);
    /* One that waits for confirmations takes more meanwhile. */
    snapshot.stage_count = 1;
    column(&snapshot, "amqp:out", 1, (int[]){20, 0, 0, 80, 0}, 2);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_INPUT);
}

/* Half of the time the run was paused: nobody had input then, and what limits is what limited in the other half. */
static void a_pause(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){2, 0, 48, 0, 0}, 0.2);
    column(&snapshot, "exec", 4, (int[]){0, 51, 0, 49, 0}, 0.2);
    column(&snapshot, "out", 1, (int[]){2, 98, 0, 0, 0}, 0.2);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_NONE);
    snapshot.resting = SECONDS * LEAT_SECOND / 2;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_STAGE);
    assert_int_equal(verdict.stage, 1);
    assert_true(verdict.gain > 1.249 && verdict.gain < 1.251);
    snapshot.paused = true;
    snapshot.counts.in = 0;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_NONE);
    assert_string_equal(verdict.text, "the run is paused");
}

static void nobody(void **state) {
    struct lt_snapshot snapshot;
    struct lt_verdict verdict;
    (void)state;
    begin(&snapshot);
    column(&snapshot, "in", 1, (int[]){40, 0, 60, 0, 0}, 1);
    column(&snapshot, "match", 2, (int[]){50, 25, 25, 0, 0}, 2);
    column(&snapshot, "out", 1, (int[]){40, 60, 0, 0, 0}, 1);
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_NONE);
    assert_string_equal(verdict.text, "no single bottleneck");
    snapshot.counts.in = 0;
    judge(&snapshot, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_NONE);
    assert_string_equal(verdict.text, "no items passed, so nothing can be said");
}

/* What lies before the first of two snapshots does not count. */
static void a_window(void **state) {
    struct lt_snapshot from, to;
    struct lt_verdict verdict;
    (void)state;
    begin(&from);
    column(&from, "in", 1, (int[]){5, 0, 95, 0, 0}, 1);
    column(&from, "match", 2, (int[]){99, 1, 0, 0, 0}, 18);
    column(&from, "out", 1, (int[]){5, 95, 0, 0, 0}, 1);
    begin(&to);
    column(&to, "in", 1, (int[]){95, 0, 5, 0, 0}, 1);
    column(&to, "match", 2, (int[]){10, 90, 0, 0, 0}, 2);
    column(&to, "out", 1, (int[]){5, 95, 0, 0, 0}, 1);
    to.elapsed += from.elapsed;
    to.counts.in += from.counts.in;
    for (size_t s = 0; s < to.stage_count; s++) {
        to.stages[s].cpu += from.stages[s].cpu;
        for (int t = 0; t < LEAT_STATES; t++)
            to.stages[s].time[t] += from.stages[s].time[t];
    }
    lt_verdict(&from, &to, 2, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_INPUT);
    lt_verdict(NULL, &from, 2, &verdict);
    assert_int_equal(verdict.kind, LT_LIMIT_CPU);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors),
        cmocka_unit_test(processors_of_others),
        cmocka_unit_test(a_rate),
        cmocka_unit_test(a_stage),
        cmocka_unit_test(the_slower_of_two),
        cmocka_unit_test(the_source),
        cmocka_unit_test(the_sink),
        cmocka_unit_test(the_sink_has_it_all),
        cmocka_unit_test(nobody),
        cmocka_unit_test(a_server),
        cmocka_unit_test(an_empty_source),
        cmocka_unit_test(a_window),
        cmocka_unit_test(contention),
        cmocka_unit_test(processors_of_commands),
        cmocka_unit_test(processors_of_others_for_commands),
        cmocka_unit_test(many_workers),
        cmocka_unit_test(what_limits_next),
        cmocka_unit_test(a_pause),
        cmocka_unit_test(the_sink_not_the_source),
    };
    return cmocka_run_group_tests_name("run-verdict", tests, NULL, NULL);
}

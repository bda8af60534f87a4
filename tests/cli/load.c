/* SPDX-License-Identifier: MIT */
/* What leat load counts on: its schedule, its judgement of itself, its timeline. */
#include "cli/load/measure.h"
#include "cli/load/schedule.h"
#include "base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---------------------------------------------------------------- schedule */

static void test_even_gaps(void **state) {
    (void)state;
    struct lt_schedule schedule;
    lt_schedule_begin(&schedule, 1000, 2 * LEAT_SECOND, false, 1);
    assert_int_equal(lt_schedule_total(&schedule), 2000);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_int_equal(schedule.number, i);
        assert_int_equal(schedule.due, (leat_time)i * LEAT_MILLISECOND);
        lt_schedule_advance(&schedule);
    }
    assert_true(schedule.due == LEAT_FOREVER);
    lt_schedule_advance(&schedule);
    assert_true(schedule.due == LEAT_FOREVER);
}

/* Rates that no whole number of nanoseconds fits: no message is lost, none is early, no rounding adds up. */
static void test_odd_rates(void **state) {
    (void)state;
    static const double rates[] = {3, 7, 0.1, 1.0 / 3, 999.9, 12345.678, 1e6 / 7};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        struct lt_schedule schedule;
        lt_schedule_begin(&schedule, rates[r], 10 * LEAT_SECOND, false, 1);
        uint64_t count = 0, total = lt_schedule_total(&schedule);
        leat_time last = -1;
        for (; schedule.due != LEAT_FOREVER; lt_schedule_advance(&schedule)) {
            assert_true(schedule.due > last || rates[r] > 1e9);
            double exact = (double)count / rates[r] * 1e9;
            assert_true(fabs((double)schedule.due - exact) <= 1);
            last = schedule.due;
            count++;
        }
        assert_int_equal(count, total);
        assert_int_equal(count, (uint64_t)ceil(10 * rates[r] - 1e-9));
    }
}

/* Exponential gaps: mean and deviation are the same, and the seed decides all. */
static void test_random_gaps(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    struct lt_schedule schedule, again, other;
    lt_schedule_begin(&schedule, 1000, LEAT_FOREVER, true, 1);
    lt_schedule_begin(&again, 1000, LEAT_FOREVER, true, 1);
    lt_schedule_begin(&other, 1000, LEAT_FOREVER, true, 2);
    assert_int_equal(lt_schedule_total(&schedule), 0);
    double sum = 0, squares = 0;
    size_t same = 0;
    leat_time last = 0;
    for (size_t i = 0; i < COUNT; i++) {
        double gap = (double)(schedule.due - last);
        assert_true(gap >= 0);
        assert_int_equal(schedule.due, again.due);
        same += schedule.due == other.due;
        sum += gap;
        squares += gap * gap;
        last = schedule.due;
        lt_schedule_advance(&schedule);
        lt_schedule_advance(&again);
        lt_schedule_advance(&other);
    }
    double mean = sum / COUNT, deviation = sqrt(squares / COUNT - mean * mean);
    assert_true(fabs(mean / 1e6 - 1) < 0.02);
    assert_true(fabs(deviation / 1e6 - 1) < 0.02);
    assert_true(same < 10);
}

static void test_ends_in_time(void **state) {
    (void)state;
    struct lt_schedule schedule;
    lt_schedule_begin(&schedule, 100, LEAT_SECOND, true, 5);
    size_t count = 0;
    for (; schedule.due != LEAT_FOREVER; lt_schedule_advance(&schedule), count++)
        assert_true(schedule.due < LEAT_SECOND);
    assert_in_range(count, 50, 150);
    lt_schedule_begin(&schedule, 1e-12, LEAT_FOREVER, false, 1);
    assert_int_equal(schedule.due, 0);
    lt_schedule_advance(&schedule);
    assert_true(schedule.due == LEAT_FOREVER);
}

/* ----------------------------------------------------------------- judging */

static bool judge(struct lt_measure_facts facts, const char *text) {
    struct lt_measure_verdict verdict;
    lt_measure_judge(&facts, &verdict);
    assert_string_equal(verdict.text, text);
    return verdict.valid;
}

static void test_judgement(void **state) {
    (void)state;
    struct lt_measure_facts facts = {.sent = 10000,
                                     .rate = 1000,
                                     .lag_p99 = 900 * LEAT_MICROSECOND,
                                     .latency_p50 = LEAT_MILLISECOND,
                                     .last_due = 9999 * LEAT_MILLISECOND,
                                     .last_sent = 9999 * LEAT_MILLISECOND};
    assert_true(judge(facts, ""));
    facts.lag_p99 = 1100 * LEAT_MICROSECOND;
    assert_false(judge(facts, "the generator itself was late: one message in a hundred by 1.1 ms or more, 1 ms is "
                              "allowed"));
    /* Latencies of 40 ms are not spoilt by 1.9 ms, but by 2.1 ms. */
    facts.latency_p50 = 40 * LEAT_MILLISECOND;
    facts.lag_p99 = 1900 * LEAT_MICROSECOND;
    assert_true(judge(facts, ""));
    facts.lag_p99 = 2100 * LEAT_MICROSECOND;
    assert_false(judge(facts, "the generator itself was late: one message in a hundred by 2.1 ms or more, 2 ms is "
                              "allowed"));
    facts.lag_p99 = 0;
    facts.last_sent = 10090 * LEAT_MILLISECOND;
    assert_true(judge(facts, ""));
    facts.last_sent = 12499 * LEAT_MILLISECOND;
    assert_false(judge(facts, "80.0 % of the rate was reached: the target takes no more, or this machine makes no "
                              "more"));
    facts.sent = 0;
    assert_false(judge(facts, "nothing was sent"));
}

/* A stall of the target is in the latencies, not in the generator's lag. */
static void test_who_is_late(void **state) {
    (void)state;
    struct lt_measure measure;
    assert_int_equal(lt_measure_open(&measure), 0);
    lt_measure_sent(&measure, 10, 5, 13);
    lt_measure_confirmed(&measure, 10, 60, true);
    assert_int_equal(measure.lag.most, 3);
    assert_int_equal(measure.latency.most, 50);
    lt_measure_sent(&measure, 20, 1000, 1007);
    lt_measure_confirmed(&measure, 20, 2020, true);
    assert_int_equal(measure.lag.most, 7);
    assert_int_equal(measure.latency.most, 2000);
    assert_int_equal(measure.last_due, 20);
    assert_int_equal(measure.last_sent, 1007);
    lt_measure_confirmed(&measure, 0, 5000, false);
    assert_int_equal(measure.latency.most, 2000);
    assert_int_equal(measure.confirmed, 3);
    lt_measure_close(&measure);
}

/* ---------------------------------------------------------------- timeline */

/* However long the run: every message is in one place, and that place covers its time. */
static void test_timeline(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static const leat_time lengths[] = {LEAT_SECOND, 24 * LEAT_SECOND, 25 * LEAT_SECOND, 3600 * LEAT_SECOND,
                                        100000 * LEAT_SECOND};
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        struct lt_measure measure;
        leat_time *most = calloc(LT_TIMELINE, sizeof *most);
        assert_int_equal(lt_measure_open(&measure), 0);
        for (uint64_t i = 0; i < COUNT; i++) {
            leat_time due = (leat_time)((double)lengths[l] * (double)i / COUNT);
            lt_measure_confirmed(&measure, due, due + (leat_time)(lt_hash_mix(i) >> 30), true);
        }
        const struct lt_timeline *timeline = &measure.timeline;
        assert_true(timeline->used <= LT_TIMELINE);
        assert_true((leat_time)timeline->used * timeline->width >= lengths[l] - lengths[l] / COUNT);
        uint64_t total = 0;
        for (uint64_t i = 0; i < COUNT; i++) {
            size_t place = (size_t)((leat_time)((double)lengths[l] * (double)i / COUNT) / timeline->width);
            leat_time latency = (leat_time)(lt_hash_mix(i) >> 30);
            most[place] = latency > most[place] ? latency : most[place];
        }
        for (size_t i = 0; i < timeline->used; i++) {
            if (!timeline->places[i].counts)
                continue;
            total += timeline->places[i].total;
            assert_int_equal(timeline->places[i].most, most[i]);
        }
        assert_int_equal(total, COUNT);
        free(most);
        lt_measure_close(&measure);
    }
}

static void test_times_as_text(void **state) {
    (void)state;
    static const struct {
        leat_time time;
        const char *text;
    } all[] = {{0, "0"},
               {7, "7 ns"},
               {999, "999 ns"},
               {1000, "1 \xc2\xb5s"},
               {1234, "1.23 \xc2\xb5s"},
               {999499, "999 \xc2\xb5s"},
               {999500, "1 ms"},
               {12345678, "12.3 ms"},
               {987654321, "988 ms"},
               {1500000000, "1.5 s"},
               {90 * LEAT_SECOND, "90 s"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[32];
        lt_measure_time_text(all[i].time, text, sizeof text);
        assert_string_equal(text, all[i].text);
    }
}

static void test_steady_rate(void **state) {
    (void)state;
    struct lt_measure measure = {.middle_from = 100, .middle_to = 1900, .last_confirmed = 4 * LEAT_SECOND};
    assert_true(lt_measure_steady_rate(&measure) == 0);
    measure.middle_begin = LEAT_SECOND;
    assert_true(lt_measure_steady_rate(&measure) == 0);
    measure.middle_end = 3 * LEAT_SECOND;
    assert_true(lt_measure_steady_rate(&measure) == 900);
    measure.middle_end = 2 * LEAT_SECOND;
    assert_true(lt_measure_steady_rate(&measure) == 1800);
    measure.middle_end--; /* nearly everything came at once */
    assert_true(lt_measure_steady_rate(&measure) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even_gaps),    cmocka_unit_test(test_odd_rates),     cmocka_unit_test(test_random_gaps),
        cmocka_unit_test(test_ends_in_time), cmocka_unit_test(test_judgement),     cmocka_unit_test(test_who_is_late),
        cmocka_unit_test(test_timeline),     cmocka_unit_test(test_times_as_text), cmocka_unit_test(test_steady_rate),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}

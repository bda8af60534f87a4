/* SPDX-License-Identifier: MIT */
#include "ends/harness.h"
#include "pipeline/batch.h"
#include "stages/stages.h"

#include <errno.h>

struct settings { /* as rate's option table lays them out */
    uint64_t burst;
};

static void process(struct outcome *outcome, const char *word, uint64_t burst, size_t count) {
    struct leat_bytes bodies[100] = {{0}};
    for (size_t i = 0; i < count; i++)
        bodies[i] = bytes_of("x");
    struct settings settings = {burst};
    struct leat_segment segment = {
        .spelling = "rate", .words = &word, .word_count = word ? 1 : 0, .settings = &settings};
    harness_process(outcome, &lt_rate_stage, &segment, bodies, count, "line");
}

/* Never faster than asked; how much slower is the machine's affair. */
static void test_pace(void **state) {
    (void)state;
    struct outcome outcome;
    leat_time start = leat_now();
    process(&outcome, "200/s", 1, 21);
    assert_true(leat_now() - start >= 100 * LEAT_MILLISECOND);
    assert_int_equal(outcome.code, 0);
    for (size_t i = 0; i < outcome.count; i++)
        assert_int_equal(outcome.items[i].fate, LEAT_LIVE);
    harness_free(&outcome);
}

/* Without --burst the bucket has room for some items, and still the first ones wait like all others. */
static void test_begins_without_a_burst(void **state) {
    (void)state;
    struct outcome outcome;
    leat_time start = leat_now();
    process(&outcome, "1k/s", 0, 100);
    assert_true(leat_now() - start >= 98 * LEAT_MILLISECOND);
    assert_int_equal(outcome.code, 0);
    harness_free(&outcome);
}

/* A rate at which a second item would take an hour lets the burst pass. */
static void test_burst(void **state) {
    (void)state;
    struct outcome outcome;
    process(&outcome, "1/h", 50, 50);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.count, 50);
    harness_free(&outcome);
}

static int too_slow(void *arg) {
    int *code = arg;
    const char *word = "1/h";
    struct settings settings = {1};
    struct leat_segment segment = {.spelling = "rate", .words = &word, .word_count = 1, .settings = &settings};
    struct leat_error error;
    void *stage;
    *code = lt_rate_stage.open(&stage, &segment, &error);
    struct leat_batch *batch = lt_batch_new(2, 100);
    for (int i = 0; i < 2; i++)
        leat_item_set(batch, leat_batch_add(batch), bytes_of("x"), "line");
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.deadline = leat_after(LEAT_MILLISECOND)});
    *code = lt_rate_stage.process(stage, NULL, batch, &error);
    leat_scope_close(scope);
    lt_batch_free(batch);
    lt_rate_stage.close(stage);
    return 0;
}

static void test_can_be_cut_short(void **state) {
    (void)state;
    int code = 0;
    assert_int_equal(leat_run(too_slow, &code), 0);
    assert_int_equal(code, -ETIMEDOUT);
}

static void test_errors(void **state) {
    (void)state;
    static const char *const words[] = {"fast", "-1", "0", "10/x", "10/", "", "0x10", "inf", NULL};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct outcome outcome;
        process(&outcome, words[i], 1, 0);
        if (outcome.code != -EINVAL)
            fail_msg("%s is a rate", words[i]);
        assert_non_null(strstr(outcome.error.text, "100/s"));
        harness_free(&outcome);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pace),   cmocka_unit_test(test_begins_without_a_burst),
        cmocka_unit_test(test_burst),  cmocka_unit_test(test_can_be_cut_short),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

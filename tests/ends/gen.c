/* SPDX-License-Identifier: MIT */
#include "ends/harness.h"
#include "base/json.h"
#include "ends/ends.h"

#include <errno.h>

struct settings { /* as the option table of gen lays them out */
    uint64_t count, size, seed;
    double rate;
};

static void make(struct outcome *outcome, const char *target, size_t item_limit) {
    struct settings settings = {1000, 900, 1, 0};
    struct leat_segment segment = {.spelling = target, .target = target, .settings = &settings};
    harness_read(outcome, &lt_gen_source, NULL, &segment, item_limit);
}

static void test_messages(void **state) {
    (void)state;
    struct outcome outcome;
    make(&outcome, "?count=2k&size=1k", 100);
    assert_int_equal(outcome.code, -ENODATA);
    assert_int_equal(outcome.count, 2000);
    size_t at = 0, links = 0, escapes = 0;
    for (size_t i = 0; i < outcome.count; i++) {
        struct leat_bytes body = outcome.items[i].body, content;
        assert_int_equal(lt_json_find(body, ".content", &content, NULL), 0);
        assert_int_equal(content.size, 1024 + 2);
        assert_int_equal(outcome.items[i].position, i + 1);
        for (const char *c = content.data; (c = strchr(c, '@')); c++)
            at++;
        for (const char *c = content.data; (c = strstr(c, "://")); c++)
            links++;
        escapes += strstr(content.data, "\\u00e9") != NULL;
    }
    /* Between one and three of each in a message. */
    assert_in_range(at, 2000, 6000);
    assert_in_range(links, 2000, 6000);
    assert_true(escapes > 500);
    harness_free(&outcome);
}

static void test_seed_decides(void **state) {
    (void)state;
    struct outcome one, same, other;
    make(&one, "?count=50", 7);
    make(&same, "?count=50&seed=1", 50);
    make(&other, "?count=50&seed=2", 50);
    for (size_t i = 0; i < 50; i++) {
        assert_string_equal(one.items[i].body.data, same.items[i].body.data);
        assert_true(one.items[i].id == same.items[i].id);
        assert_string_not_equal(one.items[i].body.data, other.items[i].body.data);
    }
    harness_free(&one);
    harness_free(&same);
    harness_free(&other);
}

static void test_text(void **state) {
    (void)state;
    struct outcome outcome;
    make(&outcome, "hello%3F?count=3", 2);
    assert_int_equal(outcome.count, 3);
    assert_bytes(outcome.items[2].body, "hello?");
    harness_free(&outcome);
    make(&outcome, "?size=0&count=1", 2);
    assert_bytes(outcome.items[0].body, "{\"n\":1,\"content\":\"\"}");
    harness_free(&outcome);
}

/* Never ahead of the schedule; and what is not due is not waited for in the batch. */
static void test_rate(void **state) {
    (void)state;
    struct outcome outcome;
    leat_time start = leat_now();
    make(&outcome, "x?count=21&rate=200/s", 100);
    assert_true(leat_now() - start >= 100 * LEAT_MILLISECOND);
    assert_int_equal(outcome.count, 21);
    harness_free(&outcome);
}

static void test_errors(void **state) {
    (void)state;
    static const char *const targets[] = {"?count=x", "?rate=fast", "?what=1", "?size=-1"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct outcome outcome;
        make(&outcome, targets[i], 1);
        assert_int_equal(outcome.code, -EINVAL);
        assert_non_null(strstr(outcome.error.text, targets[i]));
        harness_free(&outcome);
    }
}

static void test_null(void **state) {
    (void)state;
    bool render = true;
    struct leat_segment segment = {.spelling = "null:", .target = "", .settings = &render};
    struct leat_bytes bodies[] = {bytes_of("a"), bytes_of("b"), bytes_of("c")};
    struct outcome outcome;
    harness_write(&outcome, &lt_null_sink, &segment, bodies, 3, 2, "line");
    assert_int_equal(outcome.code, 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(outcome.items[i].fate, LEAT_DELIVERED);
    harness_free(&outcome);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_seed_decides), cmocka_unit_test(test_text),
        cmocka_unit_test(test_rate),     cmocka_unit_test(test_errors),       cmocka_unit_test(test_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

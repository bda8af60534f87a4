/* SPDX-License-Identifier: MIT */
#include "ends/harness.h"
#include "stages/stages.h"

#include <errno.h>

struct settings { /* as where's option table lays them out */
    bool any, invert;
};

static void process(struct outcome *outcome, const char *const *words, struct settings settings,
                    const char *const *bodies, const char *kind) {
    struct leat_bytes all[32] = {{0}};
    size_t count = 0, word_count = 0;
    for (; bodies[count]; count++)
        all[count] = bytes_of(bodies[count]);
    while (words[word_count])
        word_count++;
    struct leat_segment segment = {
        .spelling = "where", .words = words, .word_count = word_count, .settings = &settings};
    harness_process(outcome, &lt_where_stage, &segment, all, count, kind);
}

/* One comparison, one item: live, filtered or failed. */
static void expect(const char *word, const char *body, int fate) {
    struct outcome outcome;
    process(&outcome, (const char *[]){word, NULL}, (struct settings){0}, (const char *[]){body, NULL}, "line");
    if (outcome.code)
        fail_msg("%s: %s", word, outcome.error.text);
    if (outcome.items[0].fate != fate)
        fail_msg("%s of %s: fate %d", word, body, outcome.items[0].fate);
    harness_free(&outcome);
}

static const int yes = LEAT_LIVE, no = LEAT_FILTERED;

static void test_there(void **state) {
    (void)state;
    static const char *const there[] = {"1", "0", "\"x\"", "true", "[0]", "{\"a\":1}", "-0.0"};
    static const char *const empty[] = {"null", "false", "\"\"", "[]", "[ ]", "{}", "{ \n}"};
    char body[100];
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        snprintf(body, sizeof body, "{\"f\": %s}", there[i]);
        expect(".f", body, yes);
        expect("!.f", body, no);
    }
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        snprintf(body, sizeof body, "{\"f\": %s}", empty[i]);
        expect(".f", body, no);
        expect("!.f", body, yes);
    }
    expect(".f", "{\"g\":1}", no);
    expect("!.f", "{\"g\":1}", yes);
    expect(".a.b[1]", "{\"a\":{\"b\":[0,1]}}", yes);
    expect(".a.b[2]", "{\"a\":{\"b\":[0,1]}}", no);
}

static void test_equal(void **state) {
    (void)state;
    expect(".f=abc", "{\"f\":\"abc\"}", yes);
    expect(".f=abc", "{\"f\":\"a\\u0062c\"}", yes);
    expect(".f=abc", "{\"f\":\"abcd\"}", no);
    expect(".f!=abc", "{\"f\":\"abcd\"}", yes);
    expect(".f=", "{\"f\":\"\"}", yes);
    expect(".f=1", "{\"f\":1.0}", yes);
    expect(".f=1e2", "{\"f\":100}", yes);
    expect(".f=1.0", "{\"f\":\"1\"}", no);
    expect(".f=9007199254740993", "{\"f\":9007199254740992}", no);
    expect(".f=true", "{\"f\":true}", yes);
    expect(".f=null", "{\"f\":null}", yes);
    expect(".f=a=b", "{\"f\":\"a=b\"}", yes);
    expect(".f=v", "{}", no);
    expect(".f!=v", "{}", yes);
    expect("!.f!=v", "{\"f\":\"v\"}", yes);
    expect("f=v", "{\"f\":\"v\"}", yes);
}

static void test_order(void **state) {
    (void)state;
    expect(".f>10", "{\"f\":11}", yes);
    expect(".f>10", "{\"f\":10}", no);
    expect(".f>=10", "{\"f\":10}", yes);
    expect(".f<-1.5", "{\"f\":-2}", yes);
    expect(".f<=1e3", "{\"f\":1000}", yes);
    expect(".f<10", "{\"f\":\"9\"}", yes);
    expect(".f<10", "{\"f\":\"9 apples\"}", no);
    expect(".f<10", "{\"f\":null}", no);
    expect(".f<10", "{}", no);
    expect("!.f<10", "{}", yes);
}

static void test_matches(void **state) {
    (void)state;
    expect(".f~^a.c$", "{\"f\":\"abc\"}", yes);
    expect(".f~B", "{\"f\":\"abc\"}", no);
    expect(".f~(?i)B", "{\"f\":\"abc\"}", yes);
    expect(".f!~B", "{\"f\":\"abc\"}", yes);
    expect(".f~^5..$", "{\"f\":503}", yes);
    expect(".f~x", "{}", no);
    expect(".f!~x", "{}", yes);
    expect(".f~^.$", "{\"f\":\"\xc3\xa9\"}", yes);
    expect(".f~a=b~c", "{\"f\":\"a=b~c\"}", yes);
}

static void test_lines(void **state) {
    (void)state;
    expect(".~wor", "hello world", yes);
    expect(".=hello", "hello", yes);
    expect(".line~^h", "hello", yes);
    expect(".path~h", "hello", no);
    expect(".~a", "\xff\xfe a", yes);
    expect(".", "", no);
    expect(".>5", "7", yes);
}

static void test_failures(void **state) {
    (void)state;
    expect(".f=1", "{\"f\":1", LEAT_FAILED);
    char body[200] = "{\"f\":\"";
    memset(body + 6, 'a', 60);
    strcpy(body + 66, "\"}");
    struct outcome outcome;
    process(&outcome, (const char *[]){".f~^(?:(a|aa)+)+\\d", NULL}, (struct settings){0},
            (const char *[]){body, "{\"f\":\"a1\"}", NULL}, "line");
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.items[0].fate, LEAT_FAILED);
    assert_int_equal(outcome.items[0].code, -E2BIG);
    assert_non_null(strstr(outcome.items[0].reason, "limit"));
    assert_int_equal(outcome.items[1].fate, LEAT_LIVE);
    harness_free(&outcome);
}

static void test_several(void **state) {
    (void)state;
    static const char *const words[] = {".a=1", ".b=1", NULL};
    static const char *const bodies[] = {"{\"a\":1,\"b\":1}", "{\"a\":1}", "{\"b\":1}", "{}", NULL};
    static const struct {
        struct settings settings;
        int fates[4];
    } cases[] = {
        {{false, false}, {LEAT_LIVE, LEAT_FILTERED, LEAT_FILTERED, LEAT_FILTERED}},
        {{true, false}, {LEAT_LIVE, LEAT_LIVE, LEAT_LIVE, LEAT_FILTERED}},
        {{false, true}, {LEAT_FILTERED, LEAT_LIVE, LEAT_LIVE, LEAT_LIVE}},
        {{true, true}, {LEAT_FILTERED, LEAT_FILTERED, LEAT_FILTERED, LEAT_LIVE}},
    };
    for (size_t c = 0; c < 4; c++) {
        struct outcome outcome;
        process(&outcome, words, cases[c].settings, bodies, "line");
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(outcome.items[i].fate, cases[c].fates[i]);
        harness_free(&outcome);
    }
}

static void expect_error(const char *word, const char *reason) {
    struct outcome outcome;
    process(&outcome, (const char *[]){word, NULL}, (struct settings){0}, (const char *[]){NULL}, "line");
    assert_int_equal(outcome.code, -EINVAL);
    if (!strstr(outcome.error.text, reason))
        fail_msg("\"%s\" does not say \"%s\"", outcome.error.text, reason);
    harness_free(&outcome);
}

static void test_errors(void **state) {
    (void)state;
    expect_error("=x", "the field is missing at byte 1");
    expect_error("!", "the field is missing at byte 2");
    expect_error(".f>ten", "\"ten\" at byte 4 is not a number");
    expect_error(".f>", "not a number");
    expect_error(".f~(", "regular expression at byte 4");
    expect_error(".a[", "no field at byte 1");
    expect_error("!.a[x]=1", "no field at byte 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there),   cmocka_unit_test(test_equal),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_matches), cmocka_unit_test(test_lines),  cmocka_unit_test(test_failures),
        cmocka_unit_test(test_several), cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

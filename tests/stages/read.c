/* SPDX-License-Identifier: MIT */
#include "ends/harness.h"
#include "stages/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct settings { /* as read's option table lays them out */
    const char *add, *field;
    uint64_t max;
    bool raw;
};

static void process(struct outcome *outcome, struct settings settings, const char *word, const char *const *bodies) {
    struct leat_bytes all[16] = {{0}};
    size_t count = 0;
    for (; bodies[count]; count++)
        all[count] = bytes_of(bodies[count]);
    if (settings.max == 0)
        settings.max = 64 << 20;
    struct leat_segment segment = {
        .spelling = "read", .words = &word, .word_count = word ? 1 : 0, .settings = &settings};
    harness_process(outcome, &lt_read_stage, &segment, all, count, "path");
}

static void test_content_is_the_text(void **state) {
    (void)state;
    const char *path = harness_path("a"), *empty = harness_path("empty");
    harness_put(path, "one\ntwo\n", 8);
    harness_put(empty, "", 0);
    struct outcome outcome;
    process(&outcome, (struct settings){0}, NULL, (const char *[]){path, empty, "/proc/self/status", NULL});
    assert_int_equal(outcome.code, 0);
    assert_bytes(outcome.items[0].text, "one\ntwo\n");
    assert_bytes(outcome.items[0].out, path);
    assert_int_equal(outcome.items[1].fate, LEAT_LIVE);
    assert_int_equal(outcome.items[1].text.size, 0);
    assert_non_null(strstr(outcome.items[2].text.data, "VmHWM"));
    harness_free(&outcome);
}

static void test_value(void **state) {
    (void)state;
    const char *path = harness_path("a");
    harness_put(path, "x\n\xff", 3);
    char expected[5000];
    snprintf(expected, sizeof expected, "{\"path\":\"%s\",\"text\":\"x\\n\xef\xbf\xbd\"}", path);
    struct outcome outcome;
    process(&outcome, (struct settings){0}, "text", (const char *[]){path, NULL});
    assert_bytes(outcome.items[0].out, expected);
    harness_free(&outcome);
    process(&outcome, (struct settings){.add = "text"}, NULL, (const char *[]){path, NULL});
    assert_bytes(outcome.items[0].out, expected);
    harness_free(&outcome);
    process(&outcome, (struct settings){.add = "text"}, "more", (const char *[]){NULL});
    assert_int_equal(outcome.code, -EINVAL);
    harness_free(&outcome);
}

static void test_field(void **state) {
    (void)state;
    const char *path = harness_path("a");
    harness_put(path, "x", 1);
    char body[5000];
    snprintf(body, sizeof body, "{\"file\":\"%s\"}", path);
    struct outcome outcome;
    process(&outcome, (struct settings){.field = ".file"}, NULL, (const char *[]){body, "{\"file\":1}", "{}", NULL});
    assert_bytes(outcome.items[0].text, "x");
    assert_int_equal(outcome.items[1].code, -EINVAL);
    assert_int_equal(outcome.items[2].code, -ENOENT);
    harness_free(&outcome);
}

static void test_packed(void **state) {
    (void)state;
    const char *path = harness_path("a.gz");
    gzFile file = gzopen(path, "wb");
    for (int i = 0; i < 100000; i++)
        gzputs(file, "line\n");
    gzclose(file);
    struct stat status;
    stat(path, &status);
    struct outcome outcome;
    process(&outcome, (struct settings){0}, NULL, (const char *[]){path, NULL});
    assert_int_equal(outcome.items[0].text.size, 500000);
    harness_free(&outcome);
    process(&outcome, (struct settings){.raw = true}, NULL, (const char *[]){path, NULL});
    assert_int_equal(outcome.items[0].text.size, status.st_size);
    harness_free(&outcome);
    process(&outcome, (struct settings){.max = 499999}, NULL, (const char *[]){path, NULL});
    assert_int_equal(outcome.items[0].code, -EFBIG);
    harness_free(&outcome);
    assert_int_equal(truncate(path, status.st_size - 9), 0);
    process(&outcome, (struct settings){0}, NULL, (const char *[]){path, NULL});
    assert_int_equal(outcome.items[0].code, -EBADMSG);
    assert_non_null(strstr(outcome.items[0].reason, "cut off"));
    harness_free(&outcome);
}

static void test_each_fails_alone(void **state) {
    (void)state;
    char paths[6][PATH_MAX];
    static const char *const names[] = {"nowhere", "folder", "fifo", "large", "fits", "line"};
    for (size_t i = 0; i < 6; i++)
        snprintf(paths[i], sizeof paths[i], "%s", harness_path(names[i]));
    mkdir(paths[1], 0700);
    mkfifo(paths[2], 0600);
    harness_put(paths[3], "12345678901", 11);
    harness_put(paths[4], "1234567890", 10);
    struct outcome outcome;
    process(&outcome, (struct settings){.max = 10}, NULL,
            (const char *[]){paths[0], paths[1], paths[2], paths[3], paths[4], "", NULL});
    static const int codes[] = {-ENOENT, -EISDIR, -EINVAL, -EFBIG, 0, -EINVAL};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(outcome.items[i].code, codes[i]);
        assert_int_equal(outcome.items[i].fate, codes[i] ? LEAT_FAILED : LEAT_LIVE);
        if (codes[i])
            assert_non_null(strstr(outcome.items[i].reason, paths[i][0] && i < 5 ? paths[i] : "not a path"));
    }
    harness_free(&outcome);
}

/* A path that open() refuses as too long. */
static void test_long_path(void **state) {
    (void)state;
    char path[PATH_MAX * 3], name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    size_t length = (size_t)snprintf(path, sizeof path, "%s", harness_path("deep"));
    mkdir(path, 0700);
    int fd = open(path, O_RDONLY);
    while (length < PATH_MAX * 2 + 500) {
        mkdirat(fd, name, 0700);
        int next = openat(fd, name, O_RDONLY);
        close(fd);
        fd = next;
        length += (size_t)snprintf(path + length, sizeof path - length, "/%s", name);
    }
    int file = openat(fd, "file", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(file, "deep", 4), 4);
    close(file);
    close(fd);
    snprintf(path + length, sizeof path - length, "/file");
    struct outcome outcome;
    process(&outcome, (struct settings){0}, NULL, (const char *[]){path, NULL});
    assert_bytes(outcome.items[0].text, "deep");
    harness_free(&outcome);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_content_is_the_text, harness_clean),
        cmocka_unit_test_teardown(test_value, harness_clean),
        cmocka_unit_test_teardown(test_field, harness_clean),
        cmocka_unit_test_teardown(test_packed, harness_clean),
        cmocka_unit_test_teardown(test_each_fails_alone, harness_clean),
        cmocka_unit_test_teardown(test_long_path, harness_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

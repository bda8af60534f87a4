/* SPDX-License-Identifier: MIT */
#include "ends/harness.h"
#include "ends/ends.h"
#include "ends/dir/glob.h"
#include "pipeline/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The source's settings as its option table lays them out. */
static void *default_settings(void) {
    char *settings = calloc(1, lt_dir_source.settings_size);
    for (const struct leat_option *option = lt_dir_source.options; option->name; option++) {
        if (strcmp(option->name, "hidden") == 0)
            *(bool *)(settings + option->offset) = true;
        if (strcmp(option->name, "type") == 0)
            *(const char **)(settings + option->offset) = option->initial;
    }
    return settings;
}

static void read_dir(struct outcome *outcome, const char *target) {
    void *settings = default_settings();
    struct leat_segment segment = {.spelling = target, .target = target, .settings = settings};
    harness_read(outcome, &lt_dir_source, NULL, &segment, 1000);
    free(settings);
}

static int by_bytes(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

struct list {
    char **paths;
    size_t count;
};

static struct list live_paths(const struct outcome *outcome) {
    struct list list = {calloc(outcome->count + 1, sizeof *list.paths), 0};
    for (size_t i = 0; i < outcome->count; i++)
        if (outcome->items[i].fate == LEAT_LIVE)
            list.paths[list.count++] = (char *)outcome->items[i].body.data;
    qsort(list.paths, list.count, sizeof *list.paths, by_bytes);
    return list;
}

static struct list split_nul(char *data, size_t size) {
    struct list list = {NULL, 0};
    for (size_t begin = 0; begin < size; begin += strlen(data + begin) + 1) {
        list.paths = realloc(list.paths, (list.count + 1) * sizeof *list.paths);
        list.paths[list.count++] = data + begin;
    }
    if (list.count)
        qsort(list.paths, list.count, sizeof *list.paths, by_bytes);
    return list;
}

/* What find prints is what the source gives, each path once. */
static void compare_with_find(const struct outcome *outcome, const char *arguments) {
    char command[9000];
    const char *file = harness_path("found");
    snprintf(command, sizeof command, "find %s -print0 2>/dev/null >'%s'", arguments, file);
    if (system(command) < 0)
        fail();
    size_t size;
    char *data = harness_get(file, &size);
    struct list expected = split_nul(data, size), given = live_paths(outcome);
    if (given.count != expected.count)
        fail_msg("%zu paths, find %s gives %zu", given.count, arguments, expected.count);
    for (size_t i = 0; i < given.count; i++)
        assert_string_equal(given.paths[i], expected.paths[i]);
    free(expected.paths);
    free(given.paths);
    free(data);
}

/* ----------------------------------------------------------- hostile trees */

static void put_at(int parent, const char *name) {
    int fd = openat(parent, name, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    close(fd);
}

static int make_dir_at(int parent, const char *name) {
    assert_int_equal(mkdirat(parent, name, 0755), 0);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    return fd;
}

/* A chain whose paths are far too long for the system, with something beside and behind each link. */
static void make_chain(int root, int depth) {
    char name[101];
    memset(name, 'n', 100);
    name[100] = '\0';
    int fd = make_dir_at(root, "chain");
    for (int i = 0; i < depth; i++) {
        close(make_dir_at(fd, "beside"));
        int beside = openat(fd, "beside", O_RDONLY);
        put_at(beside, "file");
        close(beside);
        put_at(fd, "file");
        close(make_dir_at(fd, "zz"));
        int next = make_dir_at(fd, name);
        close(fd);
        fd = next;
    }
    put_at(fd, "bottom");
    close(fd);
}

static int make_tree(const char *path, int depth) {
    int root;
    assert_int_equal(mkdir(path, 0755), 0);
    root = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(root >= 0);
    static const char *const names[] = {
        "new\nline", "\xff\xfe not UTF-8", " ",           "-rf", "a?b%41",     ".hidden",
        "*",         "quo\"te'",           "back\\slash", "...", "caf\xc3\xa9"};
    int strange = make_dir_at(root, "dir\nwith\xff newline");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        put_at(root, names[i]);
        put_at(strange, names[i]);
    }
    close(strange);
    int many = make_dir_at(root, ".many");
    for (int i = 0; i < 5000; i++) {
        char name[260];
        snprintf(name, sizeof name, "%0*d", i % 200 + 5, i);
        put_at(many, name);
    }
    close(many);
    int wide = make_dir_at(root, "wide");
    for (int i = 0; i < 300; i++) {
        char name[20];
        snprintf(name, sizeof name, "d%d", i);
        int fd = make_dir_at(wide, name);
        put_at(fd, "file");
        close(fd);
    }
    close(wide);
    make_chain(root, depth);
    mkfifoat(root, "fifo", 0644);
    assert_int_equal(symlinkat("wide", root, "link-to-dir"), 0);
    assert_int_equal(symlinkat("-rf", root, "link-to-file"), 0);
    assert_int_equal(symlinkat("nowhere", root, "dangling"), 0);
    return root;
}

static void test_like_find(void **state) {
    (void)state;
    const char *root = harness_path("tree");
    close(make_tree(root, 300));
    struct outcome outcome;
    struct rlimit limit, few;
    getrlimit(RLIMIT_NOFILE, &limit);
    few = (struct rlimit){80, limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    read_dir(&outcome, root);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(outcome.code, -ENODATA);
    char arguments[5000];
    snprintf(arguments, sizeof arguments, "'%s' -type f", root);
    compare_with_find(&outcome, arguments);
    assert_true(outcome.count > 5900);
    for (size_t i = 0; i < outcome.count; i++)
        assert_int_equal(outcome.items[i].fate, LEAT_LIVE);
    harness_free(&outcome);
}

static void compare(const char *root, const char *query, const char *tests) {
    char target[5000], arguments[5000];
    struct outcome outcome;
    snprintf(target, sizeof target, "%s%s", root, query);
    snprintf(arguments, sizeof arguments, tests, root);
    read_dir(&outcome, target);
    if (outcome.code != -ENODATA)
        fail_msg("%s: %s", target, outcome.error.text);
    compare_with_find(&outcome, arguments);
    harness_free(&outcome);
}

static void test_settings_like_find(void **state) {
    (void)state;
    char root[1000];
    snprintf(root, sizeof root, "%s", harness_path("tree"));
    close(make_tree(root, 20)); /* find -L gives up where paths are too long for the system */
    compare(root, "?hidden=0", "'%s' -name '.?*' -prune -o -type f");
    compare(root, "?type=d", "'%s' -mindepth 1 -type d");
    compare(root, "?type=l&xdev", "'%s' -xdev -type l");
    compare(root, "?max-depth=2", "'%s' -maxdepth 2 -type f");
    compare(root, "?follow=1", "-L '%s' -type f");
    compare(root, "?glob=*", "'%s' -maxdepth 1 -type f");
    compare(root, "?glob=**/file", "'%s' -name file -type f");
    compare(root, "?glob=%7Bwide,.many%7D/**", "'%1$s/wide' '%1$s/.many' -type f");
    compare(root, "/-rf", "'%s/-rf'");
}

static void test_links_in_circles(void **state) {
    (void)state;
    const char *root = harness_path("circle");
    mkdir(root, 0755);
    int fd = open(root, O_RDONLY), below = make_dir_at(fd, "below");
    put_at(below, "file");
    symlinkat("..", below, "up");
    symlinkat(".", fd, "here");
    symlinkat("self", fd, "self");
    close(below);
    close(fd);
    compare(root, "", "'%s' -type f");
    struct outcome outcome;
    char target[5000];
    snprintf(target, sizeof target, "%s?follow=1", root);
    read_dir(&outcome, target);
    assert_int_equal(outcome.code, -ENODATA);
    size_t loops = 0, files = 0;
    for (size_t i = 0; i < outcome.count; i++) {
        loops += outcome.items[i].fate == LEAT_FAILED && outcome.items[i].code == -ELOOP;
        files += outcome.items[i].fate == LEAT_LIVE;
    }
    assert_int_equal(files, 1);
    assert_int_equal(loops, 3);
    harness_free(&outcome);
}

/* ----------------------------------------------------------- what goes wrong */

static int read_closed(const char *root) {
    if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
        return 1;
    struct outcome outcome;
    read_dir(&outcome, root);
    size_t failed = 0, live = 0;
    for (size_t i = 0; i < outcome.count; i++) {
        const struct seen *item = &outcome.items[i];
        live += item->fate == LEAT_LIVE;
        failed += item->fate == LEAT_FAILED && item->code == -EACCES && strstr(item->body.data, "/closed") &&
                  strstr(item->reason, "Permission denied");
    }
    return outcome.code == -ENODATA && failed == 1 && live == 2 && outcome.count == 3 ? 0 : 2;
}

static void test_closed_directory(void **state) {
    (void)state;
    const char *root = harness_path("tree");
    mkdir(root, 0755);
    chmod(harness_path(""), 0755);
    int fd = open(root, O_RDONLY);
    put_at(fd, "a");
    int after = make_dir_at(fd, "after");
    put_at(after, "b");
    close(after);
    close(make_dir_at(fd, "closed"));
    fchmodat(fd, "closed", 0, 0);
    close(fd);
    pid_t child = fork();
    if (child == 0)
        _exit(read_closed(root));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Removes the directory once the first paths have come: far more is still to be entered than the walk is ahead. */
static int open_and_remove(void **source, const struct leat_segment *segment, struct leat_error *error) {
    int code = lt_dir_source.open(source, segment, error);
    struct leat_batch *batch = lt_batch_new(1, 1);
    assert_int_equal(code ? code : lt_dir_source.read(*source, batch, error), 0);
    lt_batch_free(batch);
    char command[5000];
    snprintf(command, sizeof command, "rm -rf '%s'", harness_path("tree/wide"));
    assert_int_equal(system(command), 0);
    return code;
}

static void test_vanished_directories(void **state) {
    (void)state;
    const char *root = harness_path("tree");
    mkdir(root, 0755);
    int fd = open(root, O_RDONLY), wide = make_dir_at(fd, "wide");
    for (int i = 0; i < 6000; i++) {
        char name[260];
        snprintf(name, sizeof name, "%0200d", i);
        int below = make_dir_at(wide, name);
        put_at(below, name);
        close(below);
    }
    close(wide);
    close(fd);
    void *settings = default_settings();
    struct leat_segment segment = {.spelling = root, .target = root, .settings = settings, .workers = 2};
    struct outcome outcome;
    harness_read(&outcome, &lt_dir_source, open_and_remove, &segment, 1000);
    free(settings);
    assert_int_equal(outcome.code, -ENODATA);
    assert_true(outcome.count > 3000 && outcome.count < 6000);
    for (size_t i = 0; i < outcome.count; i++) {
        const struct seen *item = &outcome.items[i];
        assert_non_null(strstr(item->body.data, "/tree/wide/"));
        if (item->fate == LEAT_FAILED)
            assert_int_equal(item->code, -ENOENT);
    }
    harness_free(&outcome);
}

static void expect_error(const char *target, int code, const char *reason) {
    struct outcome outcome;
    read_dir(&outcome, target);
    assert_int_equal(outcome.code, code);
    if (!strstr(outcome.error.text, reason))
        fail_msg("\"%s\" does not say \"%s\"", outcome.error.text, reason);
    harness_free(&outcome);
}

static void test_errors(void **state) {
    (void)state;
    expect_error("", -ENOENT, "missing");
    expect_error(harness_path("nowhere"), -ENOENT, "No such file");
    expect_error("/dev/null", -ENOTDIR, "Not a directory");
    expect_error("/tmp?golb=*", -EINVAL, "there is no setting \"golb\"");
    expect_error("/tmp?max-depth=few", -EINVAL, "\"few\" is no value for max-depth");
    expect_error("/tmp?type=x", -EINVAL, "\"x\"");
    expect_error("/tmp?glob=%4", -EINVAL, "percent sign");
    expect_error("/tmp?glob=a[b", -EINVAL, "byte 2");
    expect_error("/tmp?glob={a,b", -EINVAL, "byte 1");
}

static void test_question_mark_in_path(void **state) {
    (void)state;
    mkdir(harness_path("what?100%41"), 0755);
    harness_put(harness_path("what?100%41/file"), "", 0);
    struct outcome outcome;
    read_dir(&outcome, harness_path("what%3F100%41?glob=*"));
    assert_int_equal(outcome.count, 1);
    assert_string_equal(outcome.items[0].body.data, harness_path("what?100%41/file"));
    harness_free(&outcome);
}

/* ------------------------------------------------------------------- globs */

static void test_globs(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"*.log", "a.log", true},
        {"*.log", "d/a.log", false},
        {"**/*.log", "a.log", true},
        {"**/*.log", "d/e/a.log", true},
        {"**/*.log", "d/e/a.logs", false},
        {"d/**", "d/e/f", true},
        {"d/**", "d", false},
        {"d/**", "de/f", false},
        {"**/d/**/f", "d/f", true},
        {"**/d/**/f", "x/d/y/z/f", true},
        {"**/d/**/f", "x/dd/y/z/f", false},
        {"a**b", "axxb", true},
        {"a**b", "ax/xb", false},
        {"?", "\xc3\xa9", true},
        {"?", "/", false},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[]x]", "]", true},
        {"[^]]", "a", true},
        {"[a/]b", "/b", false},
        {"[a\\-z]", "-", true},
        {"[a\\-z]", "b", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"{a,b{c,d}}/*.{c,h}", "bd/x.h", true},
        {"{a,b{c,d}}/*.{c,h}", "b/x.h", false},
        {"{,x}y", "y", true},
        {"a\\{b", "a{b", true},
        {"", "", true},
        {"**", "any/thing", true},
        {".*", ".hidden", true},
        {"*", ".hidden", true},
        {"a*/b*c", "ax/bcc", true},
        {"*\xff*", "x\xffy", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct leat_error error;
        struct lt_glob *glob = lt_glob_new(cases[i].pattern, &error);
        assert_non_null(glob);
        if (lt_glob_match(glob, cases[i].path, strlen(cases[i].path)) != cases[i].matches)
            fail_msg("%s and %s", cases[i].pattern, cases[i].path);
        lt_glob_free(glob);
    }
    assert_null(lt_glob_new("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", NULL));
    assert_null(lt_glob_new("a\\", NULL));
}

/* By trying everything. `beginning`: of a component. */
static bool naive(const char *pattern, const char *text, bool beginning) {
    if (beginning && pattern[0] == '*' && pattern[1] == '*' && (pattern[2] == '/' || !pattern[2])) {
        if (!pattern[2] || naive(pattern + 3, text, true))
            return true;
        const char *slash = strchr(text, '/');
        return slash && naive(pattern, slash + 1, true);
    }
    if (*pattern == '*')
        return naive(pattern + 1 + strspn(pattern + 1, "*"), text, false) ||
               (*text && *text != '/' && naive(pattern, text + 1, false));
    if (!*pattern || !*text)
        return !*pattern && !*text;
    if (*pattern == '?' ? *text == '/' : *pattern != *text)
        return false;
    return naive(pattern + 1, text + 1, *pattern == '/');
}

static uint64_t random_state = 1;

static void draw(char *room, size_t most, const char *letters) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    size_t size = (random_state >> 33) % most;
    for (size_t i = 0; i < size; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        room[i] = letters[(random_state >> 33) % strlen(letters)];
    }
    room[size] = '\0';
}

static void test_globs_like_trying_everything(void **state) {
    (void)state;
    size_t matches = 0;
    for (int i = 0; i < 300000; i++) {
        char pattern[12], text[12];
        draw(pattern, sizeof pattern, i % 2 ? "ab/**?" : "a/****");
        draw(text, sizeof text, i % 2 ? "ab/" : "aa/");
        struct lt_glob *glob = lt_glob_new(pattern, NULL);
        bool given = lt_glob_match(glob, text, strlen(text)), expected = naive(pattern, text, true);
        lt_glob_free(glob);
        matches += expected;
        if (given != expected)
            fail_msg("\"%s\" and \"%s\": %d", pattern, text, given);
    }
    assert_true(matches > 1000);
}

/* Time that grows exponentially would not end here. */
static void test_glob_of_many_stars(void **state) {
    (void)state;
    char text[2001] = "";
    memset(text, 'a', 2000);
    struct lt_glob *glob = lt_glob_new("**/*a*a*a*a*a*a*a*a*a*a*a*a*b", NULL);
    assert_false(lt_glob_match(glob, text, 2000));
    lt_glob_free(glob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_like_find, harness_clean),
        cmocka_unit_test_teardown(test_settings_like_find, harness_clean),
        cmocka_unit_test_teardown(test_links_in_circles, harness_clean),
        cmocka_unit_test_teardown(test_closed_directory, harness_clean),
        cmocka_unit_test_teardown(test_vanished_directories, harness_clean),
        cmocka_unit_test_teardown(test_errors, harness_clean),
        cmocka_unit_test_teardown(test_question_mark_in_path, harness_clean),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_globs_like_trying_everything),
        cmocka_unit_test(test_glob_of_many_stars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

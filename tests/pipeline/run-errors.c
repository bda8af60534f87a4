/* SPDX-License-Identifier: MIT */
/* Failed items: the error file, standard error without one, the dead end. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

struct file {
    char path[64];
    char *text; /* after read_file() */
    size_t size;
};

static void make_file(struct file *file, const char *text) {
    strcpy(file->path, "/tmp/leat-errors-XXXXXX");
    int fd = mkstemp(file->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void read_file(struct file *file) {
    FILE *stream = fopen(file->path, "r");
    assert_non_null(stream);
    fseek(stream, 0, SEEK_END);
    file->size = (size_t)ftell(stream);
    rewind(stream);
    file->text = calloc(1, file->size + 1);
    assert_int_equal(fread(file->text, 1, file->size, stream), file->size);
    fclose(stream);
}

static void drop_file(struct file *file) {
    unlink(file->path);
    free(file->text);
}

static int compare_lines(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/** Batches that nobody has to confirm overtake others: the order of records is not promised. */
static void sort_lines(struct file *file) {
    char *lines[64], *sorted = calloc(1, file->size + 2), *rest = file->text;
    size_t count = 0;
    for (char *line; (line = strsep(&rest, "\n")) && count < 64;)
        if (*line)
            lines[count++] = line;
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t l = 0; l < count; l++)
        strcat(strcat(sorted, lines[l]), "\n");
    free(file->text);
    file->text = sorted;
}

#define RECORD(position, id, stage, code, reason, item, size)                                                          \
    "{\"position\":" position ",\"id\":\"000000000000000" id "\",\"source\":\"world:in\",\"stage\":\"" stage           \
    "\",\"code\":\"" code "\",\"reason\":\"" reason "\",\"item\":\"" item "\",\"size\":" size "}\n"

static void exact_lines(void **state) {
    struct world world;
    struct lt_report report;
    struct file file;
    (void)state;
    make_file(&file, "{\"torn");
    world_open(&world, 15);
    world.plan.options.errors = file.path;
    world.plan.options.workers = 1;
    world.refuse_every = 4;
    world.set_aside_every = 13;
    world_stage(&world, &stage_seventh, 0);
    world.plan.options.keep_order = true;
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_FINISHED);
    assert_int_equal(report.last.counts.failed, 7);
    read_file(&file);
    assert_memory_equal(file.text, "{\"torn\n", 7);
    sort_lines(&file);
    assert_string_equal(
        file.text, RECORD("1", "0", "world:in", "EMSGSIZE", "too long", "item-0", "6")
                       RECORD("13", "c", "world:out", "EFBIG", "the shelf is too small", "item-12", "7")
                           RECORD("14", "d", "world:in", "EMSGSIZE", "too long", "item-13", "7")
                               RECORD("15", "e", "seventh", "EBADMSG", "id 14 is a multiple of 7", "item-14", "7")
                                   RECORD("5", "4", "world:out", "EFBIG", "the shelf is too small", "item-4", "6")
                                       RECORD("8", "7", "seventh", "EBADMSG", "id 7 is a multiple of 7", "item-7", "6")
                                           RECORD("9", "8", "world:out", "EFBIG", "the shelf is too small", "item-8",
                                                  "6") "{\"torn\n");
    drop_file(&file);
    world_close(&world);
}

/* Bytes that are no text, NUL among them, in an item that is cut. */
static void long_and_binary_items(void **state) {
    struct world world;
    struct lt_report report;
    struct file file;
    (void)state;
    make_file(&file, "");
    world_open(&world, 1);
    world.plan.options.errors = file.path;
    world.body = 100000;
    world.fill = (char)0xFF;
    world_stage(&world, &stage_seventh, 0);
    world_run(&world, &report);
    assert_int_equal(report.last.counts.failed, 1);
    read_file(&file);
    assert_non_null(strstr(file.text, "\"item\":\"item-0\\u0000\xEF\xBF\xBD\xEF\xBF\xBD"));
    assert_non_null(strstr(file.text, "\xEF\xBF\xBD\",\"size\":100000,\"truncated\":true}\n"));
    assert_true(file.size < 3 * 65536 + 500);
    drop_file(&file);
    world_close(&world);
}

static size_t count_lines(const char *text) {
    size_t lines = 0;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines;
}

static void many_lines_from_many_workers(void **state) {
    struct world world;
    struct lt_report report;
    struct file file;
    (void)state;
    make_file(&file, "");
    world_open(&world, 70000);
    world.plan.options.errors = file.path;
    world.plan.options.workers = 4;
    world.confirm = BY_A_THREAD;
    world_stage(&world, &stage_seventh, 0);
    world_run(&world, &report);
    read_file(&file);
    assert_int_equal(report.last.counts.failed, 10000);
    assert_int_equal(count_lines(file.text), 10000);
    drop_file(&file);
    world_close(&world);
}

static void a_full_disk(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 700);
    world.plan.options.errors = "/dev/full";
    world.plan.options.workers = 2;
    world.waits_at_end = true;
    world_stage(&world, &stage_seventh, 0);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_BROKEN);
    assert_int_equal(report.error.code, -ENOSPC);
    assert_string_equal(report.error.text, "error file /dev/full: No space left on device");
    assert_int_equal(report.last.counts.failed, 0);
    assert_true(report.last.counts.returned > 0);
    world_close(&world);
}

/* A record that fits only in part is taken back, and its item stays with the source. */
static void a_disk_that_fills_up(void **state) {
    struct world world;
    struct lt_report report;
    struct file file;
    struct rlimit before, tight;
    (void)state;
    make_file(&file, "");
    world_open(&world, 700);
    world.plan.options.errors = file.path;
    world.plan.options.batch_items = 14;
    world_stage(&world, &stage_seventh, 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = (struct rlimit){1000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    world_run(&world, &report);
    setrlimit(RLIMIT_FSIZE, &before);
    read_file(&file);
    assert_int_equal(report.outcome, LT_BROKEN);
    assert_int_equal(report.error.code, -EFBIG);
    assert_true(report.last.counts.failed > 0);
    assert_int_equal(count_lines(file.text), report.last.counts.failed);
    assert_int_equal(file.text[file.size - 1], '\n');
    drop_file(&file);
    world_close(&world);
}

static void the_first_few_on_standard_error(void **state) {
    struct world world;
    struct lt_report report;
    struct file file;
    (void)state;
    make_file(&file, "");
    int fd = open(file.path, O_WRONLY | O_APPEND), kept = dup(STDERR_FILENO);
    world_open(&world, 700);
    world.plan.options.workers = 1;
    world.plan.options.keep_order = true;
    world_stage(&world, &stage_seventh, 0);
    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    world_run(&world, &report);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(fd);
    close(kept);
    read_file(&file);
    static const char notice[] = "\nleat: more failures are counted only; --errors FILE keeps them\n";
    assert_int_equal(count_lines(file.text), 6);
    assert_string_equal(file.text + file.size - strlen(notice), notice);
    const char *line = file.text;
    for (int l = 0; l < 5; l++, line = strchr(line, '\n') + 1) {
        int item = 0, id = 0;
        assert_int_equal(sscanf(line, "leat: seventh: item %d: id %d is a multiple of 7\n", &item, &id), 2);
        assert_int_equal(item, id + 1);
        assert_int_equal(id % 7, 0);
    }
    assert_int_equal(report.last.counts.failed, 100);
    drop_file(&file);
    world_close(&world);
}

static void plan_dead(struct world *world) {
    world->plan.dead = &world_dead_sink;
    world->plan.dead_to = (struct leat_segment){.spelling = "graves:", .target = "", .settings = world};
    world->plan.options.errors = "/dev/null";
}

static void dead_items_are_delivered(void **state) {
    (void)state;
    for (int later = 0; later < 2; later++) {
        struct world world;
        struct lt_report report;
        world_open(&world, 20000);
        plan_dead(&world);
        world.dead_later = later;
        world.plan.options.workers = 2;
        world.refuse_every = 10;
        world_stage(&world, &stage_seventh, 0);
        world_run(&world, &report);
        assert_int_equal(report.outcome, LT_FINISHED);
        for (uint64_t id = 0; id < world.total; id++)
            assert_int_equal(world.book[id].dead, id % 7 == 0 || id % 10 == 0);
        world_close(&world);
    }
}

static void a_broken_dead_end(void **state) {
    struct world world;
    struct lt_report report;
    (void)state;
    world_open(&world, 20000);
    plan_dead(&world);
    world.dead_error = -EDQUOT;
    world.waits_at_end = true;
    world_stage(&world, &stage_seventh, 0);
    world_run(&world, &report);
    assert_int_equal(report.outcome, LT_BROKEN);
    assert_string_equal(report.error.text, "graves:: no more graves");
    assert_int_equal(report.last.counts.failed, 0);
    assert_true(report.last.counts.returned > 0);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_lines),
        cmocka_unit_test(long_and_binary_items),
        cmocka_unit_test(many_lines_from_many_workers),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_disk_that_fills_up),
        cmocka_unit_test(the_first_few_on_standard_error),
        cmocka_unit_test(dead_items_are_delivered),
        cmocka_unit_test(a_broken_dead_end),
    };
    return cmocka_run_group_tests_name("run-errors", tests, NULL, NULL);
}

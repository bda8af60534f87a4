/* SPDX-License-Identifier: MIT */
/** The queue file after kill -9, cut short, and with flipped bits. */
#include "queue-files.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

static char path[512];

static int set_up(void **state) {
    (void)state;
    file_name(path, sizeof path, "crash");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove_queue(path);
    return 0;
}

static void name_in_file(char *target, size_t size, const char *name) {
    snprintf(target, size, "%s#%s", path, name);
}

/* ------------------------------------------------------------- kill -9 */

enum { KILLS = 25 };

struct job {
    int report;
    uint64_t first, seed;
};

static void report(int to, uint64_t value) {
    insist(write(to, &value, sizeof value) == sizeof value, "no report");
}

static int fill(void *arg) {
    struct job *job = arg;
    struct leat_error error = {0};
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    insist(queue != NULL, "no queue");
    for (uint64_t next = job->first;;) {
        uint64_t count = 1 + chance(&job->seed) % 800;
        insist(put_numbered(queue, next, count, &error) == 0, error.text);
        next += count;
        report(job->report, next);
        if (next == UINT64_MAX)
            return 0;
    }
}

static void kill_at_some_moment(pid_t child, uint64_t *seed) {
    struct timespec pause = {.tv_nsec = (long)(chance(seed) % 40000000)};
    nanosleep(&pause, NULL);
    kill(child, SIGKILL);
    assert_int_equal(child_result(child), -SIGKILL);
}

/* The last value that came through a pipe before it broke; `fallback` when none did. */
static uint64_t last_report(int from, uint64_t fallback) {
    uint64_t value;
    while (read(from, &value, sizeof value) == sizeof value)
        fallback = value;
    return fallback;
}

static pid_t start_reporting(int (*work)(void *), struct job *job, int *from) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
    job->report = ends[1];
    pid_t child = start_child(work, job);
    close(ends[1]);
    *from = ends[0];
    return child;
}

static void test_what_was_confirmed_survives_kill(void **state) {
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) | 1, in_file = 0;
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < KILLS; round++) {
        int from;
        struct job job = {.first = in_file, .seed = chance(&seed)};
        pid_t child = start_reporting(fill, &job, &from);
        if (round % 2) /* however slow the machine is, half of them come to put something in */
            poll(&(struct pollfd){.fd = from, .events = POLLIN}, 1, -1);
        kill_at_some_moment(child, &seed);
        uint64_t confirmed = last_report(from, in_file);
        close(from);
        struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
        assert_non_null(queue);
        struct gathered got = gathered_new(confirmed + 2000);
        assert_int_equal(lt_queue_read(queue, 0, gather, &got, NULL), 0);
        assert_true(got.count >= confirmed);
        for (size_t i = 0; i < got.count; i++)
            assert_int_equal(got.numbers[i], i);
        struct lt_queue_state counts;
        assert_int_equal(lt_queue_state(queue, &counts, NULL), 0);
        assert_int_equal(counts.ready, got.count);
        in_file = got.count;
        gathered_free(&got);
        lt_queue_close(queue);
    }
    assert_true(in_file > 0);
}

/* Move from one name to another as a pipeline does: first into the new one, then out of the old one. */
static int drain(void *arg) {
    struct job *job = arg;
    struct leat_error error = {0};
    char target[600];
    name_in_file(target, sizeof target, "in");
    struct lt_queue *in = open_queue(target, LT_STORE_OPEN);
    name_in_file(target, sizeof target, "out");
    struct lt_queue *out = open_queue(target, LT_STORE_CREATE);
    insist(in && out && lt_queue_lease(in, &error) == 0, "no queues");
    struct gathered got = gathered_new(1000);
    for (uint64_t from = 0;;) {
        got.count = 0;
        got.limit = 1 + chance(&job->seed) % 1000;
        insist(lt_queue_read(in, from, gather, &got, &error) == 0, error.text);
        if (got.count == 0)
            break;
        from = got.sequences[got.count - 1] + 1;
        for (size_t i = 0; i < got.count; i++) {
            /* One by one in places, so that blocks are left in part. */
            size_t some = i % 7 == 0 ? 1 : got.count - i < 50 ? got.count - i : 50;
            insist(put_numbered(out, got.numbers[i], some, &error) == 0, error.text);
            insist(lt_queue_settle(in, got.ends + i, some, &error) == 0, error.text);
            i += some - 1;
        }
    }
    lt_queue_close(in);
    lt_queue_close(out);
    gathered_free(&got);
    return 0;
}

static void test_draining_loses_nothing_to_kill(void **state) {
    (void)state;
    enum { COUNT = 60000 };
    char target[600];
    uint64_t seed = (uint64_t)time(NULL) | 1;
    print_message("# seed %llu\n", (unsigned long long)seed);
    name_in_file(target, sizeof target, "in");
    struct lt_queue *queue = open_queue(target, LT_STORE_CREATE);
    for (uint64_t i = 0; i < COUNT; i += 1000)
        assert_int_equal(put_numbered(queue, i, 1000, NULL), 0);
    lt_queue_close(queue);
    struct job job = {0};
    for (int round = 0; round < KILLS; round++) {
        job.seed = chance(&seed);
        kill_at_some_moment(start_child(drain, &job), &seed);
    }
    assert_int_equal(child_result(start_child(drain, &job)), 0);
    queue = open_queue(target, LT_STORE_OPEN);
    struct lt_queue_state counts;
    assert_int_equal(lt_queue_state(queue, &counts, NULL), 0);
    assert_int_equal(counts.ready, 0);
    lt_queue_close(queue);
    name_in_file(target, sizeof target, "out");
    queue = open_queue(target, LT_STORE_OPEN);
    struct gathered got = gathered_new(2 * COUNT);
    unsigned char *seen = calloc(1, COUNT);
    assert_int_equal(lt_queue_read(queue, 0, gather, &got, NULL), 0);
    for (size_t i = 0; i < got.count; i++)
        seen[got.numbers[i]] = 1;
    for (size_t i = 0; i < COUNT; i++)
        assert_true(seen[i]);
    assert_true(got.count <= COUNT + 50 * KILLS); /* at least once, and seldom twice */
    free(seen);
    gathered_free(&got);
    lt_queue_close(queue);
}

/* ------------------------------------------------------------ damaged files */

struct image {
    char *bytes;
    size_t size;
};

static struct image load(void) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    struct image image = {.bytes = malloc((size_t)status.st_size), .size = (size_t)status.st_size};
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, image.bytes, image.size), image.size);
    close(fd);
    return image;
}

static void store(const char *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* A file with everything in it: branch pages, blocks in part settled, small and large ones, dead ones, free pages. */
static struct image make_image(void) {
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    struct gathered got = gathered_new(5000);
    for (uint64_t i = 0; i < 300; i++)
        assert_int_equal(put_numbered(queue, i, i % 30 ? 1 : 900, NULL), 0);
    assert_int_equal(lt_queue_read(queue, 2000, gather, &got, NULL), 0);
    assert_int_equal(got.count, 5000);
    for (size_t i = 0; i < got.count; i++) {
        got.ends[i].stage = i % 100 == 0 ? "where" : NULL;
        got.ends[i].sequence += i % 3 == 0; /* every third twice, its neighbour never */
    }
    assert_int_equal(lt_queue_settle(queue, got.ends, 3000, NULL), 0);
    lt_queue_close(queue);
    gathered_free(&got);
    return load();
}

/* Everything that a program does with a file. 0: fine; 1: an error was told. */
static int use_everything(void *arg) {
    (void)arg;
    struct leat_error error = {0};
    struct lt_queue *queue = NULL;
    alarm(20);
    if (lt_queue_open(&queue, path, LT_STORE_CREATE, &error) < 0)
        goto told;
    struct gathered got = gathered_new(50000);
    uint64_t moved;
    if (lt_queue_lease(queue, &error) < 0 || put_numbered(queue, 0, 2000, &error) < 0 ||
        lt_queue_read(queue, 0, gather, &got, &error) < 0 || lt_queue_settle(queue, got.ends, got.count, &error) < 0 ||
        lt_queue_requeue(queue, &moved, &error) < 0 || put_numbered(queue, 0, 5000, &error) < 0)
        goto told;
    lt_queue_close(queue);
    return 0;
told:
    insist(strncmp(error.text, "queue:", 6) == 0 && strstr(error.text, path), "an error without a name");
    return 1;
}

static void test_files_cut_short(void **state) {
    (void)state;
    struct image image = make_image();
    size_t step = image.size / 60 / 512 * 512 + 512;
    unsigned told = 0, runs = 0;
    for (size_t size = 1; size < image.size; size += size < 20000 ? 1999 : step) {
        remove_queue(path);
        store(image.bytes, size);
        int result = child_result(start_child(use_everything, NULL));
        if (result != 1)
            fail_msg("cut to %zu of %zu bytes: result %d", size, image.size, result);
        told += result == 1;
        runs++;
    }
    assert_int_equal(told, runs);
    remove_queue(path);
    store(image.bytes, image.size);
    assert_int_equal(child_result(start_child(use_everything, NULL)), 0);
    free(image.bytes);
}

/* One of the pages that begin with their own number; the others are the inside of large values. */
static size_t some_page(const struct image *image, uint64_t *seed) {
    for (;;) {
        size_t page = chance(seed) % (image->size / 4096);
        uint64_t number;
        memcpy(&number, image->bytes + page * 4096, sizeof number);
        if (number == page)
            return page;
    }
}

/* Not every flipped bit can be noticed (bodies have no checksum), but none may end the program. */
static void test_flipped_bits_are_no_crash(void **state) {
    (void)state;
    struct image image = make_image();
    uint64_t seed = (uint64_t)time(NULL) | 1;
    unsigned told = 0;
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 400; round++) {
        size_t page = round % 4 == 0 ? chance(&seed) % 2 : some_page(&image, &seed);
        size_t at = page * 4096 + chance(&seed) % (round % 2 ? 64 : 4096);
        char mask = (char)(1 << chance(&seed) % 8);
        image.bytes[at] ^= mask;
        remove_queue(path);
        store(image.bytes, image.size);
        image.bytes[at] ^= mask;
        int result = child_result(start_child(use_everything, NULL));
        if (result != 0 && result != 1)
            fail_msg("byte %zu (page %zu + %zu), mask %#x: result %d", at, page, at % 4096, (unsigned char)mask,
                     result);
        told += result == 1;
    }
    print_message("# %u of 400 noticed\n", told);
    assert_true(told > 20);
    free(image.bytes);
}

static int open_foreign_lock(void *arg) {
    (void)arg;
    struct lt_queue *queue = NULL;
    struct leat_error error = {0};
    int result = lt_queue_open(&queue, path, LT_STORE_OPEN, &error);
    lt_queue_close(queue);
    return result == 0 ? 0 : 1;
}

static void test_a_lock_file_of_noise_is_made_anew(void **state) {
    (void)state;
    char lock[600], noise[8192];
    lt_queue_close(open_queue(path, LT_STORE_CREATE));
    snprintf(lock, sizeof lock, "%s-lock", path);
    memset(noise, 0xA5, sizeof noise);
    int fd = open(lock, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    close(fd);
    assert_int_equal(child_result(start_child(open_foreign_lock, NULL)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_confirmed_survives_kill),
        TEST(test_draining_loses_nothing_to_kill),
        TEST(test_files_cut_short),
        TEST(test_flipped_bits_are_no_crash),
        TEST(test_a_lock_file_of_noise_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

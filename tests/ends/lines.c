/* SPDX-License-Identifier: MIT */
#include "ends/harness.h"
#include "ends/ends.h"
#include "ends/lines/lines.h"
#include "pipeline/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static const uint64_t MAX_LINE = 64 << 20;

static uint64_t random_state;

static uint32_t draw(uint32_t below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % below);
}

static void read_file(struct outcome *outcome, const char *path, struct lt_lines_source_settings settings) {
    if (settings.max_line == 0)
        settings.max_line = MAX_LINE;
    struct leat_segment segment = {.spelling = path, .target = path, .settings = &settings};
    harness_read(outcome, &lt_lines_source, NULL, &segment, 100);
}

/* ----------------------------------------------------- any block, any line */

static size_t block_size;

static int open_small(void **source, const struct leat_segment *segment, struct leat_error *error) {
    return lt_lines_open_sized(source, segment, block_size, error);
}

/* What the source should give, found in the plain way. */
static void check_split(const struct outcome *outcome, const char *data, size_t size,
                        const struct lt_lines_source_settings *settings) {
    char delimiter = settings->null ? '\0' : '\n';
    size_t given = 0;
    uint64_t line = 0;
    for (size_t begin = 0; begin < size;) {
        const char *found = memchr(data + begin, delimiter, size - begin);
        size_t end = found ? (size_t)(found - data) : size;
        size_t length = end - begin;
        line++;
        if (settings->crlf && length > 0 && data[end - 1] == '\r')
            length--;
        if (length > 0 || !settings->skip_empty) {
            assert_true(given < outcome->count);
            const struct seen *item = &outcome->items[given++];
            assert_int_equal(item->position, line);
            if (length > settings->max_line) {
                assert_int_equal(item->fate, LEAT_FAILED);
                assert_int_equal(item->code, -EMSGSIZE);
                assert_true(item->body.size <= length);
                assert_memory_equal(item->body.data, data + begin, item->body.size);
            } else {
                assert_int_equal(item->fate, LEAT_LIVE);
                assert_int_equal(item->body.size, length);
                assert_memory_equal(item->body.data, data + begin, length);
            }
        }
        begin = end + 1;
    }
    assert_int_equal(given, outcome->count);
}

static void test_any_block_size(void **state) {
    (void)state;
    static const char letters[] = "ab\n\n\r\0{}";
    for (uint64_t seed = 1; seed <= 300; seed++) {
        random_state = seed;
        char data[600];
        size_t size = draw(sizeof data);
        uint32_t choice = 2 + draw(sizeof letters - 2);
        for (size_t i = 0; i < size; i++)
            data[i] = draw(10) ? 'x' : letters[draw(choice)];
        struct lt_lines_source_settings settings = {
            .null = draw(4) == 0, .crlf = draw(2), .skip_empty = draw(2), .max_line = draw(2) ? 1000 : 1 + draw(40)};
        const char *path = harness_path("random");
        harness_put(path, data, size);
        struct leat_segment segment = {.spelling = path, .target = path, .settings = &settings};
        block_size = draw(2) ? 7 : 1 + draw(100);
        struct outcome outcome;
        harness_read(&outcome, &lt_lines_source, open_small, &segment, 1 + draw(5));
        assert_int_equal(outcome.code, -ENODATA);
        check_split(&outcome, data, size, &settings);
        harness_free(&outcome);
    }
}

static void test_positions_and_ids(void **state) {
    (void)state;
    const char *path = harness_path("three");
    harness_put(path, "one\n\nthree", 10);
    struct outcome first, second;
    read_file(&first, path, (struct lt_lines_source_settings){.skip_empty = true});
    read_file(&second, path, (struct lt_lines_source_settings){0});
    assert_int_equal(first.count, 2);
    assert_int_equal(second.count, 3);
    assert_int_equal(first.items[1].position, 3);
    assert_true(first.items[0].id != first.items[1].id);
    assert_true(first.items[1].id == second.items[2].id);
    assert_int_equal(second.items[1].body.size, 0);
    harness_free(&first);
    harness_free(&second);
}

/* ----------------------------------------------------------------- packed */

static size_t gzip(const char *text, size_t size, char *room, size_t room_size) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)text;
    stream.avail_in = (unsigned)size;
    stream.next_out = (unsigned char *)room;
    stream.avail_out = (unsigned)room_size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

static char *make_text(size_t lines, size_t *size) {
    char *text = malloc(lines * 40);
    *size = 0;
    for (size_t i = 0; i < lines; i++)
        *size += (size_t)sprintf(text + *size, "line %zu is %u\n", i, draw(1000000));
    return text;
}

static void expect_text(const char *path, const char *text, size_t size) {
    struct lt_lines_source_settings settings = {.max_line = MAX_LINE};
    struct outcome outcome;
    read_file(&outcome, path, settings);
    assert_int_equal(outcome.code, -ENODATA);
    check_split(&outcome, text, size, &settings);
    harness_free(&outcome);
}

static void test_packed(void **state) {
    (void)state;
    size_t size, half;
    char *text = make_text(50000, &size), *room = malloc(size * 2);
    half = size / 3;
    const char *path = harness_path("packed");
    size_t packed = gzip(text, half, room, size);
    packed += gzip(text + half, size - half, room + packed, size);
    memset(room + packed, 0, 100);
    harness_put(path, room, packed);
    expect_text(path, text, size);
    harness_put(path, room, packed + 100);
    expect_text(path, text, size);
    packed = ZSTD_compress(room, size, text, half, 3);
    packed += ZSTD_compress(room + packed, size, text + half, size - half, 3);
    harness_put(path, room, packed);
    expect_text(path, text, size);
    free(text);
    free(room);
}

/* The first `sure` bytes of what is given must be right. */
static void expect_broken(const char *data, size_t size, const char *text, size_t sure, const char *reason) {
    const char *path = harness_path("broken");
    harness_put(path, data, size);
    struct outcome outcome;
    read_file(&outcome, path, (struct lt_lines_source_settings){0});
    assert_int_equal(outcome.code, -EBADMSG);
    assert_non_null(strstr(outcome.error.text, path));
    assert_non_null(strstr(outcome.error.text, "at byte"));
    if (!strstr(outcome.error.text, reason))
        fail_msg("\"%s\" does not say \"%s\"", outcome.error.text, reason);
    assert_true(outcome.count > 0);
    size_t right = 0;
    for (size_t i = 0; i < outcome.count && right < sure; i++) {
        const struct seen *item = &outcome.items[i];
        assert_memory_equal(item->body.data, text + right, item->body.size);
        assert_int_equal(text[right + item->body.size], '\n');
        right += item->body.size + 1;
    }
    assert_true(sure == SIZE_MAX || right >= sure);
    harness_free(&outcome);
}

static void test_broken_data(void **state) {
    (void)state;
    size_t size;
    char *text = make_text(50000, &size), *room = malloc(size * 2);
    size_t packed = gzip(text, size, room, size);
    expect_broken(room, packed - 1, text, SIZE_MAX, "cut off");
    expect_broken(room, packed / 2, text, SIZE_MAX, "cut off");
    memcpy(room + packed, "rubbish", 7);
    expect_broken(room, packed + 7, text, size, "not gzip data");
    /* What follows the damage may come out wrong before the damage shows. */
    memset(room + packed * 3 / 4, 0xff, 20);
    expect_broken(room, packed, text, size / 2, "gzip data is broken");
    packed = ZSTD_compress(room, size * 2, text, size, 3);
    expect_broken(room, packed / 2, text, SIZE_MAX, "cut off");
    memset(room + packed * 3 / 4, 0xff, 20);
    expect_broken(room, packed, text, size / 2, "zstd data is broken");
    free(text);
    free(room);
}

/* ------------------------------------------------------------- long lines */

static long peak_memory(void) {
    char line[200];
    long peak = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld kB", &peak) == 1)
            break;
    if (status)
        fclose(status);
    return peak;
}

/* In a process of its own, whose memory is its alone. Returns what stands for the reason of failure; 0: none. */
static int read_long_line(const char *path, uint64_t max_line, long most_kib) {
    struct lt_lines_source_settings settings = {.max_line = max_line};
    struct leat_segment segment = {.spelling = path, .target = path, .settings = &settings};
    struct outcome outcome;
    harness_read(&outcome, &lt_lines_source, NULL, &segment, 100);
    if (outcome.code != -ENODATA || outcome.count != 3)
        return 1;
    const struct seen *item = &outcome.items[1];
    if (item->fate != LEAT_FAILED || item->code != -EMSGSIZE || item->position != 2 || item->body.size != 1024)
        return 2;
    if (!strstr(item->reason, "104857600 bytes"))
        return 3;
    if (strcmp(outcome.items[0].body.data, "first") != 0 || strcmp(outcome.items[2].body.data, "last") != 0)
        return 4;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    most_kib = LONG_MAX; /* a sanitizer's own memory counts, too */
#endif
    return peak_memory() > most_kib ? 5 : 0;
}

static void test_long_line(void **state) {
    (void)state;
    const char *path = harness_path("long");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("first\n", file);
    char piece[4096];
    memset(piece, 'y', sizeof piece);
    for (size_t i = 0; i < (100 << 20) / sizeof piece; i++)
        fwrite(piece, 1, sizeof piece, file);
    fputs("\nlast\n", file);
    assert_int_equal(fclose(file), 0);
    static const struct {
        uint64_t max_line;
        long most_kib;
    } cases[] = {{1 << 20, 24 << 10}, {64 << 20, 88 << 10}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(read_long_line(path, cases[i].max_line, cases[i].most_kib));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

/* ----------------------------------------------------------------- a pipe */

struct conversation {
    int write_fd;
    size_t lines[3]; /* items of each read */
    char last[16];
    int code, flags_before, flags_after;
};

static int read_one(void *source, struct leat_batch *batch, struct conversation *talk, size_t index) {
    struct leat_error error;
    int code = lt_lines_source.read(source, batch, &error);
    if (code == 0 && index < 3) {
        talk->lines[index] = batch->count;
        snprintf(talk->last, sizeof talk->last, "%.*s", (int)batch->items[0].body.size, batch->items[0].body.data);
    }
    return code;
}

static int talk(void *arg) {
    struct conversation *talk = arg;
    struct lt_lines_source_settings settings = {.max_line = MAX_LINE};
    struct leat_segment segment = {.spelling = "-", .target = "-", .settings = &settings};
    struct leat_error error;
    static const char *const said[] = {"one\n", "two\nthree\nfo", "ur"};
    void *source;
    talk->code = lt_lines_source.open(&source, &segment, &error);
    for (size_t i = 0; i < 4 && talk->code == 0; i++) {
        struct leat_batch *batch = lt_batch_new(100, 1 << 20);
        if (i < 3 && write(talk->write_fd, said[i], strlen(said[i])) < 0)
            talk->code = -errno;
        if (i == 2)
            close(talk->write_fd);
        if (talk->code == 0)
            talk->code = read_one(source, batch, talk, i);
        lt_batch_free(batch);
    }
    lt_lines_source.close(source);
    return 0;
}

static void test_pipe_gives_each_line_at_once(void **state) {
    (void)state;
    int ends[2], saved = dup(0);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], 0);
    close(ends[0]);
    struct conversation conversation = {.write_fd = ends[1], .flags_before = fcntl(0, F_GETFL)};
    int result = leat_run(talk, &conversation);
    conversation.flags_after = fcntl(0, F_GETFL);
    dup2(saved, 0);
    close(saved);
    assert_int_equal(result, 0);
    assert_int_equal(conversation.code, -ENODATA);
    assert_int_equal(conversation.lines[0], 1);
    assert_int_equal(conversation.lines[1], 2);
    assert_int_equal(conversation.lines[2], 1);
    assert_string_equal(conversation.last, "four");
    assert_int_equal(conversation.flags_before, conversation.flags_after);
}

/* ------------------------------------------------------------------ errors */

static void expect_no_source(const char *path, int code, const char *reason) {
    struct outcome outcome;
    read_file(&outcome, path, (struct lt_lines_source_settings){0});
    assert_int_equal(outcome.code, code);
    if (!strstr(outcome.error.text, reason) || !strstr(outcome.error.text, path))
        fail_msg("\"%s\" does not say \"%s\"", outcome.error.text, reason);
    harness_free(&outcome);
}

static void test_source_errors(void **state) {
    (void)state;
    expect_no_source(harness_path("nowhere"), -ENOENT, "No such file");
    mkdir(harness_path("folder"), 0700);
    expect_no_source(harness_path("folder"), -EISDIR, "dir:");
    const char *path = harness_path("written");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    expect_no_source(path, -EINVAL, "used elsewhere");
    close(fd);
    struct outcome outcome;
    read_file(&outcome, path, (struct lt_lines_source_settings){0});
    assert_int_equal(outcome.code, -ENODATA);
    assert_int_equal(outcome.count, 0);
    harness_free(&outcome);
}

/* -------------------------------------------------------------------- sink */

static void write_file(struct outcome *outcome, const char *path, struct lt_lines_sink_settings settings,
                       const char *const *bodies, size_t per_batch) {
    struct leat_bytes all[16] = {{0}};
    size_t count = 0;
    for (; bodies[count]; count++)
        all[count] = bytes_of(bodies[count]);
    struct leat_segment segment = {.spelling = path, .target = path, .settings = &settings};
    harness_write(outcome, &lt_lines_sink, &segment, all, count, per_batch, "line");
}

static void expect_content(const char *path, const char *expected) {
    size_t size;
    char *data = harness_get(path, &size);
    assert_string_equal(data, expected);
    free(data);
}

static void test_sink(void **state) {
    (void)state;
    const char *path = harness_path("out");
    harness_put(path, "old", 3);
    struct outcome outcome;
    write_file(&outcome, path, (struct lt_lines_sink_settings){.sync = true}, (const char *[]){"a", "", "c", NULL}, 2);
    assert_int_equal(outcome.code, 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(outcome.items[i].fate, LEAT_DELIVERED);
    harness_free(&outcome);
    expect_content(path, "a\n\nc\n");
    write_file(&outcome, path, (struct lt_lines_sink_settings){.append = true}, (const char *[]){"d", NULL}, 2);
    harness_free(&outcome);
    expect_content(path, "a\n\nc\nd\n");
    write_file(&outcome, path, (struct lt_lines_sink_settings){0}, (const char *[]){NULL}, 1);
    harness_free(&outcome);
    expect_content(path, "");
}

static void test_framing(void **state) {
    (void)state;
    const char *path = harness_path("out");
    struct outcome outcome;
    write_file(&outcome, path, (struct lt_lines_sink_settings){0},
               (const char *[]){"{\n \"a\": \"\\n\"\n}", "two\nlines", "{\nbroken", "fine", NULL}, 4);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.items[0].fate, LEAT_DELIVERED);
    assert_int_equal(outcome.items[1].fate, LEAT_FAILED);
    assert_int_equal(outcome.items[2].fate, LEAT_FAILED);
    assert_non_null(strstr(outcome.items[1].reason, "--null"));
    assert_int_equal(outcome.items[3].fate, LEAT_DELIVERED);
    harness_free(&outcome);
    expect_content(path, "{  \"a\": \"\\n\" }\nfine\n");
    write_file(&outcome, path, (struct lt_lines_sink_settings){.null = true}, (const char *[]){"two\nlines", "x", NULL},
               4);
    harness_free(&outcome);
    size_t size;
    char *data = harness_get(path, &size);
    assert_int_equal(size, 12);
    assert_memory_equal(data, "two\nlines\0x", 12);
    free(data);
}

static void expect_no_sink(const char *path, struct lt_lines_sink_settings settings, int code, const char *reason) {
    struct outcome outcome;
    write_file(&outcome, path, settings, (const char *[]){"x", NULL}, 1);
    assert_int_equal(outcome.code, code);
    if (!strstr(outcome.error.text, reason) || !strstr(outcome.error.text, path))
        fail_msg("\"%s\" does not say \"%s\"", outcome.error.text, reason);
    harness_free(&outcome);
}

static void test_sink_errors(void **state) {
    (void)state;
    struct lt_lines_sink_settings none = {0};
    expect_no_sink("/dev/full", none, -ENOSPC, "the first 0 items");
    expect_no_sink(harness_path("no/such/folder"), none, -ENOENT, "No such file");
    expect_no_sink(harness_path("x.gz"), none, -EOPNOTSUPP, "gzip");
    expect_no_sink("/dev/null", (struct lt_lines_sink_settings){.sync = true}, -EINVAL, "--sync needs a file");
    const char *path = harness_path("precious");
    harness_put(path, "keep me\n", 8);
    int fd = open(path, O_RDONLY);
    expect_no_sink(path, none, -EINVAL, "used elsewhere");
    close(fd);
    expect_content(path, "keep me\n");
}

/* A pipe that is read slowly, in odd pieces, and one that nobody reads any more. */
static void write_pipe(struct outcome *outcome, int reads) {
    int ends[2], saved = dup(1);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char room[999];
        size_t sum = 0;
        close(ends[1]);
        for (ssize_t count; reads && (count = read(ends[0], room, sizeof room)) > 0;)
            sum += (size_t)count;
        _exit(sum == 3 * (1500000 + 1) ? 0 : 1);
    }
    close(ends[0]);
    char *large = malloc(1500001);
    memset(large, 'z', 1500000);
    large[1500000] = '\0';
    fflush(NULL);
    dup2(ends[1], 1);
    close(ends[1]);
    int status;
    if (!reads)
        waitpid(child, &status, 0);
    write_file(outcome, "-", (struct lt_lines_sink_settings){0}, (const char *[]){large, large, large, NULL}, 1);
    dup2(saved, 1);
    close(saved);
    free(large);
    if (reads) {
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
}

static void test_pipe_sink(void **state) {
    (void)state;
    struct outcome outcome;
    write_pipe(&outcome, 1);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.count, 3);
    harness_free(&outcome);
    write_pipe(&outcome, 0);
    assert_int_equal(outcome.code, -EPIPE);
    assert_non_null(strstr(outcome.error.text, "standard output"));
    harness_free(&outcome);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        /* First: memory that other tests leave behind in the allocator would count. */
        cmocka_unit_test_teardown(test_long_line, harness_clean),
        cmocka_unit_test_teardown(test_any_block_size, harness_clean),
        cmocka_unit_test_teardown(test_positions_and_ids, harness_clean),
        cmocka_unit_test_teardown(test_packed, harness_clean),
        cmocka_unit_test_teardown(test_broken_data, harness_clean),
        cmocka_unit_test_teardown(test_pipe_gives_each_line_at_once, harness_clean),
        cmocka_unit_test_teardown(test_source_errors, harness_clean),
        cmocka_unit_test_teardown(test_sink, harness_clean),
        cmocka_unit_test_teardown(test_framing, harness_clean),
        cmocka_unit_test_teardown(test_sink_errors, harness_clean),
        cmocka_unit_test_teardown(test_pipe_sink, harness_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

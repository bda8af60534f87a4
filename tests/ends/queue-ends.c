/* SPDX-License-Identifier: MIT */
/** queue: as source and sink within a runtime, and what `leat queue` says. */
#include "ends/ends.h"
#include "ends/harness.h"
#include "ends/queue/admin.h"
#include "pipeline/batch.h"
#include "queue-files.h"

#include <errno.h>

static struct leat_segment segment_for(const char *path, const char *name, char *target, size_t size) {
    snprintf(target, size, "%s#%s", path, name);
    return (struct leat_segment){.spelling = target, .target = target};
}

static void put_texts(const char *path, const char *name, const char *const *texts, size_t count) {
    char target[600];
    struct leat_segment segment = segment_for(path, name, target, sizeof target);
    struct leat_bytes bodies[20];
    struct outcome outcome;
    for (size_t i = 0; i < count; i++)
        bodies[i] = bytes_of(texts[i]);
    harness_write(&outcome, &lt_queue_sink, &segment, bodies, count, 3, "line");
    assert_int_equal(outcome.code, 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(outcome.items[i].fate, LEAT_DELIVERED);
    harness_free(&outcome);
}

static void test_what_the_sink_takes_the_source_gives(void **state) {
    (void)state;
    const char *texts[] = {"one", "", "{\"three\": 3}", "four", "five", "six", "seven"};
    const char *path = harness_path("round.q");
    char target[600];
    put_texts(path, "main", texts, 7);
    struct leat_segment segment = segment_for(path, "main", target, sizeof target);
    struct outcome outcome;
    for (int again = 0; again < 2; again++) { /* nothing was finished, so all of it comes again */
        harness_read(&outcome, &lt_queue_source, NULL, &segment, 2);
        assert_int_equal(outcome.code, -ENODATA);
        assert_int_equal(outcome.count, 7);
        assert_int_equal(outcome.batches, 4);
        for (size_t i = 0; i < 7; i++) {
            assert_bytes(outcome.items[i].body, texts[i]);
            assert_bytes(outcome.items[i].out, texts[i]);
            assert_int_equal(outcome.items[i].id, i + 1);
            assert_int_equal(outcome.items[i].position, i + 1);
        }
        harness_free(&outcome);
    }
}

struct breaking {
    const struct leat_segment *segment;
    int code, fates[3];
};

/* The second of three items has an addition, but a body that only begins as an object. */
static int write_a_broken_item(void *arg) {
    struct breaking *breaking = arg;
    struct leat_error error;
    void *sink;
    breaking->code = lt_queue_sink.open(&sink, breaking->segment, &error);
    if (breaking->code < 0)
        return 0;
    struct leat_batch *batch = lt_batch_new(4, 1 << 20);
    const char *bodies[] = {"{}", "{\"a\":", "{}"};
    for (size_t i = 0; i < 3; i++) {
        struct leat_item *item = leat_batch_add(batch);
        leat_item_set(batch, item, bytes_of(bodies[i]), "line");
        leat_item_add(batch, item, bytes_of("n"), bytes_of("1"));
    }
    breaking->code = lt_queue_sink.write(sink, &batch, 1, &error);
    for (size_t i = 0; i < 3; i++)
        breaking->fates[i] = batch->items[i].fate;
    lt_batch_free(batch);
    lt_queue_sink.close(sink);
    return 0;
}

static void test_a_broken_item_is_set_aside_and_the_others_written(void **state) {
    (void)state;
    char target[600];
    struct leat_segment segment = segment_for(harness_path("broken.q"), "main", target, sizeof target);
    struct breaking breaking = {.segment = &segment};
    assert_int_equal(leat_run(write_a_broken_item, &breaking), 0);
    assert_int_equal(breaking.code, 0);
    assert_int_equal(breaking.fates[0], LEAT_DELIVERED);
    assert_int_equal(breaking.fates[1], LEAT_FAILED);
    assert_int_equal(breaking.fates[2], LEAT_DELIVERED);
    struct outcome outcome;
    harness_read(&outcome, &lt_queue_source, NULL, &segment, 10);
    assert_int_equal(outcome.count, 2);
    assert_bytes(outcome.items[1].body, "{\"n\":1}");
    harness_free(&outcome);
}

/* ------------------------------------------------------------------ fates */

struct fates {
    const struct leat_segment *segment;
    struct leat_error error;
    uint64_t total;
    size_t read;
    int code;
};

static int give_every_fate(void *arg) {
    struct fates *fates = arg;
    void *source;
    fates->code = lt_queue_source.open(&source, fates->segment, &fates->error);
    if (fates->code < 0)
        return 0;
    fates->total = lt_queue_source.total(source);
    struct leat_batch *batches[2] = {lt_batch_new(4, 1 << 20), lt_batch_new(4, 1 << 20)};
    for (int b = 0; b < 2 && fates->code == 0; b++) {
        fates->code = lt_queue_source.read(source, batches[b], &fates->error);
        fates->read += batches[b]->count;
        for (size_t i = 0; i < batches[b]->count; i++) {
            struct leat_item *item = &batches[b]->items[i];
            static const uint8_t decided[] = {LEAT_DELIVERED, LEAT_FILTERED, LEAT_RETURNED, LEAT_LIVE};
            item->fate = decided[i];
            if (item->fate != LEAT_LIVE)
                continue;
            leat_item_fail(batches[b], item, -EBADMSG, "it is bad: %d", b);
            item->stage = "where";
        }
    }
    /* In another order than they were read in. */
    struct leat_batch *turned[2] = {batches[1], batches[0]};
    if (fates->code == 0)
        fates->code = lt_queue_source.finish(source, turned, 2, &fates->error);
    lt_batch_free(batches[0]);
    lt_batch_free(batches[1]);
    lt_queue_source.close(source);
    return 0;
}

static void test_each_fate_has_its_place(void **state) {
    (void)state;
    const char *texts[] = {"a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3", "c0"};
    const char *path = harness_path("fates.q");
    char target[600];
    put_texts(path, "main", texts, 9);
    struct leat_segment segment = segment_for(path, "main", target, sizeof target);
    struct fates fates = {.segment = &segment};
    assert_int_equal(leat_run(give_every_fate, &fates), 0);
    assert_int_equal(fates.code, 0);
    assert_int_equal(fates.total, 9);
    assert_int_equal(fates.read, 8);
    struct outcome outcome;
    harness_read(&outcome, &lt_queue_source, NULL, &segment, 10);
    assert_int_equal(outcome.count, 3);
    assert_bytes(outcome.items[0].body, "a2"); /* the returned ones, under their old numbers */
    assert_bytes(outcome.items[1].body, "b2");
    assert_bytes(outcome.items[2].body, "c0");
    assert_int_equal(outcome.items[1].id, 7);
    harness_free(&outcome);
    struct lt_queue *queue = open_queue(target, LT_STORE_OPEN);
    struct lt_queue_state counts;
    assert_int_equal(lt_queue_state(queue, &counts, NULL), 0);
    assert_int_equal(counts.ready, 3);
    assert_int_equal(counts.dead, 2);
    lt_queue_close(queue);
}

/* ---------------------------------------------------------------- for ever */

struct waiting {
    const struct leat_segment *segment;
    struct leat_error error;
    char body[16];
    int code, code_when_cancelled;
};

static int put_later(void *arg) {
    struct waiting *waiting = arg;
    void *sink;
    struct leat_error error;
    leat_sleep(30 * LEAT_MILLISECOND);
    int result = lt_queue_sink.open(&sink, waiting->segment, &error);
    if (result < 0)
        return result;
    struct leat_batch *batch = lt_batch_new(4, 1 << 20);
    leat_item_set(batch, leat_batch_add(batch), bytes_of("late"), "line");
    result = lt_queue_sink.write(sink, &batch, 1, &error);
    lt_batch_free(batch);
    lt_queue_sink.close(sink);
    return result;
}

static int read_empty_until_cancelled(struct waiting *waiting, void *source, struct leat_batch *batch) {
    struct leat_scope_options options = {.deadline = leat_after(60 * LEAT_MILLISECOND)};
    struct leat_scope *scope = leat_scope_open(&options);
    int result = lt_queue_source.read(source, batch, &waiting->error);
    leat_scope_close(scope);
    return result;
}

static int wait_for_more(void *arg) {
    struct waiting *waiting = arg;
    void *source;
    waiting->code = lt_queue_source.open(&source, waiting->segment, &waiting->error);
    if (waiting->code < 0)
        return 0;
    leat_go(NULL, put_later, waiting);
    struct leat_batch *batch = lt_batch_new(4, 1 << 20);
    waiting->code = lt_queue_source.read(source, batch, &waiting->error);
    if (batch->count == 1)
        memcpy(waiting->body, batch->items[0].body.data, batch->items[0].body.size);
    lt_batch_reset(batch);
    waiting->code_when_cancelled = read_empty_until_cancelled(waiting, source, batch);
    lt_batch_free(batch);
    lt_queue_source.close(source);
    return 0;
}

static void test_a_source_for_ever_waits_and_can_be_cancelled(void **state) {
    (void)state;
    char target[600];
    struct leat_segment segment = segment_for(harness_path("ever.q"), "new", target, sizeof target);
    segment.forever = true;
    struct waiting waiting = {.segment = &segment};
    assert_int_equal(leat_run(wait_for_more, &waiting), 0);
    assert_int_equal(waiting.code, 0);
    assert_string_equal(waiting.body, "late");
    assert_int_equal(waiting.code_when_cancelled, -ETIMEDOUT);
}

static void test_a_missing_queue_is_told(void **state) {
    (void)state;
    char target[600];
    const char *path = harness_path("missing.q");
    struct leat_segment segment = segment_for(path, "main", target, sizeof target);
    struct outcome outcome;
    harness_read(&outcome, &lt_queue_source, NULL, &segment, 10);
    assert_int_equal(outcome.code, -ENOENT);
    assert_non_null(strstr(outcome.error.text, path));
    put_texts(path, "main", (const char *const[]){"x"}, 1);
    segment = segment_for(path, "mian", target, sizeof target);
    harness_read(&outcome, &lt_queue_source, NULL, &segment, 10);
    assert_int_equal(outcome.code, -ENOENT);
    assert_non_null(strstr(outcome.error.text, "no queue \"mian\""));
}

/* ------------------------------------------------------------- leat queue */

struct said {
    int code;
    char *out, *error;
};

struct saying {
    char **words;
    size_t count;
    const char *out, *error;
};

static int say(void *arg) {
    struct saying *saying = arg;
    insist(freopen(saying->out, "w", stdout) && freopen(saying->error, "w", stderr), "no output");
    int code = lt_queue_admin(saying->count, saying->words);
    fflush(NULL);
    return code;
}

static struct said ask(const char *line) {
    char copy[1000], *words[10], *rest = copy;
    snprintf(copy, sizeof copy, "%s", line);
    struct saying saying = {.words = words, .out = harness_path("said.out"), .error = harness_path("said.error")};
    for (char *word; (word = strsep(&rest, " "));)
        if (*word)
            words[saying.count++] = word;
    struct said said = {.code = child_result(start_child(say, &saying))};
    size_t size;
    said.out = harness_get(saying.out, &size);
    said.error = harness_get(saying.error, &size);
    return said;
}

static void expect(const char *format, const char *path, int code, const char *out, const char *error) {
    char line[900];
    snprintf(line, sizeof line, format, path);
    struct said said = ask(line);
    if (said.code != code || !strstr(said.out, out) || !strstr(said.error, error))
        fail_msg("leat queue %s: exit %d\n%s\n%s", line, said.code, said.out, said.error);
    free(said.out);
    free(said.error);
}

static void test_looking_and_repairing(void **state) {
    (void)state;
    const char *texts[] = {"a0", "a1", "a2", "a\x1b[3", "b0", "b1", "b2", "b3", "{\"c\":0}"};
    char path[512];
    snprintf(path, sizeof path, "%s", harness_path("admin.q"));
    char target[600];
    put_texts(path, "in", texts, 9);
    struct leat_segment segment = segment_for(path, "in", target, sizeof target);
    struct fates fates = {.segment = &segment};
    assert_int_equal(leat_run(give_every_fate, &fates), 0);
    expect("ls %s --json", path, 0,
           "{\"name\":\"in\",\"ready\":3,\"bytes\":11,\"dead\":2,\"dead_bytes\":6,\"oldest\":3,\"next\":10}\n", "");
    expect("ls %s", path, 0, "NAME", "");
    expect("peek queue:%s#in -n 1 --json", path, 0, "\"attempts\":0,\"body\":\"a2\"}\n", "");
    expect("peek %s#in", path, 0, "\"{\\\"c\\\":0}\"", "");
    expect("peek %s#in --dead --json", path, 0,
           "\"attempts\":1,\"code\":-74,\"stage\":\"where\",\"reason\":\"it is bad: 0\",\"body\":\"a\\u001b[3\"}\n",
           "");
    expect("peek %s#in --dead -n1", path, 0, "where: \"it is bad: 0\"", "");
    expect("requeue %s#in", path, 0, "2 moved back", "");
    expect("requeue %s#in", path, 0, ": 0 moved back", "");
    expect("peek %s#in -n 10 --json", path, 0, "{\"sequence\":11,", "");
    expect("purge %s#in --dead", path, 0, ": 0 removed", "");
    expect("purge %s#in", path, 0, ": 5 removed", "");
    expect("ls %s --json", path, 0, "\"ready\":0,\"bytes\":0,\"dead\":0,\"dead_bytes\":0,\"oldest\":0,\"next\":12}",
           "");
}

static void test_wrong_words_and_files(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", harness_path("words.q"));
    put_texts(path, "main", (const char *const[]){"x"}, 1);
    expect("%.0s", path, 2, "", "what to do is missing");
    expect("list %s", path, 2, "", "there is no command \"list\"");
    expect("ls%.0s", path, 2, "", "a file is missing");
    expect("ls %s --dead", path, 2, "", "there is no option \"--dead\"");
    expect("peek %s -n -3", path, 2, "", "-n takes a number, not \"-3\"");
    expect("peek %s other", path, 2, "", "not also \"other\"");
    expect("ls %s.not", path, 3, "", "No such file");
    expect("peek %s#other", path, 3, "", "no queue \"other\"");
    expect("ls /%.0s", path, 3, "", "directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_what_the_sink_takes_the_source_gives, harness_clean),
        cmocka_unit_test_teardown(test_a_broken_item_is_set_aside_and_the_others_written, harness_clean),
        cmocka_unit_test_teardown(test_each_fate_has_its_place, harness_clean),
        cmocka_unit_test_teardown(test_a_source_for_ever_waits_and_can_be_cancelled, harness_clean),
        cmocka_unit_test_teardown(test_a_missing_queue_is_told, harness_clean),
        cmocka_unit_test_teardown(test_looking_and_repairing, harness_clean),
        cmocka_unit_test_teardown(test_wrong_words_and_files, harness_clean),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Items and batches through the public functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "pipeline/batch.h"

static struct leat_batch *batch;
static struct leat_error error;

static int setup(void **state) {
    (void)state;
    batch = lt_batch_new(4, 1000);
    memset(&error, 0, sizeof error);
    return batch ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    lt_batch_free(batch);
    return 0;
}

static struct leat_bytes bytes(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

static struct leat_item *item_of(const char *body, const char *kind) {
    struct leat_item *item = leat_batch_add(batch);
    assert_non_null(item);
    leat_item_set(batch, item, bytes(body), kind);
    return item;
}

static void assert_bytes(struct leat_bytes got, const char *wanted) {
    if (got.size != strlen(wanted) || memcmp(got.data, wanted, got.size) != 0)
        fail_msg("got <%.*s>, wanted <%s>", (int)got.size, got.data, wanted);
}

static void assert_field(struct leat_item *item, const char *path, const char *wanted) {
    struct leat_bytes json;
    assert_int_equal(leat_item_field(batch, item, path, &json, &error), 0);
    assert_bytes(json, wanted);
}

static void assert_no_field(struct leat_item *item, const char *path, int code, const char *why) {
    struct leat_bytes json;
    assert_int_equal(leat_item_field(batch, item, path, &json, &error), code);
    assert_int_equal(error.code, code);
    assert_string_equal(error.text, why);
}

static void assert_text(struct leat_item *item, const char *path, const char *wanted) {
    struct leat_bytes text;
    assert_int_equal(leat_item_text(batch, item, path, &text, &error), 0);
    assert_bytes(text, wanted);
}

static void assert_rendered(struct leat_item *item, const char *wanted) {
    struct leat_bytes out;
    assert_int_equal(leat_item_render(batch, item, &out, &error), 0);
    assert_bytes(out, wanted);
}

/* ------------------------------------------------------------- batches */

static void test_limits(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        item_of("x", "line");
    assert_null(leat_batch_add(batch));
    assert_int_equal(batch->count, 4);
    assert_int_equal(batch->bytes, 4);
    lt_batch_reset(batch);
    assert_int_equal(batch->count, 0);
    assert_int_equal(batch->bytes, 0);

    struct leat_item *item = leat_batch_add(batch);
    leat_item_set(batch, item, (struct leat_bytes){"", 999}, "line");
    item = leat_batch_add(batch);
    assert_non_null(item);
    leat_item_set(batch, item, (struct leat_bytes){"", 500000}, "line");
    assert_null(leat_batch_add(batch));
    leat_item_set(batch, item, (struct leat_bytes){"", 0}, "line");
    assert_int_equal(batch->bytes, 999);
    assert_non_null(leat_batch_add(batch));
}

static void test_new_item_is_clean(void **state) {
    (void)state;
    struct leat_item *item = item_of("{\"a\":1}", "line");
    leat_item_add(batch, item, bytes("b"), bytes("2"));
    leat_item_fail(batch, item, -EIO, "no");
    lt_batch_reset(batch);
    item = item_of("{}", "line");
    assert_int_equal(item->fate, LEAT_LIVE);
    assert_int_equal(item->value_count, 0);
    assert_rendered(item, "{}");
}

/* What was rendered is kept, until the item changes. */
static void test_rendered_again(void **state) {
    (void)state;
    struct leat_item *item = item_of("{\"a\":1}", "line");
    leat_item_add(batch, item, bytes("b"), bytes("2"));
    assert_rendered(item, "{\"a\":1,\"b\":2}");
    const char *made = item->outgoing.data;
    assert_rendered(item, "{\"a\":1,\"b\":2}");
    assert_ptr_equal(item->outgoing.data, made);
    leat_item_add(batch, item, bytes("b"), bytes("3"));
    assert_rendered(item, "{\"a\":1,\"b\":3}");
    leat_item_add(batch, item, bytes("c"), bytes("4"));
    assert_rendered(item, "{\"a\":1,\"b\":3,\"c\":4}");
    leat_item_set(batch, item, bytes("{}"), "line");
    assert_rendered(item, "{\"b\":3,\"c\":4}");
}

static void note(void *arg) {
    ++*(int *)arg;
}

static void test_holds(void **state) {
    (void)state;
    int released = 0;
    assert_int_equal(leat_batch_hold(batch, note, &released), 0);
    assert_int_equal(leat_batch_hold(batch, note, &released), 0);
    assert_int_equal(released, 0);
    lt_batch_reset(batch);
    assert_int_equal(released, 2);
    lt_batch_reset(batch);
    assert_int_equal(released, 2);
    assert_int_equal(leat_batch_hold(batch, note, &released), 0);
    lt_batch_free(batch);
    assert_int_equal(released, 3);
    batch = NULL;
}

static void test_memory(void **state) {
    (void)state;
    char *pieces[500];
    lt_batch_free(batch);
    batch = lt_batch_new(4, 1 << 20); /* keeps all of this */
    assert_non_null(batch);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 500; i++) {
            size_t size = i * 7 % 300;
            char *piece = leat_batch_alloc(batch, size);
            assert_non_null(piece);
            assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
            memset(piece, (int)i, size);
            if (round > 0)
                assert_ptr_equal(piece, pieces[i]); /* the same memory again */
            pieces[i] = piece;
        }
        for (size_t i = 0; i < 500; i++)
            for (size_t at = 0; at < i * 7 % 300; at++)
                assert_int_equal((unsigned char)pieces[i][at], i & 255);
        lt_batch_reset(batch);
    }
    assert_null(leat_batch_alloc(batch, SIZE_MAX));
    assert_null(leat_batch_alloc(batch, SIZE_MAX / 2));
}

static size_t arena_bytes(const struct lt_arena *arena) {
    size_t total = 0;
    for (struct lt_arena_chunk *chunk = arena->first; chunk; chunk = chunk->next)
        total += chunk->size;
    return total;
}

static void test_giant_is_trimmed(void **state) {
    (void)state;
    assert_non_null(leat_batch_alloc(batch, 10));
    char *giant = leat_batch_alloc(batch, 20 << 20);
    assert_non_null(giant);
    memset(giant, 1, 20 << 20);
    assert_non_null(leat_batch_alloc(batch, 10));
    assert_true(arena_bytes(lt_batch_arena(batch)) > 20 << 20);
    lt_batch_reset(batch);
    assert_true(arena_bytes(lt_batch_arena(batch)) <= 64 << 10);
    assert_true(arena_bytes(lt_batch_arena(batch)) > 0);
}

/* -------------------------------------------------------------- fields */

static void test_object_fields(void **state) {
    (void)state;
    struct leat_item *item =
        item_of(" {\"a\":{\"b\":[1,\"x\"]},\"s\":\"caf\\u00e9\",\"p\":\"plain\",\"n\":-1}", "line");
    assert_field(item, ".a.b[1]", "\"x\"");
    assert_field(item, "n", "-1");
    assert_text(item, ".s", "caf\xC3\xA9");
    assert_text(item, ".p", "plain");
    assert_text(item, NULL, item->body.data);
    assert_no_field(item, ".q", -ENOENT, "no field .q");
    assert_no_field(item, ".line", -ENOENT, "no field .line");
    assert_no_field(item, ".a.b[2]", -ENOENT, "no field .a.b[2]");
    assert_no_field(item, ".a.b[", -EINVAL, "\".a.b[\" is not a path like .name, .a.b or .a[0]");
    assert_no_field(item, "", -EINVAL, "\"\" is not a path like .name, .a.b or .a[0]");
    struct leat_bytes text;
    assert_int_equal(leat_item_text(batch, item, ".n", &text, &error), -EINVAL);
    assert_string_equal(error.text, "field .n is a number, not a string");
    assert_int_equal(leat_item_text(batch, item, "a", &text, &error), -EINVAL);
    assert_string_equal(error.text, "field .a is an object, not a string");
    assert_int_equal(leat_item_text(batch, item, ".q", &text, NULL), -ENOENT);
}

static void test_plain_fields(void **state) {
    (void)state;
    struct leat_item *item = item_of("say \"hi\" \xFF", "line");
    assert_field(item, ".line", "\"say \\\"hi\\\" \xEF\xBF\xBD\"");
    assert_text(item, ".line", "say \"hi\" \xFF");
    assert_no_field(item, ".content", -ENOENT, "no field .content: the line is not a JSON object");
    assert_no_field(item, ".line.x", -ENOENT, "no field .line.x");
    struct leat_item *nameless = item_of("", NULL);
    assert_no_field(nameless, "item", -ENOENT, "no field .item: the item is not a JSON object");
    struct leat_item *array = item_of("[{\"a\":1}]", "line");
    assert_no_field(array, ".a", -ENOENT, "no field .a: the line is not a JSON object");
    assert_text(array, "line", "[{\"a\":1}]");
}

static void test_broken_body(void **state) {
    (void)state;
    struct leat_item *item = item_of("{\"a\":\"\xFF\"}", "line");
    assert_rendered(item, "{\"a\":\"\xFF\"}");
    assert_no_field(item, ".a", -EBADMSG, "the line is broken JSON: invalid UTF-8 at byte 6");
    assert_no_field(item, ".a", -EBADMSG, "the line is broken JSON: invalid UTF-8 at byte 6");
    struct leat_bytes json;
    assert_int_equal(leat_item_field(batch, item, ".a", &json, NULL), -EBADMSG);
    assert_int_equal(leat_item_add(batch, item, bytes("b"), bytes("1")), 0);
    assert_field(item, ".b", "1");
    struct leat_bytes out;
    assert_int_equal(leat_item_render(batch, item, &out, &error), -EBADMSG);
    assert_string_equal(error.text, "the line is broken JSON: invalid UTF-8 at byte 6");

    struct leat_item *unseen = item_of("{\"a\":1", "message");
    leat_item_add(batch, unseen, bytes("b"), bytes("1"));
    assert_int_equal(leat_item_render(batch, unseen, &out, &error), -EBADMSG);
    assert_string_equal(error.text, "the message is broken JSON: the object ends early at byte 6");
    assert_int_equal(leat_item_render(batch, unseen, &out, NULL), -EBADMSG);
}

static void test_set_again(void **state) {
    (void)state;
    struct leat_item *item = item_of("{\"a\":1}", "line");
    assert_field(item, ".a", "1");
    leat_item_set(batch, item, bytes("plain"), "path");
    assert_no_field(item, ".a", -ENOENT, "no field .a: the path is not a JSON object");
    assert_text(item, ".path", "plain");
}

/* ----------------------------------------------------------- additions */

static void test_additions_to_object(void **state) {
    (void)state;
    struct leat_item *item = item_of("{\"id\" : 1, \"x\":\"old\" }\r", "line");
    assert_int_equal(leat_item_add(batch, item, bytes("new"), bytes("[\"a\",{\"b\":\"c\\n\"}]")), 0);
    assert_int_equal(leat_item_add_text(batch, item, bytes("x"), bytes("t\"\n\xFF")), 0);
    assert_field(item, ".new[1].b", "\"c\\n\"");
    assert_text(item, ".new[1].b", "c\n");
    assert_text(item, ".x", "t\"\n\xEF\xBF\xBD");
    assert_field(item, ".id", "1");
    assert_no_field(item, ".new[2]", -ENOENT, "no field .new[2]");
    assert_rendered(item, "{\"id\" : 1, \"x\":\"t\\\"\\n\xEF\xBF\xBD\",\"new\":[\"a\",{\"b\":\"c\\n\"}] }\r");
    assert_int_equal(leat_item_add(batch, item, bytes("new"), bytes("0")), 0);
    assert_rendered(item, "{\"id\" : 1, \"x\":\"t\\\"\\n\xEF\xBF\xBD\",\"new\":0 }\r");
}

static void test_additions_after_a_look(void **state) {
    (void)state;
    struct leat_item *item = item_of("{\"id\":1,\"\\u0078\":2 } ", "line");
    assert_field(item, ".id", "1");
    leat_item_add(batch, item, bytes("x"), bytes("3"));
    assert_rendered(item, "{\"id\":1,\"\\u0078\":3 } ");
    item = item_of(" { } ", "line");
    assert_no_field(item, ".id", -ENOENT, "no field .id");
    leat_item_add(batch, item, bytes("id"), bytes("3"));
    assert_rendered(item, " {\"id\":3 } ");
    leat_item_set(batch, item, bytes("{\"id\":1,\"x\":2}"), "line");
    assert_rendered(item, "{\"id\":3,\"x\":2}");
}

static void test_additions_to_plain(void **state) {
    (void)state;
    struct leat_item *item = item_of("a\tb", "line");
    assert_rendered(item, "a\tb");
    leat_item_add(batch, item, bytes("n"), bytes("1"));
    assert_rendered(item, "{\"line\":\"a\\tb\",\"n\":1}");
    assert_field(item, ".n", "1");
    leat_item_add(batch, item, bytes("line"), bytes("{\"k\":2}"));
    assert_field(item, ".line.k", "2");
    assert_rendered(item, "{\"line\":{\"k\":2},\"n\":1}");
    struct leat_item *nameless = item_of("", NULL);
    leat_item_add(batch, nameless, bytes("n"), bytes("1"));
    assert_rendered(nameless, "{\"item\":\"\",\"n\":1}");
}

static void test_many_additions(void **state) {
    (void)state;
    struct leat_item *item = item_of("{}", "line");
    char names[40][4], wanted[1000] = "{";
    for (int i = 0; i < 40; i++) {
        names[i][0] = 'n', names[i][1] = (char)('0' + i / 10), names[i][2] = (char)('0' + i % 10), names[i][3] = 0;
        assert_int_equal(leat_item_add(batch, item, bytes(names[i]), bytes("1")), 0);
        strcat(strcat(strcat(strcat(wanted, i ? ",\"" : "\""), names[i]), "\""), ":1");
    }
    assert_int_equal(item->value_count, 40);
    assert_rendered(item, strcat(wanted, "}"));
}

/* --------------------------------------------------------------- fates */

static void test_fates(void **state) {
    (void)state;
    struct leat_item *item = item_of("x", "line");
    leat_item_fail(batch, item, -EBADMSG, "%s at byte %d", "broken", 7);
    assert_int_equal(item->fate, LEAT_FAILED);
    assert_int_equal(item->code, -EBADMSG);
    assert_bytes(item->reason, "broken at byte 7");
    leat_item_fail(batch, item, -EIO, "later");
    leat_item_drop(item);
    assert_int_equal(item->fate, LEAT_FAILED);
    assert_bytes(item->reason, "broken at byte 7");

    struct leat_item *dropped = item_of("x", "line");
    leat_item_drop(dropped);
    leat_item_fail(batch, dropped, -EIO, "later");
    assert_int_equal(dropped->fate, LEAT_FILTERED);

    char text[2001];
    memset(text, 'r', 2000);
    text[2000] = '\0';
    struct leat_item *wordy = item_of("x", "line");
    leat_item_fail(batch, wordy, -EIO, "%s", text);
    assert_bytes(wordy->reason, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_limits),
        TEST(test_new_item_is_clean),
        TEST(test_rendered_again),
        TEST(test_holds),
        TEST(test_memory),
        TEST(test_giant_is_trimmed),
        TEST(test_object_fields),
        TEST(test_plain_fields),
        TEST(test_broken_body),
        TEST(test_set_again),
        TEST(test_additions_to_object),
        TEST(test_additions_after_a_look),
        TEST(test_additions_to_plain),
        TEST(test_many_additions),
        TEST(test_fates),
    };
    return cmocka_run_group_tests_name("item", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * JSON of the hot path: tables of what must and must not pass, and random
 * documents and mutants of them compared with jansson. Every text stands right
 * before a page that must not be touched, so that reading too far crashes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/json.h"
#include "base/utf8.h"

enum { FENCED = 1 << 16, ROOM = 1 << 19 };

static char *fence; /* the first byte that must not be touched */
static char *room_fence;

static char *fenced_memory(size_t size) {
    char *memory = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + size, 4096, PROT_NONE), 0);
    return memory + size;
}

static int setup(void **state) {
    (void)state;
    fence = fenced_memory(FENCED);
    room_fence = fenced_memory(ROOM);
    return 0;
}

static struct leat_bytes fenced(const char *data, size_t size) {
    assert_true(size <= FENCED);
    if (size > 0)
        memcpy(fence - size, data, size);
    return (struct leat_bytes){fence - size, size};
}

static char *room(size_t size) {
    assert_true(size <= ROOM);
    return room_fence - size;
}

static struct leat_bytes bytes(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

static void assert_bytes(struct leat_bytes got, const char *wanted, size_t size) {
    if (got.size != size || (size > 0 && memcmp(got.data, wanted, size) != 0))
        fail_msg("got <%.*s>, wanted <%.*s>", (int)got.size, got.data, (int)size, wanted);
}

/* -------------------------------------------------------------- tables */

#define TEXT(literal)                                                                                                  \
    { literal, sizeof literal - 1 }

static void test_valid(void **state) {
    (void)state;
    static const struct leat_bytes valid[] = {
        TEXT("{}"),
        TEXT(" { } "),
        TEXT("[]"),
        TEXT("[ ]\n"),
        TEXT("0"),
        TEXT("-0"),
        TEXT("-0.0e-0"),
        TEXT("1E+2"),
        TEXT("123.456e7"),
        TEXT("true"),
        TEXT("false"),
        TEXT("null"),
        TEXT("\"\""),
        TEXT("\"\\u0000\""),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\uaBcD\""),
        TEXT("\"\x7f\""),
        TEXT("\"\xC2\x80\xDF\xBF\""),
        TEXT("\"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\""),
        TEXT("\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""),
        TEXT("\"\\ud800\""),
        TEXT("\"\\udc00\\ud800\""),
        TEXT("{\"a\":1,\"a\":2}"),
        TEXT("{\"\":[{},[],[[]]]}"),
        TEXT("[1,\t-1.5,\r\n{\"a\" : [ ] , \"b\" : { } } ]"),
        TEXT("99999999999999999999999999e9999"),
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        struct leat_error error = {0};
        if (lt_json_check(fenced(valid[i].data, valid[i].size), &error) != 0)
            fail_msg("<%s>: %s", valid[i].data, error.text);
    }
}

static void test_broken(void **state) {
    (void)state;
    static const struct {
        struct leat_bytes text;
        const char *error;
    } broken[] = {
        {TEXT(""), "the text ends early at byte 0"},
        {TEXT("  "), "the text ends early at byte 2"},
        {TEXT("{"), "the object ends early at byte 1"},
        {TEXT("["), "the array ends early at byte 1"},
        {TEXT("{\"a\":1"), "the object ends early at byte 6"},
        {TEXT("{\"a\":\"b"), "the object ends early at byte 7"},
        {TEXT("{\"a\""), "the object ends early at byte 4"},
        {TEXT("{\"a\":"), "the object ends early at byte 5"},
        {TEXT("{\"a\" 1}"), "expected ':' at byte 5"},
        {TEXT("{\"a\":}"), "expected a value at byte 5"},
        {TEXT("{\"a\":1,}"), "expected a name in quotes at byte 7"},
        {TEXT("{,}"), "expected a name in quotes at byte 1"},
        {TEXT("{a:1}"), "expected a name in quotes at byte 1"},
        {TEXT("{1:1}"), "expected a name in quotes at byte 1"},
        {TEXT("{\"a\":1 \"b\":2}"), "expected ',' or '}' at byte 7"},
        {TEXT("{\"a\":1]"), "expected ',' or '}' at byte 6"},
        {TEXT("{\"a\":1{"), "expected ',' or '}' at byte 6"},
        {TEXT("[1}"), "expected ',' or ']' at byte 2"},
        {TEXT("[1 2]"), "expected ',' or ']' at byte 3"},
        {TEXT("[1,]"), "expected a value at byte 3"},
        {TEXT("[,1]"), "expected a value at byte 1"},
        {TEXT("]"), "expected a value at byte 0"},
        {TEXT("{}{}"), "something follows the value at byte 2"},
        {TEXT("{} x"), "something follows the value at byte 3"},
        {TEXT("1 2"), "something follows the value at byte 2"},
        {TEXT("{}\0"), "something follows the value at byte 2"},
        {TEXT("\0{}"), "expected a value at byte 0"},
        {TEXT("\xEF\xBB\xBF{}"), "expected a value at byte 0"},
        {TEXT("tru"), "the text ends early at byte 3"},
        {TEXT("trux"), "expected a value at byte 3"},
        {TEXT("True"), "expected a value at byte 0"},
        {TEXT("nul"), "the text ends early at byte 3"},
        {TEXT("NaN"), "expected a value at byte 0"},
        {TEXT("Infinity"), "expected a value at byte 0"},
        {TEXT("-"), "the text ends early at byte 1"},
        {TEXT("-a"), "expected a digit at byte 1"},
        {TEXT("+1"), "expected a value at byte 0"},
        {TEXT("01"), "a number with a leading zero at byte 1"},
        {TEXT("-01"), "a number with a leading zero at byte 2"},
        {TEXT("1."), "the text ends early at byte 2"},
        {TEXT("[1.]"), "expected a digit at byte 3"},
        {TEXT(".5"), "expected a value at byte 0"},
        {TEXT("1e"), "the text ends early at byte 2"},
        {TEXT("1e+"), "the text ends early at byte 3"},
        {TEXT("[1e+]"), "expected a digit at byte 4"},
        {TEXT("0x1"), "something follows the value at byte 1"},
        {TEXT("\"\\a\""), "unknown escape at byte 1"},
        {TEXT("\"\\'\""), "unknown escape at byte 1"},
        {TEXT("\"\\U0041\""), "unknown escape at byte 1"},
        {TEXT("\"\\\""), "the text ends early at byte 3"},
        {TEXT("\"\\"), "the text ends early at byte 2"},
        {TEXT("\"\\u12\""), "expected four hexadecimal digits after \\u at byte 5"},
        {TEXT("\"\\u12G4\""), "expected four hexadecimal digits after \\u at byte 5"},
        {TEXT("\"\\u123"), "the text ends early at byte 6"},
        {TEXT("'a'"), "expected a value at byte 0"},
        {TEXT("\"a\nb\""), "control character in a string at byte 2"},
        {TEXT("\"a\0b\""), "control character in a string at byte 2"},
        {TEXT("\"\x1f\""), "control character in a string at byte 1"},
        {TEXT("\"\x80\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xC0\x80\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"a\xC1\xBF\""), "invalid UTF-8 at byte 2"},
        {TEXT("\"\xC3\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xE0\x9F\xBF\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xE2\x82\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xED\xA0\x80\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xED\xBF\xBF\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xF0\x8F\xBF\xBF\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xF4\x90\x80\x80\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xF5\x80\x80\x80\""), "invalid UTF-8 at byte 1"},
        {TEXT("\"\xFF\""), "invalid UTF-8 at byte 1"},
        {TEXT("{\"\xFF\":1}"), "invalid UTF-8 at byte 2"},
        {TEXT("{\"\xFF\":1"), "invalid UTF-8 at byte 2"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct leat_error error = {0};
        struct leat_bytes text = fenced(broken[i].text.data, broken[i].text.size), value;
        assert_int_equal(lt_json_check(text, &error), -EBADMSG);
        assert_string_equal(error.text, broken[i].error);
        assert_int_equal(lt_json_member(text, bytes("a"), &value, &error), -EBADMSG);
        assert_string_equal(error.text, broken[i].error);
        assert_int_equal(lt_json_check(text, NULL), -EBADMSG);
    }
}

/** Every fault and every end at every distance from block borders. */
static void test_faults_at_every_place(void **state) {
    (void)state;
    char text[256];
    for (size_t length = 0; length < 150; length++) {
        struct leat_error error = {0};
        size_t size =
            (size_t)sprintf(text, "{\"a\":\"%.*s\"}", (int)length,
                            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
                            "567890123456789012345678901234567890123456789012345678901234567890123456789");
        struct leat_bytes value;
        assert_int_equal(lt_json_find(fenced(text, size), ".a", &value, &error), 0);
        assert_bytes(value, text + 5, length + 2);
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(lt_json_check(fenced(text, cut), NULL), -EBADMSG);
        for (size_t place = 0; place < length; place++) {
            char kept = text[6 + place], wanted[64];
            static const char bad[] = {'\0', '\n', '\x1f', '\x80', '\xFF', '"'};
            for (size_t i = 0; i < sizeof bad; i++) {
                text[6 + place] = bad[i];
                assert_int_equal(lt_json_check(fenced(text, size), &error), -EBADMSG);
                sprintf(wanted, " at byte %zu", 6 + place + (bad[i] == '"'));
                assert_non_null(strstr(error.text, wanted));
            }
            text[6 + place] = '\\';
            bool escape_of_quote = place + 1 == length;
            assert_int_equal(lt_json_check(fenced(text, size), &error), -EBADMSG);
            assert_non_null(strstr(error.text, escape_of_quote ? "ends early" : "unknown escape"));
            text[6 + place] = kept;
        }
    }
}

static void test_depth(void **state) {
    (void)state;
    char text[4 * (LT_JSON_DEPTH + 1)];
    for (int depth = LT_JSON_DEPTH; depth <= LT_JSON_DEPTH + 1; depth++) {
        int wanted = depth > LT_JSON_DEPTH ? -EBADMSG : 0;
        struct leat_error error = {0};
        struct leat_bytes value;
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(lt_json_check(fenced(text, 2 * (size_t)depth), &error), wanted);
        size_t size = (size_t)sprintf(text, "{\"a\":");
        for (int level = 1; level < depth; level++)
            text[size++] = '[';
        for (int level = 1; level < depth; level++)
            text[size++] = ']';
        text[size++] = '}';
        assert_int_equal(lt_json_find(fenced(text, size), ".a", &value, &error), wanted);
        assert_int_equal(lt_json_check(fenced(text, size), &error), wanted);
    }
    char objects[6 * (LT_JSON_DEPTH + 1)];
    size_t size = 0;
    for (int level = 0; level <= LT_JSON_DEPTH; level++)
        size += (size_t)sprintf(objects + size, "{\"\":");
    struct leat_error error;
    assert_int_equal(lt_json_check(fenced(objects, size), &error), -EBADMSG);
    assert_string_equal(error.text, "nested too deeply at byte 2048");
}

static void test_paths(void **state) {
    (void)state;
    static const struct {
        const char *text, *path;
        int code;
        const char *value;
    } cases[] = {
        {"{\"a\":1}", ".a", 0, "1"},
        {"{\"a\":1}", "a", 0, "1"},
        {" {\"a\" : [ 1 , 2 ] } ", ".a", 0, "[ 1 , 2 ]"},
        {"{\"a\":1,\"b\":2,\"a\":3}", ".a", 0, "3"},
        {"{\"cont\\u0065nt\":\"x\"}", ".content", 0, "\"x\""},
        {"{\"\\u00e9\\ud83d\\ude00\":1}", ".\xC3\xA9\xF0\x9F\x98\x80", 0, "1"},
        {"{\"a\\u0000\":1}", ".a", -ENOENT, NULL},
        {"{\"a\\n\":1}", ".a\\n", -ENOENT, NULL},
        {"{\"a\\n\":1}", ".a\n", 0, "1"},
        {"{\"aa\":1}", ".a", -ENOENT, NULL},
        {"{}", ".a", -ENOENT, NULL},
        {"{\"a\":{\"b\":{\"c\":null}}}", ".a.b.c", 0, "null"},
        {"{\"a\":{\"b\":1},\"a\":{\"c\":2}}", ".a.b", -ENOENT, NULL},
        {"{\"a\":[1,[2,{\"b\":3}]]}", ".a[1][1].b", 0, "3"},
        {"{\"a\":[1]}", ".a[1]", -ENOENT, NULL},
        {"{\"a\":[]}", ".a[0]", -ENOENT, NULL},
        {"{\"a\":{}}", ".a[0]", -ENOENT, NULL},
        {"{\"a\":\"x\"}", ".a.b", -ENOENT, NULL},
        {"{\"a\":1}", "", -EINVAL, NULL},
        {"{\"a\":1}", ".", -EINVAL, NULL},
        {"{\"a\":1}", "..a", -EINVAL, NULL},
        {"{\"a\":{}}", ".a.", -EINVAL, NULL},
        {"{\"a\":[]}", ".a[", -EINVAL, NULL},
        {"{\"a\":[]}", ".a[]", -EINVAL, NULL},
        {"{\"a\":[]}", ".a[-1]", -EINVAL, NULL},
        {"{\"a\":[]}", ".a[99999999999999999999]", -EINVAL, NULL},
        {"{\"a\":[{}]}", ".a[0]b", -EINVAL, NULL},
        {"[1]", ".a", -EINVAL, NULL},
        {"\"{\"", ".a", -EINVAL, NULL},
        {"{\"a\":1}x", ".a", -EBADMSG, NULL},
        {"{\"a\":{\"b\":1}", ".a.b", -EBADMSG, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct leat_error error = {0};
        struct leat_bytes value = {0};
        int code = lt_json_find(fenced(cases[i].text, strlen(cases[i].text)), cases[i].path, &value, &error);
        if (code != cases[i].code)
            fail_msg("%s in %s: %d, not %d", cases[i].path, cases[i].text, code, cases[i].code);
        if (code == 0)
            assert_bytes(value, cases[i].value, strlen(cases[i].value));
        else
            assert_int_equal(error.code, code);
    }
}

/* ------------------------------------------------------------- strings */

static void test_decode(void **state) {
    (void)state;
    static const struct {
        const char *json;
        struct leat_bytes text;
    } cases[] = {
        {"\"\"", TEXT("")},
        {"\"plain\"", TEXT("plain")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", TEXT("\"\\/\b\f\n\r\t")},
        {"\"a\\u0000b\"", TEXT("a\0b")},
        {"\"\\u0041\\u00e9\\u20AC\"", TEXT("A\xC3\xA9\xE2\x82\xAC")},
        {"\"\\ud83d\\ude00\"", TEXT("\xF0\x9F\x98\x80")},
        {"\"\\uDBFF\\uDFFF\"", TEXT("\xF4\x8F\xBF\xBF")},
        {"\"\\ud83dx\"", TEXT("\xEF\xBF\xBDx")},
        {"\"\\ude00\"", TEXT("\xEF\xBF\xBD")},
        {"\"\\ud83d\"", TEXT("\xEF\xBF\xBD")},
        {"\"\\ud83d\\n\"", TEXT("\xEF\xBF\xBD\n")},
        {"\"\\ud83d\\u0041\"", TEXT("\xEF\xBF\xBD\x41")},
        {"\"\\ud83d\\ud83d\\ude00\"", TEXT("\xEF\xBF\xBD\xF0\x9F\x98\x80")},
        {"\"\\n0123456789012345678901234567890123456789\\n0123456789012345678901234567890123456789\"",
         TEXT("\n0123456789012345678901234567890123456789\n0123456789012345678901234567890123456789")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].json);
        struct leat_bytes text;
        assert_int_equal(lt_json_decode(fenced(cases[i].json, size), room(size), &text), 0);
        assert_bytes(text, cases[i].text.data, cases[i].text.size);
    }
    struct leat_bytes text;
    assert_int_equal(lt_json_decode(bytes("12"), room(2), &text), -EINVAL);
    assert_int_equal(lt_json_decode(bytes("{}"), room(2), &text), -EINVAL);
}

static void test_encode(void **state) {
    (void)state;
    static const struct {
        struct leat_bytes text;
        const char *json;
    } cases[] = {
        {TEXT(""), "\"\""},
        {TEXT("a/b \x7f"), "\"a/b \x7f\""},
        {TEXT("\"\\\n\t\r\b\f"), "\"\\\"\\\\\\n\\t\\r\\b\\f\""},
        {TEXT("\0\x01\x1f"), "\"\\u0000\\u0001\\u001f\""},
        {TEXT("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        /* the example of the Unicode standard, table 3-8 and the ones after it */
        {TEXT("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41\""},
        {TEXT("\xED\xA0\x80\x41"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41\""},
        {TEXT("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41\xEF\xBF\xBD\xEF\xBF\xBD\x42\""},
        {TEXT("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41\""},
        {TEXT("\xC3"), "\"\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct leat_bytes text = fenced(cases[i].text.data, cases[i].text.size);
        char *json = room(lt_json_encoded_room(text.size));
        assert_bytes((struct leat_bytes){json, lt_json_encode(text, json)}, cases[i].json, strlen(cases[i].json));
    }
}

static void test_splice(void **state) {
    (void)state;
    static const struct leat_value values[] = {{TEXT("x"), TEXT("[1]")}, {TEXT("y\n"), TEXT("null")}};
    static const struct {
        const char *text;
        size_t count;
        const char *wanted;
        bool replaces;
    } cases[] = {
        {"{}", 0, "{}"},
        {"{}", 1, "{\"x\":[1]}"},
        {" { } \r", 2, " {\"x\":[1],\"y\\n\":null } \r"},
        {"{\"a\":1 }", 1, "{\"a\":1,\"x\":[1] }"},
        {"{\"a\": {}\n}", 2, "{\"a\": {},\"x\":[1],\"y\\n\":null\n}"},
        {"{\"x\" : 1 , \"a\":2}", 1, "{\"x\" : [1] , \"a\":2}", true},
        {"{\"a\":2,\"\\u0078\":\"long\"}", 2, "{\"a\":2,\"\\u0078\":[1],\"y\\n\":null}", true},
        {"{\"x\":1, \"a\":2, \"x\":3}", 1, "{\"a\":2, \"x\":[1]}", true},
        {"{ \"a\":2, \"x\":1,\"x\":2 , \"x\":3, \"b\":{\"x\":5}}", 1, "{ \"a\":2, \"x\":[1], \"b\":{\"x\":5}}", true},
        {"{\"y\\n\":1,\"x\":1,\"y\\n\":2}", 2, "{\"x\":[1],\"y\\n\":null}", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct leat_bytes text = fenced(cases[i].text, strlen(cases[i].text));
        char *out = room(lt_json_splice_room(text, values, cases[i].count));
        size_t size = lt_json_splice(text, values, cases[i].count, out);
        assert_bytes((struct leat_bytes){out, size}, cases[i].wanted, strlen(cases[i].wanted));
        struct lt_json_names names;
        assert_int_equal(lt_json_object(text, &names, NULL), 0);
        bool may = false;
        for (size_t j = 0; j < cases[i].count; j++)
            may |= lt_json_names_may_have(&names, values[j].name);
        assert_int_equal(may, cases[i].replaces);
        if (may)
            continue;
        size = lt_json_append(text, values, cases[i].count, out);
        assert_bytes((struct leat_bytes){out, size}, cases[i].wanted, strlen(cases[i].wanted));
    }
}

/* ------------------------------------------------------ random against jansson */

static uint64_t seed;

static unsigned any(unsigned below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % below);
}

static char *put_any(char *out, const char *const *choices, unsigned count) {
    return stpcpy(out, choices[any(count)]);
}

static char *put_space(char *out) {
    static const char *const spaces[] = {"", "", "", "", "", " ", "\n", "\t\r "};
    return put_any(out, spaces, 8);
}

static char *put_string(char *out) {
    static const char *const parts[] = {"a",
                                        "content of a longer kind, ",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\xC3\xA9",
                                        "\xE2\x82\xAC",
                                        "\xF0\x9F\x98\x80",
                                        "\\ud83d\\ude00",
                                        "\\u00fc",
                                        "\\/",
                                        "x",
                                        "\\u0041",
                                        "\x7f"};
    *out++ = '"';
    for (unsigned i = any(8); i > 0; i--)
        out = put_any(out, parts, 14);
    *out++ = '"';
    return out;
}

static char *put_value(char *out, unsigned depth);

static char *put_container(char *out, unsigned depth, bool object) {
    static const char *const names[] = {"\"a\"", "\"b\"", "\"content\"", "\"cont\\u0065nt\"", "\"\xC3\xA9\"", "\"\""};
    *out++ = object ? '{' : '[';
    for (unsigned count = any(6), i = 0; i < count; i++) {
        if (i > 0)
            *out++ = ',';
        out = put_space(out);
        if (object) {
            out = any(4) ? put_any(out, names, 6) : put_string(out);
            out = put_space(out);
            *out++ = ':';
        }
        out = put_space(put_value(put_space(out), depth));
    }
    out = put_space(out);
    *out++ = object ? '}' : ']';
    return out;
}

static char *put_value(char *out, unsigned depth) {
    static const char *const scalars[] = {"true", "false", "null", "0", "-1", "1.5", "-0.25e2", "123456789"};
    unsigned choice = any(depth > 0 ? 6 : 4);
    if (choice < 2)
        return put_any(out, scalars, 8);
    if (choice < 4)
        return put_string(out);
    return put_container(out, depth - 1, choice == 4);
}

static size_t document(char *out) {
    char *end = put_space(put_container(put_space(out), 2, any(8) != 0));
    *end = '\0';
    return (size_t)(end - out);
}

static void mutate(char *text, size_t *size) {
    static const char bytes[] = "\"\\{}[]:,0-.eEu/ \n\x00\x1f\x80\xBF\xC3\xE2\xED\xF0\xFF"
                                "atfn19";
    for (unsigned times = 1 + any(3); times > 0 && *size > 1; times--) {
        size_t at = any((unsigned)*size);
        switch (any(4)) {
        case 0:
            text[at] = bytes[any(sizeof bytes - 1)];
            break;
        case 1:
            memmove(text + at, text + at + 1, --*size - at);
            break;
        case 2:
            memmove(text + at + 1, text + at, (*size)++ - at);
            text[at] = bytes[any(sizeof bytes - 1)];
            break;
        default:
            if (any(4) == 0)
                *size = at;
        }
    }
}

enum { JANSSON = JSON_DECODE_ANY | JSON_ALLOW_NUL };

/** What jansson refuses though the grammar allows it: it has no value for these. */
static bool beyond_jansson(const json_error_t *error) {
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key ||
           strncmp(error->text, "invalid Unicode '\\u", 19) == 0;
}

static json_t *parse(struct leat_bytes text) {
    return json_loadb(text.data, text.size, JANSSON, NULL);
}

static void compare_members(struct leat_bytes text, json_t *object) {
    const char *name;
    json_t *wanted;
    json_object_foreach(object, name, wanted) {
        struct leat_bytes value;
        struct leat_error error = {0};
        assert_int_equal(lt_json_member(text, bytes(name), &value, &error), 0);
        json_t *got = parse(value);
        if (!json_equal(got, wanted))
            fail_msg("member %s of <%.*s> is <%.*s>", name, (int)text.size, text.data, (int)value.size, value.data);
        if (json_is_string(wanted)) {
            struct leat_bytes decoded;
            assert_int_equal(lt_json_decode(value, room(value.size), &decoded), 0);
            assert_bytes(decoded, json_string_value(wanted), json_string_length(wanted));
        }
        json_decref(got);
    }
}

static void compare_splice(struct leat_bytes text, json_t *object) {
    static const struct leat_value all[] = {{TEXT("content"), TEXT("{\"in\":[]}")},
                                            {TEXT("new"), TEXT("1")},
                                            {TEXT("a"), TEXT("\"\\n\"")},
                                            {TEXT(""), TEXT("[]")}};
    size_t first = any(4), count = any((unsigned)(5 - first));
    char *out = room(lt_json_splice_room(text, all + first, count));
    struct leat_bytes spliced = {out, lt_json_splice(text, all + first, count, out)};
    for (size_t i = first; i < first + count; i++)
        json_object_set_new(object, all[i].name.data, parse(all[i].json));
    json_t *got = parse(spliced);
    if (!got || !json_equal(got, object))
        fail_msg("<%.*s> became <%.*s>", (int)text.size, text.data, (int)spliced.size, spliced.data);
    json_decref(got);
}

static void test_documents(void **state) {
    (void)state;
    static char text[FENCED];
    seed = 1;
    for (int i = 0; i < 30000; i++) {
        size_t size = document(text);
        struct leat_bytes at_fence = fenced(text, size);
        json_t *wanted = parse(at_fence);
        struct leat_error error = {0};
        assert_non_null(wanted);
        if (lt_json_check(at_fence, &error) != 0)
            fail_msg("<%s>: %s", text, error.text);
        if (json_is_object(wanted)) {
            compare_members(at_fence, wanted);
            compare_splice(at_fence, wanted);
        }
        json_decref(wanted);
    }
}

static void test_mutants(void **state) {
    (void)state;
    static char text[FENCED];
    unsigned accepted = 0, refused = 0;
    seed = 2;
    for (int i = 0; i < 250000; i++) {
        size_t size = document(text);
        mutate(text, &size);
        struct leat_bytes at_fence = fenced(text, size);
        json_error_t why;
        json_t *wanted = json_loadb(at_fence.data, size, JANSSON, &why);
        struct leat_error error = {0};
        int code = lt_json_check(at_fence, &error);
        bool nul = memchr(at_fence.data, '\0', size); /* allowed nowhere; jansson overlooks it after a number */
        assert_true(!nul || code);
        if (wanted && code && !nul)
            fail_msg("<%.*s>: %s", (int)size, at_fence.data, error.text);
        if (!wanted && code == 0 && !beyond_jansson(&why))
            fail_msg("<%.*s> was accepted; jansson: %s", (int)size, at_fence.data, why.text);
        struct leat_bytes value;
        int found = lt_json_member(at_fence, bytes("content"), &value, NULL);
        assert_int_equal(found == -EBADMSG, code == -EBADMSG);
        if (json_is_object(wanted) && !nul)
            compare_members(at_fence, wanted);
        accepted += code == 0;
        refused += code != 0;
        json_decref(wanted);
    }
    assert_true(accepted > 20000 && refused > 100000);
}

static void test_round_trip(void **state) {
    (void)state;
    static const char *const parts[] = {
        "a", "some plain words ", "\"", "\\", "\n", "\x01", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    seed = 3;
    for (int i = 0; i < 50000; i++) {
        char text[1024];
        char *end = text;
        *end = '\0';
        for (unsigned count = any(40); count > 0; count--)
            end = put_any(end, parts, 9);
        size_t size = (size_t)(end - text);
        char *json = room(lt_json_encoded_room(size));
        struct leat_bytes encoded = {json, lt_json_encode(fenced(text, size), json)}, decoded;
        json_t *value = parse(encoded);
        assert_non_null(value);
        assert_bytes((struct leat_bytes){json_string_value(value), json_string_length(value)}, text, size);
        struct leat_bytes at_fence = fenced(encoded.data, encoded.size);
        assert_int_equal(lt_json_decode(at_fence, room(at_fence.size), &decoded), 0);
        assert_bytes(decoded, text, size);
        json_decref(value);
    }
}

/** Long strings, so that every kind of escape stands at every place of a block. */
static void test_long_strings(void **state) {
    (void)state;
    static const char *const parts[] = {"a",
                                        "some plain words ",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\\\\\\\\\\\",
                                        "\\u00e9",
                                        "\\ud83d\\ude00",
                                        "\\u20AC",
                                        "\xC3\xA9",
                                        "a stretch of seventy bytes, without anything in it that would be special, "};
    seed = 5;
    for (int i = 0; i < 50000; i++) {
        static char text[8192];
        char *end = stpcpy(text, "[\"");
        for (unsigned count = any(60); count > 0; count--)
            end = put_any(end, parts, any(3) ? 12 : 2);
        size_t size = (size_t)(stpcpy(end, "\"]") - text);
        struct leat_bytes at_fence = fenced(text, size), decoded;
        assert_int_equal(lt_json_check(at_fence, NULL), 0);
        json_t *wanted = parse(at_fence);
        assert_non_null(wanted);
        json_t *value = json_array_get(wanted, 0);
        at_fence = fenced(text + 1, size - 2);
        assert_int_equal(lt_json_decode(at_fence, room(at_fence.size), &decoded), 0);
        assert_bytes(decoded, json_string_value(value), json_string_length(value));
        json_decref(wanted);
        text[2 + any((unsigned)size - 3)] = "\\\"n0g \n"[any(7)];
        at_fence = fenced(text, size);
        json_error_t why;
        wanted = json_loadb(at_fence.data, size, JANSSON, &why);
        if (!wanted && beyond_jansson(&why))
            continue;
        assert_int_equal(lt_json_check(at_fence, NULL), wanted ? 0 : -EBADMSG);
        json_decref(wanted);
    }
}

/** By arithmetic on code points, unlike the code under test. */
static size_t reference_prefix(const unsigned char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        unsigned lead = text[at];
        size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (length == 0 || at + length > size)
            return at;
        uint32_t point = length == 1 ? lead : lead & (0x7Fu >> length);
        for (size_t i = 1; i < length; i++) {
            if (text[at + i] >> 6 != 2)
                return at;
            point = point << 6 | (text[at + i] & 0x3F);
        }
        if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
            return at;
        at += length;
    }
    return size;
}

static void test_utf8(void **state) {
    (void)state;
    static const char *const parts[] = {"a",
                                        "0123456789abcdef",
                                        "\xC3\xA9",
                                        "\xE2\x82\xAC",
                                        "\xF0\x9F\x98\x80",
                                        "\xED\x9F\xBF",
                                        "\xF4\x8F\xBF\xBF",
                                        "\xE0\xA0\x80",
                                        "\xF0\x90\x80\x80",
                                        "a stretch of seventy bytes, without anything in it that would be special, "};
    seed = 4;
    for (int i = 0; i < 300000; i++) {
        char text[2048] = "";
        char *end = text;
        for (unsigned count = any(24); count > 0; count--)
            end = put_any(end, parts, any(3) ? 10 : 2);
        size_t size = (size_t)(end - text);
        if (size > 0 && any(4)) /* mostly one fault: another byte somewhere, or the end cut off */
            text[any((unsigned)size)] = (char)any(256);
        if (size > 0 && any(4) == 0)
            size -= any(size < 4 ? (unsigned)size : 4);
        struct leat_bytes at_fence = fenced(text, size);
        assert_int_equal(lt_utf8_prefix(at_fence.data, size), reference_prefix((unsigned char *)text, size));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_faults_at_every_place),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_splice),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_long_strings),
    };
    return cmocka_run_group_tests_name("json", tests, setup, NULL);
}

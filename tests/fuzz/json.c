/* SPDX-License-Identifier: MIT */
/**
 * Any bytes as JSON, next to jansson: the same are accepted, and every member of
 * an object has the same value, before and after members were set.
 *
 * Where they differ: jansson has no value for numbers beyond its types, for a
 * name with a zero byte in it and for half a surrogate pair, and follows 2,048
 * levels where leat follows 512. A zero byte outside of strings is nowhere
 * allowed; jansson overlooks it behind a number.
 */
#include "base/json.h"
#include "base/utf8.h"
#include "fuzz.h"

#include <errno.h>
#include <jansson.h>

static json_t *parse(struct leat_bytes text, json_error_t *why) {
    return json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, why);
}

static bool beyond_jansson(const json_error_t *why) {
    return json_error_code(why) == json_error_numeric_overflow || json_error_code(why) == json_error_null_byte_in_key ||
           strncmp(why->text, "invalid Unicode '\\u", 19) == 0;
}

static bool beyond_us(const struct leat_error *error) {
    return strncmp(error->text, "nested too deeply", 17) == 0;
}

static void check_string(struct leat_bytes json, const json_t *wanted) {
    char *room = malloc(json.size);
    struct leat_bytes text;
    must(lt_json_decode(json, room, &text) == 0);
    must(text.size == json_string_length(wanted));
    must(text.size == 0 || memcmp(text.data, json_string_value(wanted), text.size) == 0);
    char *again = malloc(lt_json_encoded_room(text.size));
    struct leat_bytes encoded = {again, lt_json_encode(text, again)};
    json_t *value = parse(encoded, NULL);
    must(value && json_equal(value, wanted));
    json_decref(value);
    free(again);
    free(room);
}

static void check_member(struct leat_bytes text, const char *name, const json_t *wanted) {
    struct leat_bytes value, once_more, key = {name, strlen(name)};
    must(lt_json_member(text, key, &value, NULL) == 0);
    json_t *got = parse(value, NULL);
    must(got && json_equal(got, wanted));
    json_decref(got);
    if (json_is_string(wanted))
        check_string(value, wanted);
    struct leat_error error;
    if (*name && !strpbrk(name, ".[]"))
        must(lt_json_find(text, name, &once_more, &error) == 0 && once_more.data == value.data);
}

/* Set one that is there, one that may be, and one that is not. */
static void check_splice(struct leat_bytes text, json_t *object) {
    const char *there = json_object_iter_key(json_object_iter(object));
    const struct leat_value all[] = {
        {{"a", 1}, {"{\"in\":[]}", 9}},
        {{"not there", 9}, {"1", 1}},
        {{there, there ? strlen(there) : 0}, {"\"\\n\"", 4}},
    };
    size_t count = there && strcmp(there, "a") != 0 && strcmp(there, "not there") != 0 ? 3 : 2;
    char *out = malloc(lt_json_splice_room(text, all, count));
    struct leat_bytes spliced = {out, lt_json_splice(text, all, count, out)};
    json_t *wanted = json_copy(object);
    struct lt_json_names names;
    must(lt_json_object(text, &names, NULL) == 0);
    bool replaces = false;
    for (size_t i = 0; i < count; i++) {
        replaces |= lt_json_names_may_have(&names, all[i].name);
        json_object_setn_new_nocheck(wanted, all[i].name.data, all[i].name.size, parse(all[i].json, NULL));
    }
    json_t *got = parse(spliced, NULL);
    must(got && json_equal(got, wanted));
    json_decref(got);
    if (!replaces) {
        char *appended = malloc(lt_json_splice_room(text, all, count));
        must(lt_json_append(text, all, count, appended) == spliced.size);
        must(memcmp(appended, out, spliced.size) == 0);
        free(appended);
    }
    json_decref(wanted);
    free(out);
}

/* What is set into bytes that are no JSON is no matter; what is read from them must be within them. */
static void check_text(struct leat_bytes text) {
    char *room = malloc(lt_json_encoded_room(text.size));
    struct leat_bytes encoded = {room, lt_json_encode(text, room)};
    json_t *value = parse(encoded, NULL);
    must(value);
    if (lt_utf8_prefix(text.data, text.size) == text.size) {
        must(json_string_length(value) == text.size);
        must(text.size == 0 || memcmp(json_string_value(value), text.data, text.size) == 0);
    }
    json_decref(value);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    struct leat_bytes text = {copy, size}, value;
    struct leat_error error = {0};
    json_error_t why;
    json_t *wanted = parse(text, &why);
    int code = lt_json_check(text, &error);
    must(code == 0 || (code == -EBADMSG && *error.text));
    bool zero = size && memchr(text.data, '\0', size);
    must(!zero || code);
    if (!zero)
        must(wanted ? code == 0 || beyond_us(&error) : code || beyond_jansson(&why));
    int found = lt_json_member(text, (struct leat_bytes){"a", 1}, &value, NULL);
    must((found == -EBADMSG) == (code == -EBADMSG));
    if (code == 0 && json_is_object(wanted)) {
        const char *name;
        json_t *member;
        json_object_foreach(wanted, name, member) check_member(text, name, member);
        check_splice(text, wanted);
    }
    check_text(text);
    json_decref(wanted);
    free(copy);
    return 0;
}

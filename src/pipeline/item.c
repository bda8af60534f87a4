/* SPDX-License-Identifier: MIT */
/*
 * Items: looking fields up, adding values, and the bytes that leave.
 *
 * A body is examined only when somebody asks for a field or changes the item.
 * Every look-up in a body checks all of it: that is as fast as looking without
 * checking would be. What it found out is kept in item->shape, so that
 * rendering does not check again.
 */
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "pipeline/batch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *kind_of(const struct leat_item *item) {
    return item->kind ? item->kind : "item";
}

static bool begins_as_object(struct leat_bytes body) {
    size_t i = 0;
    while (i < body.size &&
           (body.data[i] == ' ' || body.data[i] == '\t' || body.data[i] == '\r' || body.data[i] == '\n'))
        i++;
    return i < body.size && body.data[i] == '{';
}

static bool is_plain(struct leat_item *item) {
    if (item->shape == LT_SHAPE_UNKNOWN && !begins_as_object(item->body))
        item->shape = LT_SHAPE_PLAIN;
    return item->shape == LT_SHAPE_PLAIN;
}

static bool same(struct leat_bytes one, struct leat_bytes other) {
    return one.size == other.size && (one.size == 0 || memcmp(one.data, other.data, one.size) == 0);
}

static struct leat_value *addition(const struct leat_item *item, struct leat_bytes name) {
    for (uint32_t i = 0; i < item->value_count; i++)
        if (same(item->values[i].name, name))
            return &item->values[i];
    return NULL;
}

/** `text` as a JSON string in the batch's memory. 0 or -ENOMEM. */
static int encode(struct leat_batch *batch, struct leat_bytes text, struct leat_bytes *json) {
    struct lt_arena *arena = lt_batch_arena(batch);
    char *room = lt_arena_alloc(arena, lt_json_encoded_room(text.size));
    if (!room)
        return -ENOMEM;
    *json = (struct leat_bytes){room, lt_json_encode(text, room)};
    lt_arena_shrink(arena, room, json->size);
    return 0;
}

/* --------------------------------------------------------------- fates */

static struct leat_bytes reason_of(struct leat_batch *batch, const char *format, va_list arguments) {
    static const char short_of_memory[] = "memory is too short to say why";
    char text[512];
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(text, sizeof text, format, arguments);
    size_t size = length < 0 ? 0 : (size_t)length;
    char *room = leat_batch_alloc(batch, size + 1);
    if (room && size < sizeof text)
        memcpy(room, text, size + 1);
    else if (room)
        vsnprintf(room, size + 1, format, again);
    va_end(again);
    return room ? (struct leat_bytes){room, size} : (struct leat_bytes){short_of_memory, sizeof short_of_memory - 1};
}

void leat_item_fail(struct leat_batch *batch, struct leat_item *item, int code, const char *format, ...) {
    if (item->fate != LEAT_LIVE)
        return;
    va_list arguments;
    va_start(arguments, format);
    item->reason = reason_of(batch, format, arguments);
    va_end(arguments);
    item->fate = LEAT_FAILED;
    item->code = code;
}

void leat_item_drop(struct leat_item *item) {
    if (item->fate == LEAT_LIVE)
        item->fate = LEAT_FILTERED;
}

/* -------------------------------------------------------------- fields */

static int no_field(const struct leat_item *item, const char *path, struct leat_error *error) {
    return leat_fail(error, -ENOENT, "no field %s%s: the %s is not a JSON object", *path == '.' ? "" : ".", path,
                     kind_of(item));
}

/** A field below something that was found: an addition, or the body by its kind. */
static int inside(struct leat_bytes found, const char *path, const char *rest, struct leat_bytes *json,
                  struct leat_error *error) {
    int code = lt_json_inside(found, rest, json);
    if (code == -EINVAL)
        return lt_json_path_check(path, error);
    return code ? leat_fail(error, code, "no field %s%s", *path == '.' ? "" : ".", path) : 0;
}

/** What a look at all of the body told: `code` is -EBADMSG, or it is an object with these names. */
static void learn(struct leat_item *item, int code, const struct lt_json_names *names) {
    item->shape = code == -EBADMSG ? LT_SHAPE_BROKEN : LT_SHAPE_OBJECT;
    if (item->shape == LT_SHAPE_OBJECT)
        memcpy(item->names, names->words, sizeof item->names);
}

static int body_field(struct leat_item *item, const char *path, struct leat_bytes *json, struct leat_error *error) {
    struct lt_json_names names;
    int code = lt_json_find_named(item->body, path, json, &names, error);
    if (code == -EINVAL)
        return code;
    learn(item, code, &names);
    if (code == -EBADMSG && error)
        lt_error_prefix(error, "the %s is broken JSON", kind_of(item));
    return code;
}

int leat_item_field(struct leat_batch *batch, struct leat_item *item, const char *path, struct leat_bytes *json,
                    struct leat_error *error) {
    struct leat_bytes name;
    const char *rest = lt_json_path_name(path, &name);
    if (!rest)
        return lt_json_path_check(path, error);
    const struct leat_value *value = addition(item, name);
    if (value)
        return inside(value->json, path, rest, json, error);
    if (!is_plain(item))
        return body_field(item, path, json, error);
    if (!item->kind || !same(name, (struct leat_bytes){item->kind, strlen(item->kind)}))
        return no_field(item, path, error);
    struct leat_bytes body;
    if (encode(batch, item->body, &body))
        return leat_fail(error, -ENOMEM, "memory is too short for a %s of %zu bytes", item->kind, item->body.size);
    return inside(body, path, rest, json, error);
}

/** Whether the path is the kind of an item that is no object: its text is the body as it is. */
static bool names_body(struct leat_item *item, const char *path) {
    if (!item->kind || strcmp(*path == '.' ? path + 1 : path, item->kind) != 0)
        return false;
    return is_plain(item) && !addition(item, (struct leat_bytes){item->kind, strlen(item->kind)});
}

static const char *json_kind(char first) {
    switch (first) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return "a number";
    }
}

static int decode(struct leat_batch *batch, const char *path, struct leat_bytes json, struct leat_bytes *text,
                  struct leat_error *error) {
    if (json.data[0] != '"')
        return leat_fail(error, -EINVAL, "field %s%s is %s, not a string", *path == '.' ? "" : ".", path,
                         json_kind(json.data[0]));
    if (!memchr(json.data, '\\', json.size)) {
        *text = (struct leat_bytes){json.data + 1, json.size - 2};
        return 0;
    }
    struct lt_arena *arena = lt_batch_arena(batch);
    char *room = lt_arena_alloc(arena, json.size);
    if (!room)
        return leat_fail(error, -ENOMEM, "memory is too short for a field of %zu bytes", json.size);
    int code = lt_json_decode(json, room, text);
    lt_arena_shrink(arena, room, text->size);
    return code;
}

int leat_item_text(struct leat_batch *batch, struct leat_item *item, const char *path, struct leat_bytes *text,
                   struct leat_error *error) {
    if (!path) {
        *text = item->text;
        return 0;
    }
    if (names_body(item, path)) {
        *text = item->body;
        return 0;
    }
    struct leat_bytes json;
    int code = leat_item_field(batch, item, path, &json, error);
    return code ? code : decode(batch, path, json, text, error);
}

/* ----------------------------------------------------------- additions */

static int grow(struct leat_batch *batch, struct leat_item *item) {
    uint32_t room = item->value_room ? item->value_room * 2 : 4;
    struct leat_value *values = leat_batch_alloc(batch, room * sizeof *values);
    if (!values)
        return -ENOMEM;
    if (item->value_count > 0)
        memcpy(values, item->values, item->value_count * sizeof *values);
    item->values = values;
    item->value_room = room;
    return 0;
}

int leat_item_add(struct leat_batch *batch, struct leat_item *item, struct leat_bytes name, struct leat_bytes json) {
    struct leat_value *value = addition(item, name);
    item->outgoing.data = NULL;
    if (value) {
        value->json = json;
        return 0;
    }
    if (item->value_count == item->value_room && grow(batch, item))
        return -ENOMEM;
    item->values[item->value_count++] = (struct leat_value){name, json};
    return 0;
}

int leat_item_add_text(struct leat_batch *batch, struct leat_item *item, struct leat_bytes name,
                       struct leat_bytes text) {
    struct leat_bytes json;
    return encode(batch, text, &json) ? -ENOMEM : leat_item_add(batch, item, name, json);
}

/* ----------------------------------------------------------- rendering */

/** Whether some of the values may have a member of their name in the body. */
static bool may_replace(const struct lt_json_names *names, const struct leat_value *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (lt_json_names_may_have(names, values[i].name))
            return true;
    return false;
}

static int splice(struct leat_batch *batch, struct leat_bytes object, const struct lt_json_names *names,
                  const struct leat_value *values, size_t count, struct leat_bytes *out, struct leat_error *error) {
    struct lt_arena *arena = lt_batch_arena(batch);
    size_t size = lt_json_splice_room(object, values, count);
    char *room = lt_arena_alloc(arena, size);
    if (!room)
        return leat_fail(error, -ENOMEM, "memory is too short for an item of %zu bytes", size);
    bool replaces = may_replace(names, values, count);
    size_t length =
        replaces ? lt_json_splice(object, values, count, room) : lt_json_append(object, values, count, room);
    *out = (struct leat_bytes){room, length};
    lt_arena_shrink(arena, room, length);
    return 0;
}

/** {"<kind>": body, additions}; an addition of that name stands for the body. */
static int render_plain(struct leat_batch *batch, struct leat_item *item, struct leat_bytes *out,
                        struct leat_error *error) {
    const char *kind = kind_of(item);
    struct leat_bytes name = {kind, strlen(kind)};
    struct leat_value *instead = addition(item, name);
    struct leat_value *all = leat_batch_alloc(batch, (item->value_count + 1) * sizeof *all);
    struct leat_bytes body;
    if (!all || (!instead && encode(batch, item->body, &body)))
        return leat_fail(error, -ENOMEM, "memory is too short for a %s of %zu bytes", kind, item->body.size);
    all[0] = (struct leat_value){name, instead ? instead->json : body};
    size_t count = 1;
    for (uint32_t i = 0; i < item->value_count; i++)
        if (&item->values[i] != instead)
            all[count++] = item->values[i];
    const struct lt_json_names none = {0};
    return splice(batch, (struct leat_bytes){"{}", 2}, &none, all, count, out, error);
}

static int render_changed(struct leat_batch *batch, struct leat_item *item, struct leat_bytes *out,
                          struct leat_error *error) {
    if (is_plain(item))
        return render_plain(batch, item, out, error);
    struct lt_json_names names = {{item->names[0], item->names[1]}};
    if (item->shape != LT_SHAPE_OBJECT) {
        int code = lt_json_object(item->body, &names, error);
        learn(item, code, &names);
        if (code && error)
            lt_error_prefix(error, "the %s is broken JSON", kind_of(item));
        if (code)
            return code;
    }
    return splice(batch, item->body, &names, item->values, item->value_count, out, error);
}

int leat_item_render(struct leat_batch *batch, struct leat_item *item, struct leat_bytes *out,
                     struct leat_error *error) {
    *out = item->value_count ? item->outgoing : item->body;
    if (item->value_count == 0 || out->data)
        return 0;
    int code = render_changed(batch, item, out, error);
    if (code == 0)
        item->outgoing = *out;
    return code;
}

/* SPDX-License-Identifier: MIT */
/**
 * JSON of the hot path: validate a text, find one field without building
 * anything, decode and encode strings. RFC 8259, strict, UTF-8 checked.
 * Messages count bytes from 0. Nothing is allocated, and no function recurses.
 */
#ifndef LEAT_BASE_JSON_H
#define LEAT_BASE_JSON_H

#include "base/json-names.h"

enum { LT_JSON_DEPTH = 512 }; /* deeper nesting is refused, not followed */

/**
 * Check that `text` is exactly one JSON object (white space around it allowed)
 * and, on the way, find the top-level member `name` (decoded bytes; the last
 * one counts when it stands there several times, as in Python, Go and jansson).
 * 0: found, `*value` is its JSON text; -ENOENT: valid, no such member;
 * -EBADMSG: broken, `error` says what and at which byte; -EINVAL: valid JSON,
 * but no object.
 */
int lt_json_member(struct leat_bytes text, struct leat_bytes name, struct leat_bytes *value, struct leat_error *error);

/**
 * The same along a path ".name", "name", ".a.b", ".a[0]": a name is whatever
 * has no dot and no bracket in it. -ENOENT also where the path leads through
 * something of another kind; -EINVAL also for a path that is none. `*names`
 * becomes the names of the top-level members where the result is 0 or -ENOENT.
 */
int lt_json_find(struct leat_bytes text, const char *path, struct leat_bytes *value, struct leat_error *error);
int lt_json_find_named(struct leat_bytes text, const char *path, struct leat_bytes *value, struct lt_json_names *names,
                       struct leat_error *error);

/** Check that `text` is exactly one JSON object and fill `*names`. Codes as of lt_json_member(), which see. */
int lt_json_object(struct leat_bytes text, struct lt_json_names *names, struct leat_error *error);

/** The name that `path` begins with, in `*name`. Returns the rest of the path; NULL: it is no path. */
const char *lt_json_path_name(const char *path, struct leat_bytes *name);

/** Follow the rest of a path within a valid value. 0, -ENOENT, -EINVAL (no path); all without a text. */
int lt_json_inside(struct leat_bytes json, const char *path, struct leat_bytes *value);

/** What the path leads to in a valid value; empty when there is nothing. */
static inline struct leat_bytes lt_json_part(struct leat_bytes json, const char *path) {
    struct leat_bytes value;
    return lt_json_inside(json, path, &value) == 0 ? value : (struct leat_bytes){"", 0};
}

/** 0, or -EINVAL and why `path` is not one that lt_json_find() can follow. */
int lt_json_path_check(const char *path, struct leat_error *error);

/** Check that `text` is exactly one JSON value of any kind. 0 or -EBADMSG. */
int lt_json_check(struct leat_bytes text, struct leat_error *error);

/**
 * The text of a JSON string (a valid one, with its quotes). Without escapes
 * `*text` points into `json`; else it is decoded into `room`, which must have
 * json.size bytes. A lone surrogate escape becomes U+FFFD. -EINVAL: not a string.
 */
int lt_json_decode(struct leat_bytes json, char *room, struct leat_bytes *text);

/** Bytes that lt_json_encode may write at most for `size` bytes of text. */
static inline size_t lt_json_encoded_room(size_t size) {
    return size * 6 + 2;
}

/** Write `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. Returns the length. */
size_t lt_json_encode(struct leat_bytes text, char *room);

/**
 * Write the object `text` (valid) with `values` set: members of the same name
 * are replaced where they stand (the last one, earlier ones removed), the rest
 * goes to the end; everything else byte for byte. `room` must have
 * lt_json_splice_room() bytes. Returns the length.
 */
size_t lt_json_splice_room(struct leat_bytes text, const struct leat_value *values, size_t count);
size_t lt_json_splice(struct leat_bytes text, const struct leat_value *values, size_t count, char *room);

/** The same where none of the values has a member of its name: the object is not read. */
size_t lt_json_append(struct leat_bytes text, const struct leat_value *values, size_t count, char *room);

#endif

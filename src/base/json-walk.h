/* SPDX-License-Identifier: MIT */
/**
 * Going through one JSON text, checking as one goes: what json.c offers to the
 * other JSON files. A walk goes over the members of one object or the elements
 * of one array; one that failed says where and why and is over. UTF-8 is not
 * its matter: that is checked for the whole text at once.
 */
#ifndef LEAT_BASE_JSON_WALK_H
#define LEAT_BASE_JSON_WALK_H

#include "base/json.h"

#include <stdbool.h>

struct lt_json_walk {
    const char *begin, *end;
    const char *at;    /**< what was read so far */
    char close;        /**< the bracket that will end it; 0 before its begin */
    const char *fault; /**< where it failed */
    const char *what;  /**< "expected ':'", or NULL: the text ends there */
};

/** One member of an object or element of an array (then without a name). */
struct lt_json_member {
    const char *name, *name_end;   /**< between the quotes, as written */
    const char *value, *value_end; /**< without white space around */
    bool escaped;                  /**< the name has escapes */
};

static inline bool lt_json_is_space(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/** The first byte from `at` that is no white space, or `end`. */
static inline const char *lt_json_space(const char *at, const char *end) {
    while (at < end && lt_json_is_space(*at))
        at++;
    return at;
}

/** The begin of the white space that ends at `at`. */
static inline const char *lt_json_space_before(const char *begin, const char *at) {
    while (at > begin && lt_json_is_space(at[-1]))
        at--;
    return at;
}

/** A walk over the container that `text` is (white space around it allowed; its first byte after that is a bracket). */
static inline struct lt_json_walk lt_json_walk(struct leat_bytes text) {
    const char *end = text.data + text.size;
    return (struct lt_json_walk){.begin = text.data, .end = end, .at = lt_json_space(text.data, end)};
}

/** 1: `*member` is the next one; 0: there are no more, `walk->at` is behind the closing bracket; -1: broken. */
int lt_json_next(struct lt_json_walk *walk, struct lt_json_member *member);

/** Behind the closing quote of the string in `text` whose content begins at `at`; NULL: it is broken. */
const char *lt_json_string_end(struct leat_bytes text, const char *at, bool *escaped);

/** Decode the escape at `at` (its backslash; valid); `*code_point` is U+FFFD for a lone surrogate. Returns what follows
 * it. */
const char *lt_json_escape(const char *at, const char *end, uint32_t *code_point);

/** Whether the member's name, decoded, is `name`. */
bool lt_json_named(const struct lt_json_member *member, struct leat_bytes name);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Checking a JSON text and finding members in it, in one go over the bytes.
 *
 * Nearly all bytes of a message are in strings. Short ones end in the first
 * bytes looked at (json-scan.h), the others are json-string.c's; only a broken one
 * is gone through byte by byte, to say where and why. Whether the bytes are UTF-8
 * is a second pass over the whole text (utf8.c), which is much cheaper than asking
 * within each string: outside of strings the grammar allows only ASCII anyway.
 *
 * Nesting costs one bit a level, never C stack: bodies come from strangers.
 *
 * Rejected: an index of all brackets and quotes made by a first pass (simdjson):
 * it needs memory in proportion to the text, and pays for texts with much
 * structure, while ours are mostly one long string.
 */
#include "base/json.h"
#include "base/error.h"
#include "base/json-scan.h"
#include "base/json-walk.h"
#include "base/utf8.h"

#include <errno.h>

typedef struct lt_json_walk walk_t;

static const char *fail(walk_t *walk, const char *at, const char *what) {
    if (at > walk->end)
        at = walk->end;
    walk->fault = at;
    walk->what = at == walk->end ? NULL : what;
    return NULL;
}

/* ------------------------------------------------------------- scalars */

static bool is_digit(const char *at, const char *end) {
    return at < end && *at >= '0' && *at <= '9';
}

static bool is_hex(char digit) {
    return (digit >= '0' && digit <= '9') || ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f');
}

/** Check the escape at `at`; returns what follows it, or NULL. */
static const char *skip_escape(walk_t *walk, const char *at) {
    if (at + 1 >= walk->end)
        return fail(walk, walk->end, NULL);
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        for (int i = 2; i < 6; i++)
            if (at + i >= walk->end || !is_hex(at[i]))
                return fail(walk, at + i, "expected four hexadecimal digits after \\u");
        return at + 6;
    default:
        return fail(walk, at, "unknown escape");
    }
}

/** Say what is wrong with a string. */
static const char *string_fault(walk_t *walk, const char *at) {
    while (at < walk->end) {
        if ((unsigned char)*at < 0x20)
            return fail(walk, at, "control character in a string");
        if (*at != '\\')
            at++;
        else if (!(at = skip_escape(walk, at)))
            return NULL;
    }
    return fail(walk, walk->end, NULL);
}

/** From behind the opening quote to behind the closing one. Names and the like end in the first bytes. */
static inline const char *skip_string(walk_t *walk, const char *at, bool *escaped) {
    if (walk->end - at >= LT_BLOCK) {
        uint64_t mask = lt_scan_string(at);
        const char *mark = at + (mask ? __builtin_ctzll(mask) : 0);
        *escaped = false;
        if (mask && *mark == '"')
            return mark + 1;
    }
    struct leat_bytes text = {walk->begin, (size_t)(walk->end - walk->begin)};
    const char *behind = lt_json_string_end(text, at, escaped);
    return behind ? behind : string_fault(walk, at);
}

static const char *skip_digits(walk_t *walk, const char *at) {
    if (!is_digit(at, walk->end))
        return fail(walk, at, "expected a digit");
    while (is_digit(at, walk->end))
        at++;
    return at;
}

static const char *skip_number(walk_t *walk, const char *at) {
    const char *end = walk->end;
    if (*at == '-')
        at++;
    bool zero = at < end && *at == '0';
    at = zero ? at + 1 : skip_digits(walk, at);
    if (!at)
        return NULL;
    if (zero && is_digit(at, end))
        return fail(walk, at, "a number with a leading zero");
    if (at < end && *at == '.' && !(at = skip_digits(walk, at + 1)))
        return NULL;
    if (at == end || (*at | 0x20) != 'e')
        return at;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    return skip_digits(walk, at);
}

static const char *skip_word(walk_t *walk, const char *at, const char *word) {
    for (; *word; word++, at++)
        if (at >= walk->end || *at != *word)
            return fail(walk, at, "expected a value");
    return at;
}

static inline const char *skip_scalar(walk_t *walk, const char *at) {
    bool escaped;
    switch (*at) {
    case '"':
        return skip_string(walk, at + 1, &escaped);
    case 't':
        return skip_word(walk, at, "true");
    case 'f':
        return skip_word(walk, at, "false");
    case 'n':
        return skip_word(walk, at, "null");
    case '-':
    case '0' ... '9':
        return skip_number(walk, at);
    default:
        return fail(walk, at, "expected a value");
    }
}

/* ---------------------------------------------------------- containers */

/** A member's name and colon, up to the value. `member` may be NULL. */
static inline const char *skip_name(walk_t *walk, const char *at, struct lt_json_member *member) {
    bool escaped;
    if (at == walk->end || *at != '"')
        return fail(walk, at, "expected a name in quotes");
    const char *begin = at + 1;
    at = skip_string(walk, begin, &escaped);
    if (!at)
        return NULL;
    if (member) {
        member->name = begin;
        member->name_end = at - 1;
        member->escaped = escaped;
    }
    at = lt_json_space(at, walk->end);
    if (at == walk->end || *at != ':')
        return fail(walk, at, "expected ':'");
    return lt_json_space(at + 1, walk->end);
}

static inline bool opens(const char *at, const char *end) {
    return at < end && (*at == '{' || *at == '[');
}

/** What is open around the place that is being read: one bit a level, set for objects. */
struct nesting {
    unsigned depth, limit;
    uint64_t objects[LT_JSON_DEPTH / 64];
};

static bool nesting_push(struct nesting *nesting, bool object) {
    if (nesting->depth == nesting->limit)
        return false;
    uint64_t bit = UINT64_C(1) << nesting->depth % 64;
    uint64_t *word = &nesting->objects[nesting->depth++ / 64];
    *word = object ? *word | bit : *word & ~bit;
    return true;
}

static bool nesting_in_object(const struct nesting *nesting) {
    unsigned top = nesting->depth - 1;
    return nesting->objects[top / 64] >> top % 64 & 1;
}

/** After a value: close what ends here. Returns where the next member or element begins, or, at depth 0, the end. */
static const char *skip_closings(walk_t *walk, const char *at, struct nesting *nesting) {
    while (nesting->depth > 0) {
        bool object = nesting_in_object(nesting);
        at = lt_json_space(at, walk->end);
        if (at < walk->end && *at == ',')
            return lt_json_space(at + 1, walk->end);
        if (at == walk->end || *at != (object ? '}' : ']'))
            return fail(walk, at, object ? "expected ',' or '}'" : "expected ',' or ']'");
        at++;
        nesting->depth--;
    }
    return at;
}

/** The container at `at`, of at most `limit` levels. */
static const char *skip_container(walk_t *walk, const char *at, unsigned limit) {
    struct nesting nesting = {.limit = limit};
    do {
        if (nesting.depth > 0 && nesting_in_object(&nesting) && !(at = skip_name(walk, at, NULL)))
            return NULL;
        if (!opens(at, walk->end)) {
            at = at < walk->end ? skip_scalar(walk, at) : fail(walk, at, NULL);
        } else {
            bool object = *at == '{';
            if (!nesting_push(&nesting, object))
                return fail(walk, at, "nested too deeply");
            at = lt_json_space(at + 1, walk->end);
            if (at == walk->end || *at != (object ? '}' : ']'))
                continue;
            nesting.depth--;
            at++;
        }
        if (!at || !(at = skip_closings(walk, at, &nesting)))
            return NULL;
    } while (nesting.depth > 0);
    return at;
}

static inline const char *skip_value(walk_t *walk, const char *at, unsigned limit) {
    if (at == walk->end)
        return fail(walk, at, NULL);
    return opens(at, walk->end) ? skip_container(walk, at, limit) : skip_scalar(walk, at);
}

/** Before a member: 1 when there is one, at `walk->at`; 0 at the end; -1. */
static inline int advance(walk_t *walk) {
    const char *end = walk->end;
    bool first = !walk->close;
    if (first)
        walk->close = *walk->at++ == '{' ? '}' : ']';
    walk->at = lt_json_space(walk->at, end);
    if (walk->at < end && *walk->at == walk->close) {
        walk->at++;
        return 0;
    }
    if (first)
        return 1;
    if (walk->at == end || *walk->at != ',') {
        fail(walk, walk->at, walk->close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        return -1;
    }
    walk->at = lt_json_space(walk->at + 1, end);
    return 1;
}

int lt_json_next(walk_t *walk, struct lt_json_member *member) {
    int more = advance(walk);
    if (more <= 0)
        return more;
    const char *value = walk->close == '}' ? skip_name(walk, walk->at, member) : walk->at;
    if (!value)
        return -1;
    walk->at = skip_value(walk, value, LT_JSON_DEPTH - 1);
    if (!walk->at)
        return -1;
    member->value = value;
    member->value_end = walk->at;
    return 1;
}

/* ------------------------------------------------------- whole texts */

static int report(const walk_t *walk, const char *kind, struct leat_error *error) {
    size_t place = (size_t)(walk->fault - walk->begin);
    if (!error)
        return -EBADMSG;
    size_t valid = lt_utf8_prefix(walk->begin, place);
    if (valid < place)
        return leat_fail(error, -EBADMSG, "invalid UTF-8 at byte %zu", valid);
    if (!walk->what)
        return leat_fail(error, -EBADMSG, "the %s ends early at byte %zu", kind, place);
    return leat_fail(error, -EBADMSG, "%s at byte %zu", walk->what, place);
}

/** After the value: only white space, and all of the text UTF-8. */
static int finish(walk_t *walk, const char *kind, struct leat_error *error) {
    const char *rest = lt_json_space(walk->at, walk->end);
    size_t size = (size_t)(walk->end - walk->begin);
    if (rest < walk->end) {
        fail(walk, rest, "something follows the value");
        return report(walk, kind, error);
    }
    size_t valid = lt_utf8_prefix(walk->begin, size);
    return valid == size ? 0 : leat_fail(error, -EBADMSG, "invalid UTF-8 at byte %zu", valid);
}

int lt_json_check(struct leat_bytes text, struct leat_error *error) {
    walk_t walk = lt_json_walk(text);
    const char *kind = opens(walk.at, walk.end) ? *walk.at == '{' ? "object" : "array" : "text";
    walk.at = skip_value(&walk, walk.at, LT_JSON_DEPTH);
    return walk.at ? finish(&walk, kind, error) : report(&walk, kind, error);
}

/** Go on to the end; `*value` is the last member with that name. 0, -ENOENT, -1. */
static int last_member(walk_t *walk, struct leat_bytes name, struct leat_bytes *value, struct lt_json_names *names) {
    struct lt_json_member member;
    struct lt_json_names met = {0};
    int found = -ENOENT, more;
    while ((more = lt_json_next(walk, &member)) > 0) {
        if (member.escaped)
            lt_json_names_add_all(&met);
        else
            lt_json_names_add(&met, (struct leat_bytes){member.name, (size_t)(member.name_end - member.name)});
        if (!lt_json_named(&member, name))
            continue;
        *value = (struct leat_bytes){member.value, (size_t)(member.value_end - member.value)};
        found = 0;
    }
    *names = met;
    return more < 0 ? more : found;
}

/** lt_json_member() that says nothing about a member that is not there. */
static int member_of(struct leat_bytes text, struct leat_bytes name, struct leat_bytes *value,
                     struct lt_json_names *names, struct leat_error *error) {
    walk_t walk = lt_json_walk(text);
    if (walk.at == walk.end || *walk.at != '{') {
        int code = lt_json_check(text, error);
        return code ? code : leat_fail(error, -EINVAL, "not a JSON object");
    }
    struct leat_bytes last = {0};
    int found = last_member(&walk, name, &last, names);
    if (found == -1)
        return report(&walk, "object", error);
    int code = finish(&walk, "object", error);
    if (code == 0 && found == 0)
        *value = last;
    return code ? code : found;
}

int lt_json_member(struct leat_bytes text, struct leat_bytes name, struct leat_bytes *value, struct leat_error *error) {
    struct lt_json_names names;
    int code = member_of(text, name, value, &names, error);
    return code == -ENOENT ? leat_fail(error, code, "no member \"%.*s\"", (int)name.size, name.data) : code;
}

int lt_json_object(struct leat_bytes text, struct lt_json_names *names, struct leat_error *error) {
    struct leat_bytes value;
    int code = member_of(text, (struct leat_bytes){0}, &value, names, error);
    return code == -ENOENT ? 0 : code;
}

/* --------------------------------------------------------------- paths */

const char *lt_json_path_name(const char *path, struct leat_bytes *name) {
    if (*path == '.')
        path++;
    *name = (struct leat_bytes){path, strcspn(path, ".[")};
    path += name->size;
    return name->size > 0 ? path : NULL;
}

/** "[12]" at `path`; the rest of the path, or NULL. */
static const char *path_index(const char *path, size_t *index) {
    const char *at = path + 1;
    size_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, (size_t)10, &number) ||
            __builtin_add_overflow(number, (size_t)(*at - '0'), &number))
            return NULL;
    *index = number;
    return at > path + 1 && *at == ']' ? at + 1 : NULL;
}

/** 0 or -ENOENT. `json` is valid. */
static int element(struct leat_bytes json, size_t index, struct leat_bytes *value) {
    walk_t walk = lt_json_walk(json);
    struct lt_json_member member;
    while (lt_json_next(&walk, &member) > 0) {
        if (index-- > 0)
            continue;
        *value = (struct leat_bytes){member.value, (size_t)(member.value_end - member.value)};
        return 0;
    }
    return -ENOENT;
}

/** The next step of a path: `name`, or `index` and an empty name. The rest of the path; NULL: no path. */
static const char *path_next(const char *path, struct leat_bytes *name, size_t *index) {
    *name = (struct leat_bytes){0};
    if (*path == '[')
        return path_index(path, index);
    return *path == '.' ? lt_json_path_name(path, name) : NULL;
}

/** One step of a path, within a valid value. The rest of the path, or NULL and `*code`. */
static const char *path_step(struct leat_bytes *json, const char *path, int *code) {
    struct lt_json_names names;
    struct leat_bytes name;
    size_t index = 0;
    const char *rest = path_next(path, &name, &index);
    bool by_index = name.size == 0;
    *code = -EINVAL;
    if (!rest)
        return NULL;
    *code = -ENOENT;
    if (json->size > 0 && json->data[0] == (by_index ? '[' : '{')) {
        walk_t walk = lt_json_walk(*json);
        *code = by_index ? element(*json, index, json) : last_member(&walk, name, json, &names);
    }
    return *code ? NULL : rest;
}

int lt_json_inside(struct leat_bytes json, const char *path, struct leat_bytes *value) {
    int code;
    while (*path) {
        path = path_step(&json, path, &code);
        if (!path)
            return code;
    }
    *value = json;
    return 0;
}

int lt_json_path_check(const char *path, struct leat_error *error) {
    struct leat_bytes name;
    size_t index;
    const char *at = lt_json_path_name(path, &name);
    while (at && *at)
        at = path_next(at, &name, &index);
    return at ? 0 : leat_fail(error, -EINVAL, "\"%s\" is not a path like .name, .a.b or .a[0]", path);
}

int lt_json_find_named(struct leat_bytes text, const char *path, struct leat_bytes *value, struct lt_json_names *names,
                       struct leat_error *error) {
    struct leat_bytes name;
    const char *rest = lt_json_path_name(path, &name);
    if (!rest)
        return lt_json_path_check(path, error);
    struct leat_bytes first;
    int code = member_of(text, name, &first, names, error);
    if (code == 0 && *rest == '\0')
        *value = first;
    else if (code == 0)
        code = lt_json_inside(first, rest, value);
    if (code == -EINVAL)
        return lt_json_path_check(path, error) ? -EINVAL : code;
    return code == -ENOENT ? leat_fail(error, code, "no field %s%s", *path == '.' ? "" : ".", path) : code;
}

int lt_json_find(struct leat_bytes text, const char *path, struct leat_bytes *value, struct leat_error *error) {
    struct lt_json_names names;
    return lt_json_find_named(text, path, value, &names, error);
}

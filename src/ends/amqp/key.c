/* SPDX-License-Identifier: MIT */
#include "ends/amqp/key.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

enum { LONGEST_FIELD = 255 };

/* Bytes of plain text at `pattern`; `*skip` is what stands for them there. 0: a field or the end. */
static size_t plain(const char *pattern, size_t *skip) {
    size_t length = strcspn(pattern, "{}");
    *skip = length;
    if (length || !pattern[0] || pattern[0] != pattern[1])
        return length;
    *skip = 2;
    return 1;
}

/* The name in "{name}", and where the pattern goes on; NULL: there is no such thing. */
static const char *field(const char *pattern, char name[LONGEST_FIELD + 1]) {
    const char *end = *pattern == '{' ? strchr(pattern, '}') : NULL;
    size_t length = end ? (size_t)(end - pattern - 1) : 0;
    if (length == 0 || length > LONGEST_FIELD)
        return NULL;
    memcpy(name, pattern + 1, length);
    name[length] = '\0';
    return end + 1;
}

/* Why there is no field at `at`. */
static const char *fault(const char *at) {
    if (*at != '{' || !strchr(at, '}'))
        return "a brace without its counterpart";
    return at[1] == '}' ? "a field without a name" : "a field whose name is longer than 255 bytes";
}

int lt_amqp_key_check(const char *pattern, struct leat_error *error) {
    char name[LONGEST_FIELD + 1];
    size_t constant = 0;
    for (const char *at = pattern, *next; *at; at = next) {
        size_t skip;
        constant += plain(at, &skip);
        next = skip ? at + skip : field(at, name);
        if (!next)
            return leat_fail(error, -EINVAL, "--key \"%s\" has %s", pattern, fault(at));
    }
    if (constant <= LT_AMQP_LONGEST_KEY)
        return 0;
    return leat_fail(error, -EINVAL, "--key has %zu bytes besides its fields; a routing key has at most %d", constant,
                     LT_AMQP_LONGEST_KEY);
}

static bool append(char *place, struct leat_bytes *key, const char *data, size_t size) {
    if (size > LT_AMQP_LONGEST_KEY - key->size)
        return false;
    memcpy(place + key->size, data, size);
    key->size += size;
    return true;
}

/* A string's text; of a number or another value, its JSON. */
static int value_of(struct leat_batch *batch, struct leat_item *item, const char *name, struct leat_bytes *text,
                    struct leat_error *error) {
    int code = leat_item_text(batch, item, name, text, error);
    return code == -EINVAL ? leat_item_field(batch, item, name, text, error) : code;
}

int lt_amqp_key_make(const char *pattern, struct leat_batch *batch, struct leat_item *item, char *place,
                     struct leat_bytes *key, struct leat_error *error) {
    char name[LONGEST_FIELD + 1];
    *key = (struct leat_bytes){place, 0};
    for (const char *at = pattern; at && *at;) {
        size_t skip, length = plain(at, &skip);
        struct leat_bytes text = {at, length};
        int code = 0;
        if (skip) {
            at += skip;
        } else {
            at = field(at, name);
            code = value_of(batch, item, name, &text, error);
        }
        if (code < 0)
            return code;
        if (!append(place, key, text.data, text.size))
            return leat_fail(error, -EMSGSIZE, "its routing key is longer than %d bytes", LT_AMQP_LONGEST_KEY);
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "ends/mail/template.h"
#include "base/error.h"

#include <errno.h>

enum { LONGEST_FIELD = 255 };

/* What stands at `at`: plain text of `*plain` bytes, or a field. Returns where the pattern goes on; NULL: a brace
 * without its counterpart. */
static const char *next(const char *at, struct leat_bytes *plain, char field[LONGEST_FIELD + 1]) {
    size_t length = strcspn(at, "{}");
    field[0] = '\0';
    *plain = (struct leat_bytes){at, length ? length : 1};
    if (length)
        return at + length;
    if (at[0] == at[1])
        return at + 2;
    const char *end = *at == '{' ? strchr(at, '}') : NULL;
    length = end ? (size_t)(end - at - 1) : 0;
    if (length == 0 || length > LONGEST_FIELD)
        return NULL;
    memcpy(field, at + 1, length);
    field[length] = '\0';
    return end + 1;
}

int lt_template_check(const char *pattern, struct leat_error *error) {
    char field[LONGEST_FIELD + 1];
    struct leat_bytes plain;
    for (const char *at = pattern; *at;)
        if (!(at = next(at, &plain, field)))
            return leat_fail(error, -EINVAL, "\"%s\" has a brace without its counterpart", pattern);
    return 0;
}

/* -ENOENT also for null. */
static int value_of(struct leat_batch *batch, struct leat_item *item, const char *field, struct leat_bytes *text,
                    struct leat_error *error) {
    int code = leat_item_text(batch, item, field, text, error);
    if (code == -EINVAL)
        code = leat_item_field(batch, item, field, text, error);
    else
        return code;
    bool null = code == 0 && text->size == 4 && memcmp(text->data, "null", 4) == 0;
    return null ? leat_fail(error, -ENOENT, "field %s is null", field) : code;
}

int lt_template_write(const char *pattern, struct leat_batch *batch, struct leat_item *item, bool required,
                      struct lt_text *text, struct leat_error *error) {
    char field[LONGEST_FIELD + 1];
    struct leat_bytes part;
    for (const char *at = pattern; *at;) {
        at = next(at, &part, field);
        int code = field[0] ? value_of(batch, item, field, &part, error) : 0;
        if (code == -ENOENT && !required)
            continue;
        if (code)
            return code;
        lt_text_put_bytes(text, part);
    }
    return text->failed ? leat_fail(error, -ENOMEM, "out of memory") : 0;
}

/* SPDX-License-Identifier: MIT */
/** Texts that grow. A failure is kept, so that only the end has to ask for it. */
#ifndef LEAT_BASE_TEXT_H
#define LEAT_BASE_TEXT_H

#include "leat-pipeline.h"

#include <string.h>

/** Ready for use when zeroed; free(text.data). */
struct lt_text {
    char *data; /* terminated, or NULL when nothing was written */
    size_t size, room;
    bool failed; /* memory was short: what came after is missing */
};

static inline struct leat_bytes lt_string(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

static inline struct leat_bytes lt_text_bytes(const struct lt_text *text) {
    return (struct leat_bytes){text->data, text->size};
}

/** Where to write `size` bytes (and a NUL) at the end, to be counted in `text->size` by the caller; NULL: it failed. */
char *lt_text_room(struct lt_text *text, size_t size);

void lt_text_put(struct lt_text *text, const char *more);
void lt_text_put_bytes(struct lt_text *text, struct leat_bytes bytes);
void lt_text_print(struct lt_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** As a JSON string, with its quotes. */
void lt_text_put_json(struct lt_text *text, struct leat_bytes bytes);

/** For a terminal, which would obey them: question marks in the place of control characters, also of those of two bytes
 * (U+0080 to U+009F). In place; the size stays. */
void lt_text_tame(char *text, size_t size);

/** Empty it and keep its memory. */
static inline void lt_text_clear(struct lt_text *text) {
    text->size = 0;
    text->failed = false;
}

#endif

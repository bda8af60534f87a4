/* SPDX-License-Identifier: MIT */
/** "Did you mean": the candidate that is nearest to a mistyped word. */
#ifndef LEAT_CLI_SUGGEST_H
#define LEAT_CLI_SUGGEST_H

#include <stddef.h>

struct lt_suggest {
    const char *word;
    const char *best; /* NULL: none is near */
    size_t distance;
};

void lt_suggest_try(struct lt_suggest *suggest, const char *candidate);

/** Write ` (did you mean "…"?)`, or nothing; `prefix` stands before the word. Returns `text`. */
const char *lt_suggest_text(const struct lt_suggest *suggest, const char *prefix, char *text, size_t size);

#endif

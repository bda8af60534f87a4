/* SPDX-License-Identifier: MIT */
/** Words that every report of a run uses. */
#ifndef LEAT_CLI_WORDS_H
#define LEAT_CLI_WORDS_H

#include "leat-pipeline.h"

#include <stdio.h>

/** One word for each state: "busy", "input", "output", "outside", "throttled". */
extern const char *const lt_state_words[LEAT_STATES];

/** How many columns of a terminal so many bytes of UTF-8 take: one for each character. */
size_t lt_columns(const char *text, size_t size);

/** The text as a JSON string, with its quotes; null when memory is short. */
void lt_put_json_string(FILE *file, const char *text);

#endif

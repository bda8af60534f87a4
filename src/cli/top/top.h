/* SPDX-License-Identifier: MIT */
/**
 * `leat top [URL]`: a run that was started with --http, in the terminal. On one it is drawn anew every second until the
 * run ends or q is pressed; elsewhere it is printed once. A run that is there and does not answer has not ended: that
 * is an error.
 */
#ifndef LEAT_CLI_TOP_TOP_H
#define LEAT_CLI_TOP_TOP_H

#include "cli/parse.h"

#include <jansson.h>
#include <stdio.h>

int lt_top_run(const struct lt_command *command);

/** What a picture may take of a terminal. */
struct lt_top_size {
    size_t columns, rows;
};

/** draw.c: one picture of what /status.json said, not larger than `size`; `colours`: with control sequences. */
void lt_top_draw(FILE *file, const json_t *status, const struct lt_top_size *size, bool colours);

/** fetch.c: get a document of at most some megabytes by HTTP. The caller frees it. NULL: `error` says why;
 * -ECONNREFUSED and -ECONNRESET: nobody is there (any more), -ETIMEDOUT: somebody is and does not answer. */
char *lt_top_fetch(const char *url, const char *path, struct leat_error *error);

#endif

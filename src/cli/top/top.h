/* SPDX-License-Identifier: MIT */
/**
 * `leat top [URL]`: a run that was started with --http, in the terminal. On one it is drawn anew every second until the
 * run ends or q is pressed; elsewhere it is printed once.
 */
#ifndef LEAT_CLI_TOP_TOP_H
#define LEAT_CLI_TOP_TOP_H

#include "cli/parse.h"

#include <jansson.h>
#include <stdio.h>

int lt_top_run(const struct lt_command *command);

/** draw.c: one picture of what /status.json said, `width` columns wide; `colours`: with control sequences. */
void lt_top_draw(FILE *file, const json_t *status, size_t width, bool colours);

/** fetch.c: get a document of at most some megabytes by HTTP. The caller frees it. NULL: `error` says why. */
char *lt_top_fetch(const char *url, const char *path, struct leat_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Patterns for paths, bytes against bytes:
 *
 *     *       any bytes but "/"          ?      one byte (of ASCII) or one UTF-8 character, not "/"
 *     **      as a whole component: any number of components, also none; at the end: whatever is below
 *     [a-z]   one byte of a set          [!a]   one that is not in it; neither is "/"
 *     {a,b}   one of these, also nested  \*     the byte itself
 *
 * A pattern is for the whole path. Bytes that begin with a dot are like others.
 */
#ifndef LEAT_ENDS_DIR_GLOB_H
#define LEAT_ENDS_DIR_GLOB_H

#include "leat-pipeline.h"

struct lt_glob;

/** NULL with `error` when the pattern is broken (which byte) or would stand for too many. */
struct lt_glob *lt_glob_new(const char *pattern, struct leat_error *error);
void lt_glob_free(struct lt_glob *glob);

bool lt_glob_match(const struct lt_glob *glob, const char *path, size_t size);

#endif

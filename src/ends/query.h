/* SPDX-License-Identifier: MIT */
/**
 * The target of an end that has settings behind a question mark:
 * "PATH?name=value&flag". They mean what the options of the same name mean, and
 * win over them.
 */
#ifndef LEAT_ENDS_QUERY_H
#define LEAT_ENDS_QUERY_H

#include "leat-pipeline.h"

/**
 * Copy the segment's settings into `settings` and apply the query to them by
 * the option table. `*path` gets what stands before the question mark, in which
 * only %3F (a question mark) and %25 (a percent sign) mean something else; names
 * and values are percent-decoded. Strings live until free(*path).
 * 0, or -EINVAL or -ENOMEM, and then `*path` is NULL.
 */
int lt_query_read(const struct leat_segment *segment, const struct leat_option *options, void *settings, size_t size,
                  char **path, struct leat_error *error);

/** Percent signs with two hexadecimal digits become the byte, in place. False: one without them, or a NUL. */
bool lt_query_decode(char *text);

#endif

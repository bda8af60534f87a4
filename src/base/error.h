/* SPDX-License-Identifier: MIT */
/**
 * How everything above the runtime reports an error: a function returns 0 or a
 * negative errno value, and when it can say more it fills a `struct leat_error`
 * that its caller passed, with one sentence that names the thing and the place:
 *
 *     return leat_fail(error, -EINVAL, "queue:%s: the map is full at %zu MiB", path, size >> 20);
 *
 * The sentence has no final newline or full stop; whoever prints it adds "leat: ".
 * The type is public because sources, stages and sinks fill it.
 */
#ifndef LEAT_BASE_ERROR_H
#define LEAT_BASE_ERROR_H

#include "leat-pipeline.h"

/** Put `prefix` and ": " before the text that is there. */
void lt_error_prefix(struct leat_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

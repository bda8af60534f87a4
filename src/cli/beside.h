/* SPDX-License-Identifier: MIT */
/**
 * A file that appears whole: it is written beside its place and renamed, so that
 * a reader sees the old one or the new one, never half.
 */
#ifndef LEAT_CLI_BESIDE_H
#define LEAT_CLI_BESIDE_H

#include "leat-pipeline.h"

#include <stdio.h>

/** Before there is anything to write: can a file be made there? 0 or a negative errno value. */
int lt_check_beside(const char *path, struct leat_error *error);

/** 0 or a negative errno value: then `path` is as it was. */
int lt_write_beside(const char *path, void (*write)(void *argument, FILE *file), void *argument,
                    struct leat_error *error);

#endif

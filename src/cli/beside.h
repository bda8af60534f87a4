/* SPDX-License-Identifier: MIT */
/**
 * A file that appears whole: it is written beside its place and renamed, so that
 * a reader sees the old one or the new one, never half. What is no file of its
 * own is never replaced by one: a symbolic link stays and what it leads to is
 * written; into a named pipe or a device is written as it is.
 */
#ifndef LEAT_CLI_BESIDE_H
#define LEAT_CLI_BESIDE_H

#include "leat-pipeline.h"

#include <stdio.h>

/** A place that will be written at the end of a run. */
struct lt_place_beside {
    const char *path;
    int fd;    /**< keeps a file that is there open, so that the run's ends find it in use; -1: none */
    bool free; /**< nothing is there */
};

/**
 * Look whether `path` can be written, before the work, and hold it. 0, or a negative errno value (-EINVAL: this
 * process writes it otherwise). Release it in both cases.
 */
int lt_beside_hold(struct lt_place_beside *place, const char *path, struct leat_error *error);
/** 0, or -EEXIST: something has come there since it was held. */
int lt_beside_check(const struct lt_place_beside *place, struct leat_error *error);
void lt_beside_release(struct lt_place_beside *place);

/** 0 or a negative errno value: then a file at `path` is as it was. Keeps its mode. */
int lt_write_beside(const char *path, void (*write)(void *argument, FILE *file), void *argument,
                    struct leat_error *error);

#endif

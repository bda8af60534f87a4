/* SPDX-License-Identifier: MIT */
/**
 * Going through a directory tree, a piece at a time. Calls block on the disk,
 * so they belong into leat_block(). Any names, any depth, a bounded number of
 * descriptors; memory grows with the subdirectories that wait to be entered
 * along the path from the root, not with the tree.
 */
#ifndef LEAT_ENDS_DIR_WALK_H
#define LEAT_ENDS_DIR_WALK_H

#include "ends/dir/glob.h"

struct lt_walk_options {
    const struct lt_glob *glob; /* for the path below the root; NULL: everything */
    uint64_t max_depth;         /* of what stands in the root: 1; 0: no limit */
    char type;                  /* 'f', 'd' or 'l', as find's */
    bool follow;                /* symbolic links are what they point to */
    bool hidden;                /* also names that begin with a dot */
    bool one_device;            /* do not enter other file systems */
};

/** Something found, or a place where the walk could not go on. */
struct lt_found {
    size_t begin, size;  /* its path in lt_founds.bytes, not terminated */
    int code;            /* 0, or a negative errno value … */
    const char *problem; /* … of this: "cannot open the directory" */
};

struct lt_founds {
    struct lt_found *list;
    size_t count, room;
    char *bytes;
    size_t size, bytes_room;
};

struct lt_walk;

/** -ENOENT, -EACCES, … with `error` when there is nothing at `root` to walk through. A file is its own only entry. */
int lt_walk_new(struct lt_walk **walk, const char *root, const struct lt_walk_options *options,
                struct leat_error *error);
void lt_walk_free(struct lt_walk *walk);

/**
 * Replace what is in `founds` by the next piece. 0; -ENODATA when everything
 * has been seen and `founds` is empty; -ENOMEM. May come back with nothing
 * found yet, so that a long search can be cancelled.
 */
int lt_walk_next(struct lt_walk *walk, struct lt_founds *founds);
void lt_founds_free(struct lt_founds *founds);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Paths on their way from the walk to the source: a block of memory, filled by
 * one visitor, handed over as a whole, and held by each batch with items in it.
 * Used again when all have let go of it.
 *
 * The bytes of the paths grow from the block's beginning, the list of entries
 * from its end. An empty block takes any path: it is made larger for that.
 */
#ifndef LEAT_ENDS_DIR_PATHS_H
#define LEAT_ENDS_DIR_PATHS_H

#include "ends/lines/block.h"

#include <stddef.h>
#include <stdint.h>

/** Something found, or a place where the walk could not go on. */
struct lt_found {
    const char *path; /* not terminated */
    size_t size;
    uint64_t id;         /* lt_hash() of the path */
    int code;            /* 0, or a negative errno value … */
    const char *problem; /* … of this: "cannot open the directory" */
};

struct lt_paths {
    struct lt_block *block; /* this stands at its beginning */
    size_t count, size;     /* entries; bytes in use from the beginning on */
};

enum { LT_PATHS_BLOCK = 128 << 10 };

/** Empty, and held once. `blocks` are of LT_PATHS_BLOCK bytes. NULL: out of memory. */
struct lt_paths *lt_paths_new(struct lt_blocks *blocks);
static inline void lt_paths_hold(struct lt_paths *paths) {
    lt_block_hold(paths->block);
}
/** Any thread. Of type void *, to be a batch's release function. NULL is nothing. */
void lt_paths_release(void *paths);

/** Room for a path of `size` bytes, which become the last entry's; NULL: it is full. */
char *lt_paths_add(struct lt_paths *paths, size_t size, const struct lt_found *found);
/** Instead of a block that is empty and yet too small for a path of `size` bytes. NULL: out of memory. */
struct lt_paths *lt_paths_larger(struct lt_blocks *blocks, struct lt_paths *paths, size_t size);

/** Entry number `index`, from 0. */
static inline const struct lt_found *lt_paths_at(const struct lt_paths *paths, size_t index) {
    const char *end = paths->block->data + paths->block->size;
    return (const struct lt_found *)(const void *)end - 1 - index;
}

#endif

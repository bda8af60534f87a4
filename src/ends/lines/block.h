/* SPDX-License-Identifier: MIT */
/**
 * Blocks of memory that a source reads into and items point into. A block lives
 * while somebody holds it: the reader, and each batch with an item in it.
 *
 * Blocks of the usual size are used again, since a fresh page costs more than
 * reading into a used one. They may outlive the source.
 */
#ifndef LEAT_ENDS_LINES_BLOCK_H
#define LEAT_ENDS_LINES_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

struct lt_blocks;

struct lt_block {
    char *data;
    size_t size;
};

/** Blocks of `size` bytes. NULL: out of memory. */
struct lt_blocks *lt_blocks_new(size_t size);
/** The source is done; blocks that are held live on. */
void lt_blocks_free(struct lt_blocks *blocks);

/** A block of at least `size` bytes, held once. NULL: out of memory. One task at a time. */
struct lt_block *lt_block_take(struct lt_blocks *blocks, size_t size);
/** Make a block larger that nobody else holds. False: out of memory, and it is as before. */
bool lt_block_grow(struct lt_block *block, size_t size);

void lt_block_hold(struct lt_block *block);
/** Any thread. Takes a void pointer to be a leat_batch_hold() function. */
void lt_block_release(void *block);
/** Whether the caller is the only one who holds it. */
bool lt_block_alone(const struct lt_block *block);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Released blocks go onto a stack that many push to and one task empties as a
 * whole, so that no block can come back between a look and a swap (ABA).
 */
#include "ends/lines/block.h"
#include "base/atomic.h"

#include <stdlib.h>

struct block {
    struct lt_block public;
    struct lt_blocks *owner;
    struct block *next;
    atomic_size_t holders;
};

struct lt_blocks {
    size_t size;
    atomic_size_t users; /* the source and each block that is held */
    struct block *ready; /* the reader's */
    _Atomic(struct block *) released;
};

struct lt_blocks *lt_blocks_new(size_t size) {
    struct lt_blocks *blocks = calloc(1, sizeof *blocks);
    if (!blocks)
        return NULL;
    blocks->size = size;
    atomic_init(&blocks->users, 1);
    return blocks;
}

static void free_list(struct block *block) {
    while (block) {
        struct block *next = block->next;
        free(block->public.data);
        free(block);
        block = next;
    }
}

void lt_blocks_free(struct lt_blocks *blocks) {
    if (!blocks || lt_fetch_sub(&blocks->users, 1, acq_rel) != 1)
        return;
    free_list(blocks->ready);
    free_list(lt_exchange(&blocks->released, NULL, acquire));
    free(blocks);
}

static struct block *new_block(struct lt_blocks *blocks, size_t size) {
    struct block *block = malloc(sizeof *block);
    if (!block)
        return NULL;
    *block = (struct block){.owner = blocks, .public = {malloc(size), size}};
    if (block->public.data)
        return block;
    free(block);
    return NULL;
}

struct lt_block *lt_block_take(struct lt_blocks *blocks, size_t size) {
    struct block *block = NULL;
    if (size <= blocks->size) {
        if (!blocks->ready)
            blocks->ready = lt_exchange(&blocks->released, NULL, acquire);
        block = blocks->ready;
        if (block)
            blocks->ready = block->next;
    }
    if (!block)
        block = new_block(blocks, size > blocks->size ? size : blocks->size);
    if (!block)
        return NULL;
    lt_store(&block->holders, 1, relaxed);
    lt_fetch_add(&blocks->users, 1, relaxed);
    return &block->public;
}

bool lt_block_grow(struct lt_block *block, size_t size) {
    char *data = realloc(block->data, size);
    if (!data)
        return false;
    block->data = data;
    block->size = size;
    return true;
}

void lt_block_hold(struct lt_block *public) {
    struct block *block = (struct block *)public;
    lt_fetch_add(&block->holders, 1, relaxed);
}

void lt_block_release(void *public) {
    struct block *block = public;
    if (!block || lt_fetch_sub(&block->holders, 1, acq_rel) != 1)
        return;
    struct lt_blocks *owner = block->owner;
    if (block->public.size != owner->size) {
        block->next = NULL;
        free_list(block);
    } else {
        block->next = lt_load(&owner->released, relaxed);
        while (!lt_cas(&owner->released, &block->next, block, acq_rel))
            continue;
    }
    lt_blocks_free(owner);
}

bool lt_block_alone(const struct lt_block *public) {
    const struct block *block = (const struct block *)public;
    return lt_load(&block->holders, acquire) == 1;
}

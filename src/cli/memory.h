/* SPDX-License-Identifier: MIT */
/**
 * Memory of a plan: taken piece by piece while a command line or a file is
 * read, given back all at once.
 *
 * Pieces are zeroed and never NULL: when memory is short so early, the program
 * says so and ends (nothing has been started). Carrying -ENOMEM through every
 * line of the parsers was tried and hid what they do.
 */
#ifndef LEAT_CLI_MEMORY_H
#define LEAT_CLI_MEMORY_H

#include <stddef.h>

struct lt_memory_block;

struct lt_memory {
    struct lt_memory_block *blocks;
};

void *lt_memory_take(struct lt_memory *memory, size_t size);
char *lt_memory_copy(struct lt_memory *memory, const char *text, size_t size);
char *lt_memory_print(struct lt_memory *memory, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** An array that grows: `items` with room for at least one more than `count` of `size` bytes each; returns it, maybe
 * moved. */
void *lt_memory_grow(struct lt_memory *memory, void *items, size_t count, size_t size);

void lt_memory_free(struct lt_memory *memory);

#endif

/* SPDX-License-Identifier: MIT */
#include "cli/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lt_memory_block {
    struct lt_memory_block *next;
    _Alignas(max_align_t) char data[];
};

static _Noreturn void end_without_memory(void) {
    fputs("leat: out of memory\n", stderr);
    exit(3);
}

void *lt_memory_take(struct lt_memory *memory, size_t size) {
    struct lt_memory_block *block = calloc(1, sizeof *block + size);
    if (!block)
        end_without_memory();
    block->next = memory->blocks;
    memory->blocks = block;
    return block->data;
}

char *lt_memory_copy(struct lt_memory *memory, const char *text, size_t size) {
    char *copy = lt_memory_take(memory, size + 1);
    memcpy(copy, text, size);
    return copy;
}

char *lt_memory_print(struct lt_memory *memory, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0)
        end_without_memory();
    char *copy = lt_memory_copy(memory, text, (size_t)size);
    free(text);
    return copy;
}

void *lt_memory_grow(struct lt_memory *memory, void *items, size_t count, size_t size) {
    /* Room is the next power of two, so it is full exactly when the count is one. */
    if (count & (count - 1))
        return items;
    void *larger = lt_memory_take(memory, (count ? count * 2 : 1) * size);
    if (count)
        memcpy(larger, items, count * size);
    return larger;
}

void lt_memory_free(struct lt_memory *memory) {
    while (memory->blocks) {
        struct lt_memory_block *block = memory->blocks;
        memory->blocks = block->next;
        free(block);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Chunks grow with what was needed so far, up to a bound, so that a batch of
 * small items stays small; what is larger than a chunk gets one of its own.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { SMALLEST_CHUNK = 32 * 1024, LARGEST_GROWTH = 1024 * 1024 };

static void use(struct lt_arena *arena, struct lt_arena_chunk *chunk) {
    arena->current = chunk;
    arena->at = chunk ? chunk->memory : NULL;
    arena->end = chunk ? chunk->memory + chunk->size : NULL;
}

/** A new chunk behind the current one. */
static struct lt_arena_chunk *add_chunk(struct lt_arena *arena, size_t size) {
    size_t wanted = arena->current ? arena->current->size * 2 : SMALLEST_CHUNK;
    if (wanted > LARGEST_GROWTH)
        wanted = LARGEST_GROWTH;
    if (wanted < size)
        wanted = size;
    struct lt_arena_chunk *chunk = malloc(sizeof *chunk + wanted);
    if (!chunk)
        return NULL;
    struct lt_arena_chunk **place = arena->current ? &arena->current->next : &arena->first;
    chunk->size = wanted;
    chunk->next = *place;
    *place = chunk;
    return chunk;
}

void *lt_arena_alloc_slowly(struct lt_arena *arena, size_t size) {
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    size = lt_arena_rounded(size);
    struct lt_arena_chunk *next = arena->current ? arena->current->next : arena->first;
    if (!next || next->size < size)
        next = add_chunk(arena, size);
    if (!next)
        return NULL;
    use(arena, next);
    arena->at += size;
    return next->memory;
}

void lt_arena_reset(struct lt_arena *arena, size_t keep) {
    struct lt_arena_chunk **place = &arena->first;
    while (*place) {
        struct lt_arena_chunk *chunk = *place;
        if (chunk->size <= keep) {
            keep -= chunk->size;
            place = &chunk->next;
            continue;
        }
        *place = chunk->next;
        free(chunk);
    }
    use(arena, arena->first);
}

void lt_arena_free(struct lt_arena *arena) {
    lt_arena_reset(arena, 0);
}

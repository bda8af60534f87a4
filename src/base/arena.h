/* SPDX-License-Identifier: MIT */
/**
 * Memory that is taken piece by piece and given back all at once: the memory of
 * a batch. A reset keeps the chunks, so that a batch in steady use neither
 * allocates nor touches fresh pages. Not for several threads at once.
 */
#ifndef LEAT_BASE_ARENA_H
#define LEAT_BASE_ARENA_H

#include <stdalign.h>
#include <stddef.h>

struct lt_arena_chunk {
    struct lt_arena_chunk *next;
    size_t size; /* of `memory`; a multiple of the alignment, so that what is free is one, too */
    alignas(max_align_t) char memory[];
};

/** Ready for use when zeroed. */
struct lt_arena {
    struct lt_arena_chunk *first;
    struct lt_arena_chunk *current; /**< pieces come from here; those behind it are empty */
    char *at, *end;                 /**< what is free in it */
};

static inline size_t lt_arena_rounded(size_t size) {
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

/** The part of lt_arena_alloc() that is not worth a line in a hot path. */
void *lt_arena_alloc_slowly(struct lt_arena *arena, size_t size);

/** `size` bytes, aligned for anything; NULL when memory is short. */
static inline void *lt_arena_alloc(struct lt_arena *arena, size_t size) {
    if (size >= (size_t)(arena->end - arena->at))
        return lt_arena_alloc_slowly(arena, size);
    char *piece = arena->at;
    arena->at += lt_arena_rounded(size);
    return piece;
}

/** The piece that was taken last needs `size` bytes only: the rest is free again. */
static inline void lt_arena_shrink(struct lt_arena *arena, void *piece, size_t size) {
    arena->at = (char *)piece + lt_arena_rounded(size);
}

/** All pieces are gone. Chunks are kept as long as they are not more than `keep` bytes together. */
void lt_arena_reset(struct lt_arena *arena, size_t keep);

/** Free everything; the arena can be used again. */
void lt_arena_free(struct lt_arena *arena);

#endif

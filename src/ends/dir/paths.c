/* SPDX-License-Identifier: MIT */
#include "ends/dir/paths.h"

#include <stdalign.h>

static struct lt_paths *begin(struct lt_block *block) {
    if (!block)
        return NULL;
    struct lt_paths *paths = (struct lt_paths *)(void *)block->data;
    *paths = (struct lt_paths){.block = block, .size = sizeof *paths};
    return paths;
}

struct lt_paths *lt_paths_new(struct lt_blocks *blocks) {
    return begin(lt_block_take(blocks, LT_PATHS_BLOCK));
}

void lt_paths_release(void *arg) {
    const struct lt_paths *paths = arg;
    if (paths)
        lt_block_release(paths->block);
}

char *lt_paths_add(struct lt_paths *paths, size_t size, const struct lt_found *found) {
    size_t list = (paths->count + 1) * sizeof *found, room = paths->block->size - paths->size;
    if (list > room || size > room - list)
        return NULL;
    char *path = paths->block->data + paths->size;
    struct lt_found *entry = (struct lt_found *)lt_paths_at(paths, paths->count);
    *entry = *found;
    entry->path = path;
    entry->size = size;
    paths->size += size;
    paths->count++;
    return path;
}

struct lt_paths *lt_paths_larger(struct lt_blocks *blocks, struct lt_paths *paths, size_t size) {
    size_t room = sizeof *paths + size + sizeof(struct lt_found);
    room = (room + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    lt_paths_release(paths);
    return begin(lt_block_take(blocks, room));
}

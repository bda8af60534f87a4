/* SPDX-License-Identifier: MIT */
/**
 * dir: the files below a directory, an item for each path, in no particular
 * order. Paths begin as the directory was written and are bytes: any name is
 * possible.
 *
 * What cannot be entered or looked at becomes a failed item with its path, and
 * the walk goes on. Symbolic links are neither files nor entered unless --follow
 * asks for it. Batches are small, because what is done with a path (reading its
 * file) weighs more than the path.
 *
 * The walk (walk.h) runs in tasks of its own and is ahead by a few blocks of
 * paths at most. Items point into the blocks, which their batches hold.
 */
#include "ends/dir/glob.h"
#include "ends/dir/walk.h"
#include "ends/ends.h"
#include "ends/query.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ITEMS = 64 };

struct settings {
    const char *glob;
    const char *type;
    uint64_t max_depth;
    bool hidden, follow, xdev;
};

struct dir {
    char *root;
    struct lt_glob *glob;
    struct lt_walk *walk;
    struct lt_paths *paths; /* the present ones, or NULL */
    size_t given;           /* of them */
    uint64_t position;
};

static const struct leat_option options[] = {
    {"glob", 0, LEAT_OPTION_STRING, offsetof(struct settings, glob), "PATTERN", NULL,
     "Only paths that match below the directory: * ? [a-z] {a,b}, and ** for any directories."},
    {"type", 0, LEAT_OPTION_STRING, offsetof(struct settings, type), "f|d|l", "f",
     "Files, directories or symbolic links."},
    {"max-depth", 0, LEAT_OPTION_COUNT, offsetof(struct settings, max_depth), "N", NULL,
     "1: only what is in the directory itself; 0: no limit."},
    {"hidden", 0, LEAT_OPTION_FLAG, offsetof(struct settings, hidden), NULL, "true",
     "Also names that begin with a dot; hidden=0 leaves them out."},
    {"follow", 0, LEAT_OPTION_FLAG, offsetof(struct settings, follow), NULL, NULL,
     "Symbolic links are what they point to."},
    {"xdev", 0, LEAT_OPTION_FLAG, offsetof(struct settings, xdev), NULL, NULL, "Do not enter other file systems."},
    {NULL},
};

static void close_dir(void *source) {
    struct dir *dir = source;
    lt_walk_free(dir->walk);
    lt_glob_free(dir->glob);
    lt_paths_release(dir->paths);
    free(dir->root);
    free(dir);
}

struct opening {
    struct dir *dir;
    const struct settings *settings;
    unsigned workers;
    struct leat_error *error;
};

static int begin_walk(void *arg) {
    const struct opening *opening = arg;
    const struct settings *settings = opening->settings;
    struct lt_walk_options walk = {
        .glob = opening->dir->glob,
        .max_depth = settings->max_depth,
        .type = settings->type ? settings->type[0] : 'f',
        .follow = settings->follow,
        .hidden = settings->hidden,
        .one_device = settings->xdev,
        .workers = opening->workers,
    };
    return lt_walk_new(&opening->dir->walk, opening->dir->root, &walk, opening->error);
}

static int open_walk(struct dir *dir, const struct settings *settings, unsigned workers, struct leat_error *error) {
    struct opening opening = {dir, settings, workers ? workers : leat_workers(), error};
    int code = leat_block(begin_walk, &opening);
    if (code && !error->text[0])
        return leat_fail(error, code, "%s", strerror(-code));
    return code;
}

/* Root and glob are the caller's in either case. */
static int read_settings(struct dir *dir, const struct leat_segment *segment, struct settings *settings,
                         struct leat_error *error) {
    int code = lt_query_read(segment, options, settings, sizeof *settings, &dir->root, error);
    if (code)
        return code;
    if (settings->type && (strlen(settings->type) != 1 || !strchr("fdl", settings->type[0])))
        return leat_fail(error, -EINVAL, "%s: type \"%s\" is not one of f, d and l", segment->spelling, settings->type);
    if (!settings->glob || (dir->glob = lt_glob_new(settings->glob, error)))
        return 0;
    lt_error_prefix(error, "%s", segment->spelling);
    return error->code;
}

static int check_dir(const struct leat_segment *segment, struct leat_error *error) {
    struct dir dir = {0};
    struct settings settings;
    int code = read_settings(&dir, segment, &settings, error);
    lt_glob_free(dir.glob);
    free(dir.root);
    return code;
}

static int open_dir(void **source, const struct leat_segment *segment, struct leat_error *error) {
    struct dir *dir = calloc(1, sizeof *dir);
    if (!dir)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    struct settings settings;
    struct leat_error reason;
    reason.text[0] = '\0';
    int code = read_settings(dir, segment, &settings, error);
    if (code == 0) {
        code = open_walk(dir, &settings, segment->workers, &reason);
        if (code)
            leat_fail(error, code, "%s: %s", segment->spelling, reason.text);
    }
    if (code)
        close_dir(dir);
    else
        *source = dir;
    return code;
}

/* Items of the present paths, as many as fit; `copies`: in the batch's memory. 0 or -ENOMEM. */
static int add_items(struct dir *dir, struct leat_batch *batch, bool copies) {
    while (dir->given < dir->paths->count && batch->count < MOST_ITEMS) {
        const struct lt_found *found = lt_paths_at(dir->paths, dir->given);
        char *copy = copies ? leat_batch_alloc(batch, found->size) : NULL;
        if (copies && !copy)
            return -ENOMEM;
        struct leat_item *item = leat_batch_add(batch);
        if (!item)
            return 0;
        if (copies)
            memcpy(copy, found->path, found->size);
        dir->given++;
        item->position = ++dir->position;
        item->id = found->id;
        leat_item_set(batch, item, (struct leat_bytes){copies ? copy : found->path, found->size}, "path");
        if (found->code)
            leat_item_fail(batch, item, found->code, "%.*s: %s: %s", (int)found->size, found->path, found->problem,
                           strerror(-found->code));
    }
    return 0;
}

/* A block is held for as long as its items are on their way, unless there is little in it: many of those would hold far
 * more memory than the items account for. */
static int give(struct dir *dir, struct leat_batch *batch) {
    struct lt_paths *paths = dir->paths;
    bool copies = paths->size < LT_PATHS_BLOCK / 4;
    size_t before = batch->count;
    int code = add_items(dir, batch, copies);
    if (batch->count > before && !copies) {
        lt_paths_hold(paths);
        int held = leat_batch_hold(batch, lt_paths_release, paths);
        code = code ? code : held;
    }
    if (code || dir->given < paths->count)
        return code;
    lt_paths_release(paths);
    dir->paths = NULL;
    dir->given = 0;
    return 0;
}

/* More paths; only if there are some already when the batch has items. */
static int take_paths(struct dir *dir, struct leat_batch *batch) {
    if (batch->count > 0)
        return lt_walk_next(dir->walk, false, &dir->paths);
    enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
    int code = lt_walk_next(dir->walk, true, &dir->paths);
    leat_batch_state(batch, before);
    return code;
}

static int read_dir(void *source, struct leat_batch *batch, struct leat_error *error) {
    struct dir *dir = source;
    int code = 0;
    while (code == 0 && batch->count < MOST_ITEMS && batch->count < batch->item_limit) {
        if (dir->paths) {
            code = give(dir, batch);
            if (dir->paths)
                break;
        } else {
            code = take_paths(dir, batch);
        }
    }
    if (batch->count > 0 && code != -ENOMEM)
        return 0;
    if (code == -ENODATA || code == 0)
        return code;
    return leat_fail(error, code, "dir:%s: %s", dir->root, strerror(-code));
}

const struct leat_source_type lt_dir_source = {
    .scheme = "dir",
    .syntax = "dir:PATH[?glob=**/*.log&hidden=0&follow=1&max-depth=9&xdev=1&type=f]",
    .summary = "The files below a directory, as paths.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .check = check_dir,
    .open = open_dir,
    .read = read_dir,
    .close = close_dir,
};

/* SPDX-License-Identifier: MIT */
/** The walk's inside, shared by walk.c (its life) and visit.c (reading directories); see walk.h. */
#ifndef LEAT_ENDS_DIR_VISIT_H
#define LEAT_ENDS_DIR_VISIT_H

#include "ends/dir/folder.h"
#include "ends/dir/walk.h"

#include <dirent.h>

enum {
    LT_NAMES = 16,         /* directories of one branch */
    LT_BRANCHES = 16,      /* branches of one visit */
    LT_ENTRIES = 64 << 10, /* bytes of directory entries read at once */
};

/** The bytes of a branch: subdirectories of `parent`, which it holds; without names, `parent` itself. */
struct lt_names {
    struct lt_folder *parent;
    char names[]; /* "first\0second\0" … */
};

struct lt_walk {
    struct lt_walk_options options;
    const char *path;
    struct lt_folder *root; /* NULL: a file */
    bool file_given;
    struct lt_keeper *keepers; /* one for each worker */
    struct leat_chan *out;     /* of struct lt_paths * */
    struct leat_wg running;    /* 1 while the walk's task does */
    bool begun;
    int code;                 /* of the crawl, once that has ended */
    pthread_mutex_t mutex;    /* guards: */
    struct leat_scope *scope; /* in which the crawl can be stopped */
    bool stopped;
};

/** One worker's own. */
struct lt_visitor {
    struct lt_walk *walk;
    struct lt_keeper *keeper;
    struct lt_blocks *blocks;
    struct lt_paths *paths; /* being filled, or NULL */

    bool may_wait; /* in this slice */

    /* The path of `above` and a slash, behind it that of the present directory. */
    char *path;
    size_t path_room;
    struct lt_folder *above; /* held; NULL: no path yet */

    /* What the present visit still has to enter. */
    struct leat_branch *const *branches, *const *branches_end;
    const char *name, *names_end;

    /* The present directory. */
    int fd;                   /* -1: none */
    struct lt_folder *folder; /* held and pinned once something below it has to be entered; else NULL */
    bool known;               /* `status` is of it */
    bool local;               /* lt_is_local() */
    struct stat status;
    unsigned depth;
    uint64_t hash;
    size_t prefix; /* bytes of its path and a slash */

    /* Branches found in this slice: struct lt_found_names, one after the other. */
    char *found;
    size_t found_size, found_room, found_last;
    unsigned found_names; /* of the last one, which can take more while it is of the present folder; 0: none */

    size_t at, end; /* of entries */
    _Alignas(struct dirent64) char entries[LT_ENTRIES];
};

int lt_visitor_new(struct lt_visitor **visitor, struct lt_walk *walk, unsigned worker);
void lt_visitor_free(struct lt_visitor *visitor);

/** leat_crawl_options.visit */
int lt_dir_visit(struct leat_visit *visit);

#endif

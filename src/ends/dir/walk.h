/* SPDX-License-Identifier: MIT */
/**
 * Going through a directory tree: a crawl (leat_crawl) whose branches are names
 * of directories, and whose results are blocks of paths in a bounded channel.
 *
 * Invariants
 * - A branch is up to LT_NAMES subdirectories of one directory, which are not
 *   entered yet. A visit reads each of its branches' directories to the end, and
 *   adds those below as branches. So a worker goes depth first, and what waits
 *   is, for each worker, at most what stands below LT_NAMES * LT_BRANCHES
 *   directories of each level on its way down: names, not paths, and no entries.
 * - A visit goes on in slices; a stop is felt after one. A slice is long against
 *   the hand-over to another thread and short against a person's patience, so
 *   others get their branches early.
 * - Directories that the system has in its caches are read by the worker itself:
 *   the hand-over would leave a processor idle for as long as some of them take.
 *   At the first one that has to be waited for, the slice goes on in
 *   leat_block(), as one does for all that fails without waiting.
 * - So do all on file systems that may ask a server for what they know. What a
 *   slow slice leaves of a visit is given to whoever is idle: as many directories
 *   are waited for as there are workers.
 * - A slice also ends when the block of paths is full: then the visit's task puts
 *   it into the channel, and waits there when the reader is behind. At the end of
 *   a visit the block goes as it is: nobody waits with a path in its hands.
 * - No stat() where the directory entry tells the type and no option asks for more.
 *
 * Rejected: LEAT_MORE for large directories, so that fewer names wait (each
 * level would keep a directory open in the middle, more than there are
 * descriptors in a deep tree); asking the file system for no more after a read
 * that did not fill the buffer (a quarter fewer calls; but an error in the rest of
 * the directory would not be told).
 */
#ifndef LEAT_ENDS_DIR_WALK_H
#define LEAT_ENDS_DIR_WALK_H

#include "ends/dir/glob.h"
#include "ends/dir/paths.h"

struct lt_walk_options {
    const struct lt_glob *glob; /* for the path below the root; NULL: everything */
    uint64_t max_depth;         /* of what stands in the root: 1; 0: no limit */
    char type;                  /* 'f', 'd' or 'l', as find's */
    bool follow;                /* symbolic links are what they point to */
    bool hidden;                /* also names that begin with a dot */
    bool one_device;            /* do not enter other file systems */
    unsigned workers;           /* at most */
};

struct lt_walk;

/**
 * Blocks on the disk. -ENOENT, -EACCES, … with `error` when there is nothing at
 * `root` to walk through. A file is its own only entry. `root` must outlive it.
 */
int lt_walk_new(struct lt_walk **walk, const char *root, const struct lt_walk_options *options,
                struct leat_error *error);
/** By a task. Stops it first. */
void lt_walk_free(struct lt_walk *walk);

/**
 * By a task. The next block of paths, to be released; the first call starts the
 * walk. -ENODATA when everything has been seen; -EAGAIN, unless `wait`, when
 * there is none yet; other errors: the walk could not go on.
 */
int lt_walk_next(struct lt_walk *walk, bool wait, struct lt_paths **paths);

#endif

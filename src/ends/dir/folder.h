/* SPDX-License-Identifier: MIT */
/**
 * The directories above those that still have to be entered, and their
 * descriptors.
 *
 * Invariants
 * - A folder lives while somebody holds it: each branch of the crawl with names
 *   in it, each folder below it, the visitor that is in it. So all folders above
 *   one that lives do, too, and there are as many as the ways down that the
 *   workers are on are deep, times those that wait beside them.
 * - Each worker has a keeper, which keeps the descriptors of the newest folders
 *   it made, `most` of them: these are entered next. A pinned one is not closed.
 * - A folder without a descriptor gets it back from the nearest folder above
 *   that has one, name by name, and must be the same directory as before. ".."
 *   is never used: it leads elsewhere when somebody moves the directory.
 * - Names are given to the system one at a time, so that no path is too long.
 * - The keeper's mutex guards the list, and `fd` and `pins` of its folders. It
 *   is held for no call that waits for a disk.
 *
 * Rejected: paths instead of folders (a chain has memory that grows with the
 * square of its depth, and the system takes PATH_MAX bytes); a descriptor for
 * each folder that waits (there are fewer than folders in a deep tree); fts()
 * and nftw(), which change the working directory or fail beyond PATH_MAX.
 */
#ifndef LEAT_ENDS_DIR_FOLDER_H
#define LEAT_ENDS_DIR_FOLDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct lt_folder;

struct lt_keeper {
    _Alignas(64) pthread_mutex_t mutex;
    struct lt_folder *newest, *oldest; /* with a descriptor */
    unsigned count, most;
};

struct lt_folder {
    struct lt_folder *parent; /* NULL: the root */
    struct lt_keeper *keeper;
    struct lt_folder *newer, *older; /* in the keeper's list */
    _Atomic uint32_t holders;
    uint32_t pins;
    int fd;         /* -1: none at present */
    bool known;     /* device and inode are */
    bool local;     /* lt_is_local(); set by the walk */
    unsigned depth; /* of the root: 0 */
    uint64_t hash;  /* of its path and a slash, to go on with lt_hash_more() */
    size_t prefix;  /* bytes of both */
    dev_t device;
    ino_t inode;
    char name[]; /* of the root: its path */
};

void lt_keeper_init(struct lt_keeper *keeper, unsigned most);
void lt_keeper_destroy(struct lt_keeper *keeper);

/**
 * A folder whose descriptor is `fd`, held once and pinned. `status`: what is
 * known of it, or NULL. NULL: out of memory; then `fd` is the caller's.
 */
struct lt_folder *lt_folder_new(struct lt_keeper *keeper, struct lt_folder *parent, const char *name, int fd,
                                const struct stat *status);
void lt_folder_hold(struct lt_folder *folder);
void lt_folder_release(struct lt_folder *folder);

/** Its descriptor, which stays open until lt_folder_unpin(); or a negative errno value. */
int lt_folder_pin(struct lt_folder *folder, bool follow);
void lt_folder_unpin(struct lt_folder *folder);

/** Close what the keeper keeps and nobody uses. */
void lt_keeper_close(struct lt_keeper *keeper);

/**
 * Open the directory `name` in `parent`; a link only with `follow`; unless `may_wait` only what the system has in its
 * caches. A descriptor or a negative errno value.
 */
int lt_open_folder(int parent, const char *name, int flags, bool follow, bool may_wait);

/** Whether one of the folders from `folder` up to the root is this directory. With `known` only. */
bool lt_folder_is_below(const struct lt_folder *folder, const struct stat *status);

#endif

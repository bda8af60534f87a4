/* SPDX-License-Identifier: MIT */
#include "ends/dir/folder.h"
#include "base/os.h"
#include "base/atomic.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------- keepers */

void lt_keeper_init(struct lt_keeper *keeper, unsigned most) {
    *keeper = (struct lt_keeper){.most = most};
    pthread_mutex_init(&keeper->mutex, NULL);
}

void lt_keeper_destroy(struct lt_keeper *keeper) {
    pthread_mutex_destroy(&keeper->mutex);
}

/* Under the mutex, as all with a list. */
static void append(struct lt_keeper *keeper, struct lt_folder *folder) {
    folder->newer = NULL;
    folder->older = keeper->newest;
    *(keeper->newest ? &keeper->newest->newer : &keeper->oldest) = folder;
    keeper->newest = folder;
    keeper->count++;
}

static void take_out(struct lt_keeper *keeper, struct lt_folder *folder) {
    *(folder->newer ? &folder->newer->older : &keeper->newest) = folder->older;
    *(folder->older ? &folder->older->newer : &keeper->oldest) = folder->newer;
    keeper->count--;
}

static bool hold_if_alive(struct lt_folder *folder) {
    uint32_t holders = lt_load(&folder->holders, relaxed);
    while (holders && !lt_cas(&folder->holders, &holders, holders + 1, acquire))
        continue;
    return holders > 0;
}

/* The oldest folder that nobody uses, held and pinned; NULL: there is none. */
static struct lt_folder *choose(struct lt_keeper *keeper, unsigned most) {
    pthread_mutex_lock(&keeper->mutex);
    struct lt_folder *folder = keeper->count > most ? keeper->oldest : NULL;
    while (folder && (folder->pins || !hold_if_alive(folder)))
        folder = folder->newer;
    if (folder)
        folder->pins++;
    pthread_mutex_unlock(&keeper->mutex);
    return folder;
}

/* Without knowing what it was, it could not be told from another directory that has come in its place. */
static void get_to_know(struct lt_folder *folder) {
    struct stat status;
    if (folder->known || fstat(folder->fd, &status) < 0)
        return;
    folder->device = status.st_dev;
    folder->inode = status.st_ino;
    folder->known = true;
}

static void close_down_to(struct lt_keeper *keeper, unsigned most) {
    for (struct lt_folder *folder; (folder = choose(keeper, most));) {
        get_to_know(folder);
        pthread_mutex_lock(&keeper->mutex);
        int fd = --folder->pins ? -1 : folder->fd;
        if (fd >= 0) {
            take_out(keeper, folder);
            folder->fd = -1;
        }
        pthread_mutex_unlock(&keeper->mutex);
        if (fd >= 0)
            close(fd);
        lt_folder_release(folder);
    }
}

void lt_keeper_close(struct lt_keeper *keeper) {
    close_down_to(keeper, 0);
}

/* ------------------------------------------------------------------- folders */

struct lt_folder *lt_folder_new(struct lt_keeper *keeper, struct lt_folder *parent, const char *name, int fd,
                                const struct stat *status) {
    size_t size = strlen(name);
    struct lt_folder *folder = malloc(sizeof *folder + size + 1);
    if (!folder)
        return NULL;
    *folder = (struct lt_folder){.parent = parent, .keeper = keeper, .fd = fd, .pins = 1};
    lt_store(&folder->holders, 1, relaxed);
    memcpy(folder->name, name, size + 1);
    bool slash = name[size - 1] != '/';
    folder->depth = parent ? parent->depth + 1 : 0;
    folder->prefix = (parent ? parent->prefix : 0) + size + slash;
    folder->hash = lt_hash_more(parent ? parent->hash : LT_HASH_BEGIN, name, size);
    folder->hash = lt_hash_more(folder->hash, "/", slash);
    if (status) {
        folder->device = status->st_dev;
        folder->inode = status->st_ino;
        folder->known = true;
    }
    if (parent)
        lt_folder_hold(parent);
    pthread_mutex_lock(&keeper->mutex);
    append(keeper, folder);
    pthread_mutex_unlock(&keeper->mutex);
    close_down_to(keeper, keeper->most);
    return folder;
}

void lt_folder_hold(struct lt_folder *folder) {
    lt_fetch_add(&folder->holders, 1, relaxed);
}

void lt_folder_release(struct lt_folder *folder) {
    while (folder && lt_fetch_sub(&folder->holders, 1, acq_rel) == 1) {
        struct lt_folder *parent = folder->parent;
        pthread_mutex_lock(&folder->keeper->mutex);
        if (folder->fd >= 0)
            take_out(folder->keeper, folder);
        pthread_mutex_unlock(&folder->keeper->mutex);
        if (folder->fd >= 0)
            close(folder->fd);
        free(folder);
        folder = parent;
    }
}

bool lt_folder_is_below(const struct lt_folder *folder, const struct stat *status) {
    for (; folder; folder = folder->parent)
        if (folder->device == status->st_dev && folder->inode == status->st_ino)
            return true;
    return false;
}

/* --------------------------------------------------------------- descriptors */

int lt_open_folder(int parent, const char *name, int flags, bool follow, bool may_wait) {
    int fd;
    flags |= O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
    if (!may_wait)
        return lt_open_cached(parent, name, flags, true);
    do
        fd = openat(parent, name, flags);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* Its descriptor, if it has one. */
static int try_pin(struct lt_folder *folder) {
    pthread_mutex_lock(&folder->keeper->mutex);
    int fd = folder->fd;
    folder->pins += fd >= 0;
    pthread_mutex_unlock(&folder->keeper->mutex);
    return fd;
}

void lt_folder_unpin(struct lt_folder *folder) {
    pthread_mutex_lock(&folder->keeper->mutex);
    folder->pins--;
    pthread_mutex_unlock(&folder->keeper->mutex);
}

/* `fd` has been opened for the folder; somebody else may have been faster. Returns the descriptor, pinned. */
static int give_back(struct lt_folder *folder, int fd) {
    struct lt_keeper *keeper = folder->keeper;
    pthread_mutex_lock(&keeper->mutex);
    int other = folder->fd;
    if (other < 0) {
        folder->fd = fd;
        append(keeper, folder);
    }
    folder->pins++;
    pthread_mutex_unlock(&keeper->mutex);
    if (other >= 0)
        close(fd);
    close_down_to(keeper, keeper->most);
    return other >= 0 ? other : fd;
}

static int reopen(struct lt_folder *folder, int parent, bool follow) {
    struct stat status;
    int fd = lt_open_folder(parent, folder->name, O_PATH, follow, true);
    if (fd < 0)
        return fd;
    int code = fstat(fd, &status) < 0 ? -errno : 0;
    if (code == 0 && (!folder->known || status.st_dev != folder->device || status.st_ino != folder->inode))
        code = -ESTALE;
    if (code == 0)
        return give_back(folder, fd);
    close(fd);
    return code;
}

/* The nearest folder above, or this one, that has a descriptor: pinned. The root always has. `*count`: how many there
 * are below it. */
static struct lt_folder *find_open(struct lt_folder *folder, int *fd, size_t *count) {
    for (*count = 0; (*fd = try_pin(folder)) < 0; folder = folder->parent)
        ++*count;
    return folder;
}

int lt_folder_pin(struct lt_folder *folder, bool follow) {
    int fd;
    size_t count;
    struct lt_folder *at = find_open(folder, &fd, &count);
    if (count == 0)
        return fd;
    struct lt_folder **way = calloc(count, sizeof *way);
    size_t left = count;
    for (struct lt_folder *below = folder; way && below != at; below = below->parent)
        way[--left] = below;
    for (size_t i = 0; way && i < count && fd >= 0; i++) {
        fd = reopen(way[i], fd, follow);
        lt_folder_unpin(at);
        at = way[i];
    }
    if (!way)
        lt_folder_unpin(at);
    free(way);
    return way ? fd : -ENOMEM;
}

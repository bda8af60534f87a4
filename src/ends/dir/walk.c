/* SPDX-License-Identifier: MIT */
/*
 * Depth first. A directory is read to its end before the first of its
 * subdirectories is entered; the names of these wait on one stack of bytes.
 *
 * - levels[0 .. depth) are the directories from the root to the current one,
 *   path[0 .. levels[i].length) is the path of each.
 * - Only the root and the KEPT deepest levels have descriptors. One that has
 *   none gets it back from above, name by name, and must be the same directory
 *   as before. ".." is never used: it leads elsewhere when somebody moves the
 *   directory meanwhile.
 * - Names are given to the system one at a time, so that no path is too long.
 *
 * Rejected: fts(), which changes the working directory of the whole process or
 * fails beyond PATH_MAX; nftw(), which is the same and cannot pause; a
 * descriptor and a position for each level, since positions of a directory that
 * changes meanwhile are not defined when it is opened anew.
 */
#include "ends/dir/walk.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEPT = 32,
    ENTRIES = 64 << 10,     /* bytes of directory entries read at once */
    MOST_FOUND = 1024,      /* a piece ends here, */
    MOST_BYTES = 256 << 10, /* here, */
    MOST_SEEN = 16 << 10,   /* or here, whatever was found */
};

struct level {
    size_t length; /* of its path */
    size_t names;  /* where its names begin on the stack */
    dev_t device;
    ino_t inode;
    int fd; /* -1: closed to save descriptors */
};

struct lt_walk {
    struct lt_walk_options options;
    struct level *levels;
    size_t depth, level_room;
    char *path;
    size_t path_room;
    size_t prefix; /* bytes of a path before what the pattern is for */
    char *names;   /* "first\0second\0" … */
    size_t names_size, names_room;
    bool reading;   /* the deepest level has not been read to its end */
    bool file;      /* the root is a file that has not been given yet */
    size_t at, end; /* of entries */
    _Alignas(struct dirent64) char entries[ENTRIES];
};

/* ---------------------------------------------------------------- memory */

static bool make_room(void *pointer, size_t *room, size_t needed, size_t size) {
    void **place = pointer;
    if (needed <= *room)
        return true;
    size_t more = *room ? *room : 64;
    while (more < needed)
        more *= 2;
    void *memory = realloc(*place, more * size);
    if (!memory)
        return false;
    *place = memory;
    *room = more;
    return true;
}

void lt_founds_free(struct lt_founds *founds) {
    free(founds->list);
    free(founds->bytes);
    *founds = (struct lt_founds){0};
}

/* ---------------------------------------------------------------- finding */

/* The path of `name` in the current directory. Returns its length, 0 when memory is short. */
static size_t put_name(struct lt_walk *walk, const char *name, size_t size) {
    size_t length = walk->levels[walk->depth - 1].length;
    if (!make_room(&walk->path, &walk->path_room, length + size + 2, 1))
        return 0;
    if (walk->path[length - 1] != '/')
        walk->path[length++] = '/';
    memcpy(walk->path + length, name, size);
    return length + size;
}

static int add_found(struct lt_walk *walk, struct lt_founds *founds, size_t length, int code, const char *problem) {
    if (!make_room(&founds->list, &founds->room, founds->count + 1, sizeof *founds->list) ||
        !make_room(&founds->bytes, &founds->bytes_room, founds->size + length, 1))
        return -ENOMEM;
    memcpy(founds->bytes + founds->size, walk->path, length);
    founds->list[founds->count++] = (struct lt_found){founds->size, length, code, problem};
    founds->size += length;
    return 0;
}

static int add_problem(struct lt_walk *walk, struct lt_founds *founds, const char *name, int code,
                       const char *problem) {
    size_t length = put_name(walk, name, strlen(name));
    return length ? add_found(walk, founds, length, code, problem) : -ENOMEM;
}

static int add_match(struct lt_walk *walk, struct lt_founds *founds, const char *name) {
    size_t length = put_name(walk, name, strlen(name));
    if (!length)
        return -ENOMEM;
    const struct lt_glob *glob = walk->options.glob;
    if (glob && !lt_glob_match(glob, walk->path + walk->prefix, length - walk->prefix))
        return 0;
    return add_found(walk, founds, length, 0, NULL);
}

/* ---------------------------------------------------------------- entries */

/* 'f', 'd', 'l', or 'o' for others; a negative errno value when it cannot be told. */
static int type_of(const struct lt_walk *walk, const struct dirent64 *entry) {
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN || (type == DT_LNK && walk->options.follow)) {
        int fd = walk->levels[walk->depth - 1].fd;
        struct stat status;
        int result = fstatat(fd, entry->d_name, &status, walk->options.follow ? 0 : AT_SYMLINK_NOFOLLOW);
        /* A link that leads nowhere is a link. */
        if (result < 0 && errno == ENOENT && walk->options.follow)
            result = fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW);
        if (result < 0)
            return -errno;
        type = IFTODT(status.st_mode);
    }
    return type == DT_REG ? 'f' : type == DT_DIR ? 'd' : type == DT_LNK ? 'l' : 'o';
}

static int push_name(struct lt_walk *walk, const char *name) {
    size_t size = strlen(name) + 1;
    if (!make_room(&walk->names, &walk->names_room, walk->names_size + size, 1))
        return -ENOMEM;
    memcpy(walk->names + walk->names_size, name, size);
    walk->names_size += size;
    return 0;
}

static int see_entry(struct lt_walk *walk, struct lt_founds *founds, const struct dirent64 *entry) {
    const char *name = entry->d_name;
    if (name[0] == '.' && (!walk->options.hidden || name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
        return 0;
    int type = type_of(walk, entry);
    if (type < 0)
        return add_problem(walk, founds, name, type, "cannot tell what it is");
    bool enters = type == 'd' && (walk->options.max_depth == 0 || walk->depth < walk->options.max_depth);
    int code = enters ? push_name(walk, name) : 0;
    return code || type != walk->options.type ? code : add_match(walk, founds, name);
}

/* The next piece of the current directory's entries. */
static int read_entries(struct lt_walk *walk, struct lt_founds *founds) {
    struct level *level = &walk->levels[walk->depth - 1];
    ssize_t size = getdents64(level->fd, walk->entries, sizeof walk->entries);
    int code = size < 0 ? -errno : 0;
    walk->at = 0;
    walk->end = size > 0 ? (size_t)size : 0;
    walk->reading = size > 0;
    if (code == 0 || code == -ENOENT) /* the latter: it was removed meanwhile */
        return 0;
    return add_found(walk, founds, level->length, code, "cannot read the directory");
}

/* ------------------------------------------------------------ directories */

static int open_at(const struct lt_walk *walk, int parent, const char *name, int flags) {
    int fd;
    flags |= O_DIRECTORY | O_CLOEXEC | (walk->options.follow ? 0 : O_NOFOLLOW);
    do
        fd = openat(parent, name, flags);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static bool is_level(const struct level *level, int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_dev == level->device && status.st_ino == level->inode;
}

/* Open the level below `parent` again; its name is the end of its path. */
static int reopen_level(struct lt_walk *walk, size_t index, int parent) {
    const struct level *level = &walk->levels[index];
    size_t begin = level[-1].length;
    begin += walk->path[begin] == '/';
    char after = walk->path[level->length];
    walk->path[level->length] = '\0';
    int fd = open_at(walk, parent, walk->path + begin, O_PATH);
    walk->path[level->length] = after;
    if (fd >= 0 && !is_level(level, fd)) {
        close(fd);
        return -ESTALE;
    }
    return fd;
}

/* The descriptor of a level, opened again from above if need be, along with those of the levels just above it. */
static int level_fd(struct lt_walk *walk, size_t index) {
    size_t open = index;
    while (walk->levels[open].fd < 0)
        open--;
    int fd = walk->levels[open].fd;
    for (size_t i = open + 1; i <= index; i++) {
        int next = reopen_level(walk, i, fd);
        if (walk->levels[i - 1].fd < 0)
            close(fd);
        if (next < 0)
            return next;
        if (index - i < KEPT / 2)
            walk->levels[i].fd = next;
        fd = next;
    }
    return fd;
}

static void close_level(struct level *level) {
    if (level->fd >= 0)
        close(level->fd);
    level->fd = -1;
}

/* Make the open directory `fd`, whose path is path[0 .. length), the current one. */
static int push_level(struct lt_walk *walk, int fd, size_t length, const struct stat *status) {
    if (!make_room(&walk->levels, &walk->level_room, walk->depth + 1, sizeof *walk->levels)) {
        close(fd);
        return -ENOMEM;
    }
    if (walk->depth > KEPT)
        close_level(&walk->levels[walk->depth - KEPT]);
    walk->levels[walk->depth++] = (struct level){length, walk->names_size, status->st_dev, status->st_ino, fd};
    walk->reading = true;
    walk->at = walk->end = 0;
    return 0;
}

static bool is_loop(const struct lt_walk *walk, const struct stat *status) {
    for (size_t i = 0; i < walk->depth; i++)
        if (walk->levels[i].device == status->st_dev && walk->levels[i].inode == status->st_ino)
            return true;
    return false;
}

static int enter(struct lt_walk *walk, struct lt_founds *founds, const char *name) {
    int fd = level_fd(walk, walk->depth - 1);
    if (fd < 0)
        return add_problem(walk, founds, name, fd, "cannot return to the directory above");
    fd = open_at(walk, fd, name, O_RDONLY);
    if (fd < 0)
        return add_problem(walk, founds, name, fd, "cannot open the directory");
    struct stat status;
    if (fstat(fd, &status) < 0) {
        int code = -errno;
        close(fd);
        return add_problem(walk, founds, name, code, "cannot look at the directory");
    }
    if (walk->options.one_device && status.st_dev != walk->levels[0].device) {
        close(fd);
        return 0;
    }
    if (walk->options.follow && is_loop(walk, &status)) {
        close(fd);
        return add_problem(walk, founds, name, -ELOOP, "leads back to a directory above it");
    }
    size_t length = put_name(walk, name, strlen(name));
    if (length)
        return push_level(walk, fd, length, &status);
    close(fd);
    return -ENOMEM;
}

/* Enter the subdirectory that waits on top, or leave the current directory. */
static int move_on(struct lt_walk *walk, struct lt_founds *founds) {
    struct level *level = &walk->levels[walk->depth - 1];
    if (walk->names_size == level->names) {
        close_level(level);
        walk->depth--;
        return 0;
    }
    const char *before = memrchr(walk->names, '\0', walk->names_size - 1);
    size_t begin =
        before && (size_t)(before + 1 - walk->names) > level->names ? (size_t)(before + 1 - walk->names) : level->names;
    walk->names_size = begin; /* the name stays where it is until the next one is pushed */
    return enter(walk, founds, walk->names + begin);
}

static int step(struct lt_walk *walk, struct lt_founds *founds) {
    if (walk->at < walk->end) {
        const struct dirent64 *entry = (const struct dirent64 *)(walk->entries + walk->at);
        walk->at += entry->d_reclen;
        return see_entry(walk, founds, entry);
    }
    return walk->reading ? read_entries(walk, founds) : move_on(walk, founds);
}

int lt_walk_next(struct lt_walk *walk, struct lt_founds *founds) {
    founds->count = founds->size = 0;
    if (walk->file) {
        walk->file = false;
        return add_found(walk, founds, strlen(walk->path), 0, NULL);
    }
    if (walk->depth == 0)
        return -ENODATA;
    int code = 0;
    for (size_t seen = 0; seen < MOST_SEEN && code == 0 && walk->depth > 0; seen++) {
        code = step(walk, founds);
        if (founds->count >= MOST_FOUND || founds->size >= MOST_BYTES)
            break;
    }
    return code || walk->depth || founds->count ? code : -ENODATA;
}

/* --------------------------------------------------------------- the root */

static int open_root(struct lt_walk *walk, const char *root, struct leat_error *error) {
    struct stat status;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = fd < 0 ? -errno : 0;
    if (code == -ENOTDIR && stat(root, &status) == 0 && S_ISREG(status.st_mode)) {
        walk->file = walk->options.type == 'f';
        return 0;
    }
    if (code == 0 && fstat(fd, &status) < 0)
        code = -errno;
    if (code == 0)
        return push_level(walk, fd, strlen(root), &status);
    if (fd >= 0)
        close(fd);
    return leat_fail(error, code, "cannot open: %s", strerror(-code));
}

int lt_walk_new(struct lt_walk **result, const char *root, const struct lt_walk_options *options,
                struct leat_error *error) {
    size_t length = strlen(root);
    if (length == 0)
        return leat_fail(error, -ENOENT, "the name of the directory is missing");
    struct lt_walk *walk = malloc(sizeof *walk);
    if (!walk)
        return leat_fail(error, -ENOMEM, "out of memory");
    memset(walk, 0, offsetof(struct lt_walk, entries));
    walk->options = *options;
    walk->path = strdup(root);
    walk->path_room = length + 1;
    walk->prefix = length + (root[length - 1] != '/');
    int code = walk->path ? open_root(walk, root, error) : leat_fail(error, -ENOMEM, "out of memory");
    if (code)
        lt_walk_free(walk);
    else
        *result = walk;
    return code;
}

void lt_walk_free(struct lt_walk *walk) {
    if (!walk)
        return;
    for (size_t i = 0; i < walk->depth; i++)
        close_level(&walk->levels[i]);
    free(walk->levels);
    free(walk->path);
    free(walk->names);
    free(walk);
}

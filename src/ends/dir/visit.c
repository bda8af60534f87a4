/* SPDX-License-Identifier: MIT */
/*
 * A visit. What is left of a directory or a branch when a slice ends stands in
 * the visitor. Only lt_dir_visit() itself, at the end, is always run by its task:
 * a slice that may wait is in leat_block().
 *
 * Steps are taken whole or not at all: one that finds the block of paths full
 * has changed nothing, and is taken again with an empty one.
 */
#include "ends/dir/visit.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DONE = 0,
    MORE = 1,               /* the slice is over, the visit is not */
    WAITS = 2,              /* what comes next needs a slice that may wait */
    MOST_FOUND = 256 << 10, /* bytes of branches found in one slice */
};

static const leat_time SLICE = LEAT_MILLISECOND, SLOW = 2 * LEAT_MILLISECOND;

/* How a branch stands in lt_visitor.found; what follows `size` goes to leat_crawl_add(). */
struct found_names {
    size_t size; /* of `names` and the bytes behind it */
    struct lt_names names;
};

/* ---------------------------------------------------------------- memory */

static int make_room(char **bytes, size_t *room, size_t needed) {
    if (needed <= *room)
        return 0;
    size_t more = *room ? *room : 4096;
    while (more < needed)
        more *= 2;
    char *memory = realloc(*bytes, more);
    if (!memory)
        return -ENOMEM;
    *bytes = memory;
    *room = more;
    return 0;
}

int lt_visitor_new(struct lt_visitor **result, struct lt_walk *walk, unsigned worker) {
    struct lt_visitor *visitor = malloc(sizeof *visitor);
    if (!visitor)
        return -ENOMEM;
    memset(visitor, 0, offsetof(struct lt_visitor, entries));
    visitor->walk = walk;
    visitor->keeper = &walk->keepers[worker];
    visitor->fd = -1;
    visitor->blocks = lt_blocks_new(LT_PATHS_BLOCK);
    *result = visitor;
    return visitor->blocks ? 0 : -ENOMEM;
}

/* The present directory is done, or given up. */
static void leave_directory(struct lt_visitor *visitor) {
    if (visitor->folder) {
        lt_folder_unpin(visitor->folder);
        lt_folder_release(visitor->folder);
    } else if (visitor->fd >= 0) {
        close(visitor->fd);
    }
    visitor->folder = NULL;
    visitor->fd = -1;
    visitor->found_names = 0;
}

void lt_visitor_free(struct lt_visitor *visitor) {
    leave_directory(visitor);
    lt_folder_release(visitor->above);
    lt_paths_release(visitor->paths);
    lt_blocks_free(visitor->blocks);
    free(visitor->path);
    free(visitor->found);
    free(visitor);
}

/* ----------------------------------------------------------------- paths */

/* The names from the root to `folder`, as far as they are not there yet. */
static int put_path_above(struct lt_visitor *visitor, struct lt_folder *folder) {
    if (visitor->above == folder)
        return 0;
    int code = make_room(&visitor->path, &visitor->path_room, folder->prefix);
    if (code)
        return code;
    const struct lt_folder *there = visitor->above, *below = folder;
    for (; below && below != there; below = below->parent) {
        while (there && there->depth > below->depth)
            there = there->parent;
        if (below == there)
            break;
        size_t size = strlen(below->name), begin = (below->parent ? below->parent->prefix : 0);
        memcpy(visitor->path + begin, below->name, size);
        visitor->path[below->prefix - 1] = '/';
    }
    lt_folder_hold(folder);
    lt_folder_release(visitor->above);
    visitor->above = folder;
    return 0;
}

/* Add visitor->path[0 .. prefix) and a name. DONE, MORE or an error. */
static int put(struct lt_visitor *visitor, size_t prefix, struct leat_bytes name, const struct lt_found *found) {
    char *path = lt_paths_add(visitor->paths, prefix + name.size, found);
    if (!path && visitor->paths->count)
        return MORE;
    if (!path) {
        visitor->paths = lt_paths_larger(visitor->blocks, visitor->paths, prefix + name.size);
        path = visitor->paths ? lt_paths_add(visitor->paths, prefix + name.size, found) : NULL;
    }
    if (!path)
        return -ENOMEM;
    memcpy(path, visitor->path, prefix);
    if (name.size)
        memcpy(path + prefix, name.data, name.size);
    return DONE;
}

/* `hash`: of the prefix. */
static int put_problem(struct lt_visitor *visitor, size_t prefix, uint64_t hash, const char *name, int code,
                       const char *problem) {
    struct leat_bytes bytes = {name, strlen(name)};
    uint64_t id = lt_hash_mix(lt_hash_more(hash, bytes.data, bytes.size));
    return put(visitor, prefix, bytes, &(struct lt_found){.id = id, .code = code, .problem = problem});
}

/* Of the present directory itself. */
static int put_own_problem(struct lt_visitor *visitor, int code, const char *problem) {
    bool is_root = visitor->folder == visitor->walk->root;
    size_t size = is_root ? strlen(visitor->walk->path) : visitor->prefix - 1;
    uint64_t id = lt_hash(visitor->path, size);
    return put(visitor, size, (struct leat_bytes){"", 0},
               &(struct lt_found){.id = id, .code = code, .problem = problem});
}

static int put_match(struct lt_visitor *visitor, struct leat_bytes name) {
    const struct lt_glob *glob = visitor->walk->options.glob;
    if (glob) {
        size_t begin = visitor->walk->root->prefix, size = visitor->prefix + name.size;
        int code = make_room(&visitor->path, &visitor->path_room, size);
        if (code)
            return code;
        memcpy(visitor->path + visitor->prefix, name.data, name.size);
        if (!lt_glob_match(glob, visitor->path + begin, size - begin))
            return DONE;
    }
    uint64_t id = lt_hash_mix(lt_hash_more(visitor->hash, name.data, name.size));
    return put(visitor, visitor->prefix, name, &(struct lt_found){.id = id});
}

/* ------------------------------------------------------------- what is below */

/* The present directory has something below it: its descriptor is needed for that. */
static int make_folder(struct lt_visitor *visitor) {
    if (visitor->folder)
        return 0;
    const struct stat *status = visitor->known ? &visitor->status : NULL;
    visitor->folder = lt_folder_new(visitor->keeper, visitor->above, visitor->name, visitor->fd, status);
    if (!visitor->folder)
        return -ENOMEM;
    visitor->folder->local = visitor->local;
    return 0;
}

static int begin_branch(struct lt_visitor *visitor) {
    size_t begin = (visitor->found_size + alignof(struct found_names) - 1) & ~(alignof(struct found_names) - 1);
    int code = make_room(&visitor->found, &visitor->found_room, begin + sizeof(struct found_names));
    if (code)
        return code;
    struct found_names *found = (struct found_names *)(void *)(visitor->found + begin);
    *found = (struct found_names){sizeof(struct lt_names), {.parent = visitor->folder}};
    lt_folder_hold(visitor->folder);
    visitor->found_last = begin;
    visitor->found_size = begin + sizeof *found;
    return 0;
}

static int add_below(struct lt_visitor *visitor, struct leat_bytes name) {
    int code = make_folder(visitor);
    if (code == 0 && visitor->found_names % LT_NAMES == 0)
        code = begin_branch(visitor);
    if (code == 0)
        code = make_room(&visitor->found, &visitor->found_room, visitor->found_size + name.size + 1);
    if (code)
        return code;
    struct found_names *found = (struct found_names *)(void *)(visitor->found + visitor->found_last);
    memcpy(visitor->found + visitor->found_size, name.data, name.size + 1);
    visitor->found_size += name.size + 1;
    found->size += name.size + 1;
    visitor->found_names++;
    return 0;
}

/* ---------------------------------------------------------------- entries */

/* 'f', 'd', 'l', or 'o' for others; WAITS; a negative errno value when it cannot be told. */
static int type_of(const struct lt_visitor *visitor, const struct dirent64 *entry) {
    unsigned char type = entry->d_type;
    bool follow = visitor->walk->options.follow;
    if (type == DT_UNKNOWN || (type == DT_LNK && follow)) {
        struct stat status;
        if (!visitor->may_wait)
            return WAITS;
        int result = fstatat(visitor->fd, entry->d_name, &status, follow ? 0 : AT_SYMLINK_NOFOLLOW);
        /* A link that leads nowhere is a link. */
        if (result < 0 && errno == ENOENT && follow)
            result = fstatat(visitor->fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW);
        if (result < 0)
            return -errno;
        type = IFTODT(status.st_mode);
    }
    return type == DT_REG ? 'f' : type == DT_DIR ? 'd' : type == DT_LNK ? 'l' : 'o';
}

static int see_entry(struct lt_visitor *visitor, const struct dirent64 *entry) {
    const struct lt_walk_options *options = &visitor->walk->options;
    const char *name = entry->d_name;
    if (name[0] == '.' && (!options->hidden || name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
        return DONE;
    int type = type_of(visitor, entry);
    if (type < 0)
        return put_problem(visitor, visitor->prefix, visitor->hash, name, type, "cannot tell what it is");
    if (type == WAITS)
        return WAITS;
    struct leat_bytes bytes = {name, strlen(name)};
    int code = type == options->type ? put_match(visitor, bytes) : DONE;
    bool enters = type == 'd' && (options->max_depth == 0 || visitor->depth + 1 < options->max_depth);
    return code == DONE && enters ? add_below(visitor, bytes) : code;
}

/* The next piece of the present directory's entries, or its end. */
static int read_entries(struct lt_visitor *visitor) {
    ssize_t size = getdents64(visitor->fd, visitor->entries, sizeof visitor->entries);
    int code = size < 0 ? -errno : 0;
    visitor->at = 0;
    visitor->end = size > 0 ? (size_t)size : 0;
    if (size > 0)
        return DONE;
    if (code && code != -ENOENT) /* the latter: it was removed meanwhile */
        code = put_own_problem(visitor, code, "cannot read the directory");
    else
        code = DONE;
    if (code == DONE)
        leave_directory(visitor);
    return code;
}

/* -------------------------------------------------------------- directories */

/* Descriptors are short: without those kept for later there may be one. */
static int open_at(struct lt_visitor *visitor, int parent) {
    bool follow = visitor->walk->options.follow;
    int fd = lt_open_folder(parent, visitor->name, O_RDONLY, follow, visitor->may_wait);
    if (!visitor->may_wait)
        return fd;
    if (fd != -EMFILE && fd != -ENFILE)
        return fd;
    lt_keeper_close(visitor->keeper);
    return lt_open_folder(parent, visitor->name, O_RDONLY, follow, true);
}

/* What is known now of the directory `fd`, the one named visitor->name. 1: it is not to be entered. */
static int look_at(struct lt_visitor *visitor, int fd, const char **problem) {
    const struct lt_walk_options *options = &visitor->walk->options;
    visitor->known = options->follow || options->one_device;
    if (!visitor->known)
        return 0;
    *problem = "cannot look at the directory";
    if (fstat(fd, &visitor->status) < 0)
        return -errno;
    if (options->one_device && visitor->status.st_dev != visitor->walk->root->device)
        return 1;
    *problem = "leads back to a directory above it";
    return options->follow && lt_folder_is_below(visitor->above, &visitor->status) ? -ELOOP : 0;
}

/* A descriptor of the directory named visitor->name in `above`. 1: it is not to be entered. */
static int open_next(struct lt_visitor *visitor, int *fd, const char **problem) {
    int parent = lt_folder_pin(visitor->above, visitor->walk->options.follow);
    *problem = "cannot return to the directory above";
    if (parent < 0)
        return parent;
    *fd = open_at(visitor, parent);
    lt_folder_unpin(visitor->above);
    *problem = "cannot open the directory";
    if (*fd < 0)
        return *fd;
    int code = look_at(visitor, *fd, problem);
    if (code)
        close(*fd);
    return code;
}

/* Make the directory `fd`, named visitor->name in `above`, the present one. */
static int begin_directory(struct lt_visitor *visitor, int fd) {
    const struct lt_folder *above = visitor->above;
    size_t size = strlen(visitor->name);
    int code = make_room(&visitor->path, &visitor->path_room, above->prefix + size + 1);
    if (code) {
        close(fd);
        return code;
    }
    memcpy(visitor->path + above->prefix, visitor->name, size);
    visitor->path[above->prefix + size] = '/';
    visitor->prefix = above->prefix + size + 1;
    visitor->hash = lt_hash_more(lt_hash_more(above->hash, visitor->name, size), "/", 1);
    visitor->depth = above->depth + 1;
    visitor->fd = fd;
    visitor->local = !visitor->may_wait || lt_is_local(fd); /* what was opened without waiting is where `above` is */
    visitor->at = visitor->end = 0;
    return DONE;
}

static int enter_next(struct lt_visitor *visitor) {
    const char *problem;
    int fd = -1, code = open_next(visitor, &fd, &problem);
    if (code < 0 && !visitor->may_wait)
        return WAITS;
    if (code < 0)
        return put_problem(visitor, visitor->above->prefix, visitor->above->hash, visitor->name, code, problem);
    return code == 0 ? begin_directory(visitor, fd) : DONE;
}

static int enter_root(struct lt_visitor *visitor) {
    struct lt_folder *root = visitor->walk->root;
    lt_folder_hold(root);
    visitor->folder = root;
    visitor->fd = lt_folder_pin(root, false);
    visitor->prefix = root->prefix;
    visitor->hash = root->hash;
    visitor->local = root->local;
    visitor->depth = 0;
    visitor->at = visitor->end = 0;
    return DONE;
}

/* ------------------------------------------------------------------- slices */

static int begin_names(struct lt_visitor *visitor) {
    const struct leat_branch *branch = *visitor->branches;
    const struct lt_names *names = branch->data;
    int code = put_path_above(visitor, names->parent);
    if (code)
        return code;
    visitor->name = names->names;
    visitor->names_end = (const char *)branch->data + branch->size;
    visitor->branches++;
    return visitor->name == visitor->names_end ? enter_root(visitor) : DONE;
}

static int see_entries(struct lt_visitor *visitor) {
    int code = visitor->at == visitor->end ? read_entries(visitor) : DONE;
    while (code == DONE && visitor->at < visitor->end) {
        const struct dirent64 *entry = (const struct dirent64 *)(visitor->entries + visitor->at);
        code = see_entry(visitor, entry);
        visitor->at += code == DONE ? entry->d_reclen : 0;
    }
    return code;
}

/* What comes next: some entries of the present directory, or the next directory, or the names in the next branch. */
static int step(struct lt_visitor *visitor) {
    if (visitor->fd < 0 && visitor->name == visitor->names_end)
        return begin_names(visitor);
    if (!visitor->may_wait && !(visitor->fd < 0 ? visitor->above->local : visitor->local))
        return WAITS;
    int code = visitor->fd < 0 ? enter_next(visitor) : see_entries(visitor);
    if (code == DONE && visitor->fd < 0 && visitor->name < visitor->names_end)
        visitor->name += strlen(visitor->name) + 1;
    return code;
}

static int slice(void *arg) {
    struct lt_visitor *visitor = arg;
    leat_time end = lt_now() + SLICE;
    if (!visitor->paths && !(visitor->paths = lt_paths_new(visitor->blocks)))
        return -ENOMEM;
    while (visitor->fd >= 0 || visitor->name < visitor->names_end || visitor->branches < visitor->branches_end) {
        int code = step(visitor);
        if (code)
            return code;
        if (lt_now() >= end || visitor->found_size >= MOST_FOUND)
            return MORE;
    }
    return DONE;
}

/* -------------------------------------------------------------------- visits */

static int add_branches(struct lt_visitor *visitor, struct leat_visit *visit) {
    int code = 0;
    size_t mask = alignof(struct found_names) - 1;
    for (size_t at = 0; at < visitor->found_size;) {
        struct found_names *found = (struct found_names *)(void *)(visitor->found + at);
        int added = code ? code : leat_crawl_add(visit, NULL, &found->names, found->size);
        if (added < 0) {
            lt_folder_release(found->names.parent);
            code = added;
        }
        at = (at + offsetof(struct found_names, names) + found->size + mask) & ~mask;
    }
    visitor->found_size = 0;
    visitor->found_names = 0;
    return code;
}

/* Waits while the reader is behind. */
static int hand_over(struct lt_visitor *visitor, struct leat_visit *visit) {
    if (!visitor->paths || !visitor->paths->count)
        return 0;
    int code = leat_crawl_emit(visit, &visitor->paths);
    if (code == 0)
        visitor->paths = NULL;
    return code;
}

/* What is left of the visit, but for the branch at hand, is for whoever is idle. */
static int give_away(struct lt_visitor *visitor, struct leat_visit *visit) {
    for (; visitor->branches < visitor->branches_end; visitor->branches++) {
        const struct leat_branch *branch = *visitor->branches;
        struct lt_folder *parent = ((const struct lt_names *)branch->data)->parent;
        lt_folder_hold(parent);
        int code = leat_crawl_add(visit, NULL, branch->data, branch->size);
        if (code < 0) {
            lt_folder_release(parent);
            return code;
        }
    }
    return 0;
}

/* DONE, MORE, or a negative error. */
static int go_on(struct lt_visitor *visitor, struct leat_visit *visit) {
    leat_time begin = lt_now();
    visitor->may_wait = false;
    int code = slice(visitor);
    if (code == WAITS) {
        visitor->may_wait = true;
        code = leat_block(slice, visitor);
    }
    bool slow = visitor->may_wait && lt_now() - begin > SLOW;
    int added = add_branches(visitor, visit);
    if (code == MORE && added == 0 && slow)
        added = give_away(visitor, visit);
    return code < 0 || added == 0 ? code : added;
}

int lt_dir_visit(struct leat_visit *visit) {
    struct lt_visitor *visitor = visit->state;
    visitor->branches = visit->branches;
    visitor->branches_end = visit->branches + visit->count;
    visitor->name = visitor->names_end = NULL;
    for (;;) {
        int code = leat_yield();
        if (code == 0)
            code = go_on(visitor, visit);
        if (code < 0)
            return code;
        int given = hand_over(visitor, visit);
        if (given || code == DONE)
            return given;
    }
}

/* SPDX-License-Identifier: MIT */
#include "ends/dir/visit.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors kept for directories that have something below them: of those the process may have, and in all. */
enum { SHARE_KEPT = 4, LEAST_KEPT = 4, MOST_KEPT = 4096, LEAST_EACH = 2, QUEUE = 8 };

/* ------------------------------------------------------------------ the crawl */

static int enter(void *arg, unsigned worker, void **state) {
    struct lt_visitor *visitor = NULL;
    int code = lt_visitor_new(&visitor, arg, worker);
    if (code && visitor)
        lt_visitor_free(visitor);
    *state = visitor;
    return code;
}

static void leave(void *arg, void *state) {
    (void)arg;
    lt_visitor_free(state);
}

static void forget(void *arg, struct leat_branch *branch) {
    (void)arg;
    lt_folder_release(((struct lt_names *)branch->data)->parent);
}

/* The scope in which the crawl can be stopped; NULL takes it back. */
static void publish(struct lt_walk *walk, struct leat_scope *scope) {
    pthread_mutex_lock(&walk->mutex);
    walk->scope = scope;
    if (scope && walk->stopped)
        leat_scope_cancel(scope, -ECANCELED);
    pthread_mutex_unlock(&walk->mutex);
}

static int crawl(struct lt_walk *walk) {
    struct lt_names names = {.parent = walk->root};
    struct leat_crawl_report report;
    struct leat_crawl_options options = {
        .visit = lt_dir_visit,
        .arg = walk,
        .name = "files",
        .workers = walk->options.workers,
        .batch = LT_BRANCHES,
        .enter = enter,
        .leave = leave,
        .destroy = forget,
        .out = walk->out,
        .stop_on_error = true,
        .report = &report,
    };
    lt_folder_hold(walk->root);
    int code = leat_crawl(&options, &(struct leat_bytes){(const char *)&names, sizeof names}, 1);
    if (!report.branches) /* it never began */
        lt_folder_release(walk->root);
    leat_crawl_report_free(&report);
    return code;
}

static int run(void *arg) {
    struct lt_walk *walk = arg;
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = "a walk", .collect = true});
    publish(walk, scope);
    walk->code = scope ? crawl(walk) : -ENOMEM;
    publish(walk, NULL);
    if (scope)
        leat_scope_close(scope);
    leat_chan_close(walk->out);
    leat_wg_done(&walk->running);
    return 0;
}

/* -------------------------------------------------------------------- its life */

/* A few descriptors for each worker: where there are few, fewer workers. */
static int make_keepers(struct lt_walk *walk) {
    struct rlimit limit;
    uint64_t kept = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur / SHARE_KEPT : 0;
    kept = kept < LEAST_KEPT ? LEAST_KEPT : kept > MOST_KEPT ? MOST_KEPT : kept;
    unsigned workers = walk->options.workers ? walk->options.workers : 1;
    if (workers > kept / LEAST_EACH)
        workers = (unsigned)(kept / LEAST_EACH);
    walk->keepers = aligned_alloc(_Alignof(struct lt_keeper), workers * sizeof *walk->keepers);
    if (!walk->keepers)
        return -ENOMEM;
    walk->options.workers = workers;
    for (unsigned i = 0; i < workers; i++)
        lt_keeper_init(&walk->keepers[i], (unsigned)(kept / workers));
    return 0;
}

static int open_root(struct lt_walk *walk, struct leat_error *error) {
    struct stat status;
    int fd = open(walk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = fd < 0 ? -errno : 0;
    if (code == -ENOTDIR && stat(walk->path, &status) == 0 && S_ISREG(status.st_mode))
        return 0;
    if (code == 0 && fstat(fd, &status) < 0)
        code = -errno;
    if (code == 0 && !(walk->root = lt_folder_new(&walk->keepers[0], NULL, walk->path, fd, &status)))
        code = -ENOMEM;
    if (code == 0)
        walk->root->local = lt_is_local(fd);
    else if (fd >= 0)
        close(fd);
    return code ? leat_fail(error, code, "cannot open: %s", strerror(-code)) : 0;
}

int lt_walk_new(struct lt_walk **result, const char *root, const struct lt_walk_options *options,
                struct leat_error *error) {
    if (!*root)
        return leat_fail(error, -ENOENT, "the name of the directory is missing");
    struct lt_walk *walk = calloc(1, sizeof *walk);
    if (!walk)
        return leat_fail(error, -ENOMEM, "out of memory");
    walk->options = *options;
    walk->path = root;
    pthread_mutex_init(&walk->mutex, NULL);
    walk->out = leat_chan_new_with(sizeof(struct lt_paths *), QUEUE, &(struct leat_chan_options){.name = "paths"});
    int code = walk->out ? make_keepers(walk) : -ENOMEM;
    code = code ? leat_fail(error, code, "out of memory") : open_root(walk, error);
    if (code)
        lt_walk_free(walk);
    else
        *result = walk;
    return code;
}

static void drop_paths(void *value, void *arg) {
    (void)arg;
    lt_paths_release(*(struct lt_paths **)value);
}

static int stop(void *arg) {
    struct lt_walk *walk = arg;
    struct lt_paths *paths;
    pthread_mutex_lock(&walk->mutex);
    walk->stopped = true;
    if (walk->scope)
        leat_scope_cancel(walk->scope, -ECANCELED);
    pthread_mutex_unlock(&walk->mutex);
    while (leat_recv(walk->out, &paths) == 0)
        lt_paths_release(paths);
    return leat_wg_wait(&walk->running);
}

void lt_walk_free(struct lt_walk *walk) {
    if (!walk)
        return;
    if (walk->begun)
        leat_shield(stop, walk);
    if (walk->out)
        leat_chan_discard(walk->out, drop_paths, NULL);
    leat_chan_free(walk->out);
    lt_folder_release(walk->root);
    for (unsigned i = 0; walk->keepers && i < walk->options.workers; i++)
        lt_keeper_destroy(&walk->keepers[i]);
    free(walk->keepers);
    pthread_mutex_destroy(&walk->mutex);
    free(walk);
}

/* --------------------------------------------------------------------- reading */

/* The root is a file: the only path, and that only once. */
static int give_file(struct lt_walk *walk, struct lt_paths **paths) {
    if (walk->file_given || walk->options.type != 'f')
        return -ENODATA;
    walk->file_given = true;
    size_t size = strlen(walk->path);
    struct lt_blocks *blocks = lt_blocks_new(LT_PATHS_BLOCK);
    *paths = blocks ? lt_paths_new(blocks) : NULL;
    if (*paths && size > LT_PATHS_BLOCK / 2)
        *paths = lt_paths_larger(blocks, *paths, size);
    lt_blocks_free(blocks);
    if (!*paths)
        return -ENOMEM;
    memcpy(lt_paths_add(*paths, size, &(struct lt_found){.id = lt_hash(walk->path, size)}), walk->path, size);
    return 0;
}

static int begin(struct lt_walk *walk) {
    leat_wg_add(&walk->running, 1);
    int code = leat_go_with(NULL, run, walk, &(struct leat_task_options){.name = "walk through a tree"});
    if (code)
        leat_wg_done(&walk->running);
    walk->begun = code == 0;
    return code;
}

int lt_walk_next(struct lt_walk *walk, bool wait, struct lt_paths **paths) {
    if (!walk->root)
        return give_file(walk, paths);
    int code = walk->begun ? 0 : begin(walk);
    if (code == 0)
        code = wait ? leat_recv(walk->out, paths) : leat_recv_try(walk->out, paths);
    if (code != -EPIPE)
        return code;
    code = leat_wg_wait(&walk->running);
    if (code == 0)
        code = walk->code;
    return code ? code : -ENODATA;
}

/* SPDX-License-Identifier: MIT */
/**
 * Count the lines of every file below a folder.
 *
 * Listing a folder makes more of the same work: with a bounded channel of folders all workers would wait to send and
 * nobody would receive; with an unbounded one memory would hold the widest level of the tree. A crawl has neither
 * trouble, knows by itself when nothing is left, and goes on past what cannot be read. A branch is a path; a folder
 * whose entries are many is listed in parts.
 */
#include <leat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t lines, files; /* summed up by all workers */

static int count(int fd) {
    char block[65536];
    ssize_t got;
    uint64_t found = 0;
    while ((got = read(fd, block, sizeof block)) > 0)
        for (const char *at = block, *end = block + got; (at = memchr(at, '\n', (size_t)(end - at))); at++)
            found++;
    int error = got < 0 ? -errno : 0;
    __atomic_fetch_add(&lines, found, __ATOMIC_RELAXED);
    __atomic_fetch_add(&files, 1, __ATOMIC_RELAXED);
    close(fd);
    return error;
}

static int list(struct leat_visit *visit, DIR *folder) {
    struct leat_branch *branch = visit->branch;
    char path[4096];
    int error = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", (char *)branch->data, entry->d_name);
        int result = length < (int)sizeof path ? leat_crawl_add(visit, NULL, path, (size_t)length + 1) : -ENAMETOOLONG;
        if (result == LEAT_FULL) { /* enough for now: go on here when these are done */
            branch->cursor = folder;
            return LEAT_MORE;
        }
        if (result < 0)
            error = result; /* the others all the same */
    }
    branch->cursor = NULL;
    return closedir(folder) < 0 ? -errno : error;
}

static int visit(struct leat_visit *visit) {
    if (visit->branch->cursor)
        return list(visit, visit->branch->cursor);
    int fd = open(visit->branch->data, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP || errno == ENXIO ? 0 : -errno; /* a symbolic link; a socket */
    DIR *folder = fdopendir(fd);
    return folder ? list(visit, folder) : count(fd);
}

static int run(void *root) {
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {
        .visit = visit, .stack = LEAT_STACK_LARGE, .movable = true, .report = &report};
    leat_crawl(&options, &(struct leat_bytes){root, strlen(root) + 1}, 1);
    for (size_t i = 0; i < report.failure_count; i++)
        fprintf(stderr, "%s: %s\n", (char *)report.failures[i].data, strerror(-report.failures[i].error));
    int code = report.failure_count ? -EIO : 0;
    leat_crawl_report_free(&report);
    return printf("%llu lines in %llu files\n", (unsigned long long)lines, (unsigned long long)files) < 0 ? -EIO : code;
}

int main(int argc, char **argv) {
    return leat_run(run, argc > 1 ? argv[1] : ".") != 0;
}

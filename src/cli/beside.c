/* SPDX-License-Identifier: MIT */
#include "cli/beside.h"
#include "base/error.h"
#include "base/same.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- holding */

/* Can a file be made in the folder of `path`? */
static int check_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return -ENOMEM;
    int code = access(folder, W_OK | X_OK) < 0 ? -errno : 0;
    free(folder);
    return code;
}

static int hold(struct lt_place_beside *place, const char *path) {
    struct stat status;
    if (stat(path, &status) < 0) {
        place->free = errno == ENOENT && lstat(path, &status) < 0;
        return errno == ENOENT ? check_folder(path) : -errno;
    }
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (!S_ISREG(status.st_mode))
        return access(path, W_OK) < 0 ? -errno : 0;
    place->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    return place->fd < 0 ? -errno : 0;
}

int lt_beside_hold(struct lt_place_beside *place, const char *path, struct leat_error *error) {
    *place = (struct lt_place_beside){.path = path, .fd = -1};
    int code = path ? hold(place, path) : 0;
    if (code)
        return leat_fail(error, code, "%s: %s", path, strerror(-code));
    if (place->fd >= 0 && lt_open_elsewhere(place->fd, STDIN_FILENO) & LT_OPEN_TO_WRITE)
        return leat_fail(error, -EINVAL, "%s: is also used elsewhere in this run", path);
    return 0;
}

int lt_beside_check(const struct lt_place_beside *place, struct leat_error *error) {
    struct stat status;
    if (place->free && lstat(place->path, &status) == 0)
        return leat_fail(error, -EEXIST, "%s: was made by something else in the meantime, and stays as it is",
                         place->path);
    return 0;
}

void lt_beside_release(struct lt_place_beside *place) {
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
}

/* ---------------------------------------------------------------- writing */

struct content {
    void (*write)(void *argument, FILE *file);
    void *argument;
};

static int write_content(FILE *file, const struct content *content) {
    content->write(content->argument, file);
    int failed = ferror(file) ? EIO : 0;
    if (fclose(file) != 0)
        failed = errno;
    return -failed;
}

/* O_NONBLOCK: a named pipe without a reader is an error, not a wait; writing may wait. */
static int write_in_place(const char *path, const struct content *content) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFL, O_WRONLY);
    FILE *file = fdopen(fd, "w");
    if (file)
        return write_content(file, content);
    close(fd);
    return -ENOMEM;
}

/* `before`: the file that is replaced, whose mode the new one gets; NULL: none. */
static int write_new(const char *path, const char *beside, const struct stat *before, const struct content *content) {
    FILE *file = fopen(beside, "wxe");
    if (!file)
        return -errno;
    int mode_code = before && fchmod(fileno(file), before->st_mode & 07777) < 0 ? -errno : 0;
    int code = write_content(file, content);
    if (code == 0)
        code = mode_code;
    if (code == 0 && rename(beside, path) != 0)
        code = -errno;
    if (code)
        unlink(beside);
    return code;
}

static int replace(const char *path, const struct stat *before, const struct content *content) {
    char *real = before ? realpath(path, NULL) : strdup(path);
    if (!real)
        return -errno;
    char *beside;
    int code = asprintf(&beside, "%s.%d.new", real, (int)getpid()) < 0 ? -ENOMEM : 0;
    if (code == 0) {
        code = write_new(real, beside, before, content);
        free(beside);
    }
    free(real);
    return code;
}

int lt_write_beside(const char *path, void (*write)(void *argument, FILE *file), void *argument,
                    struct leat_error *error) {
    struct content content = {write, argument};
    struct stat status;
    bool there = stat(path, &status) == 0;
    bool own_file = there ? S_ISREG(status.st_mode) : lstat(path, &status) < 0; /* no link that leads nowhere */
    int code = own_file ? replace(path, there ? &status : NULL, &content) : write_in_place(path, &content);
    return code ? leat_fail(error, code, "%s: %s", path, strerror(-code)) : 0;
}

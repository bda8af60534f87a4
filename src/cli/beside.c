/* SPDX-License-Identifier: MIT */
#include "cli/beside.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The caller frees it. */
static char *name_beside(const char *path) {
    char *beside;
    return asprintf(&beside, "%s.%d.new", path, (int)getpid()) < 0 ? NULL : beside;
}

int lt_may_write_beside(const char *path, struct leat_error *error) {
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return leat_fail(error, -EISDIR, "%s: %s", path, strerror(EISDIR));
    char *beside = name_beside(path);
    if (!beside)
        return leat_fail(error, -ENOMEM, "%s: out of memory", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), failed = fd < 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
        unlink(beside);
    }
    free(beside);
    return failed ? leat_fail(error, -failed, "%s: %s", path, strerror(failed)) : 0;
}

int lt_write_beside(const char *path, void (*write)(void *argument, FILE *file), void *argument,
                    struct leat_error *error) {
    char *beside = name_beside(path);
    if (!beside)
        return leat_fail(error, -ENOMEM, "%s: out of memory", path);
    FILE *file = fopen(beside, "wxe");
    int failed = file ? 0 : errno;
    if (file) {
        write(argument, file);
        failed = ferror(file) ? EIO : 0;
        if (fclose(file) != 0)
            failed = errno;
        if (!failed && rename(beside, path) != 0)
            failed = errno;
        if (failed)
            unlink(beside);
    }
    free(beside);
    return failed ? leat_fail(error, -failed, "%s: %s", path, strerror(failed)) : 0;
}

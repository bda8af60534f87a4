/* SPDX-License-Identifier: MIT */
#include "cli/beside.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *name_beside(const char *path) {
    char *beside;
    return asprintf(&beside, "%s.%d.new", path, (int)getpid()) < 0 ? NULL : beside;
}

int lt_check_beside(const char *path, struct leat_error *error) {
    char *beside = name_beside(path);
    if (!beside)
        return leat_fail(error, -ENOMEM, "%s: out of memory", path);
    FILE *file = fopen(beside, "wxe");
    int failed = file ? 0 : errno;
    if (file) {
        fclose(file);
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

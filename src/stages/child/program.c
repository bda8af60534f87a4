/* SPDX-License-Identifier: MIT */
/* Programs are looked for once, before anything is started, as execvp(3) would for each child. */
#include "stages/child/child.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, -ENOENT, or -EACCES: it is there and is no program. */
static int try(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0)
        return errno == EACCES ? -EACCES : -ENOENT;
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

static int search(const char *name, char **path) {
    const char *list = getenv("PATH");
    int result = -ENOENT;
    for (const char *at = list ? list : "/usr/local/bin:/usr/bin:/bin"; at; at = *at ? at + 1 : NULL) {
        int length = (int)strcspn(at, ":");
        if (asprintf(path, "%.*s%s%s", length, at, length ? "/" : "./", name) < 0)
            return -ENOMEM;
        int code = try(*path);
        if (code == 0)
            return 0;
        result = code == -EACCES ? code : result;
        free(*path);
        *path = NULL;
        at += length;
    }
    return result;
}

int lt_find_program(const char *name, char **path, struct leat_error *error) {
    int code = -ENOENT;
    if (strchr(name, '/')) {
        code = try(name);
        *path = code ? NULL : strdup(name);
        code = code || *path ? code : -ENOMEM;
    } else if (*name) {
        code = search(name, path);
    }
    if (code == -ENOENT)
        return leat_fail(error, code, "%s: there is no such program%s", name, strchr(name, '/') ? "" : " in $PATH");
    if (code == -EACCES)
        return leat_fail(error, code, "%s: is not a program, or may not be run", name);
    return code ? leat_fail(error, code, "%s: out of memory", name) : 0;
}

/* SPDX-License-Identifier: MIT */
#include "ends/secret.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_file(const char *variable, const char *path, char **secret, struct leat_error *error) {
    FILE *file = fopen(path, "re");
    if (!file)
        return leat_fail(error, -errno, "%s: %s: %s", variable, path, strerror(errno));
    size_t room = 0;
    ssize_t length = getline(secret, &room, file);
    int code = length < 0 && ferror(file) ? -EIO : length < 0 ? -EINVAL : 0;
    fclose(file);
    if (code == 0) {
        (*secret)[strcspn(*secret, "\r\n")] = '\0';
        if (**secret)
            return 0;
        code = -EINVAL;
    }
    free(*secret);
    *secret = NULL;
    return leat_fail(error, code, "%s: %s: %s", variable, path,
                     code == -EIO ? "it cannot be read" : "its first line is empty");
}

int lt_secret_read(const char *name, char **secret, struct leat_error *error) {
    char variable[64];
    *secret = NULL;
    snprintf(variable, sizeof variable, "%s_FILE", name);
    const char *path = getenv(variable), *value = getenv(name);
    if (path && *path)
        return read_file(variable, path, secret, error);
    if (!value || !*value)
        return 0;
    *secret = strdup(value);
    return *secret ? 0 : leat_fail(error, -ENOMEM, "out of memory");
}

void lt_secret_free(char *secret) {
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* SPDX-License-Identifier: MIT */
#include "base/same.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static unsigned use_of(int fd, const struct stat *wanted) {
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || flags & O_PATH || fstat(fd, &status) < 0)
        return 0;
    if (!S_ISREG(status.st_mode) || status.st_dev != wanted->st_dev || status.st_ino != wanted->st_ino)
        return 0;
    switch (flags & O_ACCMODE) {
    case O_RDONLY:
        return LT_OPEN_TO_READ;
    case O_WRONLY:
        return LT_OPEN_TO_WRITE;
    default:
        return LT_OPEN_TO_READ | LT_OPEN_TO_WRITE;
    }
}

unsigned lt_open_elsewhere(int fd, int lowest) {
    struct stat wanted;
    if (fstat(fd, &wanted) < 0 || !S_ISREG(wanted.st_mode))
        return 0;
    DIR *list = opendir("/proc/self/fd");
    if (!list)
        return 0;
    unsigned uses = 0;
    for (struct dirent *entry = readdir(list); entry; entry = readdir(list)) {
        char *end;
        long other = strtol(entry->d_name, &end, 10);
        if (!*end && other != fd && other >= lowest)
            uses |= use_of((int)other, &wanted);
    }
    closedir(list);
    return uses;
}

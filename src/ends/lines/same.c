/* SPDX-License-Identifier: MIT */
#include "ends/lines/lines.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool is_same(int fd, int mode, const struct stat *wanted) {
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & (O_ACCMODE | O_PATH)) != mode || fstat(fd, &status) < 0)
        return false;
    return S_ISREG(status.st_mode) && status.st_dev == wanted->st_dev && status.st_ino == wanted->st_ino;
}

bool lt_lines_open_as(int fd, int mode) {
    struct stat wanted;
    if (fstat(fd, &wanted) < 0 || !S_ISREG(wanted.st_mode))
        return false;
    DIR *list = opendir("/proc/self/fd");
    if (!list)
        return false;
    bool found = false;
    for (struct dirent *entry = readdir(list); entry && !found; entry = readdir(list)) {
        char *end;
        long other = strtol(entry->d_name, &end, 10);
        found = !*end && other != fd && is_same((int)other, mode, &wanted);
    }
    closedir(list);
    return found;
}

/* SPDX-License-Identifier: MIT */
/**
 * --resume FILE: which items are done, over several runs.
 *
 * - An item is known by its bytes, so a later run may have another order, other items
 *   among them and another command. Equal items stand for each other: of n equal
 *   ones as many are passed over as were done.
 * - An item is recorded when it has been delivered, or filtered on purpose, and before
 *   its source is told; one that failed is not, and comes again. The record is handed
 *   to the kernel at once: a killed process forgets nothing that it had recorded.
 * - A first line says what the file is, so that no other file is appended to; what is
 *   no record in it (a last line that was cut off) is passed over. One run at a time
 *   may use a file.
 *
 * Rejected: positions (other runs may have another order), and a database (a log of 17
 * bytes an item is read at a gigabyte in some seconds).
 */
#include "base/error.h"
#include "base/hash.h"
#include "base/same.h"
#include "pipeline/batch.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char heading[] = "leat resume 1\n";

enum { HEADING = sizeof heading - 1, RECORD = 17, FIRST_ROOM = 1024 };

struct lt_done {
    uint64_t key;
    uint64_t count; /* 0: the place is free */
};

static uint64_t key_of(const struct leat_item *item) {
    struct leat_bytes bytes = lt_item_origin(item);
    return lt_hash(bytes.data, bytes.size);
}

/* ------------------------------------------------------------------ table */

static struct lt_done *place_of(const struct lt_resume *resume, uint64_t key) {
    for (size_t at = key & (resume->room - 1);; at = (at + 1) & (resume->room - 1))
        if (!resume->table[at].count || resume->table[at].key == key)
            return &resume->table[at];
}

static int grow(struct lt_resume *resume) {
    struct lt_resume larger = {.room = resume->room ? resume->room * 2 : FIRST_ROOM};
    larger.table = calloc(larger.room, sizeof *larger.table);
    if (!larger.table)
        return -ENOMEM;
    for (size_t i = 0; i < resume->room; i++)
        if (resume->table[i].count)
            *place_of(&larger, resume->table[i].key) = resume->table[i];
    free(resume->table);
    resume->table = larger.table;
    resume->room = larger.room;
    return 0;
}

static int learn(struct lt_resume *resume, uint64_t key) {
    if (resume->used * 2 >= resume->room && grow(resume))
        return -ENOMEM;
    struct lt_done *place = place_of(resume, key);
    resume->used += place->count == 0;
    place->key = key;
    place->count++;
    return 0;
}

void lt_resume_skip(struct lt_resume *resume, struct leat_batch *batch) {
    if (!resume->used)
        return;
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        struct lt_done *place = item->fate == LEAT_LIVE ? place_of(resume, key_of(item)) : NULL;
        if (!place || place->count < 2)
            continue;
        place->count--;
        item->fate = LEAT_FILTERED;
        item->before = true;
        lt_fetch_add(&resume->skipped, 1, relaxed);
    }
}

/* ------------------------------------------------------------------- file */

static int complain(struct leat_error *error, int code, const char *path) {
    return leat_fail(error, code, "--resume %s: %s", path, strerror(-code));
}

static int read_log(struct lt_resume *resume, FILE *file, const char *path, struct leat_error *error) {
    char line[64];
    while (fgets(line, sizeof line, file)) {
        char *end;
        uint64_t key = strtoull(line, &end, 16);
        if (strlen(line) == RECORD && end == line + RECORD - 1 && learn(resume, key))
            return complain(error, -ENOMEM, path);
    }
    return ferror(file) ? complain(error, -EIO, path) : 0;
}

static int write_whole(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno != EINTR)
            return -errno;
        data += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return 0;
}

/* A new file, or one whose first line was cut off, gets its heading. 1: there is something to read behind it. */
static int check_heading(int fd, const char *path, struct leat_error *error) {
    char start[HEADING];
    ssize_t count = TEMP_FAILURE_RETRY(pread(fd, start, HEADING, 0));
    if (count < 0)
        return complain(error, -errno, path);
    if (memcmp(start, heading, (size_t)count) != 0)
        return leat_fail(error, -EINVAL, "--resume %s: is another kind of file", path);
    if (count == HEADING)
        return 1;
    int code = ftruncate(fd, 0) < 0 ? -errno : write_whole(fd, heading, HEADING);
    return code ? complain(error, code, path) : 0;
}

/* A last line that was cut off is ended. */
static int end_torn_line(int fd, const char *path, struct leat_error *error) {
    struct stat status;
    char last = '\n';
    if (fstat(fd, &status) < 0 || TEMP_FAILURE_RETRY(pread(fd, &last, 1, status.st_size - 1)) < 0)
        return complain(error, -errno, path);
    int code = last == '\n' ? 0 : write_whole(fd, "\n", 1);
    return code ? complain(error, code, path) : 0;
}

static int open_log(struct lt_resume *resume, const char *path, struct leat_error *error) {
    struct stat status;
    resume->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (resume->fd < 0 || fstat(resume->fd, &status) < 0)
        return complain(error, -errno, path);
    if (!S_ISREG(status.st_mode))
        return leat_fail(error, -EINVAL, "--resume %s: is no regular file", path);
    if (lt_open_elsewhere(resume->fd, STDIN_FILENO))
        return leat_fail(error, -EINVAL, "--resume %s: is also used elsewhere in this run", path);
    if (flock(resume->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? leat_fail(error, -EBUSY, "--resume %s: another run is using it", path)
                                    : complain(error, -errno, path);
    int code = check_heading(resume->fd, path, error);
    if (code <= 0)
        return code;
    FILE *file = fopen(path, "re");
    if (!file)
        return complain(error, -errno, path);
    code = fseek(file, HEADING, SEEK_SET) ? complain(error, -errno, path) : read_log(resume, file, path, error);
    fclose(file);
    return code ? code : end_torn_line(resume->fd, path, error);
}

/* Places whose count is 1 are spent: so all counts are one more than what may be passed over. */
int lt_resume_open(struct lt_resume *resume, const char *path, struct leat_error *error) {
    int code = path ? open_log(resume, path, error) : 0;
    for (size_t i = 0; i < resume->room; i++)
        resume->table[i].count += resume->table[i].count > 0;
    if (code == 0)
        return 0;
    lt_resume_close(resume);
    return code;
}

void lt_resume_close(struct lt_resume *resume) {
    if (resume->fd >= 0)
        close(resume->fd);
    free(resume->table);
    free(resume->records);
    resume->fd = -1;
    resume->table = NULL;
    resume->records = NULL;
}

struct writing {
    struct lt_resume *resume;
    size_t size;
};

static int write_records(void *argument) {
    const struct writing *writing = argument;
    return write_whole(writing->resume->fd, writing->resume->records, writing->size);
}

static bool is_done(const struct leat_item *item) {
    return (item->fate == LEAT_DELIVERED || item->fate == LEAT_FILTERED) && !item->before;
}

int lt_resume_write(struct lt_resume *resume, const char *path, struct leat_batch **batches, size_t count,
                    struct leat_error *error) {
    size_t items = 0;
    if (resume->fd < 0)
        return 0;
    for (size_t b = 0; b < count; b++)
        items += batches[b]->count;
    char *records = realloc(resume->records, items * RECORD + 1);
    if (!records)
        return complain(error, -ENOMEM, path);
    resume->records = records;
    struct writing writing = {resume, 0};
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < batches[b]->count; i++)
            if (is_done(&batches[b]->items[i]))
                writing.size += (size_t)snprintf(records + writing.size, RECORD + 1, "%016" PRIx64 "\n",
                                                 key_of(&batches[b]->items[i]));
    int code = writing.size ? leat_block(write_records, &writing) : 0;
    return code ? complain(error, code, path) : 0;
}

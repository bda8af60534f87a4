/* SPDX-License-Identifier: MIT */
/**
 * The error file: one JSON object a line for every item that was set aside.
 *
 * A record is handed to the kernel before the item's source is told that the
 * item has failed: a killed process loses none. (A machine that loses power
 * may; syncing for each batch would make the disk the bottleneck of every run
 * with bad input.) The file is appended to, so that a second run after an
 * interrupted one keeps the first one's records; a torn last line is ended
 * first, and one that a full disk cut short is taken back.
 *
 * Without a file the first few failures go to standard error, each as one line of
 * text (what an item brings must not move a terminal's cursor), then a notice.
 */
#include "base/error.h"
#include "base/json.h"
#include "base/os.h"
#include "base/same.h"
#include "base/text.h"
#include "pipeline/batch.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct writing {
    struct lt_errors *errors;
    const char *path;
    struct leat_error *error;
};

static int write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Runs on a thread of its own: disks block. */
static int write_records(void *argument) {
    struct writing *writing = argument;
    struct lt_errors *errors = writing->errors;
    struct stat before;
    bool regular = fstat(errors->fd, &before) == 0 && S_ISREG(before.st_mode);
    int code = write_all(errors->fd, errors->room, errors->size);
    if (code == 0)
        return 0;
    if (regular && ftruncate(errors->fd, before.st_size) < 0)
        return leat_fail(writing->error, code, "error file %s: %s; its last line is incomplete", writing->path,
                         strerror(-code));
    return leat_fail(writing->error, code, "error file %s: %s", writing->path, strerror(-code));
}

/* ----------------------------------------------------------------- records */

static int reserve(struct lt_errors *errors, size_t more) {
    if (errors->capacity - errors->size >= more)
        return 0;
    size_t capacity = (errors->size + more) * 2;
    char *room = realloc(errors->room, capacity);
    if (!room)
        return -ENOMEM;
    errors->room = room;
    errors->capacity = capacity;
    return 0;
}

static int put(struct lt_errors *errors, const char *text) {
    size_t size = strlen(text);
    if (reserve(errors, size) < 0)
        return -ENOMEM;
    memcpy(errors->room + errors->size, text, size);
    errors->size += size;
    return 0;
}

static int put_string(struct lt_errors *errors, const char *name, struct leat_bytes text) {
    if (put(errors, name) < 0 || reserve(errors, lt_json_encoded_room(text.size)) < 0)
        return -ENOMEM;
    errors->size += lt_json_encode(text, errors->room + errors->size);
    return 0;
}

static struct leat_bytes bytes_of(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

static const char *code_name(int code) {
    const char *name = strerrorname_np(code < 0 ? -code : code);
    return name ? name : "UNKNOWN";
}

/** A cut never splits a character, or whole text would end in a replacement. */
static struct leat_bytes shorten(struct leat_bytes text) {
    if (text.size <= LT_ERROR_ITEM)
        return text;
    size_t size = LT_ERROR_ITEM;
    for (int back = 0; back < 3 && ((unsigned char)text.data[size] & 0xC0) == 0x80; back++)
        size--;
    return (struct leat_bytes){text.data, size};
}

static int put_record(struct lt_errors *errors, const struct lt_plan *plan, const struct leat_item *item) {
    char head[96];
    struct leat_bytes origin = lt_item_origin(item), body = shorten(origin);
    snprintf(head, sizeof head, "{\"position\":%" PRIu64 ",\"id\":\"%016" PRIx64 "\"", item->position, item->id);
    if (put(errors, head) < 0 || put_string(errors, ",\"source\":", bytes_of(plan->from.spelling)) < 0 ||
        put_string(errors, ",\"stage\":", bytes_of(item->stage ? item->stage : "")) < 0 ||
        put_string(errors, ",\"code\":", bytes_of(code_name(item->code))) < 0 ||
        put_string(errors, ",\"reason\":", item->reason) < 0 || put_string(errors, ",\"item\":", body) < 0)
        return -ENOMEM;
    uint64_t size = item->whole ? item->whole : origin.size;
    snprintf(head, sizeof head, ",\"size\":%" PRIu64 "%s}\n", size, body.size < size ? ",\"truncated\":true" : "");
    return put(errors, head);
}

/* ---------------------------------------------------------- standard error */

static void show(struct lt_errors *errors, const struct leat_item *item) {
    if (errors->shown > LT_ERRORS_ON_TERMINAL)
        return;
    if (errors->shown++ == LT_ERRORS_ON_TERMINAL) {
        fprintf(stderr, "leat: more failures are counted only; --errors FILE keeps them\n");
        return;
    }
    struct lt_text line = {0};
    lt_text_print(&line, "leat: %s: item %" PRIu64 ": ", item->stage ? item->stage : "?", item->position);
    lt_text_put_bytes(&line, item->reason);
    lt_text_tame(line.data, line.size);
    lt_text_put(&line, "\n");
    lt_report(STDERR_FILENO, line.data, line.size);
    free(line.data);
}

/* --------------------------------------------------------------- lifecycle */

static int end_torn_line(int fd, const char *path, struct leat_error *error) {
    struct stat status;
    char last = '\n';
    if (fstat(fd, &status) < 0)
        return leat_fail(error, -errno, "error file %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
        return 0;
    if (pread(fd, &last, 1, status.st_size - 1) < 0)
        return leat_fail(error, -errno, "error file %s: %s", path, strerror(errno));
    int code = last == '\n' ? 0 : write_all(fd, "\n", 1);
    return code < 0 ? leat_fail(error, code, "error file %s: %s", path, strerror(-code)) : 0;
}

int lt_errors_open(struct lt_errors *errors, const char *path, struct leat_error *error) {
    *errors = (struct lt_errors){.fd = -1};
    if (!path)
        return 0;
    struct stat status;
    bool regular = stat(path, &status) < 0 || S_ISREG(status.st_mode);
    /* O_NONBLOCK: a named pipe without a reader is an error, not a wait; writing may wait. */
    int mode = (regular ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
    errors->fd = open(path, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (errors->fd < 0)
        return leat_fail(error, -errno, "error file %s: %s", path, strerror(errno));
    fcntl(errors->fd, F_SETFL, mode & ~O_CREAT);
    /* Records that come back as items make records without end. */
    if (lt_open_elsewhere(errors->fd, STDIN_FILENO) & LT_OPEN_TO_READ)
        return leat_fail(error, -EINVAL, "error file %s: is also used elsewhere in this run", path);
    return end_torn_line(errors->fd, path, error);
}

int lt_errors_write(struct lt_errors *errors, const struct lt_plan *plan, struct leat_batch *batch,
                    struct leat_error *error) {
    const char *path = plan->options.errors;
    if (errors->broken)
        return leat_fail(error, -EIO, "error file %s: it is broken", path);
    errors->size = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < batch->count; i++) {
        if (batch->items[i].fate != LEAT_FAILED)
            continue;
        if (errors->fd < 0)
            show(errors, &batch->items[i]);
        else if (put_record(errors, plan, &batch->items[i]) < 0)
            code = leat_fail(error, -ENOMEM, "error file %s: out of memory for a record", path);
    }
    if (code == 0 && errors->size > 0)
        code = leat_block(write_records, &(struct writing){errors, path, error});
    errors->broken = code < 0;
    return code;
}

void lt_errors_close(struct lt_errors *errors) {
    if (errors->fd >= 0)
        close(errors->fd);
    free(errors->room);
    *errors = (struct lt_errors){.fd = -1};
}

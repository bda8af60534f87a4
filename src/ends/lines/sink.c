/* SPDX-License-Identifier: MIT */
/**
 * Items as lines, to a file or to standard output.
 *
 * - A batch is confirmed when all its bytes have been taken by the system, with
 *   --sync when they are on the disk. Nothing stays behind between two calls.
 * - An item never breaks the framing. JSON that has newlines between its tokens
 *   gets spaces there; other bytes with the delimiter in them fail, one by one.
 *   What a command wrote is lines already, and stays as it is unless it is JSON.
 * - A file is written in place, not beside and renamed: what was confirmed must
 *   be in the file, also after a crash. It is emptied at the first write, so
 *   that a run that could not start leaves it alone.
 * - A line that is cut off spoils no other one: what a full disk took of a write
 *   is taken back, and --append ends a last line that has no end (a killed
 *   process leaves such a one) before it adds to it.
 * - Files are written in leat_block(). Everything else is written without
 *   waiting and then waited for, so that a reader that stands still holds up
 *   this task alone; the flags of the descriptor, which others share, stay.
 *
 * Rejected: writev() from the items' own memory. Two pieces an item cost more
 * than copying lines of usual length into one buffer.
 */
#include "ends/ends.h"
#include "ends/lines/lines.h"
#include "base/error.h"
#include "base/json.h"
#include "base/os.h"
#include "base/same.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

static const leat_time LOOK_AGAIN = 20 * LEAT_MILLISECOND; /* for the reader of a named pipe */

struct lines {
    struct lt_lines_sink_settings settings;
    const char *name;
    int fd;
    char delimiter;
    bool regular;
    bool begun;        /* emptied, or its last line ended, or not to be prepared */
    bool cannot_try;   /* lt_write_now() does not work here */
    uint64_t written;  /* items whose bytes are out */
    uint64_t buffered; /* items in the buffer */
    size_t used;
    char buffer[BUFFER];
};

#define MEMBER(name) offsetof(struct lt_lines_sink_settings, name)

static const struct leat_option options[] = {
    {"null", '0', LEAT_OPTION_FLAG, MEMBER(null), NULL, NULL, "End items with a NUL byte, not with a newline."},
    {"append", 0, LEAT_OPTION_FLAG, MEMBER(append), NULL, NULL, "Add to the file instead of emptying it first."},
    {"sync", 0, LEAT_OPTION_FLAG, MEMBER(sync), NULL, NULL, "Confirm items only when they are on the disk."},
    {NULL},
};

/* ---------------------------------------------------------------- opening */

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

static int open_file(struct lines *lines, const struct leat_segment *segment, struct leat_error *error) {
    bool is_standard = strcmp(segment->target, "-") == 0;
    lines->name = is_standard ? "standard output" : segment->target;
    if (ends_with(segment->target, ".gz") || ends_with(segment->target, ".zst"))
        return leat_fail(error, -EOPNOTSUPP, "%s: cannot write packed files (write to - and pipe it to %s)",
                         lines->name, ends_with(segment->target, ".gz") ? "gzip" : "zstd");
    /* O_NONBLOCK: a named pipe without a reader is an error then, not a wait that nothing can end. */
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (lines->settings.append ? O_APPEND : 0);
    lines->fd = is_standard ? STDOUT_FILENO : open(segment->target, flags, 0666);
    struct stat status;
    if (lines->fd < 0 || fstat(lines->fd, &status) < 0)
        return leat_fail(error, -errno, "%s: cannot open for writing: %s", lines->name, strerror(errno));
    lines->regular = S_ISREG(status.st_mode);
    lines->begun = is_standard || !lines->regular;
    if (lines->settings.sync && !lines->regular)
        return leat_fail(error, -EINVAL, "%s: --sync needs a file", lines->name);
    if (lt_open_elsewhere(lines->fd, STDIN_FILENO) & LT_OPEN_TO_READ)
        return leat_fail(error, -EINVAL, "%s: is also used elsewhere in this run", lines->name);
    /* Where the shell sends messages is its user's affair. */
    if (!is_standard && lt_open_elsewhere(lines->fd, STDERR_FILENO + 1) & LT_OPEN_TO_WRITE)
        return leat_fail(error, -EINVAL, "%s: is written twice", lines->name);
    return 0;
}

struct opening {
    struct lines *lines;
    const struct leat_segment *segment;
    struct leat_error *error;
};

static int open_blocking(void *arg) {
    struct opening *opening = arg;
    return open_file(opening->lines, opening->segment, opening->error);
}

static bool is_pipe(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

static int open_patiently(struct opening *opening) {
    struct leat_error *error = opening->error;
    const char *target = opening->segment->target;
    for (;;) {
        error->text[0] = '\0';
        int code = leat_block(open_blocking, opening);
        if (code && !error->text[0])
            return leat_fail(error, code, "%s: cannot open for writing: %s", target, strerror(-code));
        if (code != -ENXIO || !is_pipe(target))
            return code;
        code = leat_sleep(LOOK_AGAIN);
        if (code)
            return leat_fail(error, code, "%s: nobody has opened this pipe for reading", target);
    }
}

static void close_lines(void *sink) {
    struct lines *lines = sink;
    if (lines->fd > STDERR_FILENO)
        leat_close_fd(lines->fd);
    free(lines);
}

static int open_lines(void **sink, const struct leat_segment *segment, struct leat_error *error) {
    struct lines *lines = malloc(sizeof *lines);
    if (!lines)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    memset(lines, 0, offsetof(struct lines, buffer));
    lines->settings = *(const struct lt_lines_sink_settings *)segment->settings;
    lines->delimiter = lines->settings.null ? '\0' : '\n';
    int code = open_patiently(&(struct opening){lines, segment, error});
    if (code)
        close_lines(lines);
    else
        *sink = lines;
    return code;
}

/* ---------------------------------------------------------------- writing */

struct writing {
    struct lines *lines;
    const char *data;
    size_t size;
};

/* `*written`: bytes that the system has taken, also when it fails. */
static int write_all(int fd, const char *data, size_t size, size_t *written) {
    for (*written = 0; *written < size;) {
        ssize_t count = write(fd, data + *written, size - *written);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        *written += (size_t)count;
    }
    return 0;
}

/* The descriptor is open for writing only: another one looks at the last byte. */
static int end_last_line(const struct lines *lines) {
    struct stat status;
    char last = lines->delimiter;
    if (fstat(lines->fd, &status) < 0)
        return -errno;
    if (status.st_size == 0)
        return 0;
    int reader = open(lines->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (reader < 0)
        return errno == EACCES ? 0 : -errno; /* we may write here, but not look */
    int code = pread(reader, &last, 1, status.st_size - 1) < 0 ? -errno : 0;
    close(reader);
    size_t written;
    if (code)
        return code;
    return last == lines->delimiter ? 0 : write_all(lines->fd, &lines->delimiter, 1, &written);
}

/* Before the first write to a file. */
static int begin_file(struct lines *lines) {
    int code = 0;
    if (lines->settings.append)
        code = end_last_line(lines);
    else if (ftruncate(lines->fd, 0) < 0)
        code = -errno;
    lines->begun = code == 0;
    return code;
}

/* Cut off what a write that failed has left at the end, unless somebody else has added to it. */
static void take_back(const struct lines *lines, size_t written) {
    struct stat status;
    off_t end = lseek(lines->fd, 0, SEEK_CUR);
    if (written == 0 || fstat(lines->fd, &status) < 0 || status.st_size != end)
        return;
    if (ftruncate(lines->fd, end - (off_t)written) == 0)
        lseek(lines->fd, end - (off_t)written, SEEK_SET);
}

static int write_file(void *arg) {
    const struct writing *writing = arg;
    struct lines *lines = writing->lines;
    size_t written;
    int code = lines->begun ? 0 : begin_file(lines);
    if (code)
        return code;
    code = write_all(lines->fd, writing->data, writing->size, &written);
    if (code)
        take_back(lines, written);
    return code;
}

static ptrdiff_t write_some(struct lines *lines, const char *data, size_t size) {
    if (!lines->cannot_try) {
        ptrdiff_t count = lt_write_now(lines->fd, data, size);
        if (count != -EOPNOTSUPP)
            return count;
        lines->cannot_try = true;
    }
    int ready = leat_wait_fd(lines->fd, LEAT_WRITABLE);
    if (ready < 0)
        return ready;
    /* What a pipe that is ready takes without waiting. */
    ssize_t count = write(lines->fd, data, size < PIPE_BUF ? size : PIPE_BUF);
    return count < 0 ? -errno : count;
}

static int write_stream(struct writing *writing) {
    while (writing->size > 0) {
        ptrdiff_t count = write_some(writing->lines, writing->data, writing->size);
        if (count == -EAGAIN) {
            int ready = leat_wait_fd(writing->lines->fd, LEAT_WRITABLE);
            if (ready < 0)
                return ready;
        }
        if (count < 0 && count != -EAGAIN && count != -EINTR)
            return (int)count;
        writing->data += count > 0 ? count : 0;
        writing->size -= count > 0 ? (size_t)count : 0;
    }
    return 0;
}

static int write_bytes(struct lines *lines, const char *data, size_t size, struct leat_error *error) {
    struct writing writing = {lines, data, size};
    int code = lines->regular ? leat_block(write_file, &writing) : write_stream(&writing);
    if (code)
        return leat_fail(error, code, "%s: cannot write: %s; the first %llu items of this run are out", lines->name,
                         strerror(-code), (unsigned long long)lines->written);
    return 0;
}

static int write_buffer(struct lines *lines, struct leat_error *error) {
    if (lines->used == 0)
        return 0;
    int code = write_bytes(lines, lines->buffer, lines->used, error);
    if (code)
        return code;
    lines->written += lines->buffered;
    lines->used = lines->buffered = 0;
    return 0;
}

/* The bytes go into the buffer, or straight out when they are larger than it. */
static int append(struct lines *lines, struct leat_bytes bytes, struct leat_error *error) {
    if (bytes.size > BUFFER - lines->used) {
        int code = write_buffer(lines, error);
        if (code)
            return code;
        if (bytes.size > BUFFER)
            return write_bytes(lines, bytes.data, bytes.size, error);
    }
    memcpy(lines->buffer + lines->used, bytes.data, bytes.size);
    lines->used += bytes.size;
    return 0;
}

/* Make `*out` fit between two delimiters. 0, or why the item cannot be a line. */
static int frame(const struct lines *lines, struct leat_batch *batch, struct leat_bytes *out,
                 struct leat_error *reason) {
    if (out->size == 0 || !memchr(out->data, lines->delimiter, out->size))
        return 0;
    if (lines->settings.null)
        return leat_fail(reason, -EILSEQ, "has a NUL byte in it, which --null cannot carry");
    if (lt_json_check(*out, NULL))
        return leat_fail(reason, -EILSEQ, "has a newline in it and is not JSON: --null can carry it");
    char *copy = leat_batch_alloc(batch, out->size);
    if (!copy)
        return leat_fail(reason, -ENOMEM, "out of memory");
    for (size_t i = 0; i < out->size; i++)
        copy[i] = out->data[i] == '\n' ? ' ' : out->data[i];
    out->data = copy;
    return 0;
}

/* Does it keep its newlines? */
static bool is_lines(const struct lines *lines, const struct leat_item *item, struct leat_bytes out) {
    return item->lines && !lines->settings.null && item->value_count == 0 &&
           (out.size == 0 || out.data[0] != '{' || lt_json_check(out, NULL));
}

static int write_item(struct lines *lines, struct leat_batch *batch, struct leat_item *item, struct leat_error *error) {
    struct leat_error reason;
    struct leat_bytes out;
    reason.text[0] = '\0';
    int code = leat_item_render(batch, item, &out, &reason);
    if (code == 0 && !is_lines(lines, item, out))
        code = frame(lines, batch, &out, &reason);
    if (code) {
        leat_item_fail(batch, item, code, "%s", reason.text[0] ? reason.text : strerror(-code));
        return 0;
    }
    code = append(lines, out, error);
    if (code == 0 && !(item->lines && out.size == 0))
        code = append(lines, (struct leat_bytes){&lines->delimiter, 1}, error);
    if (code)
        return code;
    item->fate = LEAT_DELIVERED;
    lines->buffered++;
    return 0;
}

static int sync_blocking(void *arg) {
    const struct lines *lines = arg;
    return fdatasync(lines->fd) < 0 ? -errno : 0;
}

static int sync_file(struct lines *lines, struct leat_error *error) {
    int code = leat_block(sync_blocking, lines);
    if (code)
        return leat_fail(error, code, "%s: cannot bring it to the disk: %s", lines->name, strerror(-code));
    return 0;
}

static int write_batches(struct lines *lines, struct leat_batch **batches, size_t count, struct leat_error *error) {
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            struct leat_item *item = &batches[b]->items[i];
            int code = item->fate == LEAT_LIVE ? write_item(lines, batches[b], item, error) : 0;
            if (code)
                return code;
        }
    }
    int code = write_buffer(lines, error);
    return code || !lines->settings.sync ? code : sync_file(lines, error);
}

static int write_lines(void *sink, struct leat_batch **batches, size_t count, struct leat_error *error) {
    int code = write_batches(sink, batches, count, error);
    for (size_t b = 0; b < count && code == 0; b++)
        leat_batch_confirm(batches[b]);
    return code;
}

/* Without an item the file has not been emptied yet. */
static int flush_lines(void *sink, struct leat_error *error) {
    struct lines *lines = sink;
    return lines->begun ? 0 : write_bytes(lines, "", 0, error);
}

const struct leat_sink_type lt_lines_sink = {
    .scheme = "",
    .syntax = "PATH | -",
    .summary = "Items as lines in a file or on standard output.",
    .options = options,
    .settings_size = sizeof(struct lt_lines_sink_settings),
    .renders = true,
    .open = open_lines,
    .write = write_lines,
    .flush = flush_lines,
    .close = close_lines,
};

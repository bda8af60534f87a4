/* SPDX-License-Identifier: MIT */
/**
 * The lines of a file or of standard input, as slices of the blocks they were
 * read into.
 *
 * - A line is what stands before its delimiter; what follows the last one is a
 *   line unless it is empty. Line numbers count every line, also empty ones
 *   that are skipped.
 * - Bytes of the block at hand: [begin, end) are no item yet, [begin, scanned)
 *   hold no delimiter. Items of earlier batches may point to what lies before
 *   `begin`, so a block is moved or grown only while nobody else holds it.
 * - A line that is too long is not kept but for its head: memory is bounded by
 *   --max-line and the batches on their way.
 * - A batch never waits for more input once it has an item.
 * - Reading is in leat_block() for regular files, which a poll cannot tell
 *   anything about. Everything else is waited for first and then read from the
 *   task: descriptors that others share (standard input) keep their flags.
 *
 * Rejected: mmap. A file cut short by somebody else would kill the process.
 */
#include "ends/ends.h"
#include "ends/lines/block.h"
#include "ends/lines/input.h"
#include "ends/lines/lines.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/same.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 1024 };

static const leat_time LOOK_AGAIN = 200 * LEAT_MILLISECOND;

struct lines {
    struct lt_lines_source_settings settings;
    const char *name;
    int fd;
    bool regular;
    bool forever;
    char delimiter;
    struct lt_input *input;
    struct lt_blocks *blocks;
    size_t block_size;
    struct lt_block *block; /* NULL before the first read */
    size_t begin, scanned, end;
    bool held; /* by the batch at hand */
    bool ended;
    uint64_t total; /* 0: unknown */
    uint64_t line;  /* number of the last one */
    uint64_t seed;  /* of the ids */
    bool skipping;  /* in a line that is too long: its head is kept, the rest counted */
    uint64_t skipped;
    size_t head_size;
    char head[HEAD];
};

#define MEMBER(name) offsetof(struct lt_lines_source_settings, name)

static const struct leat_option options[] = {
    {"null", '0', LEAT_OPTION_FLAG, MEMBER(null), NULL, NULL, "Items end with a NUL byte, not with a newline."},
    {"crlf", 0, LEAT_OPTION_FLAG, MEMBER(crlf), NULL, NULL,
     "A carriage return before the newline is not part of the line."},
    {"skip-empty", 0, LEAT_OPTION_FLAG, MEMBER(skip_empty), NULL, NULL, "Empty lines are no items."},
    {"raw", 0, LEAT_OPTION_FLAG, MEMBER(raw), NULL, NULL, "Do not unpack gzip and zstd data."},
    {"max-line", 0, LEAT_OPTION_SIZE, MEMBER(max_line), "SIZE", "64M", "Longer lines are set aside as failed."},
    {NULL},
};

/* ---------------------------------------------------------------- opening */

static int open_file(struct lines *lines, const struct leat_segment *segment, struct leat_error *error) {
    bool is_standard = strcmp(segment->target, "-") == 0;
    lines->name = is_standard ? "standard input" : segment->target;
    /* O_NONBLOCK: opening a named pipe must not wait for its writer; for files it means nothing. */
    lines->fd = is_standard ? STDIN_FILENO : open(segment->target, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (lines->fd < 0)
        return leat_fail(error, -errno, "%s: cannot open: %s", lines->name, strerror(errno));
    struct stat status;
    if (fstat(lines->fd, &status) < 0)
        return leat_fail(error, -errno, "%s: cannot open: %s", lines->name, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return leat_fail(error, -EISDIR, "%s: is a directory (write dir:%s for the files in it)", lines->name,
                         is_standard ? "PATH" : lines->name);
    lines->regular = S_ISREG(status.st_mode);
    if (lt_open_elsewhere(lines->fd, STDIN_FILENO) & LT_OPEN_TO_WRITE)
        return leat_fail(error, -EINVAL, "%s: is also used elsewhere in this run", lines->name);
    lines->seed = is_standard ? 0 : lt_hash(segment->target, strlen(segment->target));
    posix_fadvise(lines->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (lines->regular && !lines->forever && !lines->settings.skip_empty)
        lines->total = lt_lines_count(lines->fd, lines->delimiter, lines->settings.raw);
    return 0;
}

static void close_lines(void *source) {
    struct lines *lines = source;
    lt_input_free(lines->input);
    lt_block_release(lines->block);
    lt_blocks_free(lines->blocks);
    if (lines->fd > STDIN_FILENO)
        leat_close_fd(lines->fd);
    free(lines);
}

int lt_lines_open_sized(void **source, const struct leat_segment *segment, size_t block_size,
                        struct leat_error *error) {
    struct lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    lines->settings = *(const struct lt_lines_source_settings *)segment->settings;
    lines->delimiter = lines->settings.null ? '\0' : '\n';
    lines->forever = segment->forever;
    lines->block_size = block_size;
    int code = open_file(lines, segment, error);
    if (code == 0) {
        int flags = (lines->settings.raw ? LT_INPUT_RAW : 0) | (lines->regular ? 0 : LT_INPUT_WAIT);
        lines->input = lt_input_new(lines->fd, lines->name, flags);
        lines->blocks = lt_blocks_new(block_size);
        if (!lines->input || !lines->blocks)
            code = leat_fail(error, -ENOMEM, "%s: out of memory", lines->name);
    }
    if (code)
        close_lines(lines);
    else
        *source = lines;
    return code;
}

static int open_lines(void **source, const struct leat_segment *segment, struct leat_error *error) {
    return lt_lines_open_sized(source, segment, LT_LINES_BLOCK, error);
}

/* ---------------------------------------------------------------- cutting */

static int out_of_memory(const struct lines *lines, struct leat_error *error) {
    return leat_fail(error, -ENOMEM, "%s: out of memory at line %llu", lines->name,
                     (unsigned long long)lines->line + 1);
}

static struct leat_item *add_item(struct lines *lines, struct leat_batch *batch) {
    struct leat_item *item = leat_batch_add(batch);
    if (!item)
        return NULL;
    item->position = ++lines->line;
    item->id = lt_hash_mix(lines->seed + lines->line);
    return item;
}

/* An item for a line that is too long, of which `head` is kept. 1: the batch is full. */
static int set_aside(struct lines *lines, struct leat_batch *batch, struct leat_bytes head, uint64_t size,
                     struct leat_error *error) {
    struct leat_item *item = add_item(lines, batch);
    if (!item)
        return 1;
    char *copy = leat_batch_alloc(batch, head.size);
    if (!copy)
        return out_of_memory(lines, error);
    memcpy(copy, head.data, head.size);
    leat_item_set(batch, item, (struct leat_bytes){copy, head.size}, "line");
    item->whole = size > head.size ? size : 0;
    leat_item_fail(batch, item, -EMSGSIZE,
                   "line %llu has %llu bytes, more than --max-line %llu; here are the first %zu",
                   (unsigned long long)lines->line, (unsigned long long)size,
                   (unsigned long long)lines->settings.max_line, head.size);
    return 0;
}

/* An item of the bytes [begin, at) of the block. 0, 1: the batch is full, or an error. */
static int add_line(struct lines *lines, struct leat_batch *batch, size_t at, struct leat_error *error) {
    struct leat_bytes body = {lines->block->data + lines->begin, at - lines->begin};
    if (lines->skipping) {
        int result = set_aside(lines, batch, (struct leat_bytes){lines->head, lines->head_size},
                               lines->skipped + body.size, error);
        lines->skipping = result == 1;
        return result;
    }
    if (lines->settings.crlf && body.size > 0 && body.data[body.size - 1] == '\r')
        body.size--;
    if (body.size == 0 && lines->settings.skip_empty) {
        lines->line++;
        return 0;
    }
    if (body.size > lines->settings.max_line) {
        struct leat_bytes head = {body.data, body.size < HEAD ? body.size : HEAD};
        return set_aside(lines, batch, head, body.size, error);
    }
    struct leat_item *item = add_item(lines, batch);
    if (!item)
        return 1;
    leat_item_set(batch, item, body, "line");
    if (lines->held)
        return 0;
    lt_block_hold(lines->block);
    lines->held = true;
    return leat_batch_hold(batch, lt_block_release, lines->block) ? out_of_memory(lines, error) : 0;
}

/* Items of all whole lines of the block, as far as the batch takes them. */
static int cut(struct lines *lines, struct leat_batch *batch, struct leat_error *error) {
    int result = 0;
    while (result == 0 && lines->scanned < lines->end) {
        const char *data = lines->block->data;
        const char *found = memchr(data + lines->scanned, lines->delimiter, lines->end - lines->scanned);
        if (!found) {
            lines->scanned = lines->end;
            break;
        }
        size_t at = (size_t)(found - data);
        result = add_line(lines, batch, at, error);
        if (result == 0)
            lines->begin = lines->scanned = at + 1;
    }
    bool is_rest = lines->ended && lines->scanned == lines->end && (lines->begin < lines->end || lines->skipping);
    if (result == 0 && is_rest) {
        result = add_line(lines, batch, lines->end, error);
        if (result == 0)
            lines->begin = lines->end;
    }
    return result < 0 ? result : 0;
}

/* ---------------------------------------------------------------- reading */

/* The line at hand is too long: forget it, but for its head and its size. */
static void skip_rest(struct lines *lines) {
    size_t size = lines->end - lines->begin;
    if (!lines->skipping) {
        lines->skipping = true;
        lines->skipped = 0;
        lines->head_size = size < HEAD ? size : HEAD;
        memcpy(lines->head, lines->block->data + lines->begin, lines->head_size);
    }
    lines->skipped += size;
    lines->begin = lines->scanned = lines->end;
}

/* A block with room for more behind the unfinished line, which moves to its front. */
static int make_room(struct lines *lines, struct leat_error *error) {
    struct lt_block *block = lines->block;
    size_t rest = lines->end - lines->begin;
    size_t enough = lines->block_size / 16 + 1;
    bool alone = block && lt_block_alone(block);
    if (block && block->size - lines->end >= enough && !(alone && rest == 0))
        return 0;
    size_t size = lines->block_size;
    while (size - rest < enough || size / 2 < rest)
        size *= 2;
    if (alone && (rest > 0 || block->size == lines->block_size)) {
        memmove(block->data, block->data + lines->begin, rest);
        if (size > block->size && !lt_block_grow(block, size))
            return out_of_memory(lines, error);
    } else {
        struct lt_block *next = lt_block_take(lines->blocks, size);
        if (!next)
            return out_of_memory(lines, error);
        if (rest)
            memcpy(next->data, block->data + lines->begin, rest);
        lt_block_release(block);
        lines->block = next;
    }
    lines->scanned -= lines->begin;
    lines->begin = 0;
    lines->end = rest;
    return 0;
}

struct reading {
    struct lines *lines;
    struct leat_error *error;
    ptrdiff_t count;
};

static int read_block(void *arg) {
    struct reading *reading = arg;
    struct lines *lines = reading->lines;
    size_t room = lines->block->size - lines->end;
    if (room > lines->block_size)
        room = lines->block_size;
    reading->count = lt_input_read(lines->input, lines->block->data + lines->end, room, reading->error);
    return reading->count < 0 ? (int)reading->count : 0;
}

static int refill(struct lines *lines, struct leat_batch *batch, struct leat_error *error) {
    /* One more for the carriage return that may not count. */
    if (lines->skipping || lines->end - lines->begin > lines->settings.max_line + 1)
        skip_rest(lines);
    int code = make_room(lines, error);
    if (code)
        return code;
    struct reading reading = {lines, error, 0};
    enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
    error->text[0] = '\0';
    code = lines->regular ? leat_block(read_block, &reading) : read_block(&reading);
    bool waits = code == 0 && reading.count == 0 && lines->forever && lines->regular && !lt_input_packed(lines->input);
    if (waits)
        code = leat_sleep(LOOK_AGAIN);
    leat_batch_state(batch, before);
    if (code && !error->text[0])
        return leat_fail(error, code, "%s: reading ended at line %llu: %s", lines->name,
                         (unsigned long long)lines->line + 1, strerror(-code));
    lines->end += code ? 0 : (size_t)reading.count;
    lines->ended = code == 0 && reading.count == 0 && !waits;
    return code;
}

static int read_lines(void *source, struct leat_batch *batch, struct leat_error *error) {
    struct lines *lines = source;
    struct leat_error unused;
    if (!error)
        error = &unused;
    lines->held = false;
    for (;;) {
        int code = cut(lines, batch, error);
        if (code || batch->count > 0)
            return code;
        if (lines->ended)
            return -ENODATA;
        code = refill(lines, batch, error);
        if (code)
            return code;
    }
}

static uint64_t total_lines(void *source) {
    const struct lines *lines = source;
    return lines->total;
}

const struct leat_source_type lt_lines_source = {
    .scheme = "",
    .syntax = "PATH | -",
    .summary = "Lines of a file or of standard input, also NDJSON; .gz and .zst are unpacked.",
    .options = options,
    .settings_size = sizeof(struct lt_lines_source_settings),
    .open = open_lines,
    .read = read_lines,
    .total = total_lines,
    .close = close_lines,
};

/* SPDX-License-Identifier: MIT */
/**
 * read: an item names a file; from here on its text is what is in the file, so
 * that a match after it searches that. With a name the content also becomes a
 * value of the item; the item itself stays the path.
 *
 * A file that the system has in its caches is read at once, by the worker: the
 * hand-over to another thread would take longer than most files. From the first
 * one on that has to be waited for, those of the batch are read one after the
 * other in one call that blocks. Whatever fails without waiting is tried again
 * there, so that errors have one place, and systems without such calls work;
 * packed files are unpacked there. A file system that may ask a server for what
 * it knows is noticed at the first file; no worker reads by itself for a second then.
 * The contents live as long as the batch, hence the limit for each file and the
 * small batches of the sources of paths. What cannot be read fails alone.
 *
 * The contents stand in blocks of the worker, which the batch holds, and not in
 * the batch's own memory: of the batches most wait to be read, so the blocks of
 * the few behind here are used again while they are still in the cache.
 *
 * Rejected: asking for more regular files at once (io_uring, more threads): the
 * workers of the pipeline are already as many as the disk can use.
 */
#include "stages/field.h"
#include "stages/stages.h"
#include "base/atomic.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "ends/lines/block.h"
#include "ends/lines/input.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ROOM = 4096,
    LARGE = 1 << 20,
    BLOCK = 1 << 20,
    ALIGNMENT = 64,
    OPEN = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
};

struct settings {
    const char *add;
    const char *field;
    uint64_t max;
    bool raw;
};

static const leat_time WARY = LEAT_SECOND;

struct read_stage {
    struct settings settings;
    _Atomic(leat_time) wary; /* until then everything is in leat_block() */
    struct leat_bytes name;  /* of the value; size 0: none */
};

static const struct leat_option options[] = {
    {"add", 'a', LEAT_OPTION_STRING, offsetof(struct settings, add), "NAME", NULL,
     "Also add the content to the item, as text of this name."},
    {"field", 'f', LEAT_OPTION_STRING, offsetof(struct settings, field), "FIELD", NULL,
     "The path is in this field; without it, the item is the path."},
    {"max", 0, LEAT_OPTION_SIZE, offsetof(struct settings, max), "SIZE", "64M",
     "Larger files are set aside as failed."},
    {"raw", 0, LEAT_OPTION_FLAG, offsetof(struct settings, raw), NULL, NULL, "Do not unpack gzip and zstd data."},
    {NULL},
};

static int open_read(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = segment->settings;
    if (segment->word_count > 1 || (segment->word_count == 1 && settings->add))
        return leat_fail(error, -EINVAL, "%s: \"%s\" is one name too many", segment->spelling,
                         segment->words[segment->word_count - 1]);
    if (lt_check_field(segment->spelling, settings->field, error))
        return -EINVAL;
    struct read_stage *read = calloc(1, sizeof *read);
    if (!read)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    const char *name = segment->word_count ? segment->words[0] : settings->add;
    read->settings = *settings;
    read->name = (struct leat_bytes){name, name ? strlen(name) : 0};
    *stage = read;
    return 0;
}

static int open_worker(void *stage, void **worker, struct leat_error *error) {
    (void)stage;
    *worker = lt_blocks_new(BLOCK);
    return *worker ? 0 : leat_fail(error, -ENOMEM, "read: out of memory");
}

static void close_worker(void *stage, void *worker) {
    (void)stage;
    lt_blocks_free(worker);
}

/* ------------------------------------------------------------------ memory */

/* Of the contents of one batch. */
struct memory {
    struct leat_batch *batch;
    struct lt_blocks *blocks;
    struct lt_block *block; /* the last one; held by the batch; NULL: none yet */
    size_t used;            /* of it */
};

static char *take(struct memory *memory, size_t size) {
    if (!memory->block || size > memory->block->size - memory->used) {
        struct lt_block *block = lt_block_take(memory->blocks, size);
        if (!block || leat_batch_hold(memory->batch, lt_block_release, block))
            return NULL;
        memory->block = block;
        memory->used = 0;
    }
    char *piece = memory->block->data + memory->used;
    memory->used += size;
    return piece;
}

/* The piece that was taken last needs `size` bytes only. */
static void shrink(struct memory *memory, const char *piece, size_t size) {
    size_t used = (size_t)(piece - memory->block->data) + size;
    used = (used + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memory->used = used < memory->used ? used : memory->used;
}

/* ------------------------------------------------------------------- files */

struct file {
    struct memory *memory;
    const struct settings *settings;
    bool may_wait;
    bool remote; /* on a file system that may have to be waited for, which was unexpected */
    int fd;
    uint64_t promised;      /* bytes, by the system; 0: nothing was */
    struct lt_input *input; /* NULL: read as it is */
    char *data;
    size_t size, room;
    struct leat_error why;
};

/* Somebody has a lease on a regular file (a file server, say), and gives it up only for one who waits. */
static int open_leased(int parent, const char *path) {
    struct stat status;
    if (fstatat(parent, path, &status, 0) < 0 || !S_ISREG(status.st_mode))
        return -EAGAIN;
    int fd = openat(parent, path, OPEN & ~O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Paths that the system finds too long are opened in pieces. `path` is changed. */
static int open_path(char *path) {
    int parent = AT_FDCWD;
    for (;;) {
        size_t length = strlen(path);
        char *slash = length < PATH_MAX ? NULL : memrchr(path, '/', PATH_MAX - 1);
        if (slash)
            *slash = '\0';
        int fd = openat(parent, slash == path ? "/" : path, slash ? O_PATH | O_DIRECTORY | O_CLOEXEC : OPEN);
        int code = fd < 0 ? -errno : fd;
        if (code == -EAGAIN && !slash)
            code = open_leased(parent, path);
        if (parent >= 0)
            close(parent);
        if (code < 0 || !slash)
            return code;
        parent = code;
        path = slash + 1;
    }
}

static int open_file(struct file *file, struct leat_bytes path) {
    char *name = leat_batch_alloc(file->memory->batch, path.size + 1);
    if (!name)
        return leat_fail(&file->why, -ENOMEM, "out of memory");
    memcpy(name, path.data, path.size);
    name[path.size] = '\0';
    if (path.size == 0 || memchr(name, '\0', path.size))
        return leat_fail(&file->why, -EINVAL, "is not a path");
    file->fd = file->may_wait ? open_path(name) : lt_open_cached(AT_FDCWD, name, OPEN, false);
    if (file->fd < 0)
        return leat_fail(&file->why, file->fd, "cannot open: %s", strerror(-file->fd));
    file->remote = !file->may_wait && !lt_is_local(file->fd);
    return file->remote ? -EAGAIN : 0;
}

static int too_large(struct file *file) {
    return leat_fail(&file->why, -EFBIG, "has more than --max %llu bytes", (unsigned long long)file->settings->max);
}

static int check_file(struct file *file) {
    struct stat status;
    if (fstat(file->fd, &status) < 0)
        return leat_fail(&file->why, -errno, "cannot look at it: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return leat_fail(&file->why, S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL, "is %s",
                         S_ISDIR(status.st_mode) ? "a directory" : "not a regular file");
    /* One byte more shows the end. What claims to be empty (in /proc) need not be. */
    uint64_t size = (uint64_t)status.st_size < file->settings->max ? (uint64_t)status.st_size : file->settings->max;
    file->promised = (uint64_t)status.st_size;
    if (!file->may_wait && size > LARGE)
        return -EAGAIN;
    file->room = size + 1 > ROOM ? size + 1 : ROOM;
    file->data = take(file->memory, file->room);
    return file->data ? 0 : leat_fail(&file->why, -ENOMEM, "out of memory");
}

/* Make room for more. The memory before is the batch's and is given back with it. */
static int grow(struct file *file) {
    char *data = take(file->memory, file->room * 2);
    if (!data)
        return leat_fail(&file->why, -ENOMEM, "out of memory");
    memcpy(data, file->data, file->size);
    file->data = data;
    file->room *= 2;
    return 0;
}

static ptrdiff_t read_some(struct file *file) {
    char *room = file->data + file->size;
    size_t size = file->room - file->size;
    if (file->input)
        return lt_input_read(file->input, room, size, &file->why);
    ssize_t count;
    do
        count = file->may_wait ? read(file->fd, room, size)
                               : preadv2(file->fd, &(struct iovec){room, size}, 1, -1, RWF_NOWAIT);
    while (count < 0 && errno == EINTR);
    return count < 0 ? leat_fail(&file->why, -errno, "cannot read: %s", strerror(errno)) : count;
}

static int read_all(struct file *file) {
    for (;;) {
        int code = file->size == file->room ? grow(file) : 0;
        ptrdiff_t count = code ? code : read_some(file);
        if (count <= 0)
            return (int)count;
        file->size += (size_t)count;
        if (file->size > file->settings->max)
            return too_large(file);
        /* All that there should be, and no more although there was room: that is the end. */
        if (!file->input && file->size == file->promised && file->size < file->room)
            return 0;
    }
}

static bool looks_packed(const struct file *file) {
    const unsigned char *data = (const unsigned char *)file->data;
    return file->size >= 4 && ((data[0] == 0x1f && data[1] == 0x8b) || (data[1] == 0xb5 && data[2] == 0x2f) ||
                               (data[1] == 0x2a && data[2] == 0x4d));
}

/* Most files are not packed: these are read without a decoder and its buffers. */
static int read_file(struct file *file) {
    int code = check_file(file);
    if (code)
        return code;
    code = read_all(file);
    if (file->settings->raw || !looks_packed(file))
        return code;
    if (!file->may_wait)
        return -EAGAIN;
    if (lseek(file->fd, 0, SEEK_SET) < 0)
        return leat_fail(&file->why, -errno, "cannot read: %s", strerror(errno));
    file->input = lt_input_new(file->fd, "its content", 0);
    if (!file->input)
        return leat_fail(&file->why, -ENOMEM, "out of memory");
    file->size = 0;
    code = read_all(file);
    lt_input_free(file->input);
    return code;
}

/* ------------------------------------------------------------------- items */

static int read_path(struct file *file, struct leat_bytes path) {
    int code = open_file(file, path);
    if (code == 0)
        code = read_file(file);
    if (file->fd >= 0)
        close(file->fd);
    if (file->data)
        shrink(file->memory, file->data, code ? 0 : file->size);
    return code;
}

/* The part of a batch that is read in one go. */
struct reading {
    struct read_stage *read;
    struct memory memory;
    size_t next; /* item */
    bool may_wait;
    struct leat_error *error;
};

/* -EAGAIN: it was not read, because it would have to wait or because it fails. */
static int read_item(struct reading *reading, struct leat_item *item) {
    struct read_stage *read = reading->read;
    struct leat_batch *batch = reading->memory.batch;
    struct leat_bytes path;
    struct leat_error why;
    int code = leat_item_text(batch, item, read->settings.field, &path, &why);
    if (code) {
        leat_item_fail(batch, item, code, "no path: %s", why.text);
        return 0;
    }
    struct file file = {
        .memory = &reading->memory, .settings = &read->settings, .may_wait = reading->may_wait, .fd = -1};
    code = read_path(&file, path);
    if (file.remote)
        lt_store(&read->wary, lt_now() + WARY, relaxed);
    if (code && !reading->may_wait)
        return -EAGAIN;
    if (code) {
        leat_item_fail(batch, item, code, "%.*s: %s", (int)(path.size < PATH_MAX ? path.size : PATH_MAX), path.data,
                       file.why.text);
        return 0;
    }
    item->text = (struct leat_bytes){file.data, file.size};
    if (read->name.size && leat_item_add_text(batch, item, read->name, item->text))
        return leat_fail(reading->error, -ENOMEM, "read: out of memory for the content of %.*s", (int)path.size,
                         path.data);
    return 0;
}

static int read_items(void *arg) {
    struct reading *reading = arg;
    struct leat_batch *batch = reading->memory.batch;
    for (; reading->next < batch->count; reading->next++) {
        struct leat_item *item = &batch->items[reading->next];
        int code = item->fate == LEAT_LIVE ? read_item(reading, item) : 0;
        if (code)
            return code;
    }
    return 0;
}

static int process(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    struct reading reading = {.read = stage, .memory = {.batch = batch, .blocks = worker}, .error = error};
    int code = lt_now() < lt_load(&reading.read->wary, relaxed) ? -EAGAIN : read_items(&reading);
    if (code != -EAGAIN)
        return code;
    error->text[0] = '\0';
    reading.may_wait = true;
    enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
    code = leat_block(read_items, &reading);
    leat_batch_state(batch, before);
    if (code && !error->text[0])
        return leat_fail(error, code, "read: %s", strerror(-code));
    return code;
}

const struct leat_stage_type lt_read_stage = {
    .name = "read",
    .syntax = "read [-f FIELD] [[-a] NAME] [--max SIZE] [--raw]",
    .summary = "Make the content of the file that an item names its text.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .open = open_read,
    .open_worker = open_worker,
    .process = process,
    .close_worker = close_worker,
    .close = free,
};

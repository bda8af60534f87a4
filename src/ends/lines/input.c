/* SPDX-License-Identifier: MIT */
/*
 * What is not packed is read straight into the caller's room, but for the first
 * piece, in which the magic number is looked for.
 *
 * Rejected: gzopen() and its like, which cannot wait in leat's way, treat data
 * that is cut off as its end unless asked twice, and know nothing of zstd.
 */
#include "ends/lines/input.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { RAW_SIZE = 256 << 10, MAGIC = 4, FRAME_START = 5 };

enum kind { UNKNOWN, PLAIN, GZIP, ZSTD };

struct lt_input {
    int fd;
    int flags;
    const char *name;
    enum kind kind;
    z_stream gzip;
    ZSTD_DStream *zstd;
    size_t piece;      /* bytes of the next block or header of zstd data */
    bool inside;       /* of a member or frame: the end would be too early here */
    bool more;         /* the decoder may give more without more input */
    bool ended;        /* the descriptor is at its end */
    uint64_t offset;   /* bytes read from the descriptor */
    size_t begin, end; /* of raw, not used yet */
    int broken;        /* why no more can be read, in `why` */
    struct leat_error why;
    unsigned char raw[RAW_SIZE];
};

struct lt_input *lt_input_new(int fd, const char *name, int flags) {
    struct lt_input *input = malloc(sizeof *input);
    if (!input)
        return NULL;
    memset(input, 0, offsetof(struct lt_input, raw));
    input->fd = fd;
    input->name = name;
    input->flags = flags;
    input->kind = flags & LT_INPUT_RAW ? PLAIN : UNKNOWN;
    return input;
}

void lt_input_free(struct lt_input *input) {
    if (!input)
        return;
    if (input->kind == GZIP)
        inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstd);
    free(input);
}

bool lt_input_packed(const struct lt_input *input) {
    return input->kind == GZIP || input->kind == ZSTD;
}

static ptrdiff_t read_some(struct lt_input *input, void *room, size_t size) {
    for (;;) {
        if (input->flags & LT_INPUT_WAIT) {
            int ready = leat_wait_fd(input->fd, LEAT_READABLE);
            if (ready < 0)
                return leat_fail(&input->why, ready, "%s: waiting for input: %s", input->name, strerror(-ready));
        }
        ssize_t count = read(input->fd, room, size);
        if (count >= 0) {
            input->offset += (uint64_t)count;
            input->ended = count == 0;
            return count;
        }
        int code = -errno;
        if (code == -EINTR || (code == -EAGAIN && input->flags & LT_INPUT_WAIT))
            continue;
        return leat_fail(&input->why, code, "%s: cannot read after byte %llu: %s", input->name,
                         (unsigned long long)input->offset, strerror(-code));
    }
}

/* More bytes into `raw` behind those that are there. */
static ptrdiff_t fill_raw(struct lt_input *input) {
    if (input->begin == input->end)
        input->begin = input->end = 0;
    ptrdiff_t count = read_some(input, input->raw + input->end, RAW_SIZE - input->end);
    if (count > 0)
        input->end += (size_t)count;
    return count;
}

static enum kind recognize(const unsigned char *raw, size_t size, bool ended) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (size >= sizeof gzip && memcmp(raw, gzip, sizeof gzip) == 0)
        return GZIP;
    if (size >= sizeof zstd && memcmp(raw, zstd, sizeof zstd) == 0)
        return ZSTD;
    /* A frame to be skipped: parallel compressors put one in front. */
    if (size >= MAGIC && (raw[0] & 0xf0) == 0x50 && raw[1] == 0x2a && raw[2] == 0x4d && raw[3] == 0x18)
        return ZSTD;
    if (ended || size >= MAGIC)
        return PLAIN;
    bool may_be = memcmp(raw, gzip, size < sizeof gzip ? size : sizeof gzip) == 0 || memcmp(raw, zstd, size) == 0 ||
                  (raw[0] & 0xf0) == 0x50;
    /* A lone "P" typed at a terminal must not wait for its neighbours longer than its line. */
    return may_be && raw[size - 1] != '\n' ? UNKNOWN : PLAIN;
}

static int begin_unpacking(struct lt_input *input, enum kind kind) {
    if (kind == GZIP && inflateInit2(&input->gzip, 15 + 16) != Z_OK)
        return leat_fail(&input->why, -ENOMEM, "%s: out of memory for unpacking", input->name);
    if (kind == ZSTD) {
        input->zstd = ZSTD_createDStream();
        if (!input->zstd)
            return leat_fail(&input->why, -ENOMEM, "%s: out of memory for unpacking", input->name);
    }
    input->kind = kind;
    input->piece = FRAME_START;
    input->inside = kind != PLAIN;
    return 0;
}

static int find_kind(struct lt_input *input) {
    while (input->kind == UNKNOWN) {
        ptrdiff_t count = fill_raw(input);
        if (count < 0)
            return (int)count;
        if (input->begin == input->end)
            return 0;
        enum kind kind = recognize(input->raw, input->end, input->ended);
        int error = kind == UNKNOWN ? 0 : begin_unpacking(input, kind);
        if (error)
            return error;
    }
    return 0;
}

static int fail_packed(struct lt_input *input, const char *reason) {
    return leat_fail(&input->why, -EBADMSG, "%s: %s data is broken at byte %llu: %s", input->name,
                     input->kind == GZIP ? "gzip" : "zstd",
                     (unsigned long long)(input->offset - (input->end - input->begin)), reason);
}

/* Between members: another one, or zeros, which tapes and some tools put there. */
static int begin_member(struct lt_input *input) {
    while (input->begin < input->end && input->raw[input->begin] == 0)
        input->begin++;
    if (input->begin == input->end)
        return 0;
    if (input->raw[input->begin] != 0x1f)
        return fail_packed(input, "what follows its end is not gzip data");
    inflateReset(&input->gzip);
    input->inside = true;
    return 0;
}

static ptrdiff_t unpack_gzip(struct lt_input *input, char *room, size_t size) {
    int error = input->inside ? 0 : begin_member(input);
    if (error || !input->inside)
        return error;
    z_stream *gzip = &input->gzip;
    size_t limit = size < UINT32_MAX ? size : UINT32_MAX;
    gzip->next_in = input->raw + input->begin;
    gzip->avail_in = (unsigned)(input->end - input->begin);
    gzip->next_out = (unsigned char *)room;
    gzip->avail_out = (unsigned)limit;
    int result = inflate(gzip, Z_NO_FLUSH);
    input->begin = input->end - gzip->avail_in;
    input->more = gzip->avail_out == 0;
    if (result == Z_STREAM_END)
        input->inside = input->more = false;
    else if (result == Z_MEM_ERROR)
        input->broken = leat_fail(&input->why, -ENOMEM, "%s: out of memory for unpacking", input->name);
    else if (result != Z_OK && result != Z_BUF_ERROR)
        input->broken = fail_packed(input, gzip->msg ? gzip->msg : "it needs a dictionary");
    return (ptrdiff_t)(limit - gzip->avail_out);
}

/* A block at a time: a call that fails forgets what it has unpacked before. */
static ptrdiff_t unpack_zstd(struct lt_input *input, char *room, size_t size) {
    size_t left = input->end - input->begin;
    ZSTD_inBuffer in = {input->raw + input->begin, left < input->piece ? left : input->piece, 0};
    ZSTD_outBuffer out = {room, size, 0};
    size_t result = ZSTD_decompressStream(input->zstd, &out, &in);
    input->begin += in.pos;
    input->more = out.pos == out.size;
    if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation)
        input->broken = leat_fail(&input->why, -ENOMEM, "%s: out of memory for unpacking", input->name);
    else if (ZSTD_isError(result))
        input->broken = fail_packed(input, ZSTD_getErrorName(result));
    else if (in.pos || out.pos)
        input->inside = result != 0;
    input->piece = result == 0 || ZSTD_isError(result) ? FRAME_START : result;
    return (ptrdiff_t)out.pos;
}

static ptrdiff_t read_packed(struct lt_input *input, char *room, size_t size) {
    for (;;) {
        if (input->begin < input->end || input->more) {
            ptrdiff_t count = input->kind == GZIP ? unpack_gzip(input, room, size) : unpack_zstd(input, room, size);
            if (count != 0)
                return count;
            if (input->broken)
                return input->broken;
            if (input->begin < input->end)
                continue;
        }
        if (!input->ended) {
            ptrdiff_t count = fill_raw(input);
            if (count < 0)
                return count;
        }
        if (input->ended && !input->more)
            return input->inside ? fail_packed(input, "it is cut off") : 0;
    }
}

static ptrdiff_t read_plain(struct lt_input *input, char *room, size_t size) {
    size_t left = input->end - input->begin;
    if (left == 0)
        return read_some(input, room, size);
    if (left > size)
        left = size;
    memcpy(room, input->raw + input->begin, left);
    input->begin += left;
    return (ptrdiff_t)left;
}

ptrdiff_t lt_input_read(struct lt_input *input, char *room, size_t size, struct leat_error *error) {
    ptrdiff_t count = input->broken;
    if (count == 0)
        count = find_kind(input);
    if (count == 0 && input->kind != UNKNOWN)
        count = input->kind == PLAIN ? read_plain(input, room, size) : read_packed(input, room, size);
    if (count >= 0)
        return count;
    input->broken = (int)count;
    if (error)
        *error = input->why;
    return count;
}

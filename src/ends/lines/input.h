/* SPDX-License-Identifier: MIT */
/**
 * The bytes of a descriptor in order, unpacked on the way when they begin as
 * gzip or zstd data do. Several members or frames in a row are one text, and
 * bytes that come before the place where packed data breaks are still given.
 */
#ifndef LEAT_ENDS_LINES_INPUT_H
#define LEAT_ENDS_LINES_INPUT_H

#include "leat-pipeline.h"

struct lt_input;

enum lt_input_flags {
    LT_INPUT_RAW = 1,  /* never unpack */
    LT_INPUT_WAIT = 2, /* leat_wait_fd() before each read: a pipe, a socket, a terminal; then call from a task */
};

/** `name` is for messages; it and `fd` stay the caller's. NULL: out of memory. */
struct lt_input *lt_input_new(int fd, const char *name, int flags);
void lt_input_free(struct lt_input *input);

/**
 * Up to `size` bytes (not 0), as many as are there without waiting for more.
 * 0 at the end; negative with `error` when reading failed or packed data is
 * broken or cut off: the message has the byte offset in the packed data.
 */
ptrdiff_t lt_input_read(struct lt_input *input, char *room, size_t size, struct leat_error *error);

/** Whether what was read so far is packed. */
bool lt_input_packed(const struct lt_input *input);

#endif

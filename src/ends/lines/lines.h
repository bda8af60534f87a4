/* SPDX-License-Identifier: MIT */
/** What the parts of the lines ends share, and what their tests need. */
#ifndef LEAT_ENDS_LINES_LINES_H
#define LEAT_ENDS_LINES_LINES_H

#include "leat-pipeline.h"

struct lt_lines_source_settings {
    bool null;
    bool crlf;
    bool skip_empty;
    bool raw;
    uint64_t max_line;
};

struct lt_lines_sink_settings {
    bool null;
    bool append;
    bool sync;
};

/** How many lines are to be read from a regular file, if it is small; 0: unknown. */
uint64_t lt_lines_count(int fd, char delimiter, bool raw);

enum { LT_LINES_BLOCK = 1 << 20 };

/** The source's open() with blocks of another size than LT_LINES_BLOCK: small ones cut lines everywhere. */
int lt_lines_open_sized(void **source, const struct leat_segment *segment, size_t block_size, struct leat_error *error);

#endif

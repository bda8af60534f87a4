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

enum { LT_LINES_BLOCK = 1 << 20 };

/** The source's open() with blocks of another size than LT_LINES_BLOCK: small ones cut lines everywhere. */
int lt_lines_open_sized(void **source, const struct leat_segment *segment, size_t block_size, struct leat_error *error);

/**
 * Whether this process has the regular file `fd` open a second time in `mode`
 * (O_RDONLY or O_WRONLY). A run that reads what it writes destroys it or never
 * ends. Nothing is remembered between ends for this, the system is asked; where
 * it cannot tell, the answer is no.
 */
bool lt_lines_open_as(int fd, int mode);

#endif

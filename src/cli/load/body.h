/* SPDX-License-Identifier: MIT */
/**
 * Messages from files: their lines, or each file as a whole. All of it is read
 * before the start, so that no disk takes part in what is measured; packed files
 * are unpacked.
 */
#ifndef LEAT_CLI_LOAD_BODY_H
#define LEAT_CLI_LOAD_BODY_H

#include "leat-pipeline.h"

struct lt_bodies {
    char **texts; /* of each file */
    size_t text_count;
    struct leat_bytes *list; /* into them */
    size_t count;
};

/** 0 or a negative errno value; close in both cases. -EINVAL: there is not one message in all of them. */
int lt_bodies_read(struct lt_bodies *bodies, const struct leat_list *files, bool whole, struct leat_error *error);
void lt_bodies_close(struct lt_bodies *bodies);

#endif

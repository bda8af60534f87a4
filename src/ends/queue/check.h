/* SPDX-License-Identifier: MIT */
/** Is this file safe to give to LMDB? See check.c. */
#ifndef LEAT_ENDS_QUEUE_CHECK_H
#define LEAT_ENDS_QUEUE_CHECK_H

#include "leat-pipeline.h"

/**
 * Before the file is opened by LMDB: what its two head pages say. 0 also for an
 * empty file, which becomes a new queue file. `path` is for messages.
 */
int lt_queue_check_head(int fd, const char *path, struct leat_error *error);

/**
 * After that, while a read transaction with this number pins a snapshot: every
 * page that LMDB can reach from it. -EAGAIN: a head of that number is no longer
 * there, take a newer snapshot.
 */
int lt_queue_check_tree(int fd, const char *path, uint64_t transaction, struct leat_error *error);

#endif

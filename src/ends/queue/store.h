/* SPDX-License-Identifier: MIT */
/** A queue file: an LMDB environment, shared within the process. See store.c. Needs no runtime; its calls block. */
#ifndef LEAT_ENDS_QUEUE_STORE_H
#define LEAT_ENDS_QUEUE_STORE_H

#include "leat-pipeline.h"

#include <lmdb.h>

struct lt_store;

enum lt_store_mode {
    LT_STORE_CREATE, /**< make the file if there is none */
    LT_STORE_OPEN,   /**< it must be there */
    LT_STORE_LOOK,   /**< only read */
};

/** Any thread. Open a file, or one more reference to it when this process has it open. */
int lt_store_open(struct lt_store **store, const char *path, enum lt_store_mode mode, struct leat_error *error);
/** Any thread. NULL is fine. */
void lt_store_close(struct lt_store *store);

const char *lt_store_path(const struct lt_store *store);
bool lt_store_read_only(const struct lt_store *store);
/** One more descriptor of the data file, with locks of its own, or a negative errno value. */
int lt_store_descriptor(const struct lt_store *store);
/** The table of the names and their states. */
MDB_dbi lt_store_names(const struct lt_store *store);

/** What is done within a transaction: 0 or what LMDB (or errno) says. May run several times. */
typedef int lt_store_fn(MDB_txn *transaction, void *arg);

/**
 * Any thread. Run `work` in a write transaction and commit it to disk, in the
 * calling thread from beginning to end. Grows the map and runs it again when it
 * was too small. `what` completes "cannot …" in the message.
 */
int lt_store_write(struct lt_store *store, lt_store_fn *work, void *arg, const char *what, struct leat_error *error);

/** Any thread. The same in a snapshot that only reads. What `work` saw is gone when this returns. */
int lt_store_read(struct lt_store *store, lt_store_fn *work, void *arg, const char *what, struct leat_error *error);

/**
 * Any thread. The handle of a named database; it is made when `create`.
 * -ENOENT without a message: there is none.
 */
int lt_store_table(struct lt_store *store, const char *name, bool create, MDB_dbi *table, struct leat_error *error);

/** Any thread. A copy of the file as it is at one moment, whoever else works with it. `path` must not be there. */
int lt_store_copy(struct lt_store *store, const char *path, struct leat_error *error);

/** The message for a result of LMDB or errno (positive), as a negative errno value. */
int lt_store_fail(const struct lt_store *store, int result, const char *what, struct leat_error *error);

#endif

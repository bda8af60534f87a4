/* SPDX-License-Identifier: MIT */
/** A named queue in a queue file: put, read, settle. See queue.c, block.c, dead.c. Needs no runtime; its calls block.
 */
#ifndef LEAT_ENDS_QUEUE_QUEUE_H
#define LEAT_ENDS_QUEUE_QUEUE_H

#include "ends/queue/store.h"

enum {
    LT_QUEUE_LARGEST = 1 << 30, /* bytes of a body */
    LT_QUEUE_NAME_ROOM = 128,
};

/** What the file keeps of a name. Written as it stands. */
struct lt_queue_state {
    uint64_t next; /**< the sequence number of the next message; starts at 1, never falls */
    uint64_t ready, ready_bytes;
    uint64_t dead, dead_bytes;
    uint64_t number; /**< of the name in this file: where its lock lies */
    uint64_t reader; /**< the process that reads it, if one does */
};

struct lt_queue {
    struct lt_store *store;
    MDB_dbi ready, gone, dead;
    uint64_t number;
    int lease; /**< the descriptor that holds the lock, or -1 */
    char name[LT_QUEUE_NAME_ROOM];
    char label[]; /**< "FILE#NAME" */
};

/** Split "FILE[#NAME]" at the last '#'. `path` must have strlen(target) + 1 bytes, `name` LT_QUEUE_NAME_ROOM. */
int lt_queue_target(const char *target, char *path, char *name, struct leat_error *error);

/** 0, or why the segment's target names no queue. The check of both ends. */
int lt_queue_check_segment(const struct leat_segment *segment, struct leat_error *error);

int lt_queue_open(struct lt_queue **queue, const char *target, enum lt_store_mode mode, struct leat_error *error);
void lt_queue_close(struct lt_queue *queue);

int lt_queue_state(struct lt_queue *queue, struct lt_queue_state *state, struct leat_error *error);

/** Go through the names of a file. */
typedef int lt_queue_name_fn(void *arg, const char *name, const struct lt_queue_state *state);
int lt_queue_each_name(struct lt_store *store, lt_queue_name_fn *each, void *arg, struct leat_error *error);

/** Become its one consumer until the queue is closed; -EBUSY names the process that is. */
int lt_queue_lease(struct lt_queue *queue, struct leat_error *error);

/** Append messages. When this returns 0 they are on disk, all of them; otherwise none is in the queue. */
int lt_queue_put(struct lt_queue *queue, const struct leat_bytes *bodies, size_t count, struct leat_error *error);

struct lt_queue_message {
    uint64_t sequence;
    uint32_t attempts; /**< how often it failed before */
    uint64_t time;     /**< when it came (or failed), nanoseconds since 1970 */
    struct leat_bytes body;
    int code; /**< the rest: of a dead one */
    struct leat_bytes stage, reason;
};

/** True: taken; false: not this one, and stop. The message is gone when it returns. */
typedef bool lt_queue_take_fn(void *arg, const struct lt_queue_message *message);

/** Hand over what is in the queue from sequence number `from` on. */
int lt_queue_read(struct lt_queue *queue, uint64_t from, lt_queue_take_fn *take, void *arg, struct leat_error *error);
int lt_queue_read_dead(struct lt_queue *queue, uint64_t from, lt_queue_take_fn *take, void *arg,
                       struct leat_error *error);

/** The end of a message: it leaves the queue, for the list of the dead when it has a stage. */
struct lt_queue_end {
    uint64_t sequence;
    const char *stage;
    struct leat_bytes reason;
    int code;
};

/** All of them or none. Sorts `ends`. Those that are in the queue no longer are passed over. */
int lt_queue_settle(struct lt_queue *queue, struct lt_queue_end *ends, size_t count, struct leat_error *error);

/** Move the dead to the end of the queue. `*moved` counts also when it fails half-way. */
int lt_queue_requeue(struct lt_queue *queue, uint64_t *moved, struct leat_error *error);

/** Remove all that is ready (or dead). -EBUSY while a process reads the ready ones. */
int lt_queue_purge(struct lt_queue *queue, bool dead, uint64_t *removed, struct leat_error *error);

/* ------------------------------------------------- within a transaction */

int lt_queue_get_state(MDB_txn *transaction, const struct lt_queue *queue, struct lt_queue_state *state);
int lt_queue_set_state(MDB_txn *transaction, const struct lt_queue *queue, const struct lt_queue_state *state);

/** Append; `attempts` NULL: none. Changes `state`, which the caller writes. */
int lt_queue_append(MDB_txn *transaction, const struct lt_queue *queue, struct lt_queue_state *state,
                    const struct leat_bytes *bodies, const uint32_t *attempts, size_t count);

/** Add a message to the list of the dead. */
int lt_queue_bury(MDB_txn *transaction, const struct lt_queue *queue, struct lt_queue_state *state,
                  const struct lt_queue_message *message, const struct lt_queue_end *end);

/** Keys are sequence numbers that sort as bytes. */
static inline uint64_t lt_queue_key(uint64_t sequence) {
    return __builtin_bswap64(sequence);
}

/** Nanoseconds since 1970. */
uint64_t lt_queue_clock(void);

#endif

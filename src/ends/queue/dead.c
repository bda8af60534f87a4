/* SPDX-License-Identifier: MIT */
/**
 * The list of the dead: messages that failed, with stage and reason; and what
 * an administrator does with them.
 *
 *     key    the sequence number that the message had, 8 bytes, big-endian
 *     value  struct grave, then stage, reason and body
 *
 * A message that is moved back gets a new sequence number at the end of the
 * queue, where a consumer that is past its old place finds it. Moving goes in
 * portions, each of them all or nothing.
 *
 * Rejected: keeping the old number (blocks must rise, and a running consumer
 * would not look back); one transaction for the whole move (as much memory as
 * the list is long).
 */
#include "ends/queue/queue.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORTION = 1000,
    PORTION_BYTES = 16 << 20,
};

struct grave {
    uint64_t time;
    int32_t code;
    uint32_t attempts;
    uint32_t stage_size, reason_size;
};

int lt_queue_bury(MDB_txn *transaction, const struct lt_queue *queue, struct lt_queue_state *state,
                  const struct lt_queue_message *message, const struct lt_queue_end *end) {
    struct grave grave = {.time = lt_queue_clock(),
                          .code = end->code,
                          .attempts = message->attempts + 1,
                          .stage_size = (uint32_t)strlen(end->stage),
                          .reason_size = (uint32_t)end->reason.size};
    uint64_t key_bytes = lt_queue_key(message->sequence);
    MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes};
    MDB_val value = {.mv_size = sizeof grave + grave.stage_size + grave.reason_size + message->body.size};
    int result = mdb_put(transaction, queue->dead, &key, &value, MDB_RESERVE | MDB_NOOVERWRITE);
    if (result != 0)
        return result == MDB_KEYEXIST ? 0 : result;
    char *at = mempcpy(value.mv_data, &grave, sizeof grave);
    at = mempcpy(at, end->stage, grave.stage_size);
    if (grave.reason_size)
        at = mempcpy(at, end->reason.data, grave.reason_size);
    if (message->body.size)
        memcpy(at, message->body.data, message->body.size);
    state->dead++;
    state->dead_bytes += message->body.size;
    return 0;
}

static int view_grave(const MDB_val *key, const MDB_val *value, struct lt_queue_message *message) {
    struct grave grave;
    if (key->mv_size != sizeof message->sequence || value->mv_size < sizeof grave)
        return MDB_CORRUPTED;
    memcpy(&message->sequence, key->mv_data, sizeof message->sequence);
    message->sequence = lt_queue_key(message->sequence);
    memcpy(&grave, value->mv_data, sizeof grave);
    size_t room = value->mv_size - sizeof grave;
    if (grave.stage_size > room || grave.reason_size > room - grave.stage_size)
        return MDB_CORRUPTED;
    const char *at = (const char *)value->mv_data + sizeof grave;
    message->time = grave.time;
    message->code = grave.code;
    message->attempts = grave.attempts;
    message->stage = (struct leat_bytes){at, grave.stage_size};
    message->reason = (struct leat_bytes){at + grave.stage_size, grave.reason_size};
    message->body =
        (struct leat_bytes){at + grave.stage_size + grave.reason_size, room - grave.stage_size - grave.reason_size};
    return 0;
}

struct reading {
    struct lt_queue *queue;
    uint64_t from;
    lt_queue_take_fn *take;
    void *arg;
};

static int read_graves(MDB_txn *transaction, void *arg) {
    struct reading *reading = arg;
    MDB_cursor *cursor;
    int result = mdb_cursor_open(transaction, reading->queue->dead, &cursor);
    if (result != 0)
        return result;
    uint64_t key_bytes = lt_queue_key(reading->from);
    MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes}, value;
    result = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (result == 0) {
        struct lt_queue_message message;
        result = view_grave(&key, &value, &message);
        if (result != 0 || !reading->take(reading->arg, &message))
            break;
        result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? 0 : result;
}

int lt_queue_read_dead(struct lt_queue *queue, uint64_t from, lt_queue_take_fn *take, void *arg,
                       struct leat_error *error) {
    struct reading reading = {.queue = queue, .from = from, .take = take, .arg = arg};
    return lt_store_read(queue->store, read_graves, &reading, "read failed messages", error);
}

/* ------------------------------------------------------------ moving back */

struct portion {
    struct lt_queue *queue;
    size_t count, bytes;
    uint64_t sequences[PORTION];
    uint32_t attempts[PORTION];
    struct leat_bytes bodies[PORTION];
};

static bool take_into_portion(void *arg, const struct lt_queue_message *message) {
    struct portion *portion = arg;
    if (portion->count == PORTION || (portion->count && portion->bytes + message->body.size > PORTION_BYTES))
        return false;
    portion->sequences[portion->count] = message->sequence;
    portion->attempts[portion->count] = message->attempts;
    portion->bodies[portion->count++] = message->body;
    portion->bytes += message->body.size;
    return true;
}

/* The bodies are read from pages that this transaction has not touched yet, and that stay until it ends. */
static int move_portion(MDB_txn *transaction, void *arg) {
    struct portion *portion = arg;
    struct lt_queue *queue = portion->queue;
    struct reading reading = {.queue = queue, .take = take_into_portion, .arg = portion};
    portion->count = portion->bytes = 0;
    int result = read_graves(transaction, &reading);
    struct lt_queue_state state;
    if (result == 0)
        result = lt_queue_get_state(transaction, queue, &state);
    if (result == 0)
        result = lt_queue_append(transaction, queue, &state, portion->bodies, portion->attempts, portion->count);
    for (size_t i = 0; result == 0 && i < portion->count; i++) {
        uint64_t key_bytes = lt_queue_key(portion->sequences[i]);
        MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes};
        result = mdb_del(transaction, queue->dead, &key, NULL);
    }
    if (result != 0)
        return result;
    state.dead -= portion->count;
    state.dead_bytes -= portion->bytes;
    return lt_queue_set_state(transaction, queue, &state);
}

int lt_queue_requeue(struct lt_queue *queue, uint64_t *moved, struct leat_error *error) {
    *moved = 0;
    struct portion *portion = malloc(sizeof *portion);
    if (!portion)
        return leat_fail(error, -ENOMEM, "queue:%s: memory is short", queue->label);
    portion->queue = queue;
    int result;
    do {
        result = lt_store_write(queue->store, move_portion, portion, "move failed messages back", error);
        if (result == 0)
            *moved += portion->count;
    } while (result == 0 && portion->count > 0);
    free(portion);
    return result;
}

/* ----------------------------------------------------------------- purge */

struct purging {
    struct lt_queue *queue;
    bool dead;
    uint64_t removed;
};

static int purge(MDB_txn *transaction, void *arg) {
    struct purging *purging = arg;
    struct lt_queue *queue = purging->queue;
    struct lt_queue_state state;
    int result = lt_queue_get_state(transaction, queue, &state);
    if (result != 0)
        return result;
    if (purging->dead) {
        purging->removed = state.dead;
        state.dead = state.dead_bytes = 0;
        result = mdb_drop(transaction, queue->dead, 0);
    } else {
        purging->removed = state.ready;
        state.ready = state.ready_bytes = 0;
        result = mdb_drop(transaction, queue->ready, 0);
        if (result == 0)
            result = mdb_drop(transaction, queue->gone, 0);
    }
    return result != 0 ? result : lt_queue_set_state(transaction, queue, &state);
}

int lt_queue_purge(struct lt_queue *queue, bool dead, uint64_t *removed, struct leat_error *error) {
    struct purging purging = {.queue = queue, .dead = dead};
    if (!dead && queue->lease < 0) {
        int result = lt_queue_lease(queue, error);
        if (result < 0)
            return result;
    }
    int result = lt_store_write(queue->store, purge, &purging, "purge a queue", error);
    *removed = purging.removed;
    return result;
}

/* SPDX-License-Identifier: MIT */
/**
 * Messages in the file: put, read, settle.
 *
 * Messages that come together are stored together, in blocks of up to 16 pages:
 *
 *     key    sequence number of the first, 8 bytes, big-endian
 *     value  struct block, then for each message a struct entry, then the bodies
 *
 * A message larger than that has a block of its own; a single small one is a
 * small block. A block is deleted when all its messages are settled; until then
 * NAME!gone has, under the same key, a bit for each message that is.
 *
 * Invariants: blocks do not overlap and sequence numbers rise without end, so a
 * put is an append at the tree's right edge. In a write transaction pages that
 * it has not changed stay where they are until it ends; only such pages are
 * read while something else is written (see lt_queue_settle).
 *
 * A body may have 1 GiB. LMDB 0.9 loses 1 MiB of memory for each one above 256
 * MiB that is written (its list of spilled pages), until the process ends.
 *
 * Rejected: a record for each message (a third of each page is lost to messages
 * of 1 KiB, and deleting from the left edge makes LMDB move the neighbour's
 * entries over, one by one, instead of giving whole runs of pages back); larger
 * blocks (LMDB searches its free list for a run as long as the block); bits of
 * the settled within the block (would copy it to change one).
 */
#include "ends/queue/queue.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 4096 - 16 }; /* with LMDB's header 16 pages */

struct block {
    uint32_t count;
    uint32_t reserved;
    uint64_t time;
};

struct __attribute__((packed)) entry { /* lies at any address */
    uint32_t end;                      /* of the body, from the first body's start */
    uint32_t attempts;
};

/* A block as it lies in the map. */
struct view {
    uint64_t first;
    uint64_t time;
    uint32_t count;
    const struct entry *entries;
    const char *bodies;
};

static struct leat_bytes body_of(const struct view *view, uint32_t index) {
    uint32_t start = index == 0 ? 0 : view->entries[index - 1].end;
    return (struct leat_bytes){view->bodies + start, view->entries[index].end - start};
}

/* ------------------------------------------------------------------- put */

static size_t packed_size(size_t count, size_t bytes) {
    return sizeof(struct block) + count * sizeof(struct entry) + bytes;
}

static void fill_block(char *to, const struct leat_bytes *bodies, const uint32_t *attempts, size_t count,
                       uint64_t time) {
    struct block block = {.count = (uint32_t)count, .time = time};
    memcpy(to, &block, sizeof block);
    char *entries = to + sizeof block;
    char *at = entries + count * sizeof(struct entry);
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        end += (uint32_t)bodies[i].size;
        struct entry entry = {.end = end, .attempts = attempts ? attempts[i] : 0};
        memcpy(entries + i * sizeof entry, &entry, sizeof entry);
        if (bodies[i].size)
            memcpy(at, bodies[i].data, bodies[i].size);
        at += bodies[i].size;
    }
}

static int append_blocks(MDB_cursor *cursor, struct lt_queue_state *state, const struct leat_bytes *bodies,
                         const uint32_t *attempts, size_t count) {
    uint64_t time = lt_queue_clock();
    for (size_t from = 0, to; from < count; from = to) {
        size_t bytes = bodies[from].size;
        for (to = from + 1; to < count && packed_size(to - from + 1, bytes + bodies[to].size) <= BLOCK_SIZE; to++)
            bytes += bodies[to].size;
        uint64_t key_bytes = lt_queue_key(state->next);
        MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes};
        MDB_val value = {.mv_size = packed_size(to - from, bytes)};
        int result = mdb_cursor_put(cursor, &key, &value, MDB_APPEND | MDB_RESERVE);
        if (result != 0)
            return result == MDB_KEYEXIST ? MDB_CORRUPTED : result;
        fill_block(value.mv_data, bodies + from, attempts ? attempts + from : NULL, to - from, time);
        state->next += to - from;
        state->ready += to - from;
        state->ready_bytes += bytes;
    }
    return 0;
}

int lt_queue_append(MDB_txn *transaction, const struct lt_queue *queue, struct lt_queue_state *state,
                    const struct leat_bytes *bodies, const uint32_t *attempts, size_t count) {
    MDB_cursor *cursor;
    int result = mdb_cursor_open(transaction, queue->ready, &cursor);
    if (result != 0)
        return result;
    result = append_blocks(cursor, state, bodies, attempts, count);
    mdb_cursor_close(cursor);
    return result;
}

struct putting {
    struct lt_queue *queue;
    const struct leat_bytes *bodies;
    size_t count;
};

static int put(MDB_txn *transaction, void *arg) {
    struct putting *putting = arg;
    struct lt_queue_state state;
    int result = lt_queue_get_state(transaction, putting->queue, &state);
    if (result == 0)
        result = lt_queue_append(transaction, putting->queue, &state, putting->bodies, NULL, putting->count);
    return result != 0 ? result : lt_queue_set_state(transaction, putting->queue, &state);
}

int lt_queue_put(struct lt_queue *queue, const struct leat_bytes *bodies, size_t count, struct leat_error *error) {
    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (bodies[i].size > LT_QUEUE_LARGEST)
            return leat_fail(error, -EMSGSIZE, "queue:%s: a message of %zu bytes is too large; %d is the limit",
                             queue->label, bodies[i].size, LT_QUEUE_LARGEST);
    struct putting putting = {.queue = queue, .bodies = bodies, .count = count};
    char what[64];
    snprintf(what, sizeof what, "write %zu message%s", count, count == 1 ? "" : "s");
    return lt_store_write(queue->store, put, &putting, what, error);
}

/* ------------------------------------------------------------------ read */

static int view_block(const MDB_val *key, const MDB_val *value, struct view *view) {
    struct block block;
    if (key->mv_size != sizeof view->first || value->mv_size < sizeof block)
        return MDB_CORRUPTED;
    memcpy(&view->first, key->mv_data, sizeof view->first);
    view->first = lt_queue_key(view->first);
    memcpy(&block, value->mv_data, sizeof block);
    size_t room = value->mv_size - sizeof block;
    if (block.count == 0 || block.count > room / sizeof(struct entry))
        return MDB_CORRUPTED;
    view->count = block.count;
    view->time = block.time;
    view->entries = (const void *)((const char *)value->mv_data + sizeof block);
    view->bodies = (const char *)(view->entries + block.count);
    room -= block.count * sizeof(struct entry);
    uint32_t end = 0;
    for (uint32_t i = 0; i < block.count; i++) {
        if (view->entries[i].end < end || view->entries[i].end > room)
            return MDB_CORRUPTED;
        end = view->entries[i].end;
    }
    return 0;
}

/* The block that holds `sequence`, or else the next one. */
static int find_block(MDB_cursor *cursor, uint64_t sequence, struct view *view) {
    uint64_t key_bytes = lt_queue_key(sequence);
    MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes}, value;
    int after = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (after == 0) {
        int result = view_block(&key, &value, view);
        if (result != 0 || view->first == sequence)
            return result;
    } else if (after != MDB_NOTFOUND) {
        return after;
    }
    int before = mdb_cursor_get(cursor, &key, &value, after == 0 ? MDB_PREV : MDB_LAST);
    if (before == 0) {
        int result = view_block(&key, &value, view);
        if (result != 0 || sequence - view->first < view->count)
            return result;
    } else if (before != MDB_NOTFOUND) {
        return before;
    }
    if (after != 0)
        return MDB_NOTFOUND;
    key = (MDB_val){.mv_size = sizeof key_bytes, .mv_data = &key_bytes};
    int result = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    return result != 0 ? result : view_block(&key, &value, view);
}

/* The bits of the settled messages of a block; NULL: none is. */
static int find_gone(MDB_txn *transaction, MDB_dbi table, const struct view *view, const unsigned char **bits) {
    uint64_t key_bytes = lt_queue_key(view->first);
    MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes}, value;
    *bits = NULL;
    int result = mdb_get(transaction, table, &key, &value);
    if (result != 0)
        return result == MDB_NOTFOUND ? 0 : result;
    if (value.mv_size != (view->count + 7) / 8)
        return MDB_CORRUPTED;
    *bits = value.mv_data;
    return 0;
}

static bool is_gone(const unsigned char *bits, uint32_t index) {
    return bits && bits[index / 8] >> index % 8 & 1;
}

struct reading {
    struct lt_queue *queue;
    uint64_t from;
    lt_queue_take_fn *take;
    void *arg;
};

static int read_block(MDB_txn *transaction, struct reading *reading, const struct view *view, bool *more) {
    const unsigned char *gone;
    int result = find_gone(transaction, reading->queue->gone, view, &gone);
    if (result != 0)
        return result;
    uint32_t index = reading->from > view->first ? (uint32_t)(reading->from - view->first) : 0;
    for (; index < view->count && *more; index++) {
        if (is_gone(gone, index))
            continue;
        struct lt_queue_message message = {.sequence = view->first + index,
                                           .attempts = view->entries[index].attempts,
                                           .time = view->time,
                                           .body = body_of(view, index)};
        *more = reading->take(reading->arg, &message);
    }
    return 0;
}

static int read_blocks(MDB_txn *transaction, void *arg) {
    struct reading *reading = arg;
    MDB_cursor *cursor;
    int result = mdb_cursor_open(transaction, reading->queue->ready, &cursor);
    if (result != 0)
        return result;
    struct view view;
    bool more = true;
    result = find_block(cursor, reading->from, &view);
    while (result == 0) {
        result = read_block(transaction, reading, &view, &more);
        if (result != 0 || !more)
            break;
        MDB_val key, value;
        result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (result == 0)
            result = view_block(&key, &value, &view);
    }
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? 0 : result;
}

int lt_queue_read(struct lt_queue *queue, uint64_t from, lt_queue_take_fn *take, void *arg, struct leat_error *error) {
    struct reading reading = {.queue = queue, .from = from, .take = take, .arg = arg};
    return lt_store_read(queue->store, read_blocks, &reading, "read messages", error);
}

/* ---------------------------------------------------------------- settle */

struct settling {
    MDB_txn *transaction;
    struct lt_queue *queue;
    struct lt_queue_end *ends;
    size_t count;
    struct lt_queue_state state;
    MDB_cursor *cursor;
    struct lt_queue_message *dead; /* those that are to be buried, by their place among `ends` */
};

/* Before anything is written: where the bodies of the failed ones lie. */
static int find_dead(struct settling *settling) {
    for (size_t i = 0; i < settling->count; i++) {
        if (!settling->ends[i].stage)
            continue;
        struct view view;
        const unsigned char *gone = NULL;
        uint64_t sequence = settling->ends[i].sequence;
        int result = find_block(settling->cursor, sequence, &view);
        if (result == 0)
            result = find_gone(settling->transaction, settling->queue->gone, &view, &gone);
        if (result == MDB_NOTFOUND)
            return 0;
        if (result != 0)
            return result;
        uint64_t index = sequence - view.first;
        if (index >= view.count || is_gone(gone, (uint32_t)index))
            continue;
        settling->dead[i] = (struct lt_queue_message){
            .sequence = sequence, .attempts = view.entries[index].attempts, .body = body_of(&view, (uint32_t)index)};
    }
    return 0;
}

static int bury_dead(struct settling *settling) {
    for (size_t i = 0; i < settling->count; i++) {
        if (!settling->dead[i].sequence)
            continue;
        int result = lt_queue_bury(settling->transaction, settling->queue, &settling->state, &settling->dead[i],
                                   &settling->ends[i]);
        if (result != 0)
            return result;
    }
    return 0;
}

static int drop_block(struct settling *settling, const struct view *view, bool has_gone) {
    if (has_gone) {
        uint64_t key_bytes = lt_queue_key(view->first);
        MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes};
        int result = mdb_del(settling->transaction, settling->queue->gone, &key, NULL);
        if (result != 0)
            return result;
    }
    return mdb_cursor_del(settling->cursor, 0);
}

/* Settle ends[from..to), all of which fall into the block at the cursor. */
static int settle_in_block(struct settling *settling, const struct view *view, size_t from, size_t to) {
    const unsigned char *before;
    int result = find_gone(settling->transaction, settling->queue->gone, view, &before);
    if (result != 0)
        return result;
    size_t size = (view->count + 7) / 8;
    unsigned char *bits = calloc(1, size);
    if (!bits)
        return ENOMEM;
    if (before)
        memcpy(bits, before, size);
    for (size_t i = from; i < to; i++) {
        uint32_t index = (uint32_t)(settling->ends[i].sequence - view->first);
        if (is_gone(bits, index))
            continue;
        bits[index / 8] |= (unsigned char)(1 << index % 8);
        settling->state.ready--;
        settling->state.ready_bytes -= body_of(view, index).size;
    }
    uint32_t gone = 0;
    for (size_t i = 0; i < size; i++)
        gone += (uint32_t)__builtin_popcount(bits[i]);
    if (gone == view->count) {
        result = drop_block(settling, view, before);
    } else {
        uint64_t key_bytes = lt_queue_key(view->first);
        MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = &key_bytes};
        MDB_val value = {.mv_size = size, .mv_data = bits};
        result = mdb_put(settling->transaction, settling->queue->gone, &key, &value, 0);
    }
    free(bits);
    return result;
}

static int settle_all(struct settling *settling) {
    for (size_t from = 0, to; from < settling->count; from = to) {
        struct view view;
        int result = find_block(settling->cursor, settling->ends[from].sequence, &view);
        if (result == MDB_NOTFOUND)
            return 0;
        if (result != 0)
            return result;
        to = from;
        if (settling->ends[from].sequence < view.first) {
            to = from + 1;
            continue;
        }
        while (to < settling->count && settling->ends[to].sequence - view.first < view.count)
            to++;
        result = settle_in_block(settling, &view, from, to);
        if (result != 0)
            return result;
    }
    return 0;
}

static int settle(MDB_txn *transaction, void *arg) {
    struct settling *settling = arg;
    settling->transaction = transaction;
    int result = lt_queue_get_state(transaction, settling->queue, &settling->state);
    if (result == 0)
        result = mdb_cursor_open(transaction, settling->queue->ready, &settling->cursor);
    if (result != 0)
        return result;
    if (settling->dead) {
        memset(settling->dead, 0, settling->count * sizeof *settling->dead);
        result = find_dead(settling);
        if (result == 0)
            result = bury_dead(settling);
    }
    if (result == 0)
        result = settle_all(settling);
    mdb_cursor_close(settling->cursor);
    return result != 0 ? result : lt_queue_set_state(transaction, settling->queue, &settling->state);
}

static int by_sequence(const void *left, const void *right) {
    uint64_t a = ((const struct lt_queue_end *)left)->sequence, b = ((const struct lt_queue_end *)right)->sequence;
    return (a > b) - (a < b);
}

int lt_queue_settle(struct lt_queue *queue, struct lt_queue_end *ends, size_t count, struct leat_error *error) {
    if (count == 0)
        return 0;
    bool sorted = true, dead = false;
    for (size_t i = 0; i < count; i++) {
        sorted = sorted && (i == 0 || ends[i - 1].sequence <= ends[i].sequence);
        dead = dead || ends[i].stage;
    }
    if (!sorted)
        qsort(ends, count, sizeof *ends, by_sequence);
    struct settling settling = {.queue = queue, .ends = ends, .count = count};
    if (dead) {
        settling.dead = malloc(count * sizeof *settling.dead);
        if (!settling.dead)
            return leat_fail(error, -ENOMEM, "queue:%s: memory is short for %zu failed messages", queue->label, count);
    }
    char what[64];
    snprintf(what, sizeof what, "acknowledge %zu message%s", count, count == 1 ? "" : "s");
    int result = lt_store_write(queue->store, settle, &settling, what, error);
    free(settling.dead);
    return result;
}

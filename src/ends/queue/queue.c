/* SPDX-License-Identifier: MIT */
/**
 * Names in a queue file: finding and making them, their state, the lease.
 *
 * A name is three tables of the file: NAME holds the messages in blocks
 * (block.c), NAME!gone which messages of a block have left it, NAME!dead the
 * failed ones (dead.c). The table of names holds a struct lt_queue_state for
 * each; a name exists when it has a state, which is written last. Every
 * transaction that changes messages changes the state with them, so that counts
 * and the next sequence number are exact after any crash.
 *
 * The lease: one consumer for each name, held as an OFD lock on a byte of the
 * data file far beyond its end, so that it goes with the process however that
 * ends. LMDB's own locks lie on its lock file. Rejected: a lock on that lock
 * file (LMDB has POSIX locks there, which closing any descriptor of the file
 * drops); a record of the reader alone (stays when the process is killed; it is
 * kept only to name the reader); leases in the file (a write for each read).
 */
#include "ends/queue/queue.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCKS_FROM ((off_t)1 << 62)

uint64_t lt_queue_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int lt_queue_target(const char *target, char *path, char *name, struct leat_error *error) {
    const char *hash = strrchr(target, '#');
    size_t path_size = hash ? (size_t)(hash - target) : strlen(target);
    const char *given = hash ? hash + 1 : "main";
    if (path_size == 0)
        return leat_fail(error, -EINVAL, "queue:%s: a file is missing: queue:FILE[#NAME]", target);
    if (!*given || strlen(given) >= LT_QUEUE_NAME_ROOM - sizeof "!dead" || strpbrk(given, "!/"))
        return leat_fail(error, -EINVAL, "queue:%s: a name has 1 to %zu bytes, none of them ! or /", target,
                         LT_QUEUE_NAME_ROOM - sizeof "!dead" - 1);
    memcpy(path, target, path_size);
    path[path_size] = 0;
    strcpy(name, given);
    return 0;
}

int lt_queue_check_segment(const struct leat_segment *segment, struct leat_error *error) {
    char *path = malloc(strlen(segment->target) + 1), name[LT_QUEUE_NAME_ROOM];
    if (!path)
        return leat_fail(error, -ENOMEM, "queue:%s: memory is short", segment->target);
    int result = lt_queue_target(segment->target, path, name, error);
    free(path);
    return result;
}

/* ----------------------------------------------------------------- state */

int lt_queue_get_state(MDB_txn *transaction, const struct lt_queue *queue, struct lt_queue_state *state) {
    MDB_val key = {.mv_size = strlen(queue->name), .mv_data = (char *)queue->name}, value;
    int result = mdb_get(transaction, lt_store_names(queue->store), &key, &value);
    if (result != 0)
        return result;
    if (value.mv_size != sizeof *state)
        return MDB_CORRUPTED;
    memcpy(state, value.mv_data, sizeof *state);
    return 0;
}

int lt_queue_set_state(MDB_txn *transaction, const struct lt_queue *queue, const struct lt_queue_state *state) {
    MDB_val key = {.mv_size = strlen(queue->name), .mv_data = (char *)queue->name};
    MDB_val value = {.mv_size = sizeof *state, .mv_data = (struct lt_queue_state *)state};
    return mdb_put(transaction, lt_store_names(queue->store), &key, &value, 0);
}

struct state_reading {
    struct lt_queue *queue;
    struct lt_queue_state *state;
    bool found;
};

static int read_state(MDB_txn *transaction, void *arg) {
    struct state_reading *reading = arg;
    int result = lt_queue_get_state(transaction, reading->queue, reading->state);
    reading->found = result == 0;
    return result == MDB_NOTFOUND ? 0 : result;
}

int lt_queue_state(struct lt_queue *queue, struct lt_queue_state *state, struct leat_error *error) {
    struct state_reading reading = {.queue = queue, .state = state};
    int result = lt_store_read(queue->store, read_state, &reading, "read the state of a queue", error);
    if (result == 0 && !reading.found)
        return leat_fail(error, -ENOENT, "queue:%s: there is no queue \"%s\" in this file", queue->label, queue->name);
    return result;
}

/* How many names there are gives the number of a new one; names are never removed. */
static int make_state(MDB_txn *transaction, void *arg) {
    struct lt_queue *queue = arg;
    struct lt_queue_state state = {.next = 1};
    int result = lt_queue_get_state(transaction, queue, &state);
    if (result != MDB_NOTFOUND)
        return result;
    MDB_stat stat;
    result = mdb_stat(transaction, lt_store_names(queue->store), &stat);
    if (result != 0)
        return result;
    state.number = stat.ms_entries;
    return lt_queue_set_state(transaction, queue, &state);
}

struct name_walk {
    struct lt_store *store;
    lt_queue_name_fn *each;
    void *arg;
};

static int walk_names(MDB_txn *transaction, void *arg) {
    struct name_walk *walk = arg;
    MDB_cursor *cursor;
    int result = mdb_cursor_open(transaction, lt_store_names(walk->store), &cursor);
    if (result != 0)
        return result;
    MDB_val key, value;
    while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct lt_queue_state state;
        char name[LT_QUEUE_NAME_ROOM] = "";
        if (*(const char *)key.mv_data == '!')
            continue;
        if (key.mv_size >= sizeof name || value.mv_size != sizeof state) {
            result = MDB_CORRUPTED;
            break;
        }
        memcpy(name, key.mv_data, key.mv_size);
        memcpy(&state, value.mv_data, sizeof state);
        result = walk->each(walk->arg, name, &state);
        if (result != 0)
            break;
    }
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? 0 : result;
}

int lt_queue_each_name(struct lt_store *store, lt_queue_name_fn *each, void *arg, struct leat_error *error) {
    struct name_walk walk = {.store = store, .each = each, .arg = arg};
    return lt_store_read(store, walk_names, &walk, "list the queues", error);
}

/* --------------------------------------------------------------- opening */

static int open_tables(struct lt_queue *queue, bool create, struct leat_error *error) {
    const struct {
        const char *suffix;
        MDB_dbi *table;
    } tables[] = {{"", &queue->ready}, {"!gone", &queue->gone}, {"!dead", &queue->dead}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char name[LT_QUEUE_NAME_ROOM];
        snprintf(name, sizeof name, "%s%s", queue->name, tables[i].suffix);
        int result = lt_store_table(queue->store, name, create, tables[i].table, error);
        if (result == -ENOENT)
            return leat_fail(error, -EBADMSG, "queue:%s: the file is damaged: the table \"%s\" is missing",
                             queue->label, name);
        if (result < 0)
            return result;
    }
    return 0;
}

static int open_name(struct lt_queue *queue, enum lt_store_mode mode, struct leat_error *error) {
    struct lt_queue_state state;
    int result = lt_queue_state(queue, &state, error);
    bool create = result == -ENOENT && mode == LT_STORE_CREATE;
    if (result < 0 && !create)
        return result;
    result = open_tables(queue, create, error);
    if (result == 0 && create)
        result = lt_store_write(queue->store, make_state, queue, "make a queue in it", error);
    if (result == 0 && create)
        result = lt_queue_state(queue, &state, error);
    queue->number = state.number;
    return result;
}

int lt_queue_open(struct lt_queue **opened, const char *target, enum lt_store_mode mode, struct leat_error *error) {
    size_t room = strlen(target) + 1;
    struct lt_queue *queue = calloc(1, sizeof *queue + room + LT_QUEUE_NAME_ROOM + 1);
    if (!queue)
        return leat_fail(error, -ENOMEM, "queue:%s: memory is short", target);
    queue->lease = -1;
    int result = lt_queue_target(target, queue->label, queue->name, error);
    if (result == 0)
        result = lt_store_open(&queue->store, queue->label, mode, error);
    if (result == 0) {
        strcat(strcat(queue->label, "#"), queue->name);
        result = open_name(queue, mode, error);
    }
    if (result < 0) {
        lt_queue_close(queue);
        return result;
    }
    *opened = queue;
    return 0;
}

void lt_queue_close(struct lt_queue *queue) {
    if (!queue)
        return;
    if (queue->lease >= 0)
        close(queue->lease);
    lt_store_close(queue->store);
    free(queue);
}

/* ----------------------------------------------------------------- lease */

static int record_reader(MDB_txn *transaction, void *arg) {
    struct lt_queue *queue = arg;
    struct lt_queue_state state;
    int result = lt_queue_get_state(transaction, queue, &state);
    if (result != 0)
        return result;
    state.reader = (uint64_t)getpid();
    return lt_queue_set_state(transaction, queue, &state);
}

static int refuse_lease(struct lt_queue *queue, struct leat_error *error) {
    struct lt_queue_state state;
    int result = lt_queue_state(queue, &state, error);
    if (result < 0)
        return result;
    return leat_fail(error, -EBUSY, "queue:%s is being read by process %llu", queue->label,
                     (unsigned long long)state.reader);
}

int lt_queue_lease(struct lt_queue *queue, struct leat_error *error) {
    int fd = lt_store_descriptor(queue->store);
    if (fd < 0)
        return leat_fail(error, fd, "queue:%s: cannot lock it for reading: %s", queue->label, strerrordesc_np(-fd));
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCKS_FROM + (off_t)queue->number, .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        int code = errno;
        close(fd);
        if (code == EAGAIN || code == EACCES)
            return refuse_lease(queue, error);
        return leat_fail(error, -code, "queue:%s: cannot lock it for reading: %s", queue->label, strerrordesc_np(code));
    }
    int result = lt_store_write(queue->store, record_reader, queue, "note its reader", error);
    if (result < 0) {
        close(fd);
        return result;
    }
    queue->lease = fd;
    return 0;
}

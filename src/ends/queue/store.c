/* SPDX-License-Identifier: MIT */
/**
 * A queue file is one LMDB environment (MDB_NOSUBDIR; LMDB puts FILE-lock next
 * to it). This file opens it safely, shares it, runs transactions, lets the map
 * grow, and words the errors. What stands in it is queue.c's.
 *
 * Invariants:
 * - One environment for each file in a process: LMDB's locks break when a
 *   process opens a file twice, and a pipeline may read one queue of a file and
 *   write another. The table of open files below is therefore the one piece of
 *   global state; its mutex protects it, and (device, inode) is the key.
 * - Every transaction holds `map_lock` for reading; the map changes its size only under
 *   it held for writing, when this process has no transaction.
 * - Every commit is synchronous: data, then the head. A commit that failed
 *   changed nothing.
 * - LMDB never sees a file that check.c has not seen.
 *
 * Rejected: MDB_WRITEMAP (a full disk becomes SIGBUS, a stray pointer a broken
 * file, and touching fresh pages of the map costs more than writing them);
 * MDB_NOSYNC and MDB_NOMETASYNC (what was confirmed could be lost); one huge map from the start (fails under
 * limits of address space and in memory checkers); thread-bound readers (a task
 * that waits may go on in another thread).
 */
#include "ends/queue/store.h"

#include "base/error.h"
#include "base/same.h"
#include "ends/queue/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    MAX_TABLES = 512,
    FIRST_MAP = 64 << 20,
    SNAPSHOT_TRIES = 100,
    FORMAT = 1,
    KEPT_MEMORY = 64 << 20,
    LOCK_FILE = 8192, /* bytes, as LMDB makes it with its usual number of readers */
};

/* Names of queues have no "!". */
#define NAMES_TABLE "!leat"
#define FORMAT_KEY "!format"

struct lt_store {
    struct lt_store *next;
    size_t references;
    dev_t device;
    ino_t inode;
    int fd; /* of the data file; LMDB has its own */
    bool read_only;
    bool lost; /* the map could not be brought back */
    MDB_env *environment;
    MDB_dbi names;
    pthread_rwlock_t map_lock;
    pthread_mutex_t tables_lock; /* one thread at a time may open a table */
    char path[];
};

static struct {
    pthread_mutex_t lock;
    struct lt_store *first;
} open_stores = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *lt_store_path(const struct lt_store *store) {
    return store->path;
}

bool lt_store_read_only(const struct lt_store *store) {
    return store->read_only;
}

MDB_dbi lt_store_names(const struct lt_store *store) {
    return store->names;
}

int lt_store_descriptor(const struct lt_store *store) {
    int fd = open(store->path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat status;
    if (fstat(fd, &status) == 0 && status.st_dev == store->device && status.st_ino == store->inode)
        return fd;
    close(fd);
    return -ESTALE;
}

/* ---------------------------------------------------------------- errors */

/* LMDB makes EIO of a write that was cut short, which is what a full disk does first. */
static bool disk_is_full(const struct lt_store *store) {
    struct statvfs status;
    return fstatvfs(store->fd, &status) == 0 && status.f_bavail < 256;
}

int lt_store_fail(const struct lt_store *store, int result, const char *what, struct leat_error *error) {
    if (result == EIO && disk_is_full(store))
        result = ENOSPC;
    switch (result) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return leat_fail(error, -result,
                         "queue:%s: cannot %s: %s; nothing of it was done, what was there before is intact",
                         store->path, what, strerrordesc_np(result));
    case EIO:
        return leat_fail(error, -EIO, "queue:%s: cannot %s: the disk took only part of it (%s)", store->path, what,
                         strerrordesc_np(EIO));
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return leat_fail(error, -EBADMSG, "queue:%s: cannot %s: the file is damaged: %s", store->path, what,
                         mdb_strerror(result));
    case MDB_MAP_FULL:
        return leat_fail(error, -ENOMEM, "queue:%s: cannot %s: the map cannot grow", store->path, what);
    case MDB_READERS_FULL:
        return leat_fail(error, -EUSERS, "queue:%s: cannot %s: too many processes read the file", store->path, what);
    case MDB_DBS_FULL:
        return leat_fail(error, -ENFILE, "queue:%s: cannot %s: too many queues in one file", store->path, what);
    default:
        if (result > 0)
            return leat_fail(error, -result, "queue:%s: cannot %s: %s", store->path, what, strerrordesc_np(result));
        return leat_fail(error, -EIO, "queue:%s: cannot %s: %s", store->path, what, mdb_strerror(result));
    }
}

/* ---------------------------------------------------------- transactions */

/* Bring the map to `size` bytes; 0: to what another process made it. */
static int set_map(struct lt_store *store, size_t size) {
    pthread_rwlock_wrlock(&store->map_lock);
    MDB_envinfo before;
    mdb_env_info(store->environment, &before);
    int result = 0;
    if (size == 0 || size > before.me_mapsize)
        result = mdb_env_set_mapsize(store->environment, size);
    if (result != 0 && mdb_env_set_mapsize(store->environment, before.me_mapsize) != 0)
        store->lost = true;
    pthread_rwlock_unlock(&store->map_lock);
    return result;
}

static int grow_map(struct lt_store *store) {
    MDB_envinfo info;
    int dead_readers;
    mdb_reader_check(store->environment, &dead_readers);
    mdb_env_info(store->environment, &info);
    return info.me_mapsize > SIZE_MAX / 2 ? MDB_MAP_FULL : set_map(store, info.me_mapsize * 2);
}

static int run_once(struct lt_store *store, unsigned flags, lt_store_fn *work, void *arg) {
    if (store->lost)
        return ENOMEM;
    MDB_txn *transaction;
    int result = mdb_txn_begin(store->environment, NULL, flags, &transaction);
    if (result != 0)
        return result;
    result = work(transaction, arg);
    if (result == 0 && !(flags & MDB_RDONLY))
        return mdb_txn_commit(transaction);
    mdb_txn_abort(transaction);
    return result;
}

static int run(struct lt_store *store, unsigned flags, lt_store_fn *work, void *arg) {
    for (;;) {
        pthread_rwlock_rdlock(&store->map_lock);
        int result = run_once(store, flags, work, arg);
        pthread_rwlock_unlock(&store->map_lock);
        if (result == MDB_MAP_FULL)
            result = grow_map(store);
        else if (result == MDB_MAP_RESIZED)
            result = set_map(store, 0);
        else
            return result;
        if (result != 0)
            return result;
    }
}

int lt_store_write(struct lt_store *store, lt_store_fn *work, void *arg, const char *what, struct leat_error *error) {
    int result = run(store, 0, work, arg);
    return result == 0 ? 0 : lt_store_fail(store, result, what, error);
}

int lt_store_read(struct lt_store *store, lt_store_fn *work, void *arg, const char *what, struct leat_error *error) {
    int result = run(store, MDB_RDONLY, work, arg);
    return result == 0 ? 0 : lt_store_fail(store, result, what, error);
}

struct table_opening {
    const char *name;
    unsigned flags;
    MDB_dbi *table;
};

static int open_table(MDB_txn *transaction, void *arg) {
    struct table_opening *opening = arg;
    return mdb_dbi_open(transaction, opening->name, opening->flags, opening->table);
}

/* A handle outlives a transaction that only reads if that one is committed. */
static int find_table(struct lt_store *store, struct table_opening *opening) {
    for (;;) {
        pthread_rwlock_rdlock(&store->map_lock);
        MDB_txn *transaction;
        int result = store->lost ? ENOMEM : mdb_txn_begin(store->environment, NULL, MDB_RDONLY, &transaction);
        if (result == 0) {
            result = open_table(transaction, opening);
            mdb_txn_commit(transaction);
        }
        pthread_rwlock_unlock(&store->map_lock);
        if (result != MDB_MAP_RESIZED)
            return result;
        result = set_map(store, 0);
        if (result != 0)
            return result;
    }
}

int lt_store_table(struct lt_store *store, const char *name, bool create, MDB_dbi *table, struct leat_error *error) {
    struct table_opening opening = {.name = name, .table = table};
    pthread_mutex_lock(&store->tables_lock);
    int result = find_table(store, &opening);
    if (result == MDB_NOTFOUND && create) {
        opening.flags = MDB_CREATE;
        result = run(store, 0, open_table, &opening);
    }
    pthread_mutex_unlock(&store->tables_lock);
    if (result == MDB_NOTFOUND)
        return -ENOENT;
    return result == 0 ? 0 : lt_store_fail(store, result, "open a queue in it", error);
}

/* --------------------------------------------------------------- opening */

static int open_file(const char *path, enum lt_store_mode mode, int *fd, struct stat *status,
                     struct leat_error *error) {
    int flags = mode == LT_STORE_LOOK ? O_RDONLY : mode == LT_STORE_OPEN ? O_RDWR : O_RDWR | O_CREAT;
    /* Without O_NONBLOCK a named pipe would hold us up before we can see that it is one. */
    *fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
    if (*fd < 0)
        return leat_fail(error, -errno, "queue:%s: cannot open the file: %s", path, strerrordesc_np(errno));
    if (fstat(*fd, status) < 0)
        return leat_fail(error, -errno, "queue:%s: cannot look at the file: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(status->st_mode))
        return leat_fail(error, S_ISDIR(status->st_mode) ? -EISDIR : -EMEDIUMTYPE,
                         "queue:%s: this is %s, not a queue file", path,
                         S_ISDIR(status->st_mode) ? "a directory" : "a device or pipe");
    if (status->st_size == 0 && mode != LT_STORE_CREATE)
        return leat_fail(error, -EMEDIUMTYPE, "queue:%s: the file is empty, no queue was ever put into it", path);
    return lt_queue_check_head(*fd, path, error);
}

/* A new file is there after a power failure only when its directory is on disk. */
static int sync_directory(const char *path) {
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX] = ".";
    if (slash && (size_t)(slash - path) + 1 < sizeof directory) {
        memcpy(directory, path, (size_t)(slash - path) + 1);
        directory[slash - path + 1] = 0;
    }
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : errno; /* one may write into a directory that one cannot read */
    int result = fsync(fd) < 0 && errno != EINVAL ? errno : 0;
    close(fd);
    return result;
}

struct verification {
    struct lt_store *store;
    struct leat_error *error;
    int result;
};

static int verify_snapshot(MDB_txn *transaction, void *arg) {
    struct verification *verification = arg;
    verification->result = lt_queue_check_tree(verification->store->fd, verification->store->path,
                                               mdb_txn_id(transaction), verification->error);
    return 0;
}

static int verify(struct lt_store *store, struct leat_error *error) {
    struct verification verification = {.store = store, .error = error};
    for (int i = 0; i < SNAPSHOT_TRIES; i++) {
        int result = run(store, MDB_RDONLY, verify_snapshot, &verification);
        if (result != 0)
            return lt_store_fail(store, result, "read the file", error);
        if (verification.result != -EAGAIN)
            return verification.result;
    }
    return leat_fail(error, -EBUSY, "queue:%s: the file changes too fast to be looked at", store->path);
}

/* The mark of a leat queue file, put into a new one. */
static int check_format(MDB_txn *transaction, void *arg) {
    struct lt_store *store = arg;
    MDB_stat stat;
    MDB_dbi main_table;
    int result = mdb_dbi_open(transaction, NULL, 0, &main_table);
    if (result == 0)
        result = mdb_stat(transaction, main_table, &stat);
    if (result != 0)
        return result;
    bool create = stat.ms_entries == 0 && !store->read_only;
    result = mdb_dbi_open(transaction, NAMES_TABLE, create ? MDB_CREATE : 0, &store->names);
    if (result != 0)
        return result;
    MDB_val key = {.mv_size = strlen(FORMAT_KEY), .mv_data = FORMAT_KEY}, value;
    if (create) {
        value = (MDB_val){.mv_size = sizeof(uint32_t), .mv_data = &(uint32_t){FORMAT}};
        return mdb_put(transaction, store->names, &key, &value, 0);
    }
    result = mdb_get(transaction, store->names, &key, &value);
    if (result != 0)
        return result;
    uint32_t format = 0;
    if (value.mv_size == sizeof format)
        memcpy(&format, value.mv_data, sizeof format);
    return format == FORMAT ? 0 : MDB_VERSION_MISMATCH;
}

static int open_format(struct lt_store *store, struct leat_error *error) {
    struct table_opening opening = {.name = NAMES_TABLE, .table = &store->names};
    int result = find_table(store, &opening);
    if (result == 0)
        result = run(store, MDB_RDONLY, check_format, store);
    else if (result == MDB_NOTFOUND && !store->read_only)
        result = run(store, 0, check_format, store);
    switch (result) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
    case MDB_INCOMPATIBLE:
        return leat_fail(error, -EMEDIUMTYPE, "queue:%s: this is a file of LMDB, but not a queue of leat", store->path);
    case MDB_VERSION_MISMATCH:
        return leat_fail(error, -EMEDIUMTYPE, "queue:%s: the file has another queue format than this program's (%d)",
                         store->path, FORMAT);
    default:
        return lt_store_fail(store, result, "read its format", error);
    }
}

/*
 * LMDB writes to its lock file through a map; on a full disk that is SIGBUS. So its blocks are there before LMDB opens
 * it. This process has no lock on it yet that closing it would drop.
 */
static int make_lock_file(const struct lt_store *store, struct leat_error *error) {
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s-lock", store->path) >= sizeof path)
        return leat_fail(error, -ENAMETOOLONG, "queue:%s: the name of the file is too long", store->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return 0; /* LMDB knows what to do without, or what to say */
    int code = fallocate(fd, 0, 0, LOCK_FILE) < 0 ? errno : 0;
    close(fd);
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return leat_fail(error, -code, "queue:%s: cannot make %s: %s", store->path, path, strerrordesc_np(code));
    return 0; /* not every kind of file system can */
}

/* One byte before the leases of queue.c. */
#define MAKING (((off_t)1 << 62) - 1)

static void lock_making(int fd, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = MAKING, .l_len = 1};
    fcntl(fd, F_OFD_SETLKW, &lock);
}

/*
 * What a full disk took of a new file's head is taken back, or the file would be none for ever. Others that make the
 * same file wait meanwhile.
 */
static int make_environment(struct lt_store *store, unsigned flags) {
    lock_making(store->fd, F_WRLCK);
    int result = mdb_env_open(store->environment, store->path, flags, 0666);
    if (result != 0 && lt_queue_check_head(store->fd, store->path, NULL) < 0 && ftruncate(store->fd, 0) < 0)
        result = errno;
    lock_making(store->fd, F_UNLCK);
    return result;
}

static int start_environment(struct lt_store *store, bool is_new, struct leat_error *error) {
    /* LMDB allocates what a transaction writes and frees it at the commit. malloc would give those megabytes back to
     * the system each time, and touching them anew costs more than the write. For the whole process, there is no other
     * way. */
    mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
    int result = make_lock_file(store, error);
    if (result < 0)
        return result;
    result = mdb_env_create(&store->environment);
    if (result != 0) {
        store->environment = NULL;
        return lt_store_fail(store, result, "open the file", error);
    }
    mdb_env_set_maxdbs(store->environment, MAX_TABLES);
    mdb_env_set_mapsize(store->environment, FIRST_MAP);
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (store->read_only ? MDB_RDONLY : 0);
    result = is_new ? make_environment(store, flags) : mdb_env_open(store->environment, store->path, flags, 0666);
    if (result == MDB_INVALID || result == MDB_VERSION_MISMATCH)
        return leat_fail(error, -EMEDIUMTYPE, "queue:%s: %s-lock belongs to another program or version", store->path,
                         store->path);
    if (result != 0)
        return lt_store_fail(store, result, "open the file and the lock file beside it", error);
    int dead_readers;
    mdb_reader_check(store->environment, &dead_readers);
    result = verify(store, error);
    return result < 0 ? result : open_format(store, error);
}

static void free_store(struct lt_store *store) {
    if (store->environment)
        mdb_env_close(store->environment);
    if (store->fd >= 0)
        close(store->fd);
    pthread_rwlock_destroy(&store->map_lock);
    pthread_mutex_destroy(&store->tables_lock);
    free(store);
}

static int start_store(struct lt_store **opened, const char *path, int fd, const struct stat *status, bool read_only,
                       struct leat_error *error) {
    size_t size = strlen(path) + 1;
    struct lt_store *store = calloc(1, sizeof *store + size);
    if (!store)
        return leat_fail(error, -ENOMEM, "queue:%s: memory is short", path);
    memcpy(store->path, path, size);
    pthread_rwlock_init(&store->map_lock, NULL);
    pthread_mutex_init(&store->tables_lock, NULL);
    store->references = 1;
    store->device = status->st_dev;
    store->inode = status->st_ino;
    store->read_only = read_only;
    store->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int result = store->fd < 0 ? leat_fail(error, -errno, "queue:%s: cannot open the file again: %s", path,
                                           strerrordesc_np(errno))
                               : start_environment(store, status->st_size == 0, error);
    int unsynced = result == 0 && status->st_size == 0 ? sync_directory(path) : 0;
    if (unsynced)
        result = lt_store_fail(store, unsynced, "put its name on the disk", error);
    if (result < 0) {
        free_store(store);
        return result;
    }
    store->next = open_stores.first;
    open_stores.first = store;
    *opened = store;
    return 0;
}

static int find_or_start(struct lt_store **opened, const char *path, int fd, const struct stat *status, bool read_only,
                         struct leat_error *error) {
    for (struct lt_store *store = open_stores.first; store; store = store->next) {
        if (store->device != status->st_dev || store->inode != status->st_ino)
            continue;
        if (store->read_only && !read_only)
            return leat_fail(error, -EROFS, "queue:%s: the file is open for reading only in this process", path);
        store->references++;
        *opened = store;
        return 0;
    }
    if (!read_only && lt_open_elsewhere(fd, STDIN_FILENO) & LT_OPEN_TO_WRITE)
        return leat_fail(error, -EINVAL, "queue:%s: is also used elsewhere in this run", path);
    return start_store(opened, path, fd, status, read_only, error);
}

int lt_store_open(struct lt_store **opened, const char *path, enum lt_store_mode mode, struct leat_error *error) {
    int fd = -1;
    struct stat status;
    int result = open_file(path, mode, &fd, &status, error);
    if (result == 0) {
        pthread_mutex_lock(&open_stores.lock);
        result = find_or_start(opened, path, fd, &status, mode == LT_STORE_LOOK, error);
        pthread_mutex_unlock(&open_stores.lock);
    }
    if (fd >= 0)
        close(fd);
    return result;
}

void lt_store_close(struct lt_store *store) {
    if (!store)
        return;
    pthread_mutex_lock(&open_stores.lock);
    bool last = --store->references == 0;
    if (last) {
        struct lt_store **link = &open_stores.first;
        while (*link != store)
            link = &(*link)->next;
        *link = store->next;
        free_store(store);
    }
    pthread_mutex_unlock(&open_stores.lock);
}

int lt_store_copy(struct lt_store *store, const char *path, struct leat_error *error) {
    int result = mdb_env_copy(store->environment, path);
    return result ? lt_store_fail(store, result, "copy the file", error) : 0;
}

/* SPDX-License-Identifier: MIT */
/**
 * A library to be preloaded into the program under test: the n-th call of a kind fails, once, as its manual says it
 * may.
 *
 *     LEAT_FAULT=KIND:N[:ERROR]  which call; ERROR is a number, or SHORT for a read or write of one byte
 *     LEAT_FAULT_ALWAYS=KIND     all calls of this kind fail besides: to come to what is done then
 *     LEAT_FAULT_LOG=FILE        gets "hit FUNCTION" and, when the process ends by itself, "calls KIND COUNT" for each
 * kind, "descriptors +N" and "block SIZE OBJECT+OFFSET" for what was not given back
 *
 * Invariants: a call that fails does nothing, but for close(), which closes, as Linux does. Counting is exact with any
 * number of threads. What the C library allocates for its callers (strdup, opendir, …) comes through here, too.
 *
 * Why preloading: one counter sees the program and the libraries under it, the program is the one that is shipped, and
 * it works under AddressSanitizer. Rejected: the linker's --wrap (does not reach into LMDB, libyaml, zlib); strace
 * --inject and seccomp (know system calls alone: no malloc; strace counts for each thread by itself).
 */
/* Both names of a call are needed, which the build's choice would make one; off_t has 64 bits all the same. */
#undef _FILE_OFFSET_BITS

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/futex.h>
#include <unistd.h>

enum kind {
    ALLOCATE,
    MAP,
    ADVISE,
    PROTECT,
    EPOLL_CREATE,
    EPOLL_CONTROL,
    EPOLL_WAIT,
    EVENT,
    POLL,
    THREAD,
    KEY,
    STACK,
    FUTEX,
    OPEN,
    READ,
    WRITE,
    SYNC,
    TRUNCATE,
    CLOSE,
    CONTROL,
    STATUS,
    SEEK,
    RENAME,
    KINDS,
};

static const char *const names[KINDS] = {
    "allocate", "map",      "advise", "protect", "epoll-create", "epoll-control", "epoll-wait", "event",
    "poll",     "thread",   "key",    "stack",   "futex",        "open",          "read",       "write",
    "sync",     "truncate", "close",  "control", "status",       "seek",          "rename",
};

static const int errors[KINDS] = {
    [ALLOCATE] = ENOMEM,      [MAP] = ENOMEM,        [ADVISE] = EINVAL,   [PROTECT] = ENOMEM, [EPOLL_CREATE] = EMFILE,
    [EPOLL_CONTROL] = ENOSPC, [EPOLL_WAIT] = ENOSYS, [EVENT] = EMFILE,    [POLL] = ENOMEM,    [THREAD] = EAGAIN,
    [KEY] = EAGAIN,           [STACK] = ENOMEM,      [FUTEX] = EINTR,     [OPEN] = EMFILE,    [READ] = EIO,
    [WRITE] = ENOSPC,         [SYNC] = EIO,          [TRUNCATE] = ENOSPC, [CLOSE] = EIO,      [CONTROL] = ENOLCK,
    [STATUS] = EIO,           [SEEK] = EIO,          [RENAME] = ENOSPC,
};

enum { SHORT = -1 };

static struct {
    int kind; /* -1: none */
    int always;
    unsigned long n;
    int error;
    const char *log;
    int descriptors; /* open at the start */
    bool asan;
} plan = {.kind = -1, .always = -1};

static atomic_ulong calls[KINDS];

/* Descriptors that only count: reading and writing them cannot fail. */
enum { DESCRIPTORS = 4096 };
static atomic_bool counters[DESCRIPTORS];

static void note_counter(int fd, bool is_one) {
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_store(&counters[fd], is_one);
}

static bool is_counter(int fd) {
    return fd >= 0 && fd < DESCRIPTORS && atomic_load(&counters[fd]);
}

/* The function of this name that would have been called without this library. */
#define NEXT(function) ((typeof(&function))next(#function))

static void *next(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        abort();
    return function;
}

/* ------------------------------------------------------------------- log */

/* Straight to the kernel: nothing here may count or fail. */
static void log_line(const char *format, ...) {
    if (!plan.log)
        return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int saved = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, plan.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    syscall(SYS_write, fd, line, (size_t)size);
    syscall(SYS_close, fd);
    errno = saved;
}

/* ---------------------------------------------------------------- the plan */

/* Whether this call is the one. */
static bool chosen(enum kind kind, const char *function) {
    unsigned long n = atomic_fetch_add_explicit(&calls[kind], 1, memory_order_relaxed) + 1;
    if (plan.kind != (int)kind || plan.n != n)
        return false;
    log_line("hit %s\n", function);
    return true;
}

/* Whether this call fails; then errno says why. */
static bool fails(enum kind kind, const char *function) {
    bool fail = chosen(kind, function) || plan.always == (int)kind;
    if (fail)
        errno = plan.kind == (int)kind && plan.error > 0 ? plan.error : errors[kind];
    return fail;
}

/* The same for reads and writes, of which a part may be done. `*size` becomes 1 for such a part. */
static bool fails_or_short(enum kind kind, const char *function, size_t *size) {
    if (!fails(kind, function))
        return false;
    if (plan.error != SHORT)
        return true;
    *size = *size > 1 ? 1 : *size;
    return false;
}

/* ------------------------------------------------------- blocks not given back */

enum { BLOCKS = 1 << 14 };

static struct block {
    void *memory;
    void *caller;
    size_t size;
} blocks[BLOCKS];
static atomic_flag blocks_lock = ATOMIC_FLAG_INIT;

static size_t place_of(const void *memory) {
    return ((uintptr_t)memory >> 4) * 0x9E3779B97F4A7C15u >> 50;
}

static void lock_blocks(void) {
    while (atomic_flag_test_and_set_explicit(&blocks_lock, memory_order_acquire))
        continue;
}

static void unlock_blocks(void) {
    atomic_flag_clear_explicit(&blocks_lock, memory_order_release);
}

/* Forget a block; those behind it in its row move up, so that a free place ends every search. */
static void forget(void *memory) {
    lock_blocks();
    size_t at = place_of(memory);
    while (blocks[at].memory && blocks[at].memory != memory)
        at = (at + 1) % BLOCKS;
    for (size_t hole = at; blocks[hole].memory;) {
        at = (at + 1) % BLOCKS;
        if (!blocks[at].memory) {
            blocks[hole].memory = NULL;
            break;
        }
        if ((at - place_of(blocks[at].memory)) % BLOCKS >= (at - hole) % BLOCKS) {
            blocks[hole] = blocks[at];
            hole = at;
        }
    }
    unlock_blocks();
}

static void *remember(void *memory, size_t size, void *caller) {
    if (!memory)
        return NULL;
    lock_blocks();
    size_t at = place_of(memory);
    while (blocks[at].memory)
        at = (at + 1) % BLOCKS;
    blocks[at] = (struct block){memory, caller, size};
    unlock_blocks();
    return memory;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The dynamic linker keeps what belongs to threads and objects; so do the C library's streams. */
static bool is_kept(const char *object) {
    return strncmp(object, "ld-linux", 8) == 0 || strncmp(object, "libfault", 8) == 0 ||
           strncmp(object, "libasan", 7) == 0;
}

static void report_blocks(void) {
    for (size_t i = 0; i < BLOCKS; i++) {
        Dl_info info;
        if (!blocks[i].memory)
            continue;
        bool known = dladdr(blocks[i].caller, &info) != 0;
        const char *object = known ? base_name(info.dli_fname) : "?";
        if (!is_kept(object))
            log_line("block %zu %s+%zx\n", blocks[i].size, object,
                     (size_t)((char *)blocks[i].caller - (known ? (char *)info.dli_fbase : NULL)));
    }
}

/* AddressSanitizer cannot do without what it asks for itself. */
static bool asan_needs(void *caller, const char *object) {
    Dl_info info;
    return plan.asan && dladdr(caller, &info) && strncmp(base_name(info.dli_fname), object, strlen(object)) == 0;
}

/* ----------------------------------------------------------- start and end */

static int count_descriptors(void) {
    char room[8192];
    int count = 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    for (long size; (size = syscall(SYS_getdents64, fd, room, sizeof room)) > 0;)
        for (long at = 0; at < size; at += ((struct dirent64 *)(room + at))->d_reclen)
            count++;
    syscall(SYS_close, fd);
    return count;
}

static int kind_named(const char *name, size_t size) {
    for (int kind = 0; kind < KINDS; kind++)
        if (strlen(names[kind]) == size && memcmp(names[kind], name, size) == 0)
            return kind;
    return -1;
}

static __attribute__((constructor)) void begin(void) {
    const char *fault = getenv("LEAT_FAULT"), *always = getenv("LEAT_FAULT_ALWAYS");
    unsetenv("LD_PRELOAD"); /* the commands that the program runs are not under test */
    plan.log = getenv("LEAT_FAULT_LOG");
    plan.descriptors = count_descriptors();
    plan.asan = dlsym(RTLD_DEFAULT, "__asan_init") != NULL;
    if (always)
        plan.always = kind_named(always, strlen(always));
    for (int kind = 0; kind < KINDS; kind++)
        atomic_store(&calls[kind], 0);
    if (!fault)
        return;
    char *end = strchrnul(fault, ':');
    plan.kind = kind_named(fault, (size_t)(end - fault));
    plan.n = *end ? strtoul(end + 1, &end, 10) : 0;
    if (*end == ':')
        plan.error = strcmp(end + 1, "SHORT") == 0 ? SHORT : atoi(end + 1);
}

static __attribute__((destructor)) void end(void) {
    for (int kind = 0; kind < KINDS; kind++)
        log_line("calls %s %lu\n", names[kind], atomic_load(&calls[kind]));
    int more = count_descriptors() - plan.descriptors;
    if (more)
        log_line("descriptors %+d\n", more);
    report_blocks();
}

/* ------------------------------------------------------------------ memory */

/* dlsym() may allocate, before it has found the functions that do. */
static char early[4096];
static size_t early_size;

static bool is_early(const void *memory) {
    return (const char *)memory >= early && (const char *)memory < early + sizeof early;
}

static void *allocate_early(size_t size) {
    size_t at = (early_size + 15) & ~(size_t)15;
    if (size > sizeof early - at)
        abort();
    early_size = at + size;
    return early + at;
}

static struct {
    typeof(&malloc) malloc;
    typeof(&calloc) calloc;
    typeof(&realloc) realloc;
    typeof(&free) free;
} heap;

static _Thread_local bool finding __attribute__((tls_model("initial-exec")));

static bool ready(void) {
    if (__builtin_expect(heap.free != NULL, 1))
        return true;
    if (finding)
        return false;
    finding = true;
    heap.malloc = NEXT(malloc);
    heap.calloc = NEXT(calloc);
    heap.realloc = NEXT(realloc);
    heap.free = NEXT(free);
    finding = false;
    return true;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size) {
    if (!ready())
        return allocate_early(size);
    return fails(ALLOCATE, "malloc") ? NULL : remember(heap.malloc(size), size, CALLER);
}

void *calloc(size_t count, size_t size) {
    if (!ready())
        return allocate_early(count * size);
    return fails(ALLOCATE, "calloc") ? NULL : remember(heap.calloc(count, size), count * size, CALLER);
}

void free(void *memory) {
    if (!memory || is_early(memory))
        return;
    forget(memory);
    ready();
    heap.free(memory);
}

/* Forgotten before, since another thread may get the old place at once; remembered again when it stays. */
void *realloc(void *memory, size_t size) {
    if (!ready() || is_early(memory))
        abort();
    bool by_asan = asan_needs(CALLER, "libc.so"); /* where it asks for the bounds of a thread's stack */
    if (!by_asan && fails(ALLOCATE, "realloc"))
        return NULL;
    if (memory)
        forget(memory);
    void *larger = heap.realloc(memory, size);
    if (!larger && memory && size)
        remember(memory, size, CALLER);
    return remember(larger, size, CALLER);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(ALLOCATE, "aligned_alloc") ? NULL : remember(NEXT(aligned_alloc)(alignment, size), size, CALLER);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    int before = errno;
    if (fails(ALLOCATE, "posix_memalign")) {
        errno = before;
        return ENOMEM;
    }
    int result = NEXT(posix_memalign)(memory, alignment, size);
    if (result == 0)
        remember(*memory, size, CALLER);
    return result;
}

static void *map(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    return fails(MAP, "mmap") ? MAP_FAILED : NEXT(mmap)(address, size, protection, flags, fd, offset);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    return map(address, size, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    return map(address, size, protection, flags, fd, offset);
}

int madvise(void *address, size_t size, int advice) {
    return fails(ADVISE, "madvise") ? -1 : NEXT(madvise)(address, size, advice);
}

int mprotect(void *address, size_t size, int protection) {
    return fails(PROTECT, "mprotect") ? -1 : NEXT(mprotect)(address, size, protection);
}

int sigaltstack(const stack_t *stack, stack_t *old) {
    bool by_asan = asan_needs(CALLER, "libasan");
    return !by_asan && fails(STACK, "sigaltstack") ? -1 : NEXT(sigaltstack)(stack, old);
}

/* ------------------------------------------------------- threads and waiting */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    int before = errno;
    if (!fails(THREAD, "pthread_create"))
        return NEXT(pthread_create)(thread, attributes, function, argument);
    int error = errno;
    errno = before;
    return error;
}

int pthread_key_create(pthread_key_t *key, void (*destroy)(void *value)) {
    int before = errno;
    if (!fails(KEY, "pthread_key_create"))
        return NEXT(pthread_key_create)(key, destroy);
    int error = errno;
    errno = before;
    return error;
}

int epoll_create1(int flags) {
    return fails(EPOLL_CREATE, "epoll_create1") ? -1 : NEXT(epoll_create1)(flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    return fails(EPOLL_CONTROL, "epoll_ctl") ? -1 : NEXT(epoll_ctl)(epoll, operation, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    return fails(EPOLL_WAIT, "epoll_wait") ? -1 : NEXT(epoll_wait)(epoll, events, most, timeout);
}

int epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *timeout,
                 const sigset_t *mask) {
    return fails(EPOLL_WAIT, "epoll_pwait2") ? -1 : NEXT(epoll_pwait2)(epoll, events, most, timeout, mask);
}

int poll(struct pollfd *list, nfds_t count, int timeout) {
    return fails(POLL, "poll") ? -1 : NEXT(poll)(list, count, timeout);
}

int ppoll(struct pollfd *list, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    return fails(POLL, "ppoll") ? -1 : NEXT(ppoll)(list, count, timeout, mask);
}

int eventfd(unsigned value, int flags) {
    int fd = fails(EVENT, "eventfd") ? -1 : NEXT(eventfd)(value, flags);
    note_counter(fd, true);
    return fd;
}

int signalfd(int fd, const sigset_t *mask, int flags) {
    return fails(EVENT, "signalfd") ? -1 : NEXT(signalfd)(fd, mask, flags);
}

/* Of the calls that have no function of their own: a wait that ends too early, the shorter way to guard stacks, and
 * opening what the system has in its caches. */
long syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    bool waits = number == SYS_futex && (a[1] & FUTEX_CMD_MASK) != FUTEX_WAKE;
    bool guards = number == SYS_process_madvise || number == SYS_pidfd_open;
    if ((waits && fails(FUTEX, "futex")) || (guards && fails(ADVISE, "process_madvise")) ||
        (number == SYS_openat2 && fails(OPEN, "openat2")))
        return -1;
    return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ------------------------------------------------------------------- files */

static int open_any(int directory, const char *path, int flags, mode_t mode) {
    return fails(OPEN, "open") ? -1 : NEXT(openat)(directory, path, flags, mode);
}

/* The mode is an argument only where a file may be made. */
#define MODE(flags)                                                                                                    \
    ({                                                                                                                 \
        mode_t mode = 0;                                                                                               \
        if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                         \
            va_list arguments;                                                                                         \
            va_start(arguments, flags);                                                                                \
            mode = va_arg(arguments, mode_t);                                                                          \
            va_end(arguments);                                                                                         \
        }                                                                                                              \
        mode;                                                                                                          \
    })

int open(const char *path, int flags, ...) {
    return open_any(AT_FDCWD, path, flags, MODE(flags));
}

int open64(const char *path, int flags, ...) {
    return open_any(AT_FDCWD, path, flags, MODE(flags));
}

int openat(int directory, const char *path, int flags, ...) {
    return open_any(directory, path, flags, MODE(flags));
}

int openat64(int directory, const char *path, int flags, ...) {
    return open_any(directory, path, flags, MODE(flags));
}

FILE *fopen(const char *path, const char *mode) {
    return fails(OPEN, "fopen") ? NULL : NEXT(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
    return fails(OPEN, "fopen") ? NULL : NEXT(fopen)(path, mode);
}

DIR *opendir(const char *path) {
    return fails(OPEN, "opendir") ? NULL : NEXT(opendir)(path);
}

ssize_t read(int fd, void *room, size_t size) {
    return !is_counter(fd) && fails_or_short(READ, "read", &size) ? -1 : NEXT(read)(fd, room, size);
}

static ssize_t read_at(int fd, void *room, size_t size, off_t offset) {
    return fails_or_short(READ, "pread", &size) ? -1 : NEXT(pread)(fd, room, size, offset);
}

ssize_t pread(int fd, void *room, size_t size, off_t offset) {
    return read_at(fd, room, size, offset);
}

ssize_t pread64(int fd, void *room, size_t size, off_t offset) {
    return read_at(fd, room, size, offset);
}

ssize_t preadv2(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    return fails(READ, "preadv2") ? -1 : NEXT(preadv2)(fd, pieces, count, offset, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    return fails(READ, "preadv2") ? -1 : NEXT(preadv2)(fd, pieces, count, offset, flags);
}

ssize_t getdents64(int fd, void *room, size_t size) {
    return fails(READ, "getdents64") ? -1 : NEXT(getdents64)(fd, room, size);
}

ssize_t write(int fd, const void *data, size_t size) {
    return !is_counter(fd) && fails_or_short(WRITE, "write", &size) ? -1 : NEXT(write)(fd, data, size);
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset) {
    return fails_or_short(WRITE, "pwrite", &size) ? -1 : NEXT(pwrite)(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return write_at(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    return write_at(fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    size_t size = 2;
    if (fails_or_short(WRITE, "writev", &size))
        return -1;
    return size == 1 ? NEXT(write)(fd, pieces[0].iov_base, 1) : NEXT(writev)(fd, pieces, count);
}

static ssize_t write_pieces(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    size_t size = 2;
    if (fails_or_short(WRITE, "pwritev2", &size))
        return -1;
    struct iovec first = {pieces[0].iov_base, 1};
    return size == 1 ? NEXT(pwritev2)(fd, &first, 1, offset, flags) : NEXT(pwritev2)(fd, pieces, count, offset, flags);
}

ssize_t pwritev2(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    return write_pieces(fd, pieces, count, offset, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    return write_pieces(fd, pieces, count, offset, flags);
}

int fsync(int fd) {
    return fails(SYNC, "fsync") ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd) {
    return fails(SYNC, "fdatasync") ? -1 : NEXT(fdatasync)(fd);
}

int msync(void *memory, size_t size, int flags) {
    return fails(SYNC, "msync") ? -1 : NEXT(msync)(memory, size, flags);
}

int ftruncate(int fd, off_t size) {
    return fails(TRUNCATE, "ftruncate") ? -1 : NEXT(ftruncate)(fd, size);
}

int ftruncate64(int fd, off_t size) {
    return fails(TRUNCATE, "ftruncate") ? -1 : NEXT(ftruncate)(fd, size);
}

int fallocate64(int fd, int mode, off_t offset, off_t size) {
    return fails(TRUNCATE, "fallocate") ? -1 : NEXT(fallocate)(fd, mode, offset, size);
}

int close(int fd) {
    note_counter(fd, false);
    int result = NEXT(close)(fd);
    return result == 0 && fails(CLOSE, "close") ? -1 : result;
}

static int control(int fd, int command, void *argument) {
    /* Whether a descriptor is open can always be told. */
    return command != F_GETFD && fails(CONTROL, "fcntl") ? -1 : NEXT(fcntl)(fd, command, argument);
}

int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return control(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return control(fd, command, argument);
}

int fstat64(int fd, struct stat64 *status) {
    return fails(STATUS, "fstat") ? -1 : NEXT(fstat64)(fd, status);
}

int stat64(const char *path, struct stat64 *status) {
    return fails(STATUS, "stat") ? -1 : NEXT(stat64)(path, status);
}

int fstatat64(int directory, const char *path, struct stat64 *status, int flags) {
    return fails(STATUS, "fstatat") ? -1 : NEXT(fstatat64)(directory, path, status, flags);
}

int fstatvfs64(int fd, struct statvfs64 *status) {
    return fails(STATUS, "fstatvfs") ? -1 : NEXT(fstatvfs64)(fd, status);
}

off_t lseek(int fd, off_t offset, int whence) {
    return fails(SEEK, "lseek") ? -1 : NEXT(lseek)(fd, offset, whence);
}

off_t lseek64(int fd, off_t offset, int whence) {
    return fails(SEEK, "lseek") ? -1 : NEXT(lseek)(fd, offset, whence);
}

int rename(const char *from, const char *to) {
    return fails(RENAME, "rename") ? -1 : NEXT(rename)(from, to);
}

/* SPDX-License-Identifier: MIT */
/**
 * What is asked of Linux beyond libc: guarding memory, writing, opening (os.c); threads, sleeping, counting processors
 * (threads.c, which a simulation replaces by src/simulate/threads.c). All calls return 0 (or a count) or a negative
 * errno value and restart after a signal.
 */
#ifndef LEAT_BASE_OS_H
#define LEAT_BASE_OS_H

#include "leat.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct epoll_event;
struct pollfd;
struct lt_virtual;

/** A thread of the operating system, or of a simulation. */
struct lt_os_thread {
    union {
        pthread_t real;
        struct lt_virtual *simulated;
    };
};

int lt_os_thread_start(struct lt_os_thread *thread, void *(*function)(void *), void *arg);
void lt_os_thread_join(struct lt_os_thread *thread);
/** Start a thread that nobody joins. */
int lt_os_thread_detached(void *(*function)(void *), void *arg);
/** Have `function(value)` called when the calling thread ends; at most once in each thread. */
void lt_os_thread_at_end(void (*function)(void *), void *value);
/** The calling thread, for lt_os_thread_delayed(). */
int lt_os_thread_id(void);
/** How long a thread of this process could have run, and others did. 0 when that cannot be told. */
leat_time lt_os_thread_delayed(int id);
/** Let other threads run. */
void lt_os_yield(void);
/** The calling thread's faults are handled on this stack; NULL: no longer. */
void lt_os_signal_stack(void *memory, size_t size);

/** Wait for events until `deadline`; 0: only look. The count, or a negative errno value. */
int lt_epoll_wait(int epoll, struct epoll_event *events, int room, leat_time deadline);
/** The same for one descriptor and an ordinary thread. */
int lt_poll_one(struct pollfd *poll, leat_time deadline);

/** Sleep while `*word` is `expected`, until woken or `deadline`. 0 (look again) or -ETIMEDOUT. */
int lt_futex_wait(_Atomic uint32_t *word, uint32_t expected, leat_time deadline);

/** Wake up to `count` threads that sleep on `word`. */
void lt_futex_wake(_Atomic uint32_t *word, int count);

/** Processors this process may use: affinity and the quota of its control group, at least 1. */
unsigned lt_processors(void);

/**
 * openat() for a file or directory whose path the system knows without asking a disk or a server; `within`: and that is
 * not on another file system than `parent`. -EAGAIN or -EXDEV for others, and other errors also where the system has no
 * such call. A network file system may still ask when it opens, and later.
 */
int lt_open_cached(int parent, const char *path, int flags, bool within);

/** Whether a file or directory is on a file system of this machine's own, which asks nobody for what it has cached. */
bool lt_is_local(int fd);

/** Threads of this process now; 0 when that cannot be told. */
unsigned lt_threads(void);

/** Address space of `size` bytes that costs memory only where it is touched. NULL when there is none. */
void *lt_reserve(size_t size);
void lt_unreserve(void *memory, size_t size);

/**
 * Make the first `size` bytes of each of `count` pieces, `stride` apart, fault
 * when touched. Guard markers where the kernel has them (6.13): they do not
 * split the mapping, so that a process may have more guarded stacks than
 * mappings; else mprotect.
 */
enum { LT_GUARDS = 64 }; /* pieces that go into one system call */
int lt_guard(char *memory, size_t size, size_t stride, unsigned count);

/**
 * Write what goes without waiting, whatever the flags of the descriptor, which
 * may be shared. The count, -EAGAIN, another error, or -EOPNOTSUPP when this
 * kind of descriptor or this kernel cannot (pipes: before 6.4).
 */
ptrdiff_t lt_write_now(int fd, const void *data, size_t size);

/** Write a message whole, as far as the descriptor takes it: for reports, whose failure nobody could be told of. */
void lt_report(int fd, const char *text, size_t size);

#endif

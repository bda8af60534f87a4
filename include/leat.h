/* SPDX-License-Identifier: MIT */
/**
 * leat: tasks, channels, select, scopes, pools for C.
 *
 * One header is the whole library. Rules that hold everywhere:
 *
 * - Results are return values: 0 (or a count) on success, a negative errno
 *   value otherwise. errno is never used, because it does not survive a task
 *   that moves between threads.
 * - Whatever can block comes in three forms: plain, `_try` (never blocks,
 *   -EAGAIN when it would have to) and `_until` (gives up with -ETIMEDOUT at an
 *   absolute time of leat_now()).
 * - Cancellation is ambient. Every task belongs to a scope; when the scope is
 *   cancelled every blocking call in it returns -ECANCELED (-ETIMEDOUT when its
 *   deadline passed), now and from then on, until the scope is closed.
 * - When several things are true at once: before a partner is found, cancelled
 *   comes before ready, ready before closed, closed before timed out. Once a
 *   value has been copied the call succeeds, whatever happened meanwhile.
 * - After fork(2) a child may only call async-signal-safe functions and exec.
 * - Everything may be called from tasks. What is marked "any thread" may also
 *   be called from ordinary threads, which then block as threads do.
 * - errno and _Thread_local variables belong to threads, and a task may move to
 *   another thread in any blocking call. leat keeps errno's value for the task,
 *   but compilers remember errno's address within a function: read it in a
 *   function that was entered after the call, or before it.
 */
#ifndef LEAT_H
#define LEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_API __attribute__((visibility("default")))

/** The version this header belongs to; leat_version() tells the library's. */
#define LEAT_VERSION "0.1.0"

/** Any thread. The version of the library in use, as "major.minor.patch". */
LEAT_API const char *leat_version(void);

/* ------------------------------------------------------------------ time */

/** Nanoseconds of the monotonic clock. */
typedef int64_t leat_time;

#define LEAT_FOREVER INT64_MAX
#define LEAT_MICROSECOND ((leat_time)1000)
#define LEAT_MILLISECOND ((leat_time)1000000)
#define LEAT_SECOND ((leat_time)1000000000)

/** Any thread. The present moment. */
LEAT_API leat_time leat_now(void);

/** Any thread. The moment `duration` nanoseconds from now; LEAT_FOREVER stays, as does what would overflow. */
LEAT_API leat_time leat_after(leat_time duration);

/* --------------------------------------------------------------- running */

/** What a task runs. A negative result is an error and is kept by the task's scope; anything else is success. */
typedef int leat_fn(void *arg);

struct leat_options {
    /** Threads that run tasks; 0: as many as this process may use processors. $LEAT_WORKERS overrides 0. */
    unsigned workers;
    /** Bytes of stack of tasks that ask for none of their own; 0: 64 KiB. */
    size_t stack_size;
    /** Where the report of a deadlock and of a stack overflow goes; 0 means standard error (descriptor 2). */
    int report_fd;
};

/**
 * Start the runtime, run `fn(arg)` as its first task, wait for it and for every
 * task spawned in its scope, stop the runtime.
 *
 * Returns what `fn` returned; when that is 0, the first error of the tasks in
 * its scope; -EDEADLK when every task waited for something that could no longer
 * happen (a report names each of them); -EBUSY when a runtime is running
 * already; -ENOMEM or -EAGAIN when memory or threads could not be had.
 */
LEAT_API int leat_run(leat_fn *fn, void *arg);
LEAT_API int leat_run_with(const struct leat_options *options, leat_fn *fn, void *arg);

/** Any thread. The number of threads that run tasks; 0 when no runtime is running. */
LEAT_API unsigned leat_workers(void);

/* ----------------------------------------------------------------- tasks */

struct leat_scope;

enum leat_stack {
    LEAT_STACK_DEFAULT, /**< leat_options.stack_size */
    LEAT_STACK_LARGE,   /**< 1 MiB: libraries that put buffers on the stack */
    LEAT_STACK_COMPUTE, /**< 256 MiB of address space, touched as needed: deep recursion */
};

struct leat_task_options {
    const char *name;      /**< for reports; must outlive the task; NULL: the function's name */
    enum leat_stack stack; /**< the size class of its stack */
};

/**
 * leat_go(scope, fn, arg): run `fn(arg)` as a task of `scope` (NULL: the
 * caller's current scope). The task may start at once, on any worker.
 *
 * Returns 0, or -ENOMEM, -EINVAL (no scope and no runtime), -ESHUTDOWN (the
 * scope has been waited for). A cancelled scope still takes the task: its first
 * blocking call tells it. A task for which no stack can be had when its turn
 * comes ends with -ENOMEM.
 *
 * A macro, because only the call itself knows its file and line, which every
 * report shows.
 */
#define leat_go(scope, fn, arg) leat_go_at((scope), (fn), (arg), NULL, #fn, __FILE__, __LINE__)

/** leat_go_with(scope, fn, arg, options): the same with a name and a stack class; `options` is read before the call returns. */
#define leat_go_with(scope, fn, arg, options) leat_go_at((scope), (fn), (arg), (options), #fn, __FILE__, __LINE__)

LEAT_API int leat_go_at(struct leat_scope *scope, leat_fn *fn, void *arg, const struct leat_task_options *options,
                        const char *function, const char *file, int line);

/** Let others run. 0, or the reason why the current scope is cancelled. */
LEAT_API int leat_yield(void);

/** Any thread. Sleep for `duration` nanoseconds (until `moment`). 0, -ECANCELED or -ETIMEDOUT. */
LEAT_API int leat_sleep(leat_time duration);
LEAT_API int leat_sleep_until(leat_time moment);

/** Why the current scope is cancelled (-ECANCELED, -ETIMEDOUT), or 0. Costs one load: for loops that compute. */
LEAT_API int leat_cancelled(void);

/** The number of the calling task, never used twice in a run; 0 in an ordinary thread. */
LEAT_API uint64_t leat_task_id(void);

/** Bytes of stack that the calling task has left. */
LEAT_API size_t leat_stack_left(void);

/** Any thread. Write every task to `fd`: number, name, where it was spawned, what it waits for. */
LEAT_API void leat_dump(int fd);

/* ---------------------------------------------------------------- scopes */

struct leat_scope_options {
    const char *name;   /**< for reports; must outlive the scope */
    leat_time deadline; /**< 0: none. At this moment the scope is cancelled with -ETIMEDOUT. */
    bool collect;       /**< do not cancel the rest when a task fails; collect all errors */
    bool shield;        /**< cancellation and deadlines of the scopes around do not reach into this one */
};

/**
 * Open a scope within the current one and make it current: until it is closed
 * the caller, too, is subject to its cancellation and deadline. `options` may
 * be NULL. Any thread, while a runtime is running. NULL when memory is short
 * or no runtime is running.
 */
LEAT_API struct leat_scope *leat_scope_open(const struct leat_scope_options *options);

/**
 * Wait for every task of the scope, including those that its tasks spawn.
 * Cancellation does not cut this short: it reaches the tasks, which end.
 * Returns 0 or the scope's cause: the first error of a task, -ETIMEDOUT,
 * or what leat_scope_cancel() was given. Only the opener may wait.
 */
LEAT_API int leat_scope_wait(struct leat_scope *scope);

/**
 * leat_scope_wait(), then free the scope and make the one around it current.
 * Returns what the wait returned. -EINVAL, and nothing happens, when `scope` is
 * not the caller's innermost open scope. NULL is 0.
 */
LEAT_API int leat_scope_close(struct leat_scope *scope);

/** Any thread. Cancel the scope and all within it. `cause` (negative; 0 means -ECANCELED) is kept if it is the first. */
LEAT_API void leat_scope_cancel(struct leat_scope *scope, int cause);

/** Cancel and wait; as often as one likes. A scope stopped without an error before returns 0. */
LEAT_API int leat_scope_stop(struct leat_scope *scope);

/** Any thread. Why the scope was cancelled, first cause first; 0 when it was not. */
LEAT_API int leat_scope_cause(const struct leat_scope *scope);

/** Any thread. The name of the scope whose deadline or cancellation reached this one; NULL when none did or it has no name. */
LEAT_API const char *leat_scope_cause_name(const struct leat_scope *scope);

/** One error of a task in a scope. Strings live as long as the scope. */
struct leat_failure {
    int error;        /**< what the task returned */
    uint64_t task;    /**< its number */
    const char *name; /**< its name */
    const char *file; /**< where it was spawned */
    int line;
    bool consequence; /**< it only reported the scope's own cancellation */
};

/** All errors in the order in which they happened. Call after leat_scope_wait(). Returns how many; `*list` is the scope's. */
LEAT_API size_t leat_scope_failures(const struct leat_scope *scope, const struct leat_failure **list);

/** Run `fn(arg)` here, out of reach of any cancellation: for clean-up. Returns what `fn` returns. */
LEAT_API int leat_shield(leat_fn *fn, void *arg);

/** Run `fn(arg)` here with a deadline. Returns what `fn` returns, or -ETIMEDOUT when that is a success but late tasks it spawned were cut off. */
LEAT_API int leat_within(leat_time deadline, leat_fn *fn, void *arg);

/* -------------------------------------------------------------- channels */

struct leat_chan;

#define LEAT_UNBOUNDED SIZE_MAX

struct leat_chan_options {
    const char *name;                    /**< for reports; must outlive the channel */
    size_t byte_limit;                   /**< 0: none. A send waits while the waiting values weigh this much or more. */
    size_t (*weigh)(const void *value);  /**< with byte_limit: the weight of a value; must be pure */
};

/**
 * Any thread. A channel of values of `element_size` bytes (0 to 65536), copied
 * in and out. `capacity` 0: sender and receiver meet; n: up to n values wait;
 * LEAT_UNBOUNDED: a send never waits. NULL when memory is short or a size is
 * out of range. The caller owns one reference.
 */
LEAT_API struct leat_chan *leat_chan_new(size_t element_size, size_t capacity);
LEAT_API struct leat_chan *leat_chan_new_with(size_t element_size, size_t capacity, const struct leat_chan_options *options);

/** Any thread. One more reference; one less. Values still in it when the last one goes are forgotten: see leat_chan_discard(). */
LEAT_API struct leat_chan *leat_chan_retain(struct leat_chan *chan);
LEAT_API void leat_chan_free(struct leat_chan *chan);

/**
 * Any thread. Send a copy of `*value`. 0; -EPIPE when the channel is closed
 * (the value is not taken); -ECANCELED, -ETIMEDOUT, -EAGAIN as everywhere.
 */
LEAT_API int leat_send(struct leat_chan *chan, const void *value);
LEAT_API int leat_send_try(struct leat_chan *chan, const void *value);
LEAT_API int leat_send_until(struct leat_chan *chan, const void *value, leat_time deadline);

/** Any thread. Receive into `*value` (NULL: drop it). 0; -EPIPE when the channel is closed and empty. */
LEAT_API int leat_recv(struct leat_chan *chan, void *value);
LEAT_API int leat_recv_try(struct leat_chan *chan, void *value);
LEAT_API int leat_recv_until(struct leat_chan *chan, void *value, leat_time deadline);

/**
 * Any thread. Batch forms. Send all `count` values, in order, waiting as often
 * as needed: returns how many were taken; fewer than `count` (or a negative
 * value when none) when the channel was closed or the task cancelled.
 * Receive waits for the first value only and takes what is there, up to `max`.
 */
LEAT_API ptrdiff_t leat_send_many(struct leat_chan *chan, const void *values, size_t count);
LEAT_API ptrdiff_t leat_send_many_try(struct leat_chan *chan, const void *values, size_t count);
LEAT_API ptrdiff_t leat_send_many_until(struct leat_chan *chan, const void *values, size_t count, leat_time deadline);
LEAT_API ptrdiff_t leat_recv_many(struct leat_chan *chan, void *values, size_t max);
LEAT_API ptrdiff_t leat_recv_many_try(struct leat_chan *chan, void *values, size_t max);
LEAT_API ptrdiff_t leat_recv_many_until(struct leat_chan *chan, void *values, size_t max, leat_time deadline);

/**
 * Any thread. Close: senders, also those waiting, get -EPIPE and keep their
 * value; receivers get what is in the channel, then -EPIPE. 0 the first time,
 * -EPIPE after that.
 */
LEAT_API int leat_chan_close(struct leat_chan *chan);

/** Any thread. Close, and hand each undelivered value to `destroy(value, arg)` exactly once. Returns how many (`destroy` may be NULL). */
LEAT_API size_t leat_chan_discard(struct leat_chan *chan, void (*destroy)(void *value, void *arg), void *arg);

/** Any thread. Values waiting now; capacity and element size as created; whether closed. */
LEAT_API size_t leat_chan_len(const struct leat_chan *chan);
LEAT_API size_t leat_chan_cap(const struct leat_chan *chan);
LEAT_API size_t leat_chan_element_size(const struct leat_chan *chan);
LEAT_API bool leat_chan_closed(const struct leat_chan *chan);

/* ---------------------------------------------------------------- select */

enum leat_op { LEAT_RECV, LEAT_SEND };

struct leat_case {
    enum leat_op op;
    struct leat_chan *chan; /**< NULL: never ready */
    void *value;            /**< where to receive to (NULL: drop) or send from */
    int error;              /**< out, of the chosen case: 0, or -EPIPE when its channel is closed */
};

enum leat_select_flags {
    LEAT_FAIR = 0,    /**< among the ready cases each is as likely */
    LEAT_ORDERED = 1, /**< the first ready case wins */
};

/**
 * Any thread. Wait until one of the cases can go on, do that one, return its
 * index. A negative result: no case was done. No cases at all: sleep.
 * Up to 65535 cases.
 */
LEAT_API int leat_select(struct leat_case *cases, size_t count);
LEAT_API int leat_select_try(struct leat_case *cases, size_t count);
LEAT_API int leat_select_until(struct leat_case *cases, size_t count, leat_time deadline);
LEAT_API int leat_select_with(struct leat_case *cases, size_t count, enum leat_select_flags flags, leat_time deadline);

/* -------------------------------------------- wait group, mutex, condition */
/* All of them are ready for use when zeroed, live where their owner puts them,
 * must not be moved or freed while in use, and need no destruction. */

/** A counter that one can wait for. */
struct leat_wg {
    uint64_t opaque[3];
};

/** Any thread. Add `n` (may be negative). 0; -EINVAL, and nothing happens, when the counter would fall below 0. */
LEAT_API int leat_wg_add(struct leat_wg *wg, int n);
/** Any thread. leat_wg_add(wg, -1). */
LEAT_API int leat_wg_done(struct leat_wg *wg);
/** Any thread. Wait until the counter is 0. Afterwards it may be used again. */
LEAT_API int leat_wg_wait(struct leat_wg *wg);
LEAT_API int leat_wg_wait_until(struct leat_wg *wg, leat_time deadline);

/** Mutual exclusion for tasks: may be held across blocking calls and unlocked on another thread. */
struct leat_mutex {
    uint64_t opaque[3];
};

/** Any thread. 0, or -ECANCELED/-ETIMEDOUT, and then the caller does not hold it. Not recursive. */
LEAT_API int leat_lock(struct leat_mutex *mutex);
LEAT_API int leat_lock_try(struct leat_mutex *mutex);
LEAT_API int leat_lock_until(struct leat_mutex *mutex, leat_time deadline);
/** Any thread. -EPERM when it is not locked. */
LEAT_API int leat_unlock(struct leat_mutex *mutex);

struct leat_cond {
    uint64_t opaque[3];
};

/**
 * Unlock `mutex`, wait for a signal, lock again. The mutex is held on return,
 * always, also with an error (-ECANCELED, -ETIMEDOUT). There are no spurious
 * wake-ups, but the condition may be gone again: wait in a loop. Any thread.
 */
LEAT_API int leat_cond_wait(struct leat_cond *cond, struct leat_mutex *mutex);
LEAT_API int leat_cond_wait_until(struct leat_cond *cond, struct leat_mutex *mutex, leat_time deadline);
/** Any thread. Wake the one that waits longest; all that wait now. */
LEAT_API void leat_cond_signal(struct leat_cond *cond);
LEAT_API void leat_cond_broadcast(struct leat_cond *cond);

/* --------------------------------------------------------------- limiter */

struct leat_limiter;

/**
 * Any thread. A token bucket: `rate` tokens a second, at most `burst` saved up
 * (less than 1 means 1). NULL when memory is short or rate is not above 0.
 */
LEAT_API struct leat_limiter *leat_limiter_new(double rate, double burst);
LEAT_API void leat_limiter_free(struct leat_limiter *limiter);
/** Any thread. Take `n` tokens, waiting for them in the order of arrival. A call that gives up takes none. */
LEAT_API int leat_limiter_take(struct leat_limiter *limiter, double n);
LEAT_API int leat_limiter_take_try(struct leat_limiter *limiter, double n);
LEAT_API int leat_limiter_take_until(struct leat_limiter *limiter, double n, leat_time deadline);
/** Any thread. A new rate from now on. */
LEAT_API int leat_limiter_set(struct leat_limiter *limiter, double rate);

/* -------------------------------------------------- the world outside */

/**
 * Run `fn(arg)` on a thread of its own, for calls that block, and wait for it
 * without holding up other tasks. Returns what `fn` returns. Once begun it is
 * waited for even if the scope is cancelled. -ECANCELED before that, -EAGAIN
 * when no thread can be had.
 */
LEAT_API int leat_block(leat_fn *fn, void *arg);

enum leat_ready { LEAT_READABLE = 1, LEAT_WRITABLE = 2 };

/**
 * Wait until the descriptor can be read or written (any of `events`), or has an
 * error or hang-up, which reading or writing will tell. Returns the ready
 * events; -EBUSY when another task waits for the same of it; -EBADF when it is
 * not open or was closed by leat_close_fd(). Files that cannot be polled are
 * always ready.
 */
LEAT_API int leat_wait_fd(int fd, int events);
LEAT_API int leat_wait_fd_until(int fd, int events, leat_time deadline);
/** Wake whoever waits for `fd` with -EBADF, then close(2) it. Use it for descriptors that were waited for. */
LEAT_API int leat_close_fd(int fd);

/* ------------------------------------------------------------------ pool */

/**
 * What a pool's worker does with one value. `in` is the value received; write
 * the result to `out` (NULL when the pool has no output). 0: send it on.
 * LEAT_NOTHING: no result for this one. Negative: an error.
 */
typedef int leat_pool_fn(void *arg, const void *in, void *out);

#define LEAT_NOTHING 1

struct leat_pool_options {
    const char *name;
    enum leat_stack stack;
    bool collect; /**< go on after an error; the first one is returned at the end */
};

/**
 * Any task. Run `workers` tasks that receive from `in`, call `fn`, and send to
 * `out` (may be NULL). Returns when `in` is closed and empty and all workers
 * are done, or on the first error; then, exactly then, `out` is closed. When it
 * fails, `in` is left as it is: close or discard it if its senders wait.
 */
LEAT_API int leat_pool(struct leat_chan *in, struct leat_chan *out, unsigned workers, leat_pool_fn *fn, void *arg);
LEAT_API int leat_pool_with(struct leat_chan *in, struct leat_chan *out, unsigned workers, leat_pool_fn *fn, void *arg,
                            const struct leat_pool_options *options);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/**
 * leat: tasks, channels, select, scopes, pools, crawls for C.
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
 * Returns 0, or -ENOMEM, -EINVAL (no function, or no scope), -ESHUTDOWN (the
 * scope has been waited for). A cancelled scope still takes the task: its first
 * blocking call tells it. A task for which no stack can be had when its turn
 * comes ends with -ENOMEM.
 *
 * A macro, because only the call itself knows its file and line, which every
 * report shows.
 */
#define leat_go(scope, fn, arg) leat_go_at((scope), (fn), (arg), NULL, #fn, __FILE__, __LINE__)

/** leat_go_with(scope, fn, arg, options): the same with a name and a stack class; `options` is read before the call
 * returns. */
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

/** Any thread. Cancel the scope and all within it. `cause` (negative; 0 means -ECANCELED) is kept if it is the first.
 */
LEAT_API void leat_scope_cancel(struct leat_scope *scope, int cause);

/** Cancel and wait; as often as one likes. A scope stopped without an error before returns 0. */
LEAT_API int leat_scope_stop(struct leat_scope *scope);

/** Any thread. Why the scope was cancelled, first cause first; 0 when it was not. */
LEAT_API int leat_scope_cause(const struct leat_scope *scope);

/** Any thread. The name of the scope whose deadline or cancellation reached this one; NULL when none did or it has no
 * name. */
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

/** All errors in the order in which they happened. Call after leat_scope_wait(). Returns how many; `*list` is the
 * scope's. */
LEAT_API size_t leat_scope_failures(const struct leat_scope *scope, const struct leat_failure **list);

/** Run `fn(arg)` here, out of reach of any cancellation: for clean-up. Returns what `fn` returns. */
LEAT_API int leat_shield(leat_fn *fn, void *arg);

/** Run `fn(arg)` here with a deadline. Returns what `fn` returns, or -ETIMEDOUT when that is a success but late tasks
 * it spawned were cut off. */
LEAT_API int leat_within(leat_time deadline, leat_fn *fn, void *arg);

/* -------------------------------------------------------------- channels */

struct leat_chan;

#define LEAT_UNBOUNDED SIZE_MAX

struct leat_chan_options {
    const char *name;                   /**< for reports; must outlive the channel */
    size_t byte_limit;                  /**< 0: none. A send waits while the waiting values weigh this much or more. */
    size_t (*weigh)(const void *value); /**< with byte_limit: the weight of a value; must be pure */
};

/**
 * Any thread. A channel of values of `element_size` bytes (0 to 65536), copied
 * in and out. `capacity` 0: sender and receiver meet; n: up to n values wait;
 * LEAT_UNBOUNDED: a send never waits. NULL when memory is short or a size is
 * out of range. The caller owns one reference.
 */
LEAT_API struct leat_chan *leat_chan_new(size_t element_size, size_t capacity);
LEAT_API struct leat_chan *leat_chan_new_with(size_t element_size, size_t capacity,
                                              const struct leat_chan_options *options);

/** Any thread. One more reference; one less. Values still in it when the last one goes are forgotten: see
 * leat_chan_discard(). */
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

/** Any thread. Close, and hand each undelivered value to `destroy(value, arg)` exactly once. Returns how many
 * (`destroy` may be NULL). */
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
/**
 * close(2) `fd`; whoever waits for it, or comes while it is being closed, is woken with -EBADF. Use it for descriptors
 * that were waited for: one closed otherwise leaves its waiters waiting until another task waits for that number.
 */
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

/* --------------------------------------------------------- fork and join */

/**
 * Recursion on all processors, at the price of a call.
 *
 *     static int sum(struct leat_forker *self, void *arg) {
 *         struct tree *tree = arg;
 *         if (!tree->left)
 *             return 0;
 *         struct leat_frame frame;
 *         leat_fork(self, &frame, sum, tree->left);   // may be done elsewhere, meanwhile
 *         int right = sum(self, tree->right);
 *         int left = leat_join(self, &frame);         // done there; else: do it here, now
 *         …
 *     }
 *
 * A fork only notes the call. If a worker has nothing to do it is given the
 * *oldest* call that was noted and not joined, the one with most work in it; a
 * call that nobody took is made by its join, as a plain call. So a fork costs a
 * few instructions, and makes no task unless one is needed.
 *
 * - Joins come in the reverse order of forks, in the same function, on every way
 *   out of it. The frame lives on the stack until then.
 * - Nothing in between may wait for what a forked call does: it may be made by
 *   the join only.
 * - What a call was given and what it found goes through `arg`; its result is 0
 *   or negative, and the join's. Errors cancel nothing by themselves.
 * - When the scope is cancelled or past its deadline a join whose call was not
 *   begun does not make it and returns -ECANCELED or -ETIMEDOUT.
 * - `self` is the calling task's: pass it down, use the one you were given.
 * - A call may block as any task may, and a join waits for a call that was taken
 *   as a task waits: the thread goes on with other tasks, and the caller may be on
 *   another thread afterwards.
 */
struct leat_forker;
typedef int leat_forked(struct leat_forker *self, void *arg);

/** A call that was forked; its owner only gives it a place. */
struct leat_frame {
    leat_forked *fn;
    void *arg;
    struct leat_frame *older; /**< NULL once it was offered to others */
    struct leat_frame *newer;
    uint64_t opaque[6];
};

/** What a task needs to fork. */
struct leat_forker {
    struct leat_frame *newest;
    const uint32_t *hungry; /**< not 0: some worker has nothing to do */
    const int *stop;        /**< not 0: why the scope is cancelled */
    struct leat_frame none; /**< what is older than the oldest */
    uint64_t opaque[6];
};

/** How a recursion went. */
struct leat_parallel_report {
    uint64_t offered; /**< calls that were offered since a worker had nothing to do */
    uint64_t taken;   /**< of them, those made by another task; as many tasks were started */
};

struct leat_parallel_options {
    const char *name;                    /**< of its tasks, for reports; must outlive it; NULL: the function's name */
    leat_time deadline;                  /**< absolute; 0: none */
    struct leat_parallel_report *report; /**< filled at the end; or NULL */
};

/**
 * leat_parallel(fn, arg): run `fn(self, arg)` on a stack for deep recursion
 * (LEAT_STACK_COMPUTE), in a scope of its own, and wait for it. Any thread,
 * while a runtime is running. Returns what `fn` returned; when that is 0, the
 * reason why the scope was cancelled; -ENOMEM or -EINVAL when it could not begin.
 */
#define leat_parallel(fn, arg) leat_parallel_at((fn), (arg), NULL, #fn, __FILE__, __LINE__)
/** leat_parallel_with(fn, arg, options): the same with a name, a deadline, a report. */
#define leat_parallel_with(fn, arg, options) leat_parallel_at((fn), (arg), (options), #fn, __FILE__, __LINE__)

LEAT_API int leat_parallel_at(leat_forked *fn, void *arg, const struct leat_parallel_options *options,
                              const char *function, const char *file, int line);

/** Give the oldest call to a worker that has nothing to do; the part of leat_fork() that is seldom needed. */
LEAT_API void leat_fork_offer(struct leat_forker *self);
/** The part of leat_join() that is seldom needed. True: nobody took the call. */
LEAT_API bool leat_join_offered(struct leat_forker *self, struct leat_frame *frame, int *result);

/** For loops that compute for long between forks: look whether somebody wants what was forked before. Costs two loads.
 */
static inline void leat_fork_look(struct leat_forker *self) {
    if (__builtin_expect(__atomic_load_n(self->hungry, __ATOMIC_RELAXED) != 0, 0))
        leat_fork_offer(self);
}

/** Note the call `fn(…, arg)`; `frame` and `*arg` must live until it is joined. */
static inline void leat_fork(struct leat_forker *self, struct leat_frame *frame, leat_forked *fn, void *arg) {
    struct leat_frame *older = self->newest;
    frame->fn = fn;
    frame->arg = arg;
    frame->older = older;
    older->newer = frame;
    self->newest = frame;
    leat_fork_look(self);
}

/**
 * leat_join() without the call, for where that should be inlined. True: nobody
 * took it, so call the function yourself. False: `*result` is the join's.
 */
static inline bool leat_take_back(struct leat_forker *self, struct leat_frame *frame, int *result) {
    struct leat_frame *older = frame->older;
    if (__builtin_expect(!older, 0))
        return leat_join_offered(self, frame, result);
    self->newest = older;
    *result = __atomic_load_n(self->stop, __ATOMIC_RELAXED);
    return __builtin_expect(*result == 0, 1);
}

/** The newest call that was forked: wait for it if somebody took it, else make it. Returns its result. */
static inline int leat_join(struct leat_forker *self, struct leat_frame *frame) {
    int result;
    return leat_take_back(self, frame, &result) ? frame->fn(self, frame->arg) : result;
}

/* ----------------------------------------------------------------- crawl */

/** Bytes owned by somebody else; not terminated. */
struct leat_bytes {
    const char *data;
    size_t size;
};

/** One piece of a crawl's work: a folder to list, a node to ask for, a manager whose people are to be found. */
struct leat_branch {
    void *data;       /**< the crawl's copy of the bytes, aligned for any type; a visit may change them */
    size_t size;      /**< how many */
    unsigned depth;   /**< of a root 0, of what a visit adds one more than its parent's */
    unsigned attempt; /**< how often a visit of it failed so far */
    void *cursor;     /**< the visit's own: NULL at first, kept when the branch is visited again (LEAT_MORE, retries) */
};

/** What a visit works on. */
struct leat_visit {
    void *arg;                           /**< leat_crawl_options.arg */
    void *state;                         /**< what `enter` gave this worker */
    unsigned worker;                     /**< the worker's number, from 0 */
    struct leat_branch *branch;          /**< the branch to visit; with `batch`, the first of them */
    struct leat_branch *const *branches; /**< with `batch`: all of them */
    size_t count;                        /**< how many: 1 … batch */
};

/**
 * Visit a branch (or a batch of them) and add what is below it. 0: it is done.
 * LEAT_MORE: call again, later, for there is more to add. Negative: it failed.
 */
typedef int leat_visit_fn(struct leat_visit *visit);

#define LEAT_MORE 1 /**< of a visit: not done, go on with the same branches after those added */
#define LEAT_FULL 1 /**< of leat_crawl_add(): taken, but that is enough for one call */

/** A branch that was given up. */
struct leat_crawl_failure {
    int error;
    unsigned depth;
    unsigned attempts; /**< how often it was visited in vain */
    size_t size;
    void *data;
};

/**
 * What a crawl did. Every branch that was taken ended in one of three ways:
 * branches = visited + failed + unvisited.
 */
struct leat_crawl_report {
    uint64_t branches;     /**< taken: roots and those added, without duplicates */
    uint64_t visited;      /**< done */
    uint64_t failed;       /**< given up after an error of their own */
    uint64_t unvisited;    /**< not begun or cut off when the crawl was stopped */
    uint64_t duplicates;   /**< suppressed */
    uint64_t calls;        /**< of `visit` */
    uint64_t retries;      /**< visits of branches that had failed before */
    uint64_t handed_over;  /**< branches that a worker gave to an idle one, or an idle one took */
    uint64_t emitted;      /**< values sent by leat_crawl_emit() */
    uint64_t most_pending; /**< the most branches that waited with one worker at once */
    unsigned workers;      /**< workers that were started and entered */
    unsigned most_busy;    /**< the most of them that had work at once */
    unsigned refused;      /**< workers whose `enter` failed */
    int enter_error;       /**< with which error the first of those failed */
    struct leat_crawl_failure
        *failures; /**< each branch that failed, unless `failed` is set; leat_crawl_report_free() */
    size_t failure_count;
};

struct leat_crawl_options {
    leat_visit_fn *visit;
    void *arg;        /**< for all of the functions here */
    const char *name; /**< of the workers, for reports; must outlive the crawl */
    unsigned workers; /**< at most; 0: leat_workers(). More than processors for visits that wait for others. */
    unsigned batch;   /**< visit up to so many branches in one call; 0: 1 */
    enum leat_stack stack;
    leat_time deadline; /**< absolute; 0: none */

    /** Called by each worker before its first visit, to connect it: fills `*state`. A worker for which it fails is not
     * used. */
    int (*enter)(void *arg, unsigned worker, void **state);
    /** Called once for each worker that entered, at its end, out of reach of cancellation. */
    void (*leave)(void *arg, void *state);
    /** Called once for each branch that was taken, or was a duplicate, before its bytes are freed. `cursor` is its,
     * too. */
    void (*destroy)(void *arg, struct leat_branch *branch);

    struct leat_chan *out;        /**< for leat_crawl_emit(); leat_crawl() closes it when all is done, and not before */
    struct leat_limiter *limiter; /**< each call of `visit` takes one token first */

    size_t room;          /**< added branches after which leat_crawl_add() says LEAT_FULL; 0: 64, or twice `workers` */
    size_t pending_limit; /**< most branches waiting with one worker: the next one is refused; 0: no limit */
    bool movable;         /**< a cursor is not bound to its worker: an idle one may go on with what another began */

    unsigned retries;        /**< visit a branch that failed up to so many times again */
    leat_time backoff;       /**< after the first failure wait this long, then twice as long each time … */
    leat_time backoff_limit; /**< … but no longer than this; 0: no limit */
    /** Whether an error is worth another visit; NULL: all are. */
    bool (*retry)(void *arg, const struct leat_branch *branch, int error);

    bool unique; /**< take a branch only if there was none with the same key */
    /** With `unique`: the bytes that two branches must share to be the same; NULL: all. */
    struct leat_bytes (*key)(void *arg, const struct leat_branch *branch);

    bool stop_on_error; /**< the first branch that is given up ends the crawl; otherwise it goes on with the others */
    /** Called when a branch is given up, by the worker that visited it, so several at once. NULL: listed in `report`.
     */
    void (*failed)(void *arg, const struct leat_branch *branch, int error);

    struct leat_crawl_report *report; /**< filled at the end, however it ends; or NULL */
};

/**
 * Any task. Visit the roots, and everything that visits add, until nothing is
 * left; `roots` are copied. Workers are tasks, started when there is a branch
 * for them and nobody is idle. A worker goes down its own branches, the newest
 * first, and gives the oldest away to workers that have none, which wait until
 * then without spinning. No order is promised. The crawl is over at the moment
 * when the last worker has nothing left; then, exactly then, `out` is closed.
 *
 * Memory: what waits with one worker is at most what the calls on one way down
 * added. When visits stop adding at LEAT_FULL and return LEAT_MORE, that is
 * (depth + 1) * `room` branches for each worker, however large a directory is:
 * the visit of its next part comes after those below the last one are done.
 * Visits that add all at once may add (depth + 1) * batch * their fan-out. What
 * failed and waits for its next attempt comes on top, and so do the keys with
 * `unique`: all of them are kept.
 *
 * LEAT_MORE: the same branches are passed again, on the same worker (with
 * `movable`, on any), without those that leat_crawl_fail() gave up. Where it
 * went on is the visit's business: `cursor` is for that.
 *
 * Errors: a branch whose visit fails is visited again as `retries` says, alone
 * or with others, by any worker. What a failed call added is forgotten when it
 * will be called again, kept otherwise. Values that were emitted stay.
 *
 * Returns 0 when every branch was visited. Else the reason why it stopped
 * before the end (-ECANCELED, -ETIMEDOUT, with `stop_on_error` the error, the
 * error of `enter` when no worker could enter); else the error of the first
 * branch that was given up. What was found until then was found: see `report`.
 */
LEAT_API int leat_crawl(const struct leat_crawl_options *options, const struct leat_bytes *roots, size_t count);

/**
 * Within a visit, by its task: add a branch below `parent` (NULL: the first of
 * the visit). The bytes are copied. 0; LEAT_FULL: taken, but return LEAT_MORE
 * soon if you can; -ENOMEM or -ENOBUFS (see `pending_limit`): not taken.
 */
LEAT_API int leat_crawl_add(struct leat_visit *visit, const struct leat_branch *parent, const void *data, size_t size);

/** Within a visit: send a value to `out`, waiting as leat_send() does. */
LEAT_API int leat_crawl_emit(struct leat_visit *visit, const void *value);

/** Within a visit of several branches: this one failed. The others are not touched. */
LEAT_API void leat_crawl_fail(struct leat_visit *visit, struct leat_branch *branch, int error);

/** Any thread. Free what a report lists. */
LEAT_API void leat_crawl_report_free(struct leat_crawl_report *report);

/* --------------------------------------------------------------- testing */
/* A program that is linked with leat-sim instead of leat (pkg-config leat-sim) can be simulated: all of its tasks,
 * and the threads that run them, take turns on one thread of the system, and a seed decides who goes on at every step
 * of the runtime and at every call of leat. The clock is virtual. The same seed makes the same run. See
 * docs/testing.md. In the ordinary library leat_simulate() and leat_simulate_many() return -ENOTSUP. */

struct leat_simulation {
    unsigned workers;   /**< that run tasks; 0: 2 */
    size_t stack_size;  /**< as in struct leat_options */
    uint64_t steps;     /**< a run that takes more has failed; 0: a million */
    leat_time horizon;  /**< the same in virtual time; 0: an hour */
    bool direct_stores; /**< threads see each other's stores at once, not as late as the processor allows */
    int trace_fd;       /**< leat_simulate(): where each call and switch of the run is written; 0: nowhere */
    unsigned together;  /**< leat_simulate_many(): seeds that one process runs one after the other; 0: 1, so that
                             whatever `fn` leaves in variables is gone at the next seed */
};

/**
 * Run `fn(arg)` as leat_run() would, under the schedule of `seed`. Returns what leat_run() returned; -EPROTO when a
 * leat_check() failed; -EDEADLK, too, when the runtime itself hangs; -ETIME when the run took too many steps or too
 * much virtual time. After a run that was cut short the process can simulate no more: -EBUSY.
 */
LEAT_API int leat_simulate(uint64_t seed, const struct leat_simulation *options, leat_fn *fn, void *arg);

/**
 * leat_simulate() with `count` seeds from `first` on, in child processes, without their output. 0 when all returned 0
 * or more. Stops at the first seed that fails (or crashes: -EFAULT), looks for the shortest schedule that fails in the
 * same way, and shows it on standard error: who did what, and where switches made the difference.
 * $LEAT_SEEDS overrides `count`. $LEAT_SEED=N runs only seed N, in this process and with its output;
 * $LEAT_SCHEDULE=… only the schedule that was shown.
 */
LEAT_API int leat_simulate_many(uint64_t first, uint64_t count, const struct leat_simulation *options, leat_fn *fn,
                                void *arg);

/** What must be true. If not, a simulated run ends and has failed; outside of a simulation the process is aborted. */
#define leat_check(condition) leat_check_at((condition), #condition, __FILE__, __LINE__)
LEAT_API void leat_check_at(bool holds, const char *condition, const char *file, int line);

/** Here another task may go on: for programs that share memory in other ways than through leat. Nothing elsewhere. */
#define leat_point() leat_point_at(__FILE__, __LINE__)
LEAT_API void leat_point_at(const char *file, int line);

#ifdef __cplusplus
}
#endif

#if defined(LEAT_SIMULATION) && !defined(LEAT_BUILDS_ITSELF)
#include "leat-simulate.h"
#endif

#endif

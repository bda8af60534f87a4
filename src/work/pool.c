/* SPDX-License-Identifier: MIT */
/**
 * The pool: a fixed number of tasks that turn the values of one channel into
 * values of another.
 *
 * Invariants:
 * - `out` is closed by leat_pool() itself, after the last worker is gone: a
 *   receiver that sees the end has seen every result.
 * - A worker holds at most one value. It is lost only when the call fails.
 * - Only the public interface is used. What the pool can do, a user can write.
 *
 * Rejected: receiving in batches. It is faster for functions that take less
 * than a microsecond, but a worker would sit on values that an idle one could
 * begin with, which is the wrong trade for work worth a pool.
 * Rejected: closing `out` from the last worker. It needs a counter, and the
 * caller could still see workers after the end.
 */
#include "leat.h"

#include "base/atomic.h"

#include <errno.h>
#include <stdlib.h>

enum { CACHE_LINE = 64 };

struct pool {
    struct leat_chan *in, *out;
    leat_pool_fn *fn;
    void *arg;
    bool collect;
    _Atomic int first_error; /* with collect, where a worker outlives its errors */
};

struct worker {
    struct pool *pool;
    void *value, *result;
};

static size_t round_up(size_t size) {
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static int send_result(const struct worker *worker) {
    struct pool *pool = worker->pool;
    return pool->out ? leat_send(pool->out, worker->result) : 0;
}

static int handle(const struct worker *worker) {
    struct pool *pool = worker->pool;
    int verdict = pool->fn(pool->arg, worker->value, worker->result);
    if (verdict == 0)
        return send_result(worker);
    if (verdict > 0)
        return 0;
    if (!pool->collect)
        return verdict;
    int none = 0;
    lt_cas(&pool->first_error, &none, verdict, acq_rel);
    return 0;
}

static int work(void *arg) {
    const struct worker *worker = arg;
    for (;;) {
        int error = leat_recv(worker->pool->in, worker->value);
        if (error == -EPIPE)
            return 0;
        if (!error)
            error = handle(worker);
        if (error)
            return error;
    }
}

/* One block: the workers, then the two buffers of each, no two workers on one cache line. */
static struct worker *make_workers(struct pool *pool, unsigned count) {
    size_t in = round_up(leat_chan_element_size(pool->in));
    size_t out = pool->out ? round_up(leat_chan_element_size(pool->out)) : 0;
    size_t head = round_up(count * sizeof(struct worker));
    struct worker *workers = aligned_alloc(CACHE_LINE, head + count * (in + out));
    if (!workers)
        return NULL;
    char *buffers = (char *)workers + head;
    for (unsigned i = 0; i < count; i++, buffers += in + out)
        workers[i] = (struct worker){pool, buffers, pool->out ? buffers + in : NULL};
    return workers;
}

static int run(struct pool *pool, unsigned count, const struct leat_pool_options *options) {
    struct worker *workers = make_workers(pool, count);
    if (!workers)
        return -ENOMEM;
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = options->name});
    int error = scope ? 0 : -ENOMEM;
    struct leat_task_options task = {.name = options->name, .stack = options->stack};
    for (unsigned i = 0; i < count && !error; i++)
        error = leat_go_with(scope, work, &workers[i], &task);
    if (error && scope)
        leat_scope_cancel(scope, error);
    int cause = leat_scope_close(scope);
    free(workers);
    if (error || cause)
        return error ? error : cause;
    return lt_load(&pool->first_error, relaxed);
}

int leat_pool_with(struct leat_chan *in, struct leat_chan *out, unsigned workers, leat_pool_fn *fn, void *arg,
                   const struct leat_pool_options *options) {
    static const struct leat_pool_options defaults = {.name = "pool"};
    if (!options)
        options = &defaults;
    struct pool pool = {.in = in, .out = out, .fn = fn, .arg = arg, .collect = options->collect};
    int error = in && fn && workers ? run(&pool, workers, options) : -EINVAL;
    if (out)
        leat_chan_close(out);
    return error;
}

int leat_pool(struct leat_chan *in, struct leat_chan *out, unsigned workers, leat_pool_fn *fn, void *arg) {
    return leat_pool_with(in, out, workers, fn, arg, NULL);
}

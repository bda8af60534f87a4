/* SPDX-License-Identifier: MIT */
/** Ordinary threads use channels, select, wait groups, mutexes and sleeps, with and without a runtime. */
#include "runtime/runtime.h"

#include <fcntl.h>
#include <pthread.h>

struct shop {
    struct leat_chan *goods, *empties;
    size_t count;
    _Atomic uint64_t sum;
};

static void *send_goods(void *arg) {
    struct shop *shop = arg;
    equal(leat_task_id(), 0);
    for (uint64_t i = 1; i <= shop->count; i++)
        equal(leat_send(shop->goods, &i), 0);
    return NULL;
}

static void *receive_goods(void *arg) {
    struct shop *shop = arg;
    uint64_t value;
    while (leat_recv(shop->goods, &value) == 0)
        lt_fetch_add(&shop->sum, value, relaxed);
    return NULL;
}

static int send_as_task(void *arg) {
    struct shop *shop = arg;
    check(leat_task_id() != 0);
    for (uint64_t i = 1; i <= shop->count; i++)
        equal(leat_send(shop->goods, &i), 0);
    return 0;
}

static int receive_as_task(void *arg) {
    receive_goods(arg);
    return 0;
}

static pthread_t start(void *(*fn)(void *), void *arg) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, fn, arg) != 0)
        abort();
    return thread;
}

static int threads_and_tasks(void *arg) {
    (void)arg;
    for (size_t capacity = 0; capacity < 10; capacity += 9) {
        struct shop shop = {.goods = leat_chan_new(sizeof(uint64_t), capacity), .count = scaled(2000)};
        struct leat_scope *receivers = leat_scope_open(NULL);
        pthread_t receiver[2] = {start(receive_goods, &shop), start(receive_goods, &shop)};
        leat_go(receivers, receive_as_task, &shop);
        leat_go(receivers, receive_as_task, &shop);
        struct leat_scope *senders = leat_scope_open(NULL);
        pthread_t sender[2] = {start(send_goods, &shop), start(send_goods, &shop)};
        leat_go(senders, send_as_task, &shop);
        leat_go(senders, send_as_task, &shop);
        equal(leat_scope_close(senders), 0);
        pthread_join(sender[0], NULL);
        pthread_join(sender[1], NULL);
        leat_chan_close(shop.goods);
        equal(leat_scope_close(receivers), 0);
        pthread_join(receiver[0], NULL);
        pthread_join(receiver[1], NULL);
        equal(shop.sum, 4 * (shop.count * (shop.count + 1) / 2));
        leat_chan_free(shop.goods);
    }
    return 0;
}

static void threads_alone(void) {
    struct shop shop = {.goods = leat_chan_new(sizeof(uint64_t), 0), .count = scaled(2000)};
    pthread_t receiver[2] = {start(receive_goods, &shop), start(receive_goods, &shop)};
    pthread_t sender[2] = {start(send_goods, &shop), start(send_goods, &shop)};
    pthread_join(sender[0], NULL);
    pthread_join(sender[1], NULL);
    leat_chan_close(shop.goods);
    pthread_join(receiver[0], NULL);
    pthread_join(receiver[1], NULL);
    assert_int_equal(shop.sum, shop.count * (shop.count + 1));
    leat_chan_free(shop.goods);
}

static int never_runs(void *arg) {
    (void)arg;
    abort();
}

static void without_a_runtime(void) {
    assert_int_equal(leat_workers(), 0);
    assert_int_equal(leat_task_id(), 0);
    assert_int_equal(leat_cancelled(), 0);
    assert_int_equal(leat_go(NULL, never_runs, NULL), -EINVAL);
    struct leat_chan *chan = leat_chan_new(sizeof(int), 1);
    int value = 0;
    assert_int_equal(leat_recv_try(chan, &value), -EAGAIN);
    leat_time deadline = leat_after(2 * LEAT_MILLISECOND);
    assert_int_equal(leat_recv_until(chan, &value, deadline), -ETIMEDOUT);
    assert_true(leat_now() >= deadline);
    assert_int_equal(leat_send(chan, &(int){3}), 0);
    assert_int_equal(leat_send_try(chan, &(int){3}), -EAGAIN);
    struct leat_case cases[] = {{LEAT_SEND, chan, &(int){4}}, {LEAT_RECV, chan, &value}};
    assert_int_equal(leat_select(cases, 2), 1);
    assert_int_equal(value, 3);
    assert_int_equal(leat_select_until(cases + 1, 1, leat_after(LEAT_MILLISECOND)), -ETIMEDOUT);
    leat_chan_free(chan);
    leat_time begin = leat_now();
    assert_int_equal(leat_sleep(2 * LEAT_MILLISECOND), 0);
    assert_true(leat_now() - begin >= 2 * LEAT_MILLISECOND);
    struct leat_mutex mutex = {0};
    assert_int_equal(leat_lock(&mutex), 0);
    assert_int_equal(leat_lock_until(&mutex, leat_after(LEAT_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(leat_unlock(&mutex), 0);
    struct leat_wg wg = {0};
    assert_int_equal(leat_wg_add(&wg, 1), 0);
    assert_int_equal(leat_wg_wait_until(&wg, leat_after(LEAT_MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(leat_wg_done(&wg), 0);
    assert_int_equal(leat_wg_wait(&wg), 0);
    struct leat_limiter *limiter = leat_limiter_new(1e6, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(leat_limiter_take(limiter, 1), 0);
    leat_limiter_free(limiter);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    leat_dump(null);
    close(null);
}

struct shared {
    struct leat_mutex mutex;
    struct leat_cond cond;
    struct leat_wg wg;
    size_t rounds, count;
    int turn;
};

static int take_turns_as(struct shared *shared, int me) {
    for (size_t i = 0; i < shared->rounds; i++) {
        leat_lock(&shared->mutex);
        while (shared->turn != me)
            equal(leat_cond_wait(&shared->cond, &shared->mutex), 0);
        shared->turn = !me;
        shared->count++;
        leat_cond_broadcast(&shared->cond);
        leat_unlock(&shared->mutex);
    }
    return leat_wg_done(&shared->wg);
}

static int turns_of_task(void *arg) {
    return take_turns_as(arg, 0);
}

static void *turns_of_thread(void *arg) {
    take_turns_as(arg, 1);
    return NULL;
}

static int locks_and_groups(void *arg) {
    (void)arg;
    struct shared shared = {.rounds = scaled(500)};
    leat_wg_add(&shared.wg, 2);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, turns_of_task, &shared);
    pthread_t thread = start(turns_of_thread, &shared);
    equal(leat_wg_wait(&shared.wg), 0);
    equal(shared.count, 2 * shared.rounds);
    pthread_join(thread, NULL);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static void *select_in_thread(void *arg) {
    struct shop *shop = arg;
    uint64_t value;
    for (size_t i = 0; i < 2 * shop->count; i++) {
        struct leat_case cases[] = {{LEAT_RECV, shop->goods, &value}, {LEAT_RECV, shop->empties, &value}};
        check(leat_select(cases, 2) >= 0);
        lt_fetch_add(&shop->sum, value, relaxed);
    }
    return NULL;
}

static int selects(void *arg) {
    (void)arg;
    struct shop shop = {leat_chan_new(8, 0), leat_chan_new(8, 0), scaled(1000), 0}, other = shop;
    other.goods = shop.empties;
    pthread_t thread = start(select_in_thread, &shop);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, send_as_task, &shop);
    leat_go(scope, send_as_task, &other);
    equal(leat_scope_close(scope), 0);
    pthread_join(thread, NULL);
    equal(shop.sum, shop.count * (shop.count + 1));
    leat_chan_free(shop.goods);
    leat_chan_free(shop.empties);
    return 0;
}

/* A thread's channel call does not hold a worker, and its own scope cancels it. */
static void *wait_in_scope(void *arg) {
    struct leat_chan *chan = arg;
    leat_time deadline = leat_after(2 * LEAT_MILLISECOND);
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.deadline = deadline});
    equal(leat_recv(chan, NULL), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(leat_sleep(1), -ETIMEDOUT);
    equal(leat_scope_close(scope), -ETIMEDOUT);
    equal(leat_sleep(1), 0);
    return NULL;
}

static int join(void *thread) {
    return -pthread_join(*(pthread_t *)thread, NULL);
}

static int scope_of_a_thread(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(1, 0);
    pthread_t thread = start(wait_in_scope, chan);
    equal(leat_block(join, &thread), 0); /* the deadline needs a worker that is free */
    leat_chan_free(chan);
    return 0;
}

static const struct test tests[] = {
    {"threads and tasks send and receive together", threads_and_tasks},
    {"threads among themselves", .plain = threads_alone},
    {"everything for threads without a runtime", .plain = without_a_runtime},
    {"locks, conditions and wait groups between threads and tasks", locks_and_groups},
    {"a thread selects", selects},
    {"a thread's own scope", scope_of_a_thread},
};

int main(int argc, char **argv) {
    return run_group("foreign", tests, sizeof tests / sizeof *tests, argc, argv);
}

/* SPDX-License-Identifier: MIT */
/**
 * The rows of the other benchmarks with POSIX threads, a mutex and condition variables.
 * Fewer values and threads, because each step costs a system call; the results
 * are per step, as there. Left out: select, which threads have no counterpart
 * for; a million timers and the sieve, which need more threads than is sane.
 */
#include "../bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 8, YIELDS = 50 * 1000, ROUND_TRIPS = 20 * 1000, SPAWNS = 10 * 1000, BATCH = 100, IDLE = 2000 };

static void start(pthread_t *thread, void *(*fn)(void *), void *arg) {
    bench_must(-pthread_create(thread, NULL, fn, arg), "pthread_create");
}

static void join(pthread_t thread) {
    bench_must(-pthread_join(thread, NULL), "pthread_join");
}

/* -------------------------------------------------------------- channel */

struct chan {
    pthread_mutex_t lock;
    pthread_cond_t can_send, can_receive, taken;
    int64_t *ring;
    size_t capacity, head, count;
    uint64_t sent, received;
    bool meet; /* capacity 0: a send ends when its value has been received */
    bool closed;
};

static struct chan *chan_new(size_t capacity) {
    struct chan *chan = calloc(1, sizeof *chan);
    size_t room = capacity ? capacity : 1;
    if (!chan || !(chan->ring = calloc(room, sizeof *chan->ring)))
        bench_must(-1, "memory");
    pthread_mutex_init(&chan->lock, NULL);
    pthread_cond_init(&chan->can_send, NULL);
    pthread_cond_init(&chan->can_receive, NULL);
    pthread_cond_init(&chan->taken, NULL);
    chan->capacity = room;
    chan->meet = !capacity;
    return chan;
}

static void chan_free(struct chan *chan) {
    free(chan->ring);
    free(chan);
}

static void chan_send(struct chan *chan, int64_t value) {
    pthread_mutex_lock(&chan->lock);
    while (chan->count == chan->capacity)
        pthread_cond_wait(&chan->can_send, &chan->lock);
    chan->ring[(chan->head + chan->count++) % chan->capacity] = value;
    uint64_t number = ++chan->sent;
    pthread_cond_signal(&chan->can_receive);
    while (chan->meet && chan->received < number)
        pthread_cond_wait(&chan->taken, &chan->lock);
    pthread_mutex_unlock(&chan->lock);
}

static bool chan_receive(struct chan *chan, int64_t *value) {
    pthread_mutex_lock(&chan->lock);
    while (!chan->count && !chan->closed)
        pthread_cond_wait(&chan->can_receive, &chan->lock);
    bool some = chan->count > 0;
    if (some) {
        *value = chan->ring[chan->head];
        chan->head = (chan->head + 1) % chan->capacity;
        chan->count--;
        chan->received++;
        pthread_cond_signal(&chan->can_send);
        if (chan->meet)
            pthread_cond_broadcast(&chan->taken);
    }
    pthread_mutex_unlock(&chan->lock);
    return some;
}

static void chan_close(struct chan *chan) {
    pthread_mutex_lock(&chan->lock);
    chan->closed = true;
    pthread_cond_broadcast(&chan->can_receive);
    pthread_mutex_unlock(&chan->lock);
}

/* ----------------------------------------------------------------- rows */

static void *yield_often(void *arg) {
    for (int i = 0; i < YIELDS; i++)
        sched_yield();
    return arg;
}

static void yielders(const char *name) {
    pthread_t threads[THREADS];
    double begin = bench_now();
    for (int i = 0; i < THREADS; i++)
        start(&threads[i], yield_often, NULL);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    bench_report(name, (bench_now() - begin) * 1e9 / THREADS / YIELDS, "ns/switch");
}

struct table {
    struct chan *there, *back;
};

static void *answer(void *arg) {
    struct table *table = arg;
    for (int64_t ball; chan_receive(table->there, &ball);)
        chan_send(table->back, ball);
    return NULL;
}

static void pingpong(const char *name) {
    struct table table = {chan_new(0), chan_new(0)};
    pthread_t partner;
    start(&partner, answer, &table);
    double begin = bench_now();
    for (int64_t i = 0; i < ROUND_TRIPS; i++) {
        int64_t ball = -1;
        chan_send(table.there, i);
        bench_must(chan_receive(table.back, &ball) && ball == i ? 0 : -1, "the ball");
    }
    bench_report(name, (bench_now() - begin) * 1e9 / ROUND_TRIPS, "ns/trip");
    chan_close(table.there);
    join(partner);
    chan_free(table.there);
    chan_free(table.back);
}

struct road {
    struct chan *chan;
    int64_t share;
    int64_t received, sum;
};

static void *produce(void *arg) {
    struct road *road = arg;
    for (int64_t i = 0; i < road->share; i++)
        chan_send(road->chan, i);
    return NULL;
}

static void *consume(void *arg) {
    struct road *road = arg;
    int64_t value, received = 0, sum = 0;
    while (chan_receive(road->chan, &value)) {
        received++;
        sum += value;
    }
    pthread_mutex_lock(&road->chan->lock);
    road->received += received;
    road->sum += sum;
    pthread_mutex_unlock(&road->chan->lock);
    return NULL;
}

static void traffic(const char *name, size_t capacity, int producers, int consumers, int64_t values) {
    struct road road = {.chan = chan_new(capacity), .share = values / producers};
    pthread_t threads[THREADS];
    double begin = bench_now();
    for (int i = 0; i < consumers; i++)
        start(&threads[producers + i], consume, &road);
    for (int i = 0; i < producers; i++)
        start(&threads[i], produce, &road);
    for (int i = 0; i < producers; i++)
        join(threads[i]);
    chan_close(road.chan);
    for (int i = 0; i < consumers; i++)
        join(threads[producers + i]);
    double seconds = bench_now() - begin;
    bench_must(road.received == values && road.sum == road.share * (road.share - 1) / 2 * producers ? 0 : -1,
               "the sum");
    chan_free(road.chan);
    bench_report(name, (double)values / seconds / 1e6, "M/s");
}

static void spsc(const char *name) {
    traffic(name, 128, 1, 1, 1000 * 1000);
}

static void mpsc(const char *name) {
    traffic(name, 128, 4, 1, 1000 * 1000);
}

static void mpmc(const char *name) {
    traffic(name, 128, 4, 4, 1000 * 1000);
}

static void unbuffered(const char *name) {
    traffic(name, 0, 4, 4, 50 * 1000);
}

static void *nothing(void *arg) {
    return arg;
}

static void spawn_and_join(int count) {
    pthread_t threads[BATCH];
    for (int i = 0; i < count; i++)
        start(&threads[i], nothing, NULL);
    for (int i = 0; i < count; i++)
        join(threads[i]);
}

static void spawn(const char *name) {
    double begin = bench_now();
    for (int i = 0; i < SPAWNS / BATCH; i++)
        spawn_and_join(BATCH);
    bench_report(name, (bench_now() - begin) * 1e9 / SPAWNS, "ns/task");
}

static void *wait_for_door(void *arg) {
    int64_t value;
    chan_receive(arg, &value);
    return NULL;
}

static void idle(const char *name) {
    static pthread_t threads[IDLE];
    struct chan *door = chan_new(0);
    double before = bench_resident();
    for (int i = 0; i < IDLE; i++)
        start(&threads[i], wait_for_door, door);
    nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
    bench_report(name, (bench_resident() - before) / IDLE, "B/task");
    chan_close(door);
    for (int i = 0; i < IDLE; i++)
        join(threads[i]);
    chan_free(door);
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {
        {"switch", yielders}, {"pingpong", pingpong},     {"spsc", spsc},   {"mpsc", mpsc},           {"mpmc", mpmc},
        {"idle", idle},       {"unbuffered", unbuffered}, {"spawn", spawn}, {"spawn-batches", spawn}, {NULL, NULL},
    };
    return bench_main(argc, argv, rows);
}

/* SPDX-License-Identifier: MIT */
/**
 * Values through one channel, one at a time: producers send equal shares, the
 * last one closes, consumers receive until the end. The sum proves that every
 * value came through once.
 */
#include "bench.h"

#include "leat.h"

#include <string.h>

struct traffic {
    const char *name;
    size_t capacity;
    int producers, consumers;
    int64_t values; /* in all */
};

static const struct traffic traffics[] = {
    {"spsc", 128, 1, 1, 8000000},     {"mpsc", 128, 4, 1, 8000000}, {"mpmc", 128, 4, 4, 8000000},
    {"unbuffered", 0, 4, 4, 2000000}, {NULL, 0, 0, 0, 0},
};

struct road {
    const struct traffic *traffic;
    struct leat_chan *chan;
    struct leat_wg producing;
    struct leat_mutex lock;
    int64_t received, sum;
};

static int produce(void *arg) {
    struct road *road = arg;
    int64_t share = road->traffic->values / road->traffic->producers;
    for (int64_t i = 0; i < share; i++)
        bench_must(leat_send(road->chan, &i), "leat_send");
    return leat_wg_done(&road->producing);
}

static int consume(void *arg) {
    struct road *road = arg;
    int64_t value, received = 0, sum = 0;
    while (!leat_recv(road->chan, &value)) {
        received++;
        sum += value;
    }
    bench_must(leat_lock(&road->lock), "leat_lock");
    road->received += received;
    road->sum += sum;
    return leat_unlock(&road->lock);
}

static int drive(void *arg) {
    const struct traffic *traffic = arg;
    struct road road = {.traffic = traffic, .chan = leat_chan_new(sizeof(int64_t), traffic->capacity)};
    double begin = bench_now();
    struct leat_scope *scope = leat_scope_open(NULL);
    bench_must(leat_wg_add(&road.producing, traffic->producers), "leat_wg_add");
    for (int i = 0; i < traffic->consumers; i++)
        bench_must(leat_go(scope, consume, &road), "leat_go");
    for (int i = 0; i < traffic->producers; i++)
        bench_must(leat_go(scope, produce, &road), "leat_go");
    bench_must(leat_wg_wait(&road.producing), "leat_wg_wait");
    bench_must(leat_chan_close(road.chan), "leat_chan_close");
    bench_must(leat_scope_close(scope), "leat_scope_close");
    double seconds = bench_now() - begin;
    int64_t share = traffic->values / traffic->producers;
    int64_t expected = share * (share - 1) / 2 * traffic->producers;
    bench_must(road.received == traffic->values && road.sum == expected ? 0 : -1, "the sum");
    leat_chan_free(road.chan);
    bench_report(traffic->name, (double)traffic->values / seconds / 1e6, "M/s");
    return 0;
}

static void measure(const char *name) {
    const struct traffic *traffic = traffics;
    while (strcmp(traffic->name, name))
        traffic++;
    bench_must(leat_run(drive, (void *)traffic), "leat_run");
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {
        {"spsc", measure}, {"mpsc", measure}, {"mpmc", measure}, {"unbuffered", measure}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

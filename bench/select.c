/* SPDX-License-Identifier: MIT */
/** One consumer selects, fairly, over four channels with a producer each. */
#include "bench.h"

#include "leat.h"

enum { CHANNELS = 4 };

struct feed {
    struct leat_chan *chan;
    int64_t values;
};

static int produce(void *arg) {
    struct feed *feed = arg;
    for (int64_t i = 0; i < feed->values; i++)
        bench_must(leat_send(feed->chan, &i), "leat_send");
    return 0;
}

static void choose(const char *name, size_t capacity, int64_t values) {
    struct feed feeds[CHANNELS];
    struct leat_case cases[CHANNELS];
    int64_t value, sum = 0;
    double begin = bench_now();
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < CHANNELS; i++) {
        feeds[i] = (struct feed){leat_chan_new(sizeof value, capacity), values / CHANNELS};
        cases[i] = (struct leat_case){LEAT_RECV, feeds[i].chan, &value, 0};
        bench_must(leat_go(scope, produce, &feeds[i]), "leat_go");
    }
    for (int64_t i = 0; i < values; i++) {
        bench_must(leat_select(cases, CHANNELS), "leat_select");
        sum += value;
    }
    bench_must(leat_scope_close(scope), "leat_scope_close");
    double seconds = bench_now() - begin;
    int64_t share = values / CHANNELS;
    bench_must(sum == share * (share - 1) / 2 * CHANNELS ? 0 : -1, "the sum");
    for (int i = 0; i < CHANNELS; i++)
        leat_chan_free(feeds[i].chan);
    bench_report(name, (double)values / seconds / 1e6, "M/s");
}

static int choose_buffered(void *name) {
    choose(name, 128, 4000000);
    return 0;
}

static int choose_unbuffered(void *name) {
    choose(name, 0, 2000000);
    return 0;
}

static void measure_buffered(const char *name) {
    bench_must(leat_run(choose_buffered, (void *)name), "leat_run");
}

static void measure_unbuffered(const char *name) {
    bench_must(leat_run(choose_unbuffered, (void *)name), "leat_run");
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {
        {"select", measure_buffered}, {"select-unbuffered", measure_unbuffered}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

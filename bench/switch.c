/* SPDX-License-Identifier: MIT */
/** Switching between tasks: by yielding, and by handing a value to and fro over two unbuffered channels. */
#include "bench.h"

#include "leat.h"

enum { YIELDERS = 8, YIELDS = 500 * 1000, ROUND_TRIPS = 1000 * 1000 };

static int yield_often(void *arg) {
    (void)arg;
    for (int i = 0; i < YIELDS; i++)
        bench_must(leat_yield(), "leat_yield");
    return 0;
}

static int yielders(void *name) {
    double begin = bench_now();
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < YIELDERS; i++)
        bench_must(leat_go(scope, yield_often, NULL), "leat_go");
    bench_must(leat_scope_close(scope), "leat_scope_close");
    bench_report(name, (bench_now() - begin) * 1e9 / YIELDERS / YIELDS, "ns/switch");
    return 0;
}

struct table {
    struct leat_chan *there, *back;
};

static int answer(void *arg) {
    struct table *table = arg;
    for (int64_t ball; !leat_recv(table->there, &ball);)
        bench_must(leat_send(table->back, &ball), "leat_send");
    return 0;
}

static int play(void *name) {
    struct table table = {leat_chan_new(sizeof(int64_t), 0), leat_chan_new(sizeof(int64_t), 0)};
    bench_must(leat_go(NULL, answer, &table), "leat_go");
    double begin = bench_now();
    for (int64_t i = 0; i < ROUND_TRIPS; i++) {
        int64_t ball = i;
        bench_must(leat_send(table.there, &ball), "leat_send");
        bench_must(leat_recv(table.back, &ball), "leat_recv");
        bench_must(ball == i ? 0 : -1, "the ball");
    }
    bench_report(name, (bench_now() - begin) * 1e9 / ROUND_TRIPS, "ns/trip");
    leat_chan_close(table.there);
    return 0;
}

static void measure_yield(const char *name) {
    bench_must(leat_run(yielders, (void *)name), "leat_run");
}

static void measure_pingpong(const char *name) {
    bench_must(leat_run(play, (void *)name), "leat_run");
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {{"switch", measure_yield}, {"pingpong", measure_pingpong}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

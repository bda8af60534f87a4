/* SPDX-License-Identifier: MIT */
/** The prime sieve of chained tasks: a filter for each prime found, unbuffered channels between them. */
#include "bench.h"

#include "leat.h"

enum { PRIMES = 3000, LAST_PRIME = 27449 };

static int count_up(void *arg) {
    struct leat_chan *out = arg;
    for (int64_t i = 2; !leat_send(out, &i);)
        i++;
    return 0;
}

struct filter {
    struct leat_chan *in, *out;
    int64_t prime;
};

static int keep_others(void *arg) {
    struct filter *filter = arg;
    for (int64_t value; !leat_recv(filter->in, &value);)
        if (value % filter->prime && leat_send(filter->out, &value))
            break;
    return 0;
}

static int sieve(void *name) {
    static struct filter filters[PRIMES];
    double begin = bench_now();
    struct leat_scope *scope = leat_scope_open(NULL);
    struct leat_chan *chan = leat_chan_new(sizeof(int64_t), 0);
    bench_must(leat_go(scope, count_up, chan), "leat_go");
    int64_t prime = 0;
    for (int i = 0; i < PRIMES; i++) {
        bench_must(leat_recv(chan, &prime), "leat_recv");
        filters[i] = (struct filter){chan, leat_chan_new(sizeof(int64_t), 0), prime};
        bench_must(leat_go(scope, keep_others, &filters[i]), "leat_go");
        chan = filters[i].out;
    }
    double seconds = bench_now() - begin;
    bench_must(prime == LAST_PRIME ? 0 : -1, "the last prime");
    (void)leat_scope_stop(scope);
    (void)leat_scope_close(scope);
    for (int i = 0; i < PRIMES; i++)
        leat_chan_free(filters[i].in);
    leat_chan_free(chan);
    bench_report(name, seconds, "s");
    return 0;
}

static void measure(const char *name) {
    bench_must(leat_run(sieve, (void *)name), "leat_run");
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {{"sieve", measure}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

/* SPDX-License-Identifier: MIT */
/**
 * The prime sieve: a chain of tasks, one for each prime, through which all
 * numbers flow. It never ends of itself; stopping its scope ends all of it.
 */
#include <leat.h>

#include <stdio.h>
#include <stdlib.h>

struct filter {
    struct leat_chan *in, *out;
    int prime;
};

static int count_up(void *arg) {
    int error = 0;
    for (int i = 2; !error; i++)
        error = leat_send(arg, &i);
    return error;
}

static int filter_out(void *arg) {
    struct filter *filter = arg;
    int value, error = 0;
    while (!error && (error = leat_recv(filter->in, &value)) == 0)
        if (value % filter->prime)
            error = leat_send(filter->out, &value);
    return error;
}

static int sieve(void *arg) {
    int count = *(int *)arg;
    struct filter *filters = calloc((size_t)count, sizeof *filters);
    struct leat_chan *chan = leat_chan_new(sizeof(int), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, count_up, chan);
    for (int i = 0; i < count; i++) {
        struct filter *filter = &filters[i];
        *filter = (struct filter){.in = chan, .out = leat_chan_new(sizeof(int), 0)};
        leat_recv(chan, &filter->prime);
        printf("%d\n", filter->prime);
        leat_go(scope, filter_out, filter);
        chan = filter->out;
    }
    leat_scope_stop(scope);
    int error = leat_scope_close(scope);
    for (int i = 0; i < count; i++)
        leat_chan_free(filters[i].in);
    leat_chan_free(chan);
    free(filters);
    return error;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 20;
    return leat_run(sieve, &count) != 0;
}

/* SPDX-License-Identifier: MIT */
/**
 * The mistake everybody makes once: several producers, and the one that finishes
 * last is to close the channel. "Last" is found by asking whether all work has
 * been handed out, which it is before it is done. With few producers and luck
 * it works; simulated, it fails at once, and the schedule shows where.
 *
 * The remedy: close after leat_scope_close() of the producers' scope, or use
 * leat_pool(). `example-close-too-early right` does the former.
 */
#include <leat.h>

#include <stdio.h>
#include <string.h>

enum { PRODUCERS = 3, RESULTS = 4 };

static struct leat_chan *results;
static struct leat_mutex lock;
static int handed_out;
static bool right;

/* The number of the next result to make, or 0. */
static int next_job(void) {
    leat_lock(&lock);
    int job = handed_out < RESULTS ? ++handed_out : 0;
    leat_unlock(&lock);
    return job;
}

static int produce(void *arg) {
    (void)arg;
    for (int job; (job = next_job());) {
        int error = leat_send(results, &job);
        if (error)
            return error;
    }
    if (!right)
        leat_chan_close(results); /* wrong: others may still be about to send */
    return 0;
}

static int produce_all(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < PRODUCERS; i++)
        leat_go(scope, produce, NULL);
    int error = leat_scope_close(scope);
    leat_chan_close(results); /* right: nobody is left who could send */
    return error;
}

static int program(void *arg) {
    (void)arg;
    int received = 0;
    results = leat_chan_new_with(sizeof(int), 1, &(struct leat_chan_options){.name = "results"});
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, produce_all, NULL);
    for (int result; leat_recv(results, &result) == 0;)
        received++;
    int error = leat_scope_close(scope);
    leat_chan_free(results);
    leat_check(received == RESULTS);
    return error;
}

int main(int argc, char **argv) {
    right = argc > 1 && strcmp(argv[1], "right") == 0;
    int error = leat_simulate_many(1, 1000, NULL, program, NULL);
    printf("%s\n", error ? "a schedule was found that fails" : "1000 schedules, none fails");
    return error != 0;
}

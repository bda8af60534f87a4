/* SPDX-License-Identifier: MIT */
/**
 * A little of everything that waits, for test_planted.py: it runs this program
 * against a runtime with a mistake in it, and some seed must fail.
 *
 * Argument: what to run; then how many seeds. Exits with 0 when none fails.
 */
#include <leat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 4 };

static struct leat_chan *first, *second;
static int sum;

static int send_some(void *chan) {
    for (int i = 1; i <= VALUES; i++) {
        int error = leat_send(chan, &i);
        if (error)
            return error;
    }
    return 0;
}

static int receive_some(void *chan) {
    for (int i = 0, value; i < VALUES; i++) {
        int error = leat_recv(chan, &value);
        if (error)
            return error;
        sum += value; /* virtual threads switch at points of leat only */
    }
    return 0;
}

static int channels(void *capacity) {
    sum = 0;
    first = leat_chan_new(sizeof(int), (size_t)capacity);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 2; i++) {
        leat_go(scope, send_some, first);
        leat_go(scope, receive_some, first);
    }
    int error = leat_scope_close(scope);
    leat_check(error || sum == 2 * VALUES * (VALUES + 1) / 2);
    leat_chan_free(first);
    return error;
}

static int select_some(void *arg) {
    (void)arg;
    for (int i = 0; i < 2 * VALUES; i++) {
        int a = 0, b = 0;
        struct leat_case cases[] = {{LEAT_RECV, first, &a}, {LEAT_RECV, second, &b}};
        int chosen = leat_select(cases, 2);
        leat_check(chosen >= 0 && cases[chosen].error == 0);
        sum += chosen == 0 ? a : b;
    }
    return 0;
}

static int selects(void *arg) {
    (void)arg;
    sum = 0;
    first = leat_chan_new(sizeof(int), 0);
    second = leat_chan_new(sizeof(int), 1);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, select_some, NULL);
    leat_go(scope, send_some, first);
    leat_go(scope, send_some, second);
    int error = leat_scope_close(scope);
    leat_check(error || sum == VALUES * (VALUES + 1));
    leat_chan_free(first);
    leat_chan_free(second);
    return error;
}

static int patient_receiver(void *chan) {
    for (int received = 0, value; received < VALUES;) {
        int error = leat_recv_until(chan, &value, leat_after(5 * LEAT_MICROSECOND));
        if (error && error != -ETIMEDOUT)
            return error;
        received += !error;
    }
    return 0;
}

static int slow_sender(void *chan) {
    for (int i = 1; i <= VALUES; i++) {
        int error = leat_sleep(4 * LEAT_MICROSECOND);
        error = error ? error : leat_send(chan, &i);
        if (error)
            return error;
    }
    return 0;
}

static int timers(void *arg) {
    (void)arg;
    first = leat_chan_new(sizeof(int), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, patient_receiver, first);
    leat_go(scope, slow_sender, first);
    leat_go(scope, patient_receiver, first);
    leat_go(scope, slow_sender, first);
    int error = leat_scope_close(scope);
    leat_chan_free(first);
    return error;
}

static int add_one(void *arg) {
    (*(int *)arg)++;
    return 0;
}

static int call_and_sleep(void *arg) {
    for (int i = 0; i < 3; i++) {
        int error = leat_block(add_one, arg);
        error = error ? error : leat_sleep(LEAT_MICROSECOND);
        if (error)
            return error;
    }
    return 0;
}

static int calls(void *arg) {
    (void)arg;
    int counts[3] = {0};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 3; i++)
        leat_go(scope, call_and_sleep, &counts[i]);
    int error = leat_scope_close(scope);
    leat_check(error || (counts[0] == 3 && counts[1] == 3 && counts[2] == 3));
    return error;
}

static int wait_a_little(void *arg) {
    (void)arg;
    return leat_recv_until(first, NULL, leat_after(30 * LEAT_MICROSECOND)) == -ETIMEDOUT ? 0 : -EPROTO;
}

/* A task waits for a moment, and nobody else has anything to do. */
static int moments(void *arg) {
    (void)arg;
    first = leat_chan_new(sizeof(int), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, wait_a_little, NULL);
    for (int i = 0; i < 4; i++)
        leat_check(wait_a_little(NULL) == 0);
    int error = leat_scope_close(scope);
    leat_chan_free(first);
    return error;
}

static const struct {
    const char *name;
    leat_fn *function;
    void *arg;
} works[] = {
    {"unbuffered", channels, (void *)0},
    {"buffered", channels, (void *)1},
    {"select", selects, NULL},
    {"timers", timers, NULL},
    {"calls", calls, NULL},
    {"moments", moments, NULL},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 2 && i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].name, argv[1]) == 0) {
            const struct leat_simulation options = {.workers = 2, .together = 100};
            return leat_simulate_many(1, strtoull(argv[2], NULL, 10), &options, works[i].function, works[i].arg) != 0;
        }
    fprintf(stderr, "mixture: what, and how many seeds?\n");
    return 2;
}

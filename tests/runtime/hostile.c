/* SPDX-License-Identifier: MIT */
/**
 * The hostile build is hostile: without these a build in which nothing is
 * disturbed would pass all other tests, too.
 */
#include "runtime/runtime.h"

#include "base/hostile.h"
#include "base/os.h"
#include "sched/runtime.h"

enum { TURNS = 2000 };

static unsigned here(void) {
    return lt_worker_here()->index;
}

/* Alone in the world, with other workers asleep: nobody has a reason to take it over. */
static int migrates(void *arg) {
    (void)arg;
    if (leat_workers() == 1)
        return 0;
    struct leat_chan *chan = leat_chan_new(sizeof(int), 1);
    int moves = 0, value = 0;
    for (int i = 0; i < TURNS; i++) {
        unsigned before = here();
        leat_send(chan, &value);
        moves += here() != before;
        leat_recv(chan, &value);
    }
    leat_chan_free(chan);
    check(moves > TURNS / 2);
    return 0;
}

struct race {
    struct leat_wg zero; /* nothing to wait for */
    int other;
};

static int step(void *arg) {
    struct race *race = arg;
    for (int i = 0; i < TURNS; i++) {
        race->other = i;
        leat_wg_wait(&race->zero);
    }
    return 0;
}

/* With one worker two tasks alternate although neither ever waits. */
static int yields(void *arg) {
    (void)arg;
    if (leat_workers() > 1)
        return 0;
    struct race race = {.other = -1};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, step, &race);
    int changes = 0;
    for (int i = 0; i < TURNS; i++) {
        int before = race.other;
        leat_wg_wait(&race.zero);
        changes += race.other != before;
    }
    equal(leat_scope_close(scope), 0);
    check(changes > TURNS / 2);
    return 0;
}

static void wakes_for_no_reason(void) {
    _Atomic uint32_t word = 0;
    leat_time end = leat_after(LEAT_SECOND);
    int returns = 0;
    while (returns < 3 && leat_now() < end)
        returns += lt_futex_wait(&word, 0, leat_after(LEAT_MILLISECOND)) == 0;
    assert_int_equal(returns, 3);
}

static void queues_are_small(void) {
    assert_int_equal(LT_RING_SLOTS, 4);
}

static const struct test tests[] = {
    {"a task migrates whenever it yields", migrates},
    {"every operation that may wait yields", yields},
    {"waits return for no reason", .plain = wakes_for_no_reason},
    {"run queues hold four tasks", .plain = queues_are_small},
};

int main(int argc, char **argv) {
    return run_group("hostile", tests, sizeof tests / sizeof *tests, argc, argv);
}

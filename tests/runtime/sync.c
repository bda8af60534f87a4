/* SPDX-License-Identifier: MIT */
/** Wait group, mutex, condition. */
#include "runtime/runtime.h"

/* ------------------------------------------------------------ wait group */

struct group {
    struct leat_wg wg;
    _Atomic int done;
};

static int finish_one(void *arg) {
    struct group *group = arg;
    leat_yield();
    lt_fetch_add(&group->done, 1, relaxed);
    equal(leat_wg_done(&group->wg), 0);
    return 0;
}

static int waits_for_zero(void *arg) {
    (void)arg;
    struct group group = {0};
    equal(leat_wg_wait(&group.wg), 0);
    for (int turn = 0; turn < 20; turn++) { /* the same group again and again */
        enum { COUNT = 100 };
        lt_store(&group.done, 0, relaxed);
        equal(leat_wg_add(&group.wg, COUNT), 0);
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int i = 0; i < COUNT; i++)
            leat_go(scope, finish_one, &group);
        equal(leat_wg_wait(&group.wg), 0);
        equal(group.done, COUNT);
        equal(leat_wg_wait(&group.wg), 0);
        equal(leat_scope_close(scope), 0);
    }
    return 0;
}

static int wait_for_group(void *arg) {
    struct group *group = arg;
    equal(leat_wg_wait(&group->wg), 0);
    lt_fetch_add(&group->done, 1, relaxed);
    return 0;
}

static int many_wait(void *arg) {
    (void)arg;
    struct group group = {0};
    equal(leat_wg_add(&group.wg, 2), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 20; i++)
        leat_go(scope, wait_for_group, &group);
    settle();
    equal(leat_wg_done(&group.wg), 0);
    settle();
    equal(group.done, 0);
    leat_time deadline = leat_after(LEAT_MILLISECOND);
    equal(leat_wg_wait_until(&group.wg, deadline), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(leat_wg_done(&group.wg), 0);
    equal(leat_scope_close(scope), 0);
    equal(group.done, 20);
    equal(leat_wg_wait_until(&group.wg, 0), 0); /* ready comes before timed out */
    return 0;
}

static int below_zero(void *arg) {
    (void)arg;
    struct leat_wg wg = {0};
    equal(leat_wg_done(&wg), -EINVAL);
    equal(leat_wg_add(&wg, 3), 0);
    equal(leat_wg_add(&wg, -4), -EINVAL);
    equal(leat_wg_add(&wg, -2), 0);
    equal(leat_wg_wait_until(&wg, 0), -ETIMEDOUT);
    equal(leat_wg_done(&wg), 0);
    equal(leat_wg_wait(&wg), 0);
    equal(leat_wg_done(&wg), -EINVAL);
    return 0;
}

struct relay {
    struct leat_wg *wg;
    uint64_t plain;
};

static int write_and_finish(void *arg) {
    struct relay *relay = arg;
    relay->plain = 77;
    return leat_wg_done(relay->wg);
}

/* Plain writes before done() are seen after wait(). */
static int group_publishes(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(5000); i++) {
        struct leat_wg wg = {0};
        struct relay relays[3] = {{&wg, 0}, {&wg, 0}, {&wg, 0}};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_wg_add(&wg, 3);
        for (int k = 0; k < 3; k++)
            leat_go(scope, write_and_finish, &relays[k]);
        equal(leat_wg_wait(&wg), 0);
        for (int k = 0; k < 3; k++)
            equal(relays[k].plain, 77);
        equal(leat_scope_close(scope), 0);
    }
    return 0;
}

/* ----------------------------------------------------------------- mutex */

struct guarded {
    struct leat_mutex mutex;
    size_t rounds, count; /* plain, under the mutex */
    int inside;
};

static int increase(void *arg) {
    struct guarded *guarded = arg;
    for (size_t i = 0; i < guarded->rounds; i++) {
        int error;
        if (i % 5 == 4) {
            while ((error = leat_lock_try(&guarded->mutex)) == -EAGAIN)
                leat_yield();
        } else if (i % 5 == 3) {
            while ((error = leat_lock_until(&guarded->mutex, leat_after(20 * LEAT_MICROSECOND))) == -ETIMEDOUT)
                ;
        } else {
            error = leat_lock(&guarded->mutex);
        }
        equal(error, 0);
        equal(guarded->inside++, 0);
        guarded->count++;
        if (i % 16 == 0)
            leat_yield(); /* held across a blocking call, perhaps unlocked by another thread */
        guarded->inside--;
        equal(leat_unlock(&guarded->mutex), 0);
    }
    return 0;
}

static int excludes(void *arg) {
    (void)arg;
    enum { TASKS = 10 };
    struct guarded guarded = {.rounds = scaled(3000)};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < TASKS; i++)
        leat_go(scope, increase, &guarded);
    equal(leat_scope_close(scope), 0);
    equal(guarded.count, TASKS * guarded.rounds);
    equal(leat_unlock(&guarded.mutex), -EPERM);
    return 0;
}

static int hold_for_ever(void *arg) {
    struct guarded *guarded = arg;
    equal(leat_lock(&guarded->mutex), 0);
    guarded->inside = 1;
    leat_sleep_until(LEAT_FOREVER);
    return leat_unlock(&guarded->mutex);
}

static int lock_gives_up(void *arg) {
    (void)arg;
    struct guarded guarded = {0};
    equal(leat_lock(&guarded.mutex), 0);
    equal(leat_lock_try(&guarded.mutex), -EAGAIN);
    leat_time deadline = leat_after(LEAT_MILLISECOND);
    equal(leat_lock_until(&guarded.mutex, deadline), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(leat_unlock(&guarded.mutex), 0);
    equal(leat_lock_until(&guarded.mutex, 0), 0);
    equal(leat_unlock(&guarded.mutex), 0);
    equal(leat_unlock(&guarded.mutex), -EPERM);

    /* A holder that is cancelled unlocks, and who waits gets it. */
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, hold_for_ever, &guarded);
    while (leat_lock_try(&guarded.mutex) == 0) {
        leat_unlock(&guarded.mutex);
        leat_yield();
    }
    struct leat_scope *shield = leat_scope_open(&(struct leat_scope_options){.shield = true});
    leat_scope_cancel(scope, 0);
    equal(leat_lock(&guarded.mutex), 0);
    equal(leat_unlock(&guarded.mutex), 0);
    equal(leat_scope_close(shield), 0);
    equal(leat_scope_close(scope), -ECANCELED);
    return 0;
}

/* ------------------------------------------------------------- condition */

struct board {
    struct leat_mutex mutex;
    struct leat_cond cond;
    int generation, waiting, woken[2];
    leat_time deadline;
};

static int wait_once(void *arg) {
    struct board *board = arg;
    equal(leat_lock(&board->mutex), 0);
    int generation = board->generation;
    board->waiting++;
    equal(leat_cond_wait(&board->cond, &board->mutex), 0);
    board->woken[generation]++;
    equal(leat_unlock(&board->mutex), 0);
    return 0;
}

static void wait_until_waiting(struct board *board, int count) {
    for (;;) {
        leat_lock(&board->mutex);
        bool there = board->waiting == count;
        leat_unlock(&board->mutex);
        if (there)
            return;
        leat_yield();
    }
}

static int woken(struct board *board) {
    leat_lock(&board->mutex);
    int count = board->woken[0] + board->woken[1];
    leat_unlock(&board->mutex);
    return count;
}

static int signal_and_broadcast(void *arg) {
    (void)arg;
    enum { COUNT = 20 };
    struct board board = {0};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_cond_signal(&board.cond); /* nobody waits: no effect, also not later */
    leat_cond_broadcast(&board.cond);
    for (int i = 0; i < COUNT; i++)
        leat_go(scope, wait_once, &board);
    wait_until_waiting(&board, COUNT);
    settle();
    equal(woken(&board), 0);
    for (int i = 1; i <= 5; i++) {
        leat_cond_signal(&board.cond);
        while (woken(&board) < i)
            leat_yield();
        settle();
        equal(woken(&board), i);
    }
    leat_cond_broadcast(&board.cond);
    equal(leat_scope_close(scope), 0);
    equal(board.woken[0], COUNT);
    return 0;
}

/* A signal goes to one that waited when it was given, never to one that came later. */
static int no_stealing(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(300); i++) {
        struct board board = {0};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, wait_once, &board);
        wait_until_waiting(&board, 1);
        leat_lock(&board.mutex);
        board.generation = 1;
        leat_go(scope, wait_once, &board);
        leat_cond_signal(&board.cond);
        leat_unlock(&board.mutex);
        while (woken(&board) == 0)
            leat_yield();
        wait_until_waiting(&board, 2);
        leat_lock(&board.mutex);
        equal(board.woken[0], 1);
        equal(board.woken[1], 0);
        leat_unlock(&board.mutex);
        leat_cond_broadcast(&board.cond);
        equal(leat_scope_close(scope), 0);
        equal(board.woken[1], 1);
    }
    return 0;
}

static int condition_gives_up(void *arg) {
    (void)arg;
    struct board board = {0};
    equal(leat_lock(&board.mutex), 0);
    leat_time deadline = leat_after(LEAT_MILLISECOND);
    equal(leat_cond_wait_until(&board.cond, &board.mutex, deadline), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(leat_lock_try(&board.mutex), -EAGAIN); /* held */
    equal(leat_unlock(&board.mutex), 0);
    /* The one that gave up swallows no later signal. */
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, wait_once, &board);
    wait_until_waiting(&board, 1);
    leat_cond_signal(&board.cond);
    equal(leat_scope_close(scope), 0);
    equal(board.woken[0], 1);
    return 0;
}

struct queue {
    struct leat_mutex mutex;
    struct leat_cond filled, emptied;
    size_t length, rounds;
    uint64_t taken;
};

static int fill(void *arg) {
    struct queue *queue = arg;
    for (size_t i = 0; i < queue->rounds; i++) {
        leat_lock(&queue->mutex);
        while (queue->length == 3)
            equal(leat_cond_wait(&queue->emptied, &queue->mutex), 0);
        queue->length++;
        leat_cond_signal(&queue->filled);
        leat_unlock(&queue->mutex);
    }
    return 0;
}

static int empty(void *arg) {
    struct queue *queue = arg;
    for (size_t i = 0; i < queue->rounds; i++) {
        leat_lock(&queue->mutex);
        while (queue->length == 0)
            equal(leat_cond_wait(&queue->filled, &queue->mutex), 0);
        queue->length--;
        queue->taken++;
        leat_cond_signal(&queue->emptied);
        leat_unlock(&queue->mutex);
    }
    return 0;
}

static int no_lost_signal(void *arg) {
    (void)arg;
    struct queue queue = {.rounds = scaled(3000)};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 4; i++) {
        leat_go(scope, fill, &queue);
        leat_go(scope, empty, &queue);
    }
    equal(leat_scope_close(scope), 0);
    equal(queue.taken, 4 * queue.rounds);
    equal(queue.length, 0);
    return 0;
}

static const struct test tests[] = {
    {"waiting for a group ends when its counter is zero, again and again", waits_for_zero},
    {"many wait for a group, some not for ever", many_wait},
    {"a group's counter never falls below zero", below_zero},
    {"what was done before done is seen after wait", group_publishes},
    {"a mutex excludes, also across blocking calls", excludes},
    {"a lock that gives up is not held", lock_gives_up},
    {"signal wakes one, broadcast all", signal_and_broadcast},
    {"a signal is not stolen by one that came later", no_stealing},
    {"a wait that gives up holds the mutex and takes no signal", condition_gives_up},
    {"no signal is lost", no_lost_signal},
};

int main(int argc, char **argv) {
    return run_group("sync", tests, sizeof tests / sizeof *tests, argc, argv);
}

/* SPDX-License-Identifier: MIT */
/** Calls that block: on a thread of their own, nobody else held up, errno kept. */
#include "runtime/runtime.h"

static int return_it(void *arg) {
    return *(int *)arg;
}

static int results(void *arg) {
    (void)arg;
    for (int i = -5; i <= 5; i++)
        equal(leat_block(return_it, &i), i);
    return 0;
}

/* ------------------------------------------------------ nobody held up */

struct gate {
    int fds[2];
    _Atomic int begun, ended;
};

static int read_byte(void *arg) {
    struct gate *gate = arg;
    lt_fetch_add(&gate->begun, 1, relaxed);
    char byte;
    return read(gate->fds[0], &byte, 1) == 1 ? 0 : -EIO;
}

static int block_in_task(void *arg) {
    struct gate *gate = arg;
    int error = leat_block(read_byte, gate);
    lt_fetch_add(&gate->ended, 1, relaxed);
    return error;
}

static int others_go_on(void *arg) {
    (void)arg;
    enum { COUNT = 40 }; /* more than there are workers */
    struct gate gate = {.begun = 0};
    equal(pipe(gate.fds), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < COUNT; i++)
        leat_go(scope, block_in_task, &gate);
    while (gate.begun < COUNT)
        leat_yield();
    equal(gate.ended, 0);
    equal(leat_sleep(LEAT_MILLISECOND), 0);
    for (int i = 0; i < COUNT; i++)
        equal(write(gate.fds[1], "x", 1), 1);
    equal(leat_scope_close(scope), 0);
    equal(gate.ended, COUNT);
    close(gate.fds[0]);
    close(gate.fds[1]);
    return 0;
}

static int nested(void *arg) {
    int *depth = arg;
    if (*depth == 0)
        return 7;
    int less = *depth - 1;
    return leat_block(nested, &less); /* from a thread that is not a worker */
}

static int nested_in_task(void *arg) {
    equal(leat_block(nested, arg), 7);
    return 0;
}

static int nesting(void *arg) {
    (void)arg;
    int depth = 5;
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 20; i++)
        leat_go(scope, nested_in_task, &depth);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static int use_channel(void *arg) {
    struct leat_chan *chan = arg;
    equal(leat_task_id(), 0);
    return leat_send(chan, &(int){42});
}

static int channel_inside(void *arg) {
    struct leat_chan *chan = arg;
    return leat_block(use_channel, chan);
}

static int channels_inside(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(sizeof(int), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 10; i++)
        leat_go(scope, channel_inside, chan);
    for (int i = 0, value; i < 10; i++) {
        equal(leat_recv(chan, &value), 0);
        equal(value, 42);
    }
    equal(leat_scope_close(scope), 0);
    leat_chan_free(chan);
    return 0;
}

/* ---------------------------------------------------------- cancellation */

static int waited_for(void *arg) {
    (void)arg;
    struct gate gate = {.begun = 0};
    equal(pipe(gate.fds), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, block_in_task, &gate);
    while (gate.begun == 0)
        leat_yield();
    leat_scope_cancel(scope, 0);
    struct leat_scope *shield = leat_scope_open(&(struct leat_scope_options){.shield = true});
    settle();
    equal(gate.ended, 0); /* begun: it is waited for */
    equal(write(gate.fds[1], "x", 1), 1);
    equal(leat_scope_close(shield), 0);
    equal(leat_block(return_it, &(int){1}), -ECANCELED); /* not begun */
    equal(leat_scope_wait(scope), -ECANCELED);
    equal(gate.ended, 1);
    const struct leat_failure *list;
    equal(leat_scope_failures(scope, &list), 0); /* what the call returned, not the cancellation */
    equal(leat_scope_close(scope), -ECANCELED);
    close(gate.fds[0]);
    close(gate.fds[1]);
    return 0;
}

/* ----------------------------------------------------------------- errno */

struct swap {
    struct leat_chan *chan;
    size_t rounds;
    struct leat_mutex mutex;
};

/*
 * Not inlined: a compiler may take the address of errno, which is a thread's,
 * for constant within a function, and a task goes on on another thread.
 */
static __attribute__((noinline)) void set_errno(int value) {
    errno = value;
    __asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) int get_errno(void) {
    __asm__ volatile("" ::: "memory");
    return errno;
}

/* errno is the thread's, but a task keeps its value across a blocking call, on whatever thread it goes on. */
static int keep_errno(void *arg) {
    struct swap *swap = arg;
    int mine = 1 + (int)(leat_task_id() % 100);
    uint64_t seed = seeded(leat_task_id() * 7777777);
    for (size_t i = 0; i < swap->rounds; i++) {
        set_errno(mine);
        switch (next_random(&seed) % 6) {
        case 0:
            leat_yield();
            break;
        case 1:
            leat_sleep((leat_time)(next_random(&seed) % 20) * LEAT_MICROSECOND);
            break;
        case 2:
            leat_send_until(swap->chan, &mine, leat_after(20 * LEAT_MICROSECOND));
            break;
        case 3:
            leat_recv_until(swap->chan, NULL, leat_after(20 * LEAT_MICROSECOND));
            break;
        case 4:
            leat_lock(&swap->mutex);
            leat_unlock(&swap->mutex);
            break;
        case 5:
            if (i % 20 == 0)
                leat_block(return_it, &mine);
            break;
        }
        if (!equal(get_errno(), mine))
            return 0;
    }
    return 0;
}

static int errno_is_kept(void *arg) {
    (void)arg;
    struct swap swap = {.chan = leat_chan_new(sizeof(int), 0), .rounds = scaled(1000)};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 20; i++)
        leat_go(scope, keep_errno, &swap);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(swap.chan);
    return 0;
}

/* Many short calls: threads come and go with the demand and end with the run. */
static int call_often(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(200); i++)
        equal(leat_block(return_it, &(int){(int)i}), i);
    return 0;
}

static int many_calls(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 50; i++)
        leat_go(scope, call_often, NULL);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static const struct test tests[] = {
    {"a blocking call returns what its function returns", results},
    {"blocking calls hold up nobody, however many", others_go_on},
    {"blocking calls within blocking calls", nesting},
    {"channels within blocking calls", channels_inside},
    {"a call that has begun is waited for, one that has not is refused", waited_for},
    {"errno is kept across blocking calls of leat", errno_is_kept},
    {"many short blocking calls", many_calls},
};

int main(int argc, char **argv) {
    return run_group("block", tests, sizeof tests / sizeof *tests, argc, argv);
}

/* SPDX-License-Identifier: MIT */
/** A program to look at with gdb: one task waits, one runs, one has not begun. */
#include "leat.h"

int stop_here(struct leat_chan *chan);

static __attribute__((noinline)) int go_down(struct leat_chan *chan, int depth) {
    int result = depth ? go_down(chan, depth - 1) : leat_recv(chan, NULL);
    __asm__ volatile("" ::: "memory"); /* no tail call: each level keeps its frame */
    return result;
}

static int waiter(void *arg) {
    return go_down(arg, 2);
}

/* Where gdb stops. */
__attribute__((noinline)) int stop_here(struct leat_chan *chan) {
    return leat_chan_close(chan);
}

static int run(void *arg) {
    struct leat_chan *chan = leat_chan_new_with(1, 0, &(struct leat_chan_options){.name = "never"});
    struct leat_task_options options = {.name = "patience"};
    leat_go_with(NULL, waiter, chan, &options);
    leat_yield(); /* on one worker: now it waits */
    leat_go(NULL, waiter, chan);
    (void)arg;
    return stop_here(chan);
}

int main(void) {
    return leat_run_with(&(struct leat_options){.workers = 1}, run, NULL) < 0;
}

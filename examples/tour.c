/* SPDX-License-Identifier: MIT */
/** A tour: two tasks, a channel each, and a select that loses patience. */
#include <leat.h>
#include <stdio.h>

static struct leat_chan *fast, *slow;

static int speak(void *arg) { /* runs as a task: blocking here blocks nobody else */
    struct leat_chan *to = arg;
    for (int i = 1; i <= 3; i++)
        if (leat_sleep(to == fast ? LEAT_MILLISECOND : 10 * LEAT_SECOND) || leat_send(to, &i))
            return 0; /* only when the scope was cancelled: every blocking call says so */
    return 0;
}

static int tour(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL); /* whatever is spawned in it ends in it */
    leat_go(scope, speak, fast);
    leat_go(scope, speak, slow);
    for (int value;;) {
        struct leat_case cases[] = {{LEAT_RECV, fast, &value}, {LEAT_RECV, slow, &value}};
        int index = leat_select_until(cases, 2, leat_after(300 * LEAT_MILLISECOND));
        if (index < 0)
            break; /* -ETIMEDOUT: nobody spoke */
        printf("%s says %d\n", index ? "slow" : "fast", value);
    }
    puts("enough");
    leat_scope_stop(scope); /* cancel what still runs, and wait for it */
    return leat_scope_close(scope);
}

int main(void) {
    fast = leat_chan_new(sizeof(int), 0);
    slow = leat_chan_new(sizeof(int), 0);
    return leat_run(tour, NULL) != 0;
}

/* SPDX-License-Identifier: MIT */
/**
 * The classic mistake: the results are read only after all the work was handed
 * out, but nobody takes more work while results wait to be read. Other
 * libraries hang here. leat says who waits for what, and ends with -EDEADLK.
 */
#include <leat.h>

#include <errno.h>
#include <stdio.h>

static struct leat_chan *work, *results;

static int worker(void *arg) {
    (void)arg;
    int value;
    while (leat_recv(work, &value) == 0) {
        value *= value;
        int error = leat_send(results, &value);
        if (error)
            return error;
    }
    return leat_chan_close(results);
}

static int run(void *arg) {
    (void)arg;
    leat_go(NULL, worker, NULL);
    for (int i = 0; i < 10; i++) {
        int error = leat_send(work, &i); /* wrong here; right in a task of its own */
        if (error)
            return error;
    }
    leat_chan_close(work);
    for (int value; leat_recv(results, &value) == 0;)
        printf("%d\n", value);
    return 0;
}

int main(void) {
    work = leat_chan_new_with(sizeof(int), 0, &(struct leat_chan_options){.name = "work"});
    results = leat_chan_new_with(sizeof(int), 0, &(struct leat_chan_options){.name = "results"});
    int error = leat_run(run, NULL);
    printf("%s\n", error == -EDEADLK ? "ended with a deadlock" : "ended");
    leat_chan_free(work);
    leat_chan_free(results);
    return error != 0;
}

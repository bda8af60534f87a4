/* SPDX-License-Identifier: MIT */
/**
 * Stop a service whose queue is full: `service drain` finishes what it has
 * accepted, `service drop` throws it away. Both are exact: no request is half
 * done, every one is accounted for. It stops at SIGINT, SIGTERM or after half
 * a second.
 */
#include <leat.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

enum { QUEUE = 500, WORKERS = 4 };

static struct leat_chan *requests;
static long accepted, dropped;  /* each of them changed by one task */
static atomic_long begun, done; /* by all workers */

static int accept_requests(void *arg) {
    (void)arg;
    int error;
    while ((error = leat_send(requests, &accepted)) == 0)
        accepted++;
    return error; /* refused: this one was not taken, and is not counted */
}

static int handle(void *arg, const void *request, void *result) {
    (void)arg, (void)request, (void)result;
    begun++;
    leat_sleep(LEAT_MILLISECOND / 2);
    done++;
    return 0;
}

static int serve(void *arg) {
    (void)arg;
    return leat_pool(requests, NULL, WORKERS, handle, NULL);
}

static void drop(void *request, void *arg) {
    (void)request, (void)arg;
    dropped++;
}

static int run(void *arg) {
    int signals = *(int *)arg;
    struct leat_scope *workers = leat_scope_open(NULL);
    leat_go(workers, serve, NULL);
    struct leat_scope *intake = leat_scope_open(NULL);
    leat_go(intake, accept_requests, NULL);
    leat_wait_fd_until(signals, LEAT_READABLE, leat_after(500 * LEAT_MILLISECOND));
    leat_scope_stop(intake); /* first: nobody puts anything in any more … */
    leat_scope_close(intake);
    if (((int *)arg)[1])
        leat_chan_discard(requests, drop, NULL); /* … then throw away what waits, */
    else
        leat_chan_close(requests);    /* or let it run dry */
    return leat_scope_close(workers); /* either way: who has begun, finishes */
}

int main(int argc, char **argv) {
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* before leat_run(), so that all its threads inherit it */
    int arguments[] = {signalfd(-1, &stop, SFD_CLOEXEC), argc > 1 && strcmp(argv[1], "drop") == 0};
    requests = leat_chan_new(sizeof(long), QUEUE);
    int error = leat_run(run, arguments);
    printf("accepted %ld = done %ld + dropped %ld\n", accepted, (long)done, dropped);
    leat_chan_free(requests);
    return error || accepted != done + dropped || begun != done;
}

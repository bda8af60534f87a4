/* SPDX-License-Identifier: MIT */
/** Descriptors: readiness, hang-up, closing under a waiter, descriptors used again, files that cannot be polled. */
#include "runtime/runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* In place of libc's: gives others the time to come between what leat does before a close and the close. */
static _Atomic bool slow_close;
int close(int fd) {
    for (int i = 0; i < 3 && lt_load(&slow_close, relaxed); i++)
        syscall(SYS_sched_yield);
    return (int)syscall(SYS_close, fd);
}

static bool make_pair(int fds[2]) {
    return equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

/* A pair of which the first one has a number that was given up. The runtime may have it for a moment, for /proc. */
static void make_pair_at(int number, int fds[2]) {
    while (make_pair(fds) && fds[0] != number) {
        close(fds[0]);
        close(fds[1]);
        leat_yield();
    }
}

struct peer {
    int fd;
    size_t count;
    int result;
};

static int echo(void *arg) {
    struct peer *peer = arg;
    char bytes[512];
    for (;;) {
        equal(leat_wait_fd(peer->fd, LEAT_READABLE), LEAT_READABLE);
        ssize_t got = read(peer->fd, bytes, sizeof bytes);
        if (got == 0)
            return 0;
        for (ssize_t done = 0; done < got;) {
            ssize_t written = write(peer->fd, bytes + done, (size_t)(got - done));
            if (written < 0)
                check(leat_wait_fd(peer->fd, LEAT_WRITABLE) & LEAT_WRITABLE);
            else
                done += written;
        }
    }
}

static int talk(void *arg) {
    struct peer *peer = arg;
    for (size_t i = 0; i < peer->count; i++) {
        uint64_t sent = i * 0x9E3779B97F4A7C15u, got = 0;
        if (!equal(write(peer->fd, &sent, sizeof sent), sizeof sent))
            break;
        check(leat_wait_fd(peer->fd, LEAT_READABLE) > 0);
        equal(read(peer->fd, &got, sizeof got), sizeof got);
        check(got == sent);
    }
    shutdown(peer->fd, SHUT_WR);
    return 0;
}

static int echoes(void *arg) {
    (void)arg;
    enum { PAIRS = 20 };
    int fds[PAIRS][2];
    struct peer peers[PAIRS][2];
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < PAIRS; i++) {
        if (!make_pair(fds[i]))
            return 0;
        peers[i][0] = (struct peer){fds[i][0], scaled(300), 0};
        peers[i][1] = (struct peer){fds[i][1], 0, 0};
        leat_go(scope, talk, &peers[i][0]);
        leat_go(scope, echo, &peers[i][1]);
    }
    equal(leat_scope_close(scope), 0);
    for (int i = 0; i < PAIRS; i++) {
        equal(leat_close_fd(fds[i][0]), 0);
        equal(leat_close_fd(fds[i][1]), 0);
    }
    return 0;
}

static int ready_at_once(void *arg) {
    (void)arg;
    int fds[2];
    if (!make_pair(fds))
        return 0;
    equal(leat_wait_fd(fds[0], LEAT_WRITABLE), LEAT_WRITABLE);
    equal(leat_wait_fd(fds[0], LEAT_READABLE | LEAT_WRITABLE), LEAT_WRITABLE);
    leat_time deadline = leat_after(LEAT_MILLISECOND);
    equal(leat_wait_fd_until(fds[0], LEAT_READABLE, deadline), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(write(fds[1], "x", 1), 1);
    equal(leat_wait_fd_until(fds[0], LEAT_READABLE, LEAT_FOREVER), LEAT_READABLE);
    equal(leat_wait_fd(fds[0], LEAT_READABLE), LEAT_READABLE); /* and again, as long as it is not read */
    equal(leat_close_fd(fds[1]), 0);
    char byte;
    equal(read(fds[0], &byte, 1), 1);
    check(leat_wait_fd(fds[0], LEAT_READABLE) > 0); /* the hang-up */
    equal(read(fds[0], &byte, 1), 0);
    equal(leat_close_fd(fds[0]), 0);
    equal(leat_wait_fd(fds[0], LEAT_READABLE), -EBADF);
    equal(leat_wait_fd(-1, LEAT_READABLE), -EBADF);
    equal(leat_close_fd(-1), -EBADF);
    return 0;
}

static int wait_readable(void *arg) {
    struct peer *peer = arg;
    while ((peer->result = leat_wait_fd(peer->fd, LEAT_READABLE)) == -EBUSY)
        leat_yield();
    return 0;
}

static int wait_writable(void *arg) {
    struct peer *peer = arg;
    while ((peer->result = leat_wait_fd(peer->fd, LEAT_WRITABLE)) == -EBUSY)
        leat_yield();
    return 0;
}

static void fill(int fd) {
    char bytes[4096] = {0};
    while (write(fd, bytes, sizeof bytes) > 0)
        ;
}

/* One task reads, another writes: both may wait for the same descriptor, but only one for each direction. */
static int both_directions(void *arg) {
    (void)arg;
    int fds[2];
    if (!make_pair(fds))
        return 0;
    fill(fds[0]);
    struct peer reader = {fds[0], 0, 0}, writer = {fds[0], 0, 0};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, wait_readable, &reader);
    leat_go(scope, wait_writable, &writer);
    for (int direction = LEAT_READABLE; direction <= LEAT_WRITABLE; direction++) {
        int error;
        while ((error = leat_wait_fd_until(fds[0], direction, leat_after(LEAT_MILLISECOND))) == -ETIMEDOUT)
            leat_sleep(LEAT_MILLISECOND / 10); /* the other one is not there yet: give it room */
        equal(error, -EBUSY);
    }
    equal(write(fds[1], "x", 1), 1);
    char bytes[4096];
    while (read(fds[1], bytes, sizeof bytes) > 0)
        ;
    equal(leat_scope_close(scope), 0);
    equal(reader.result, LEAT_READABLE);
    equal(writer.result, LEAT_WRITABLE);
    equal(leat_close_fd(fds[0]), 0);
    equal(leat_close_fd(fds[1]), 0);
    return 0;
}

static int closing_wakes(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(200); i++) {
        int fds[2];
        if (!make_pair(fds))
            return 0;
        struct peer peer = {fds[0], 0, 0};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, wait_readable, &peer);
        if (i < 5)
            settle();
        equal(leat_close_fd(fds[0]), 0);
        equal(leat_scope_close(scope), 0);
        equal(peer.result, -EBADF);
        equal(leat_close_fd(fds[1]), 0);
    }
    return 0;
}

enum { COMERS = 4 };

struct comer {
    int fd, direction, result;
    uint64_t random;
};

/* Comes at a random moment, and again when another one was faster. */
static int come(void *arg) {
    struct comer *comer = arg;
    for (uint64_t turns = next_random(&comer->random) % 64; turns > 0; turns--)
        leat_yield();
    while ((comer->result = leat_wait_fd(comer->fd, comer->direction)) == -EBUSY)
        leat_yield();
    return 0;
}

static void come_all(struct leat_scope *scope, struct comer *comers, int fd, uint64_t *seed) {
    for (int i = 0; i < COMERS; i++) {
        comers[i] = (struct comer){fd, i % 2 ? LEAT_READABLE : LEAT_WRITABLE, 0, next_random(seed)};
        leat_go(scope, come, &comers[i]);
    }
    for (uint64_t turns = next_random(seed) % 64; turns > 0; turns--)
        leat_yield();
}

/* Tasks begin to wait before, while and after the descriptor is closed: nobody is forgotten. */
static int closing_meets_comers(void *arg) {
    (void)arg;
    uint64_t seed = seeded(20251);
    lt_store(&slow_close, true, relaxed);
    for (size_t i = 0; i < scaled(300); i++) {
        int fds[2];
        if (!make_pair(fds))
            break;
        fill(fds[0]);
        struct comer comers[COMERS];
        struct leat_scope *scope = leat_scope_open(NULL);
        come_all(scope, comers, fds[0], &seed);
        equal(leat_close_fd(fds[0]), 0);
        equal(leat_scope_close(scope), 0);
        for (int k = 0; k < COMERS; k++)
            equal(comers[k].result, -EBADF);
        equal(leat_close_fd(fds[1]), 0);
    }
    lt_store(&slow_close, false, relaxed);
    return 0;
}

/* The same while the number is used again at once: each waits for the old file or the new one, never for neither. */
static int closing_meets_new_owner(void *arg) {
    (void)arg;
    if (THREAD_SANITIZER)
        return 0; /* it calls a number that is used again a race, and that is what happens here */
    uint64_t seed = seeded(20252);
    lt_store(&slow_close, true, relaxed);
    for (size_t i = 0; i < scaled(300); i++) {
        int fds[2], next[2];
        if (!make_pair(fds))
            break;
        fill(fds[0]);
        struct comer comers[COMERS];
        struct leat_scope *scope = leat_scope_open(NULL);
        come_all(scope, comers, fds[0], &seed);
        equal(leat_close_fd(fds[0]), 0);
        make_pair_at(fds[0], next);
        equal(write(next[1], "x", 1), 1);
        int ready; /* the new owner, if no late comer stands in its way */
        while ((ready = leat_wait_fd(next[0], LEAT_READABLE)) == -EBUSY)
            leat_yield();
        equal(ready, LEAT_READABLE);
        equal(leat_scope_close(scope), 0);
        for (int k = 0; k < COMERS; k++)
            check(comers[k].result == -EBADF || comers[k].result == comers[k].direction);
        equal(leat_close_fd(fds[1]), 0);
        equal(leat_close_fd(next[0]), 0);
        equal(leat_close_fd(next[1]), 0);
    }
    lt_store(&slow_close, false, relaxed);
    return 0;
}

/* A descriptor closed without leat: who waits for it is woken at the latest when the number's next owner waits. */
static int closed_without_leat(void *arg) {
    (void)arg;
    if (THREAD_SANITIZER)
        return 0; /* it calls a number that is used again a race, and that is what happens here */
    for (size_t i = 0; i < scaled(100); i++) {
        int fds[2], next[2];
        if (!make_pair(fds))
            return 0;
        int keeps_file = i % 2 ? dup(fds[0]) : -1;
        fill(fds[0]);
        struct peer reader = {fds[0], 0, 0}, writer = {fds[0], 0, 0};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, wait_readable, &reader);
        leat_go(scope, wait_writable, &writer);
        for (int direction = LEAT_READABLE; direction <= LEAT_WRITABLE; direction++)
            while (leat_wait_fd_until(fds[0], direction, leat_after(LEAT_MICROSECOND)) != -EBUSY)
                leat_yield();
        close(fds[0]);
        make_pair_at(fds[0], next);
        equal(leat_wait_fd(next[0], LEAT_WRITABLE), LEAT_WRITABLE);
        equal(leat_scope_close(scope), 0);
        equal(reader.result, -EBADF);
        equal(writer.result, -EBADF);
        if (keeps_file >= 0)
            close(keeps_file);
        equal(leat_close_fd(fds[1]), 0);
        equal(leat_close_fd(next[0]), 0);
        equal(leat_close_fd(next[1]), 0);
    }
    return 0;
}

/* The number of a closed descriptor is used again at once: nothing of its former life reaches the new one. */
/* The kernel reports a file under the number that it was registered by as long as a duplicate of it lives. */
static int event_of_a_file_that_is_gone(void *arg) {
    (void)arg;
    if (THREAD_SANITIZER)
        return 0; /* as above */
    for (size_t i = 0; i < scaled(30); i++) {
        int fds[2], next[2];
        if (!make_pair(fds))
            return 0;
        int keeps_file = dup(fds[0]);
        struct peer before = {fds[0], 0, 0}, after = {fds[0], 0, 0};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, wait_readable, &before);
        while (leat_wait_fd_until(fds[0], LEAT_READABLE, leat_after(LEAT_MICROSECOND)) != -EBUSY)
            leat_yield();
        close(fds[0]);
        make_pair_at(fds[0], next);
        equal(leat_wait_fd(next[0], LEAT_WRITABLE), LEAT_WRITABLE); /* that ends the wait for the old file */
        leat_go(scope, wait_readable, &after);
        while (leat_wait_fd_until(next[0], LEAT_READABLE, leat_after(LEAT_MICROSECOND)) != -EBUSY)
            leat_yield();
        equal(write(fds[1], "x", 1), 1);
        leat_sleep(LEAT_MILLISECOND);
        check(after.result <= 0); /* nothing yet, or it had to come again */
        equal(write(next[1], "x", 1), 1);
        equal(leat_scope_close(scope), 0);
        equal(before.result, -EBADF);
        equal(after.result, LEAT_READABLE);
        close(keeps_file);
        equal(leat_close_fd(fds[1]), 0);
        equal(leat_close_fd(next[0]), 0);
        equal(leat_close_fd(next[1]), 0);
    }
    return 0;
}

static int numbers_used_again(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(500); i++) {
        int fds[2];
        if (!make_pair(fds))
            return 0;
        if (i % 2)
            equal(write(fds[1], "x", 1), 1); /* readable when closed */
        equal(leat_wait_fd_until(fds[0], LEAT_READABLE, leat_after(10 * LEAT_MICROSECOND)),
              i % 2 ? LEAT_READABLE : -ETIMEDOUT);
        int number = fds[0];
        if (i % 3 == 0)
            close(fds[0]); /* without telling leat */
        else
            equal(leat_close_fd(fds[0]), 0);
        equal(leat_close_fd(fds[1]), 0);
        make_pair_at(number, fds);
        for (int k = 0; k < 2; k++)
            equal(leat_wait_fd_until(fds[k], LEAT_READABLE, leat_after(10 * LEAT_MICROSECOND)), -ETIMEDOUT);
        equal(write(fds[1], "y", 1), 1);
        equal(leat_wait_fd(fds[0], LEAT_READABLE), LEAT_READABLE);
        equal(leat_close_fd(fds[0]), 0);
        equal(leat_close_fd(fds[1]), 0);
    }
    return 0;
}

static int files(void *arg) {
    (void)arg;
    char path[] = "/tmp/leat-fd-XXXXXX";
    int fd = mkstemp(path);
    check(fd >= 0);
    unlink(path);
    check(leat_wait_fd(fd, LEAT_READABLE) & LEAT_READABLE);
    check(leat_wait_fd(fd, LEAT_WRITABLE) & LEAT_WRITABLE);
    equal(leat_close_fd(fd), 0);
    return 0;
}

static int pass_token(void *arg) {
    int *fds = arg; /* from, to */
    char byte;
    check(leat_wait_fd(fds[0], LEAT_READABLE) > 0);
    equal(read(fds[0], &byte, 1), 1);
    equal(write(fds[1], &byte, 1), 1);
    return 0;
}

/* Readiness reaches a task although all workers compute or are busy with local work. */
static int yield_until_told(void *arg) {
    _Atomic bool *stop = arg;
    while (!lt_load(stop, relaxed))
        leat_yield();
    return 0;
}

static int readiness_while_busy(void *arg) {
    (void)arg;
    _Atomic bool stop = false;
    struct leat_scope *crowd = leat_scope_open(NULL), *scope = leat_scope_open(NULL);
    for (unsigned i = 0; i < 2 * leat_workers(); i++)
        leat_go(crowd, yield_until_told, (void *)&stop);
    enum { COUNT = 30 };
    int pipes[COUNT + 1][2], links[COUNT][2];
    for (int i = 0; i <= COUNT; i++)
        equal(pipe2(pipes[i], O_NONBLOCK | O_CLOEXEC), 0);
    for (int i = 0; i < COUNT; i++) {
        links[i][0] = pipes[i][0];
        links[i][1] = pipes[i + 1][1];
        leat_go(scope, pass_token, links[i]);
    }
    equal(write(pipes[0][1], "t", 1), 1);
    equal(leat_wait_fd(pipes[COUNT][0], LEAT_READABLE), LEAT_READABLE);
    equal(leat_scope_close(scope), 0);
    lt_store(&stop, true, relaxed);
    equal(leat_scope_close(crowd), 0);
    for (int i = 0; i <= COUNT; i++)
        for (int k = 0; k < 2; k++)
            equal(leat_close_fd(pipes[i][k]), 0);
    return 0;
}

static int open_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void no_leak(void) {
    assert_int_equal(leat_run(ready_at_once, NULL), 0);
    int before = open_descriptors();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(leat_run(closing_wakes, NULL), 0);
        assert_int_equal(leat_run(echoes, NULL), 0);
    }
    assert_int_equal(open_descriptors(), before);
}

static const struct test tests[] = {
    {"tasks talk over sockets", echoes},
    {"what is ready is told at once, also a hang-up", ready_at_once},
    {"one waiter for each direction", both_directions},
    {"closing wakes the waiter", closing_wakes},
    {"closing meets tasks that come to wait", closing_meets_comers},
    {"closing meets the number's next owner", closing_meets_new_owner},
    {"closed without leat: found by the number's next owner", closed_without_leat},
    {"an event of a file that is gone does not reach the number's next owner", event_of_a_file_that_is_gone},
    {"numbers of closed descriptors are used again", numbers_used_again},
    {"files are always ready", files},
    {"readiness is seen while all workers are busy", readiness_while_busy},
    {"no descriptor is left open", .plain = no_leak},
};

int main(int argc, char **argv) {
    return run_group("fd", tests, sizeof tests / sizeof *tests, argc, argv);
}

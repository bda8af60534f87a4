/* SPDX-License-Identifier: MIT */
/** Descriptors: readiness, hang-up, closing under a waiter, descriptors used again, files that cannot be polled. */
#include "runtime/runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

static bool make_pair(int fds[2]) {
    return equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
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

/* The number of a closed descriptor is used again at once: nothing of its former life reaches the new one. */
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
        if (!make_pair(fds))
            return 0;
        check(fds[0] == number || fds[1] == number);
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
    {"numbers of closed descriptors are used again", numbers_used_again},
    {"files are always ready", files},
    {"readiness is seen while all workers are busy", readiness_while_busy},
    {"no descriptor is left open", .plain = no_leak},
};

int main(int argc, char **argv) {
    return run_group("fd", tests, sizeof tests / sizeof *tests, argc, argv);
}

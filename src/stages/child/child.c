/* SPDX-License-Identifier: MIT */
#include "stages/child/child.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 16 * 1024 };

/* What the child needs, in memory that it shares with its parent, who stands still meanwhile. */
struct birth {
    const struct lt_launch *launch;
    pid_t parent;
    int streams[3];
    int failure; /* errno of the exec */
};

/* ---------------------------------------------------------- in the child */

/* What runs on the child's stack never returns, so what a sanitizer marks there would stay marked in the parent's. */
#define UNMARKED __attribute__((no_sanitize("address")))

static UNMARKED void run_program(const struct lt_launch *launch) {
    execve(launch->path, launch->arguments, environ);
    if (errno != ENOEXEC)
        return;
    char **arguments = launch->arguments - 1;
    char *name = launch->arguments[0];
    arguments[0] = "sh";
    arguments[1] = (char *)launch->path;
    execve("/bin/sh", arguments, environ);
    launch->arguments[0] = name;
}

/* System calls only: the parent's memory is ours, and its other threads go on. */
static UNMARKED int be_born(void *argument) {
    struct birth *birth = argument;
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != birth->parent)
        _exit(127);
    for (int i = 0; i < 3; i++)
        if (dup2(birth->streams[i], i) < 0)
            goto failed;
    syscall(SYS_close_range, 3U, ~0U, 0U);
    setrlimit(RLIMIT_NOFILE, &birth->launch->limit);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    run_program(birth->launch);
failed:
    birth->failure = errno;
    _exit(127);
}

/* --------------------------------------------------------- in the parent */

void lt_child_close(int *pipe) {
    if (*pipe >= 0)
        close(*pipe);
    *pipe = -1;
}

static void close_all(struct lt_child *child) {
    lt_child_close(&child->input);
    lt_child_close(&child->output);
    lt_child_close(&child->errors);
    lt_child_close(&child->exit);
}

/* The limit is the process's, so what it was before is, too, however many stages there are. */
static struct rlimit limit_at_start;

static void raise_limit(void) {
    getrlimit(RLIMIT_NOFILE, &limit_at_start);
    struct rlimit most = {limit_at_start.rlim_max, limit_at_start.rlim_max};
    setrlimit(RLIMIT_NOFILE, &most);
}

void lt_raise_limit(struct rlimit *before) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, raise_limit);
    *before = limit_at_start;
}

/* A pipe with our end in `*ours` and the child's in `*theirs`. */
static int make_pipe(bool wanted, int direction, int *ours, int *theirs) {
    int ends[2];
    if (!wanted)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ours = ends[direction];
    *theirs = ends[!direction];
    return 0;
}

static int make_pipes(struct lt_child *child, const struct lt_launch *launch, int streams[3]) {
    int code = make_pipe(launch->input, 1, &child->input, &streams[0]);
    if (code == 0 && launch->input && fcntl(child->input, F_SETFL, O_NONBLOCK) < 0)
        code = -errno;
    if (code == 0)
        code = make_pipe(launch->output, 0, &child->output, &streams[1]);
    return code ? code : make_pipe(launch->errors, 0, &child->errors, &streams[2]);
}

/* Not inlined: its stack is the child's, too. */
static __attribute__((noinline)) int give_birth(struct lt_child *child, struct birth *birth) {
    _Alignas(16) char stack[STACK];
    int kept = errno;
    child->pid = clone(be_born, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, birth, &child->exit);
    int failure = child->pid < 0 ? errno : birth->failure;
    errno = kept;
    return -failure;
}

static void close_streams(const struct lt_launch *launch, const int streams[3]) {
    for (int i = 0; i < 3; i++)
        if (streams[i] > STDERR_FILENO && streams[i] != launch->nothing)
            close(streams[i]);
}

static int fail_start(const struct lt_launch *launch, int code, struct leat_error *error) {
    const char *text = code == -E2BIG ? "its arguments are too long for the system" : strerrordesc_np(-code);
    return leat_fail(error, code, "cannot run %s: %s", launch->path, text ? text : "it did not begin");
}

int lt_child_start(struct lt_child *child, const struct lt_launch *launch, struct leat_error *error) {
    *child = (struct lt_child){.pid = -1, .exit = -1, .input = -1, .output = -1, .errors = -1};
    struct birth birth = {launch, getpid(), {launch->nothing, launch->nothing, STDERR_FILENO}, 0};
    int code = make_pipes(child, launch, birth.streams);
    if (code == 0)
        code = give_birth(child, &birth);
    close_streams(launch, birth.streams);
    if (code == 0 && child->exit < 0)
        code = -ENOSYS;
    if (code == 0) {
        lt_living_begin(&child->living, child->pid);
        return 0;
    }
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    close_all(child);
    return fail_start(launch, code, error);
}

void lt_child_signal(const struct lt_child *child, int signal) {
    kill(-child->pid, signal);
    /* One that is stopped would not hear of it. */
    if (signal != SIGKILL)
        kill(-child->pid, SIGCONT);
}

static int wait_for(void *argument) {
    const struct lt_child *child = argument;
    return leat_wait_fd(child->exit, LEAT_READABLE);
}

struct lt_ending lt_child_end(struct lt_child *child, bool kill) {
    siginfo_t info = {0};
    if (kill) {
        lt_child_signal(child, SIGKILL);
        leat_shield(wait_for, child);
    }
    lt_living_end(&child->living);
    while (waitid(P_PID, (id_t)child->pid, &info, WEXITED) < 0 && errno == EINTR)
        continue;
    leat_close_fd(child->exit);
    child->exit = -1;
    close_all(child);
    bool exited = info.si_code == CLD_EXITED;
    return (struct lt_ending){exited ? info.si_status : -1, exited ? 0 : info.si_status};
}

void lt_ending_text(struct lt_ending ending, char *text, size_t size) {
    const char *name = ending.signal ? sigabbrev_np(ending.signal) : NULL;
    if (name)
        snprintf(text, size, "killed by SIG%s", name);
    else if (ending.signal)
        snprintf(text, size, "killed by signal %d", ending.signal);
    else
        snprintf(text, size, "exit code %d", ending.code);
}

/* --------------------------------------------------------------- watching */

int lt_watch_open(struct lt_watch *watch) {
    *watch = (struct lt_watch){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return watch->epoll < 0 ? -errno : 0;
}

void lt_watch_close(struct lt_watch *watch) {
    leat_close_fd(watch->epoll);
}

void lt_watch_next(struct lt_watch *watch) {
    watch->child++;
}

int lt_watch_child(struct lt_watch *watch, const struct lt_child *child, int events, bool edges) {
    const struct {
        int fd;
        uint32_t events;
    } all[] = {
        {child->input, EPOLLOUT | (edges ? EPOLLET : 0)},
        {child->output, EPOLLIN | (edges ? EPOLLET : 0)},
        {child->errors, EPOLLIN | (edges ? EPOLLET : 0)},
        {child->exit, EPOLLIN},
    };
    for (int i = 0; i < 4; i++) {
        struct epoll_event event = {.events = all[i].events, .data.u64 = (uint64_t)watch->child << 32 | 1U << i};
        if (events >> i & 1 && all[i].fd >= 0 && epoll_ctl(watch->epoll, EPOLL_CTL_ADD, all[i].fd, &event) < 0)
            return -errno;
    }
    return 0;
}

static int look(const struct lt_watch *watch) {
    struct epoll_event events[8];
    int result = 0, count = epoll_wait(watch->epoll, events, 8, 0);
    for (int i = 0; i < count; i++)
        if (events[i].data.u64 >> 32 == watch->child)
            result |= (int)(uint32_t)events[i].data.u64;
    return result;
}

int lt_watch_wait(struct lt_watch *watch, leat_time deadline) {
    int code = leat_wait_fd_until(watch->epoll, LEAT_READABLE, deadline);
    if (code < 0 && (code != -ETIMEDOUT || leat_now() < deadline))
        return code;
    return look(watch);
}

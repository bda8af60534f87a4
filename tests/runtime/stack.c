/* SPDX-License-Identifier: MIT */
/** Stacks: their classes, an overflow reported with its task, a great many of them, memory given back. */
#include "runtime/runtime.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* As much as asked for, but so much that what the test looks for shows. */
static size_t at_least(size_t least, size_t count) {
    return scaled(count) > least ? scaled(count) : least;
}

/* ---------------------------------------------------------------- classes */

static __attribute__((noinline)) size_t descend(size_t depth) {
    volatile char room[1024];
    room[depth % sizeof room] = 1;
    return depth ? descend(depth - 1) + (size_t)room[depth % sizeof room] : 0;
}

static int left(void *arg) {
    *(size_t *)arg = leat_stack_left();
    return 0;
}

static int go_deep(void *arg) {
    (void)arg;
    size_t depth = at_least(3000, 30000); /* some 30 MiB; more than 1 MiB in any case */
    equal(descend(depth), depth);
    return 0;
}

static int go_less_deep(void *arg) {
    (void)arg;
    equal(descend(500), 500);
    return 0;
}

static int classes(void *arg) {
    (void)arg;
    size_t usual = 0, large = 0, compute = 0;
    struct leat_task_options options = {.stack = LEAT_STACK_LARGE},
                             deep = {.name = "deep", .stack = LEAT_STACK_COMPUTE};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, left, &usual);
    leat_go_with(scope, left, &large, &options);
    leat_go_with(scope, left, &compute, &deep);
    leat_go_with(scope, go_less_deep, NULL, &options);
    leat_go_with(scope, go_deep, NULL, &deep);
    equal(leat_scope_close(scope), 0);
    /* A sanitizer needs more for its own frames. */
    size_t factor = THREAD_SANITIZER || ADDRESS_SANITIZER ? 4 : 1;
    check(usual > 48 * 1024 && usual <= factor * 64 * 1024);
    check(large > 900 * 1024 && large <= 1024 * 1024);
    check(compute > 255u << 20 && compute <= 256u << 20);
    return 0;
}

static int measure(void *arg) {
    (void)arg;
    size_t size = 0;
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, left, &size);
    equal(leat_scope_close(scope), 0);
    check(size > 200 * 1024);
    return 0;
}

static void size_of_default(void) {
    assert_int_equal(leat_run_with(&(struct leat_options){.workers = 2, .stack_size = 256 * 1024}, measure, NULL), 0);
}

/* --------------------------------------------------------------- overflow */

static int bottomless(void *arg) {
    (void)arg;
    descend(SIZE_MAX);
    return 0;
}

static int spawn_bottomless(void *arg) {
    struct leat_task_options options = {.name = "bottomless pit", .stack = *(enum leat_stack *)arg};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go_with(scope, bottomless, NULL, &options);
    return leat_scope_close(scope);
}

static int crash(void *arg) {
    (void)arg;
    volatile uintptr_t nowhere = 16;
    *(volatile int *)nowhere = 1;
    return 0;
}

/* The report and the signal of a child process that runs `fn`. */
static int signal_of_child(leat_fn *fn, void *arg, char *report, size_t size) {
    int fd = memfd_create("report", MFD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* cmocka's handler must not come between */
        dup2(fd, 2);
        leat_run_with(&(struct leat_options){.workers = 2}, fn, arg);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ssize_t got = pread(fd, report, size - 1, 0);
    report[got > 0 ? got : 0] = '\0';
    close(fd);
    return WIFSIGNALED(status) ? WTERMSIG(status) : THREAD_SANITIZER || ADDRESS_SANITIZER ? SIGSEGV : 0;
}

static void overflow(void) {
    for (int stack = LEAT_STACK_DEFAULT; stack <= LEAT_STACK_LARGE; stack++) {
        char report[8192];
        enum leat_stack class = (enum leat_stack)stack;
        assert_int_equal(signal_of_child(spawn_bottomless, &class, report, sizeof report), SIGSEGV);
        if (!strstr(report, "stack overflow") || !strstr(report, "bottomless pit") || !strstr(report, "stack.c:"))
            fail_msg("the report is: %s", report);
    }
}

static void other_faults(void) {
    char report[8192];
    assert_int_equal(signal_of_child(crash, NULL, report, sizeof report), SIGSEGV);
    assert_null(strstr(report, "leat: stack overflow"));
}

static int do_nothing(void *arg) {
    (void)arg;
    return 0;
}

static int spawn_too_large(void *arg) {
    (void)arg;
    struct leat_task_options options = {.stack = LEAT_STACK_COMPUTE};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go_with(scope, do_nothing, NULL, &options);
    return leat_scope_close(scope);
}

/* A task whose stack cannot be had ends with -ENOMEM; nothing hangs. */
static void no_stack(void) {
    if (THREAD_SANITIZER || ADDRESS_SANITIZER)
        return; /* they need the address space for themselves */
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        setrlimit(RLIMIT_AS, &(struct rlimit){600u << 20, 600u << 20});
        _exit(-leat_run_with(&(struct leat_options){.workers = 3}, spawn_too_large, NULL));
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ENOMEM);
}

/* ----------------------------------------------------------------- number */

struct tally {
    struct leat_chan *gate;
    _Atomic size_t begun, ended;
};

static int count_one(void *arg) {
    struct tally *tally = arg;
    lt_fetch_add(&tally->ended, 1, relaxed);
    return 0;
}

static int million_queued(void *arg) {
    (void)arg;
    size_t count = scaled(1000000);
    struct tally tally = {.begun = 0};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (size_t i = 0; i < count; i++)
        if (!equal(leat_go(scope, count_one, &tally), 0))
            break;
    equal(leat_scope_close(scope), 0);
    equal(tally.ended, count);
    return 0;
}

static int wait_at_gate(void *arg) {
    struct tally *tally = arg;
    lt_fetch_add(&tally->begun, 1, relaxed);
    int error = leat_recv(tally->gate, NULL);
    lt_fetch_add(&tally->ended, 1, relaxed);
    return error == -EPIPE ? 0 : error;
}

static size_t resident(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t start_and_park(size_t count) {
    struct tally tally = {.gate = leat_chan_new(0, 0)};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (size_t i = 0; i < count; i++)
        if (!equal(leat_go(scope, wait_at_gate, &tally), 0))
            break;
    while (tally.begun < count)
        leat_yield();
    size_t peak = resident();
    leat_chan_close(tally.gate);
    equal(leat_scope_close(scope), 0);
    equal(tally.ended, count);
    leat_chan_free(tally.gate);
    return peak;
}

/* All of them have a stack at once; with a mapping or two for each this exceeds vm.max_map_count. */
static int many_started(void *arg) {
    (void)arg;
    start_and_park(scaled(THREAD_SANITIZER ? 40000 : 100000)); /* ThreadSanitizer knows 8128 stacks at most */
    return 0;
}

static int memory_returns(void *arg) {
    (void)arg;
    start_and_park(100);
    leat_sleep(100 * LEAT_MILLISECOND);
    size_t before = resident();
    size_t peak = start_and_park(THREAD_SANITIZER ? scaled(3000) : at_least(2000, 30000));
    if (THREAD_SANITIZER || ADDRESS_SANITIZER)
        return 0;                                     /* they keep memory of their own for what was touched */
    while (resident() > before + (peak - before) / 2) /* for ever, if it does not return */
        leat_sleep(20 * LEAT_MILLISECOND);
    return 0;
}

static int touch_deep(void *arg) {
    (void)arg;
    descend(30);
    return leat_yield();
}

/* Stacks are used again: thousands of short tasks one after another, of 32 KiB each, take no more memory than the idle
 * stacks that workers keep. */
static int used_again(void *arg) {
    (void)arg;
    for (int round = 0; round < 2; round++) {
        size_t before = resident();
        for (size_t i = 0; i < at_least(THREAD_SANITIZER ? 1 : 400, 2000); i++) {
            struct leat_scope *scope = leat_scope_open(NULL);
            for (int k = 0; k < 20; k++)
                leat_go(scope, touch_deep, NULL);
            equal(leat_scope_close(scope), 0);
        }
        if (round == 1 && !THREAD_SANITIZER) /* which keeps a history of every stack that was ever touched */
            check(resident() < before + (64u << 20));
    }
    return 0;
}

static const struct test tests[] = {
    {"three sizes of stacks", classes},
    {"the default size can be chosen", .plain = size_of_default},
    {"a stack overflow is reported with its task", .plain = overflow, .real = "the process dies of it"},
    {"other faults are not called stack overflows", .plain = other_faults},
    {"a task whose stack cannot be had fails, and nothing hangs", .plain = no_stack},
    {"a million queued tasks", million_queued},
    {"a hundred thousand started tasks", many_started},
    {"memory returns after a burst", memory_returns, .real = "it measures memory"},
    {"stacks are used again", used_again, .real = "it measures memory"},
};

int main(int argc, char **argv) {
    return run_group("stack", tests, sizeof tests / sizeof *tests, argc, argv);
}

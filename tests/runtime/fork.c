/* SPDX-License-Identifier: MIT */
/**
 * Fork and join: published results, calls that are taken and calls that are not, errors, cancellation, depth.
 *
 * $LEAT_TEST_FULL: all published trees with each number of workers, T3L among them, and nqueens up to 14.
 */
#include "runtime/runtime.h"
#include "runtime/uts.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ------------------------------------------------------------ published results */

struct fib {
    unsigned n;
    uint64_t result;
};

static int fib(struct leat_forker *self, void *arg) {
    struct fib *call = arg;
    if (call->n < 2) {
        call->result = call->n;
        return 0;
    }
    struct fib left = {.n = call->n - 2}, right = {.n = call->n - 1};
    struct leat_frame frame;
    leat_fork(self, &frame, fib, &left);
    int error = fib(self, &right);
    int joined = leat_join(self, &frame);
    call->result = left.result + right.result;
    return error ? error : joined;
}

/* The same with the call written out, as leat_take_back() is meant. */
static int inlined_fib(struct leat_forker *self, void *arg) {
    struct fib *call = arg;
    if (call->n < 2) {
        call->result = call->n;
        return 0;
    }
    struct fib left = {.n = call->n - 2}, right = {.n = call->n - 1};
    struct leat_frame frame;
    leat_fork(self, &frame, inlined_fib, &left);
    int error = inlined_fib(self, &right), joined;
    if (leat_take_back(self, &frame, &joined))
        joined = inlined_fib(self, &left);
    call->result = left.result + right.result;
    return error ? error : joined;
}

static int fibonacci(void *arg) {
    (void)arg;
    unsigned n = THREAD_SANITIZER ? 20 : 30;
    struct fib calls[] = {{.n = n}, {.n = n}};
    equal(leat_parallel(fib, &calls[0]), 0);
    equal(leat_parallel(inlined_fib, &calls[1]), 0);
    equal(calls[0].result, n == 30 ? 832040 : 6765);
    equal(calls[1].result, n == 30 ? 832040 : 6765);
    return 0;
}

enum { QUEENS = 14 };

struct board {
    unsigned size, row;
    char columns[QUEENS];
    uint64_t solutions;
};

static bool safe(const struct board *board, unsigned column) {
    for (unsigned i = 0; i < board->row; i++) {
        unsigned distance = board->row - i, other = (unsigned)board->columns[i];
        if (other == column || other + distance == column || column + distance == other)
            return false;
    }
    return true;
}

static int place_queens(struct leat_forker *self, void *arg) {
    struct board *board = arg;
    if (board->row == board->size) {
        board->solutions = 1;
        return 0;
    }
    struct board next[QUEENS];
    struct leat_frame frames[QUEENS];
    unsigned count = 0;
    for (unsigned column = 0; column < board->size; column++) {
        if (!safe(board, column))
            continue;
        next[count] = *board;
        next[count].columns[next[count].row++] = (char)column;
        next[count].solutions = 0;
        leat_fork(self, &frames[count], place_queens, &next[count]);
        count++;
    }
    while (count-- > 0) {
        equal(leat_join(self, &frames[count]), 0);
        board->solutions += next[count].solutions;
    }
    return 0;
}

static int queens(void *arg) {
    (void)arg;
    static const uint64_t solutions[] = {92, 352, 724, 2680, 14200, 73712, 365596};
    unsigned most = getenv("LEAT_TEST_FULL") ? 14 : SIMULATED ? 8 : THREAD_SANITIZER ? 9 : 11;
    for (unsigned size = 8; size <= most; size++) {
        struct board board = {.size = size};
        equal(leat_parallel(place_queens, &board), 0);
        equal(board.solutions, solutions[size - 8]);
    }
    return 0;
}

struct skynet {
    uint64_t first, count, sum;
};

static int skynet(struct leat_forker *self, void *arg) {
    struct skynet *node = arg;
    if (node->count == 1) {
        node->sum = node->first;
        return 0;
    }
    struct skynet children[10];
    struct leat_frame frames[10];
    for (unsigned i = 0; i < 10; i++) {
        children[i] = (struct skynet){node->first + i * node->count / 10, node->count / 10, 0};
        leat_fork(self, &frames[i], skynet, &children[i]);
    }
    for (unsigned i = 10; i-- > 0;) {
        equal(leat_join(self, &frames[i]), 0);
        node->sum += children[i].sum;
    }
    return 0;
}

static int million_leaves(void *arg) {
    (void)arg;
    struct skynet root = {0, THREAD_SANITIZER ? 10000 : 1000000, 0};
    equal(leat_parallel(skynet, &root), 0);
    equal(root.sum, THREAD_SANITIZER ? 49995000 : 499999500000);
    return 0;
}

struct node {
    const struct uts_tree *tree;
    struct uts_node hash;
    unsigned height;
    uint64_t nodes, leaves;
    unsigned deepest;
};

static int search_tree(struct leat_forker *self, void *arg) {
    struct node *node = arg;
    unsigned count = uts_children(node->tree, &node->hash, node->height);
    node->nodes = 1;
    node->leaves = count == 0;
    node->deepest = node->height;
    if (count == 0)
        return 0;
    struct node children[count];
    struct leat_frame frames[count];
    for (unsigned i = 0; i < count; i++) {
        children[i] = (struct node){node->tree, uts_child(&node->hash, i), node->height + 1, 0, 0, 0};
        leat_fork(self, &frames[i], search_tree, &children[i]);
    }
    for (unsigned i = count; i-- > 0;) {
        equal(leat_join(self, &frames[i]), 0);
        node->nodes += children[i].nodes;
        node->leaves += children[i].leaves;
        node->deepest = children[i].deepest > node->deepest ? children[i].deepest : node->deepest;
    }
    return 0;
}

static int published_trees(void *arg) {
    (void)arg;
    struct uts_tree trees[UTS_TREES];
    size_t count = uts_trees_to_search(trees, leat_workers(), THREAD_SANITIZER || ADDRESS_SANITIZER || scaled(10) < 5);
    for (size_t i = 0; i < count; i++) {
        struct node root = {.tree = &trees[i], .hash = uts_root(&trees[i])};
        equal(leat_parallel(search_tree, &root), 0);
        equal(root.nodes, trees[i].nodes);
        equal(root.leaves, trees[i].leaves);
        equal(root.deepest, trees[i].deepest);
    }
    return 0;
}

/* ------------------------------------------------------------ taken or not */

static int nobody_idle(void *arg) {
    (void)arg;
    if (leat_workers() > 1)
        return 0;
    struct fib call = {.n = 20};
    struct leat_parallel_report report = {1, 1};
    equal(leat_parallel_with(fib, &call, &(struct leat_parallel_options){.report = &report}), 0);
    equal(report.offered, 0);
    equal(report.taken, 0);
    return 0;
}

struct crowd {
    _Atomic int inside, most, begun;
    struct leat_chan *chan;
    int levels;
};

static int note_begun(struct leat_forker *self, void *arg) {
    (void)self;
    struct crowd *crowd = arg;
    lt_fetch_add(&crowd->begun, 1, release);
    return 0;
}

/* Never blocks, and does not end before its call has been taken. */
static int hog(struct leat_forker *self, void *arg) {
    struct crowd *crowd = arg;
    struct leat_frame frame;
    leat_fork(self, &frame, note_begun, crowd);
    while (leat_workers() > 1 && !lt_load(&crowd->begun, acquire))
        leat_fork_look(self);
    equal(leat_join(self, &frame), 0);
    equal(crowd->begun, 1);
    return 0;
}

static int never_blocks(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct crowd crowd = {0};
        struct leat_parallel_report report;
        equal(leat_parallel_with(hog, &crowd, &(struct leat_parallel_options){.report = &report}), 0);
        equal(report.taken, leat_workers() > 1);
    }
    return 0;
}

struct order {
    struct crowd *crowd;
    int number;
};

static int first_is_first(struct leat_forker *self, void *arg) {
    (void)self;
    struct order *order = arg;
    int none = 0;
    lt_cas(&order->crowd->begun, &none, order->number, acq_rel);
    return 0;
}

/* Of many noted calls, the one that is given away first is the oldest: the joins would begin with the newest. */
static int fork_many(struct leat_forker *self, void *arg) {
    enum { CALLS = 50 };
    struct leat_frame frames[CALLS];
    struct order orders[CALLS];
    for (int i = 0; i < CALLS; i++) {
        orders[i] = (struct order){arg, i + 1};
        leat_fork(self, &frames[i], first_is_first, &orders[i]);
    }
    struct crowd *crowd = arg;
    while (leat_workers() > 1 && !lt_load(&crowd->begun, acquire))
        leat_fork_look(self);
    for (int i = CALLS; i-- > 0;)
        equal(leat_join(self, &frames[i]), 0);
    /* With several takers a later one may begin before an earlier one, who has taken his call already. */
    if (leat_workers() > 2)
        check(crowd->begun < (int)leat_workers());
    else
        equal(crowd->begun, leat_workers() == 2 ? 1 : CALLS);
    return 0;
}

static int oldest_first(void *arg) {
    (void)arg;
    struct crowd crowd = {0};
    return leat_parallel(fork_many, &crowd);
}

/* How many calls run at once: as many as there are workers, however many are pending. */
static int crowded(struct leat_forker *self, void *arg) {
    struct order *order = arg;
    struct crowd *crowd = order->crowd;
    if (order->number == 0) {
        int inside = 1 + lt_fetch_add(&crowd->inside, 1, acq_rel);
        for (int most = lt_load(&crowd->most, relaxed); inside > most && !lt_cas(&crowd->most, &most, inside, acq_rel);)
            ;
        lt_fetch_add(&crowd->begun, 1, relaxed);
        lt_fetch_sub(&crowd->inside, 1, acq_rel);
        return 0;
    }
    struct order children[3];
    struct leat_frame frames[3];
    for (int i = 0; i < 3; i++) {
        children[i] = (struct order){crowd, order->number - 1};
        leat_fork(self, &frames[i], crowded, &children[i]);
    }
    for (int i = 3; i-- > 0;)
        equal(leat_join(self, &frames[i]), 0);
    return 0;
}

static int never_more_than_workers(void *arg) {
    (void)arg;
    struct crowd crowd = {0};
    struct order root = {&crowd, 8};
    struct leat_parallel_report report;
    equal(leat_parallel_with(crowded, &root, &(struct leat_parallel_options){.report = &report}), 0);
    equal(crowd.begun, 3 * 3 * 3 * 3 * 3 * 3 * 3 * 3);
    check(crowd.most <= (int)leat_workers());
    check(report.taken <= report.offered);
    return 0;
}

/* A thousand small recursions, whose ends come in all orders. */
static int many_ends(void *arg) {
    (void)arg;
    size_t rounds = scaled(1000);
    for (size_t i = 0; i < rounds; i++) {
        struct crowd crowd = {0};
        struct order root = {&crowd, 3};
        equal(leat_parallel(crowded, &root), 0);
        equal(crowd.begun, 27);
        equal(crowd.inside, 0);
    }
    return 0;
}

static int parallel_again(void *arg) {
    struct fib *call = arg;
    return leat_parallel(fib, call);
}

static int side_by_side(void *arg) {
    (void)arg;
    struct fib calls[8];
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 8; i++) {
        calls[i] = (struct fib){.n = 20};
        leat_go(scope, parallel_again, &calls[i]);
    }
    equal(leat_scope_close(scope), 0);
    for (int i = 0; i < 8; i++)
        equal(calls[i].result, 6765);
    return 0;
}

static int within_fn(struct leat_forker *self, void *arg) {
    struct fib other = {.n = 15};
    struct leat_frame frame;
    leat_fork(self, &frame, fib, &other);
    equal(leat_parallel(fib, arg), 0);
    equal(leat_join(self, &frame), 0);
    equal(other.result, 610);
    return 0;
}

static int within(void *arg) {
    (void)arg;
    struct fib call = {.n = 20};
    equal(leat_parallel(within_fn, &call), 0);
    equal(call.result, 6765);
    return 0;
}

/* ------------------------------------------------------------ blocking */

static int receive(struct leat_forker *self, void *arg) {
    (void)self;
    struct crowd *crowd = arg;
    int value = 0;
    lt_fetch_add(&crowd->begun, 1, release);
    int error = leat_recv(crowd->chan, &value);
    equal(value, 42);
    return error;
}

/* The call that was taken waits for what comes after other work. */
static int block_inside(struct leat_forker *self, void *arg) {
    struct crowd *crowd = arg;
    struct leat_frame frame;
    leat_fork(self, &frame, receive, crowd);
    while (leat_workers() > 1 && !lt_load(&crowd->begun, acquire))
        leat_fork_look(self);
    struct fib other = {.n = 20};
    equal(fib(self, &other), 0);
    equal(other.result, 6765);
    int value = 42;
    equal(leat_send(crowd->chan, &value), 0);
    return leat_join(self, &frame);
}

static int blocking(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct crowd crowd = {.chan = leat_chan_new(sizeof(int), 1)};
        equal(leat_parallel(block_inside, &crowd), 0);
        equal(crowd.begun, 1);
        leat_chan_free(crowd.chan);
    }
    return 0;
}

/* Every leaf waits, so tasks move between threads with calls noted, and joins meet calls that are not done. */
static int sleepy(struct leat_forker *self, void *arg) {
    struct fib *call = arg;
    if (call->n < 2) {
        call->result = call->n;
        return leat_sleep(call->n % 2 ? LEAT_MICROSECOND : 0);
    }
    struct fib left = {.n = call->n - 2}, right = {.n = call->n - 1};
    struct leat_frame frame;
    leat_fork(self, &frame, sleepy, &left);
    int error = sleepy(self, &right);
    int joined = leat_join(self, &frame);
    call->result = left.result + right.result;
    return error ? error : joined;
}

static int waits_everywhere(void *arg) {
    (void)arg;
    struct fib call = {.n = 12};
    equal(leat_parallel(sleepy, &call), 0);
    equal(call.result, 144);
    return 0;
}

/* ------------------------------------------------------------ errors and cancellation */

static int fail_at(struct leat_forker *self, void *arg) {
    struct order *order = arg;
    if (order->number < 4)
        return order->number == 3 ? -EIO : 0;
    struct order left = {order->crowd, order->number / 2}, right = {order->crowd, order->number - order->number / 2};
    struct leat_frame frame;
    leat_fork(self, &frame, fail_at, &left);
    int error = fail_at(self, &right);
    int joined = leat_join(self, &frame);
    lt_fetch_add(&order->crowd->begun, 1, relaxed);
    return error ? error : joined;
}

static int errors(void *arg) {
    (void)arg;
    struct crowd crowd = {0};
    struct order root = {&crowd, 7}; /* 7 = 3 + 4, 4 = 2 + 2 */
    equal(leat_parallel(fail_at, &root), -EIO);
    equal(crowd.begun, 2);
    root.number = 8;
    equal(leat_parallel(fail_at, &root), 0);
    return 0;
}

struct stoppable {
    struct leat_scope *scope;
    _Atomic int64_t leaves, after;
    _Atomic bool stopped;
};

struct subtree {
    struct stoppable *all;
    unsigned height;
    uint64_t done;
};

/* A leaf is the grain: it is done as a whole and counted, or not begun. */
static int stop_midway(struct leat_forker *self, void *arg) {
    struct subtree *tree = arg;
    struct stoppable *all = tree->all;
    int cancelled = leat_cancelled();
    if (cancelled)
        return cancelled;
    if (tree->height == 0) {
        tree->done = 1;
        lt_fetch_add(&all->after, lt_load(&all->stopped, acquire), relaxed);
        if (lt_fetch_add(&all->leaves, 1, relaxed) + 1 == 1000) {
            leat_scope_cancel(all->scope, 0);
            lt_store(&all->stopped, true, release);
        }
        return 0;
    }
    struct subtree left = {all, tree->height - 1, 0}, right = {all, tree->height - 1, 0};
    struct leat_frame frame;
    leat_fork(self, &frame, stop_midway, &left);
    int error = stop_midway(self, &right);
    int joined = leat_join(self, &frame);
    tree->done = left.done + right.done;
    return error ? error : joined;
}

static int cancel(void *arg) {
    (void)arg;
    struct stoppable all = {.scope = leat_scope_open(NULL)};
    struct subtree root = {&all, 40, 0};
    equal(leat_parallel(stop_midway, &root), -ECANCELED);
    equal(leat_scope_close(all.scope), -ECANCELED);
    equal(root.done, all.leaves);
    check(all.leaves >= 1000);
    /* Who had looked before it was stopped may do one. */
    check(all.after <= (int64_t)leat_workers());
    return 0;
}

static int endless(struct leat_forker *self, void *arg) {
    struct subtree *tree = arg;
    if (tree->height == 0) /* does not ask; the joins do */
        return 0;
    struct subtree left = {tree->all, tree->height - 1, 0}, right = {tree->all, tree->height - 1, 0};
    struct leat_frame frames[2];
    leat_fork(self, &frames[0], endless, &left);
    leat_fork(self, &frames[1], endless, &right);
    int error = leat_join(self, &frames[1]);
    int joined = leat_join(self, &frames[0]);
    return error ? error : joined;
}

static int deadline(void *arg) {
    (void)arg;
    struct subtree root = {NULL, 60, 0};
    leat_time begin = leat_now(), patience = 20 * LEAT_MILLISECOND;
    equal(leat_parallel_with(endless, &root, &(struct leat_parallel_options){.deadline = begin + patience}),
          -ETIMEDOUT);
    check(leat_now() >= begin + patience);
    return 0;
}

/* ------------------------------------------------------------ depth */

struct chain {
    unsigned left;
    uint64_t sum;
};

static int descend(struct leat_forker *self, void *arg) {
    struct chain *link = arg;
    if (link->left == 0)
        return 0;
    volatile char room[512];
    room[link->left % sizeof room] = 1;
    struct chain next = {link->left - 1, 0};
    struct leat_frame frame;
    leat_fork(self, &frame, descend, &next);
    int error = leat_join(self, &frame);
    link->sum = next.sum + (uint64_t)room[link->left % sizeof room];
    return error;
}

/* All calls of the chain are noted on the way down. */
static int descend_forked(struct leat_forker *self, void *arg) {
    struct chain *link = arg;
    if (link->left == 0)
        return 0;
    struct chain next = {link->left - 1, 0}, none = {0, 0};
    struct leat_frame frame;
    leat_fork(self, &frame, descend, &none);
    int error = descend_forked(self, &next);
    int joined = leat_join(self, &frame);
    link->sum = next.sum + 1;
    return error ? error : joined;
}

static int deep(void *arg) {
    (void)arg;
    int levels = scaled(20000) > 2000 ? (int)scaled(20000) : 2000;
    struct chain chain = {levels, 0};
    struct leat_parallel_report report;
    equal(leat_parallel_with(descend, &chain, &(struct leat_parallel_options){.report = &report}), 0);
    equal(chain.sum, levels);
    check(report.taken <= 65 * leat_workers()); /* a level is no reason for a task */
    chain = (struct chain){levels, 0};
    equal(leat_parallel(descend_forked, &chain), 0);
    equal(chain.sum, levels);
    return 0;
}

static int bottomless(struct leat_forker *self, void *arg) {
    volatile char room[16384];
    room[0] = 1;
    struct leat_frame frame;
    leat_fork(self, &frame, bottomless, arg);
    return leat_join(self, &frame) + room[0];
}

static int run_bottomless(void *arg) {
    (void)arg;
    return leat_parallel_with(bottomless, NULL, &(struct leat_parallel_options){.name = "bottomless pit"});
}

static void overflow(void) {
    int fd = memfd_create("report", MFD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* cmocka's handler must not come between */
        dup2(fd, 2);
        leat_run_with(&(struct leat_options){.workers = 2}, run_bottomless, NULL);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    char report[8192];
    ssize_t got = pread(fd, report, sizeof report - 1, 0);
    report[got > 0 ? got : 0] = '\0';
    close(fd);
    check(WIFSIGNALED(status) || THREAD_SANITIZER || ADDRESS_SANITIZER);
    if (!strstr(report, "stack overflow") || !strstr(report, "bottomless pit") || !strstr(report, "fork.c:"))
        fail_msg("the report is: %s", report);
}

/* ------------------------------------------------------------ elsewhere */

static int from_outside(void *arg) {
    return leat_parallel(fib, arg);
}

static void no_runtime(void) {
    struct fib call = {.n = 5};
    assert_int_equal(leat_parallel(fib, &call), -EINVAL);
    assert_int_equal(leat_run(from_outside, &call), 0);
    assert_int_equal(call.result, 5);
}

static const struct test tests[] = {
    {"fib(30)", fibonacci},
    {"queens on boards of 8 and more", queens},
    {"skynet: a million leaves", million_leaves},
    {"published trees: every node once", published_trees},
    {"with nobody idle nothing is offered and no task is made", nobody_idle},
    {"a call is taken from a caller that never blocks", never_blocks},
    {"the oldest call is given away first", oldest_first},
    {"no more calls run than there are workers", never_more_than_workers},
    {"many small recursions, each to its end", many_ends},
    {"recursions side by side", side_by_side},
    {"a recursion within a recursion", within},
    {"a call that blocks holds up only itself", blocking},
    {"calls that wait at every leaf", waits_everywhere},
    {"errors come back through the joins", errors},
    {"cancelling stops within a grain, each leaf counted once", cancel},
    {"a deadline stops what never asks", deadline, .real = "it computes without a call of leat"},
    {"20,000 levels", deep, .real = "it is about the stack"},
    {"a stack overflow is reported with the recursion's name", NULL, overflow, .real = "the process dies of it"},
    {"without a runtime it is refused", NULL, no_runtime},
};

int main(int argc, char **argv) {
    return run_group("fork", tests, sizeof tests / sizeof *tests, argc, argv);
}

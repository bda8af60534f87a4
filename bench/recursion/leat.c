/* SPDX-License-Identifier: MIT */
/** Fork and join; and the tree once more as a crawl, whose branches are in memory rather than on the stack. */
#include "../bench.h"
#include "leat.h"
#include "work.h"

#include <stdlib.h>

static uint64_t fib(struct leat_forker *self, unsigned n);

struct fib {
    unsigned n;
    uint64_t result;
};

static int fib_elsewhere(struct leat_forker *self, void *arg) {
    struct fib *call = arg;
    call->result = fib(self, call->n);
    return 0;
}

static uint64_t fib(struct leat_forker *self, unsigned n) {
    if (n < 2)
        return n;
    struct fib other = {.n = n - 2};
    struct leat_frame frame;
    leat_fork(self, &frame, fib_elsewhere, &other);
    uint64_t one = fib(self, n - 1);
    int error;
    return one + (leat_take_back(self, &frame, &error) ? fib(self, n - 2) : other.result);
}

struct queens {
    struct board board;
    uint64_t solutions;
};

static int place(struct leat_forker *self, void *arg) {
    struct queens *queens = arg;
    if (queens->board.row == QUEENS) {
        queens->solutions = 1;
        return 0;
    }
    struct queens next[QUEENS];
    struct leat_frame frames[QUEENS];
    unsigned count = 0;
    for (unsigned column = 0; column < QUEENS; column++) {
        if (!is_safe(&queens->board, column))
            continue;
        next[count] = (struct queens){with_queen(&queens->board, column), 0};
        leat_fork(self, &frames[count], place, &next[count]);
        count++;
    }
    while (count-- > 0) {
        leat_join(self, &frames[count]);
        queens->solutions += next[count].solutions;
    }
    return 0;
}

struct subtree {
    struct tree_node node;
    uint64_t nodes;
};

static int search(struct leat_forker *self, void *arg) {
    struct subtree *subtree = arg;
    unsigned count = tree_children(&subtree->node);
    struct subtree children[MOST_CHILDREN];
    struct leat_frame frames[MOST_CHILDREN];
    for (unsigned i = 0; i < count; i++) {
        children[i] = (struct subtree){tree_child(&subtree->node, i), 0};
        leat_fork(self, &frames[i], search, &children[i]);
    }
    subtree->nodes = 1;
    while (count-- > 0) {
        leat_join(self, &frames[count]);
        subtree->nodes += children[count].nodes;
    }
    return 0;
}

/* ------------------------------------------------------------ the rows */

static uint64_t fib_of(unsigned n) {
    struct fib call = {.n = n};
    bench_must(leat_parallel(fib_elsewhere, &call), "leat_parallel");
    return call.result;
}

static uint64_t queens(void) {
    struct queens empty = {.solutions = 0};
    bench_must(leat_parallel(place, &empty), "leat_parallel");
    return empty.solutions;
}

static uint64_t tree(void) {
    struct subtree root = {tree_root(), 0};
    bench_must(leat_parallel(search, &root), "leat_parallel");
    return root.nodes;
}

static int visit(struct leat_visit *visit) {
    const struct tree_node *node = visit->branch->data;
    unsigned count = tree_children(node);
    for (unsigned i = 0; i < count; i++) {
        struct tree_node child = tree_child(node, i);
        bench_must(leat_crawl_add(visit, NULL, &child, sizeof child), "leat_crawl_add");
    }
    return 0;
}

static uint64_t crawl(void) {
    struct leat_crawl_report report;
    struct tree_node root = tree_root();
    const struct leat_crawl_options options = {.visit = visit, .report = &report};
    bench_must(leat_crawl(&options, &(struct leat_bytes){(char *)&root, sizeof root}, 1), "leat_crawl");
    return report.visited;
}

static int run(void *name) {
    static const struct work_peer peer = {40, fib_of, queens, tree}, crawler = {.tree = crawl};
    measure_work(*(char *)name == 'c' ? &crawler : &peer, name);
    return 0;
}

static void measure(const char *name) {
    bench_must(leat_run(run, (void *)name), "leat_run");
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {
        {"fib", measure}, {"queens", measure}, {"tree", measure}, {"crawl", measure}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

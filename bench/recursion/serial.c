/* SPDX-License-Identifier: MIT */
/** Plain recursion in C: what the others are measured by. */
#include "../bench.h"
#include "work.h"

static uint64_t fib(unsigned n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t place(const struct board *board) {
    if (board->row == QUEENS)
        return 1;
    uint64_t solutions = 0;
    for (unsigned column = 0; column < QUEENS; column++) {
        if (!is_safe(board, column))
            continue;
        struct board next = with_queen(board, column);
        solutions += place(&next);
    }
    return solutions;
}

static uint64_t queens(void) {
    struct board empty = {.row = 0};
    return place(&empty);
}

static uint64_t search(const struct tree_node *node) {
    uint64_t nodes = 1;
    unsigned count = tree_children(node);
    for (unsigned i = 0; i < count; i++) {
        struct tree_node child = tree_child(node, i);
        nodes += search(&child);
    }
    return nodes;
}

static uint64_t tree(void) {
    struct tree_node root = tree_root();
    return search(&root);
}

static void measure(const char *name) {
    static const struct work_peer peer = {40, fib, queens, tree};
    measure_work(&peer, name);
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {{"fib", measure}, {"queens", measure}, {"tree", measure}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

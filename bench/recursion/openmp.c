/* SPDX-License-Identifier: MIT */
/** OpenMP tasks. */
#include "../bench.h"
#include "work.h"

static uint64_t fib(unsigned n) {
    if (n < 2)
        return n;
    uint64_t one, other;
#pragma omp task shared(other)
    other = fib(n - 2);
    one = fib(n - 1);
#pragma omp taskwait
    return one + other;
}

static uint64_t place(const struct board *board) {
    if (board->row == QUEENS)
        return 1;
    uint64_t solutions[QUEENS] = {0}, sum = 0;
    for (unsigned column = 0; column < QUEENS; column++) {
        if (!is_safe(board, column))
            continue;
        struct board next = with_queen(board, column);
#pragma omp task shared(solutions) firstprivate(next, column)
        solutions[column] = place(&next);
    }
#pragma omp taskwait
    for (unsigned column = 0; column < QUEENS; column++)
        sum += solutions[column];
    return sum;
}

static uint64_t search(const struct tree_node *node) {
    uint64_t nodes[MOST_CHILDREN], sum = 1;
    unsigned count = tree_children(node);
    for (unsigned i = 0; i < count; i++) {
        struct tree_node child = tree_child(node, i);
#pragma omp task shared(nodes) firstprivate(child, i)
        nodes[i] = search(&child);
    }
#pragma omp taskwait
    for (unsigned i = 0; i < count; i++)
        sum += nodes[i];
    return sum;
}

static uint64_t fib_of(unsigned n) {
    uint64_t result = 0;
#pragma omp parallel
#pragma omp single
    result = fib(n);
    return result;
}

static uint64_t queens(void) {
    uint64_t solutions = 0;
    struct board empty = {.row = 0};
#pragma omp parallel
#pragma omp single
    solutions = place(&empty);
    return solutions;
}

static uint64_t tree(void) {
    uint64_t nodes = 0;
    struct tree_node root = tree_root();
#pragma omp parallel
#pragma omp single
    nodes = search(&root);
    return nodes;
}

static void measure(const char *name) {
    static const struct work_peer peer = {32, fib_of, queens, tree};
    measure_work(&peer, name);
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {{"fib", measure}, {"queens", measure}, {"tree", measure}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

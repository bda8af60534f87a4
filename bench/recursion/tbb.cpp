/* SPDX-License-Identifier: MIT */
/** oneTBB's task groups. */
#include "work.h"

extern "C" {
#include "../bench.h"
}

#include <cstdlib>
#include <tbb/global_control.h>
#include <tbb/task_group.h>

static uint64_t fib(unsigned n) {
    if (n < 2)
        return n;
    uint64_t other;
    tbb::task_group group;
    group.run([&] { other = fib(n - 2); });
    uint64_t one = fib(n - 1);
    group.wait();
    return one + other;
}

static uint64_t place(const struct board &board) {
    if (board.row == QUEENS)
        return 1;
    uint64_t solutions[QUEENS] = {}, sum = 0;
    tbb::task_group group;
    for (unsigned column = 0; column < QUEENS; column++) {
        if (!is_safe(&board, column))
            continue;
        struct board next = with_queen(&board, column);
        group.run([&solutions, next, column] { solutions[column] = place(next); });
    }
    group.wait();
    for (uint64_t count : solutions)
        sum += count;
    return sum;
}

static uint64_t search(const struct tree_node &node) {
    uint64_t nodes[MOST_CHILDREN], sum = 1;
    unsigned count = tree_children(&node);
    tbb::task_group group;
    for (unsigned i = 0; i < count; i++) {
        struct tree_node child = tree_child(&node, i);
        group.run([&nodes, child, i] { nodes[i] = search(child); });
    }
    group.wait();
    for (unsigned i = 0; i < count; i++)
        sum += nodes[i];
    return sum;
}

static uint64_t queens() {
    struct board empty = {};
    return place(empty);
}

static uint64_t tree() {
    return search(tree_root());
}

static void measure(const char *name) {
    static const struct work_peer peer = {35, fib, queens, tree};
    const char *workers = getenv("LEAT_WORKERS");
    tbb::global_control control(tbb::global_control::max_allowed_parallelism, workers ? strtoul(workers, NULL, 10) : 1);
    measure_work(&peer, name);
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {{"fib", measure}, {"queens", measure}, {"tree", measure}, {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

/* SPDX-License-Identifier: MIT */
/**
 * The work of the recursion benchmarks, the same for every peer: fib, in which
 * a call does nothing, so that what is measured is the fork; queens on a board
 * of 12, small calls; the published tree T1 (tests/runtime/uts.h), 4 million
 * nodes of a SHA-1 each in subtrees of all sizes.
 *
 * fib is told in nanoseconds for each call of the function, since the peers are
 * too different for one size; the others in seconds.
 */
#ifndef LEAT_BENCH_WORK_H
#define LEAT_BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { QUEENS = 12, MOST_CHILDREN = 100 };

struct board {
    unsigned char row, columns[QUEENS];
};

struct tree_node {
    uint32_t hash[5];
    unsigned height;
};

/** Whether a queen may stand in this column of the next row. */
static inline bool is_safe(const struct board *board, unsigned column) {
    for (unsigned i = 0; i < board->row; i++) {
        unsigned distance = board->row - i, other = board->columns[i];
        if (other == column || other + distance == column || column + distance == other)
            return false;
    }
    return true;
}

static inline struct board with_queen(const struct board *board, unsigned column) {
    struct board next = *board;
    next.columns[next.row++] = (unsigned char)column;
    return next;
}

struct tree_node tree_root(void);
unsigned tree_children(const struct tree_node *node);
struct tree_node tree_child(const struct tree_node *node, unsigned index);

/** A peer's side: fib(n), the solutions, the nodes. */
struct work_peer {
    unsigned n; /* of fib */
    uint64_t (*fib)(unsigned n);
    uint64_t (*queens)(void);
    uint64_t (*tree)(void);
};

/** Measure the row that `name` names, and check its result. */
void measure_work(const struct work_peer *peer, const char *name);

#ifdef __cplusplus
}
#endif

#endif

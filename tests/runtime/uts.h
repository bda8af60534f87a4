/* SPDX-License-Identifier: MIT */
/**
 * The trees of the Unbalanced Tree Search benchmark (Olivier et al., LCPC 2006).
 *
 * A node is a SHA-1 value; its i-th child is the SHA-1 of it and i; how many
 * children it has is read from its last 31 bits. So a tree of millions of nodes
 * is made of a seed, nobody can know its shape in advance, and its numbers of
 * nodes and leaves and its depth are published: a search that loses or doubles
 * one branch is found out.
 */
#ifndef LEAT_TESTS_UTS_H
#define LEAT_TESTS_UTS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct uts_node {
    uint32_t hash[5];
};

enum uts_shape { UTS_BINOMIAL, UTS_FIXED, UTS_LINEAR };

struct uts_tree {
    const char *name;
    enum uts_shape shape;
    double branching; /* of the root or, in a geometric tree, on the average */
    unsigned depth;   /* geometric: where it ends */
    double chance;    /* binomial: of having `many` children rather than none */
    unsigned many;
    uint32_t seed;
    /* As published. */
    uint64_t nodes, leaves;
    unsigned deepest;
};

/* The first three are searched in a second or so; the last one is for deep stacks and takes half a minute. */
enum { UTS_T1, UTS_T3, UTS_T5, UTS_T3L, UTS_TREES };

static const struct uts_tree uts_trees[] = {
    [UTS_T1] = {"T1", UTS_FIXED, 4, 10, 0, 0, 19, 4130071, 3305118, 10},
    [UTS_T3] = {"T3", UTS_BINOMIAL, 2000, 0, 0.124875, 8, 42, 4112897, 3599034, 1572},
    [UTS_T5] = {"T5", UTS_LINEAR, 4, 20, 0, 0, 34, 4147582, 2181318, 20},
    [UTS_T3L] = {"T3L", UTS_BINOMIAL, 2000, 0, 0.200014, 5, 7, 111345631, 89076904, 17844},
};

static inline uint32_t uts_rotate(uint32_t value, int bits) {
    return value << bits | value >> (32 - bits);
}

static inline void uts_step(uint32_t state[5], uint32_t mixed, uint32_t word) {
    uint32_t next = uts_rotate(state[0], 5) + mixed + state[4] + word;
    state[4] = state[3];
    state[3] = state[2];
    state[2] = uts_rotate(state[1], 30);
    state[1] = state[0];
    state[0] = next;
}

/* SHA-1 of a message of a few words: one block. */
static inline struct uts_node uts_hash_words(const uint32_t *words, unsigned count) {
    uint32_t w[80] = {[15] = count * 32};
    memcpy(w, words, count * sizeof *words);
    w[count] = 0x80000000u;
#pragma GCC unroll 80
    for (int i = 16; i < 80; i++)
        w[i] = uts_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint32_t state[5] = {start[0], start[1], start[2], start[3], start[4]};
#pragma GCC unroll 80
    for (int i = 0; i < 20; i++)
        uts_step(state, (state[1] & state[2]) | (~state[1] & state[3]), 0x5a827999 + w[i]);
#pragma GCC unroll 80
    for (int i = 20; i < 40; i++)
        uts_step(state, state[1] ^ state[2] ^ state[3], 0x6ed9eba1 + w[i]);
#pragma GCC unroll 80
    for (int i = 40; i < 60; i++)
        uts_step(state, (state[1] & state[2]) | (state[1] & state[3]) | (state[2] & state[3]), 0x8f1bbcdc + w[i]);
#pragma GCC unroll 80
    for (int i = 60; i < 80; i++)
        uts_step(state, state[1] ^ state[2] ^ state[3], 0xca62c1d6 + w[i]);
    struct uts_node node;
    for (int i = 0; i < 5; i++)
        node.hash[i] = start[i] + state[i];
    return node;
}

static inline struct uts_node uts_root(const struct uts_tree *tree) {
    /* The seed is hashed as the last of five words: a message of twenty bytes. */
    return uts_hash_words((const uint32_t[]){0, 0, 0, 0, tree->seed}, 5);
}

static inline struct uts_node uts_child(const struct uts_node *node, uint32_t index) {
    uint32_t words[6];
    memcpy(words, node->hash, sizeof node->hash);
    words[5] = index;
    return uts_hash_words(words, 6);
}

/* How many children the node has that stands `height` below the root. */
static inline unsigned uts_children(const struct uts_tree *tree, const struct uts_node *node, unsigned height) {
    double chance = (double)(node->hash[4] & 0x7fffffff) / 2147483648.0;
    if (tree->shape == UTS_BINOMIAL)
        return height == 0 ? (unsigned)tree->branching : chance < tree->chance ? tree->many : 0;
    double branching = tree->branching;
    if (height > 0 && tree->shape == UTS_FIXED)
        branching = height < tree->depth ? branching : 0;
    else if (height > 0)
        branching *= 1 - (double)height / tree->depth;
    double p = 1 / (1 + branching);
    unsigned children = (unsigned)floor(log(1 - chance) / log(1 - p));
    return children < 100 ? children : 100;
}

static inline void uts_count(struct uts_tree *tree, const struct uts_node *node, unsigned height) {
    unsigned children = uts_children(tree, node, height);
    tree->nodes++;
    tree->leaves += children == 0;
    tree->deepest = height > tree->deepest ? height : tree->deepest;
    for (unsigned i = 0; i < children; i++) {
        struct uts_node child = uts_child(node, i);
        uts_count(tree, &child, height + 1);
    }
}

/**
 * The trees that a test searches with so many workers. All with $LEAT_TEST_FULL; otherwise one of the first three, or
 * where programs are slow (`small`) a smaller one of the same kind, whose numbers are counted here and now.
 */
static inline size_t uts_trees_to_search(struct uts_tree trees[UTS_TREES], unsigned workers, bool small) {
    if (getenv("LEAT_TEST_FULL")) {
        memcpy(trees, uts_trees, sizeof uts_trees);
        return UTS_TREES;
    }
    trees[0] = uts_trees[workers % UTS_T3L];
    if (!small)
        return 1;
    trees[0].depth -= trees[0].depth / 3;
    trees[0].branching = trees[0].shape == UTS_BINOMIAL ? 20 : trees[0].branching;
    trees[0].nodes = trees[0].leaves = trees[0].deepest = 0;
    struct uts_node root = uts_root(&trees[0]);
    uts_count(&trees[0], &root, 0);
    return 1;
}

#endif

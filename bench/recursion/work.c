/* SPDX-License-Identifier: MIT */
#include "work.h"
#include "../../tests/runtime/uts.h"
#include "../bench.h"

static const struct uts_tree *const tree = &uts_trees[UTS_T1];

struct tree_node tree_root(void) {
    struct uts_node root = uts_root(tree);
    struct tree_node node = {.height = 0};
    memcpy(node.hash, root.hash, sizeof node.hash);
    return node;
}

unsigned tree_children(const struct tree_node *node) {
    struct uts_node same;
    memcpy(same.hash, node->hash, sizeof same.hash);
    return uts_children(tree, &same, node->height);
}

struct tree_node tree_child(const struct tree_node *node, unsigned index) {
    struct uts_node parent;
    memcpy(parent.hash, node->hash, sizeof parent.hash);
    struct uts_node child = uts_child(&parent, index);
    struct tree_node result = {.height = node->height + 1};
    memcpy(result.hash, child.hash, sizeof result.hash);
    return result;
}

static uint64_t plain_fib(unsigned n) {
    uint64_t result = 0, next = 1;
    for (; n > 0; n--) {
        uint64_t sum = result + next;
        result = next;
        next = sum;
    }
    return result;
}

void measure_work(const struct work_peer *peer, const char *name) {
    double begin = bench_now();
    if (strcmp(name, "fib") == 0) {
        bench_must(peer->fib(peer->n) == plain_fib(peer->n) ? 0 : -1, "fib");
        double calls = 2 * (double)plain_fib(peer->n + 1) - 1;
        bench_report(name, (bench_now() - begin) * 1e9 / calls, "ns/call");
        return;
    }
    if (strcmp(name, "queens") == 0)
        bench_must(peer->queens() == 14200 ? 0 : -1, "queens");
    else
        bench_must(peer->tree() == tree->nodes ? 0 : -1, "tree");
    bench_report(name, bench_now() - begin, "s");
}

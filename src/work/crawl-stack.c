/* SPDX-License-Identifier: MIT */
/**
 * Where a worker's branches wait.
 *
 * Two lists, both in the order of coming and numbered together: `whole` are
 * branches nobody has begun, which idle workers may take; `begun` are calls that
 * returned LEAT_MORE, which stay where they were begun, since a cursor may
 * belong to its worker's connection (unless the user says it does not). The
 * owner takes the newest of both; others take the oldest, which lie highest in
 * the tree and so have most below them.
 *
 * Rejected: one list, in which a thief would have to look for a branch that may
 * be taken, as long as the tree is deep, under the lock.
 */
#include "work/crawl.h"
#include "base/annotate.h"
#include "base/hostile.h"

#include <stdlib.h>
#include <string.h>

/* Spare branches of a worker: enough for the ups and downs of a visit, and none that is large. In a build that looks
 * for mistakes none, so that the use of one that is gone is seen. */
enum { LARGEST_SPARE = 512 };
#if defined(LEAT_ASAN)
enum { MOST_SPARE = 0 };
#else
enum { MOST_SPARE = LT_HOSTILE ? 0 : 64 };
#endif

static struct lt_branch *take_spare(struct lt_crawl_worker *worker, size_t size) {
    struct lt_branch *branch = worker->spare;
    if (!branch || branch->room < size)
        return NULL;
    worker->spare = branch->with;
    worker->spare_count--;
    return branch;
}

struct lt_branch *lt_branch_new(struct lt_crawl_worker *worker, const void *data, size_t size, unsigned depth) {
    struct lt_branch *branch = take_spare(worker, size);
    size_t room = branch ? branch->room : size;
    if (!branch)
        branch = size <= SIZE_MAX - sizeof *branch ? malloc(sizeof *branch + size) : NULL;
    if (!branch)
        return NULL;
    *branch = (struct lt_branch){.what = {.data = branch->bytes, .size = size, .depth = depth}, .room = room};
    if (size)
        memcpy(branch->bytes, data, size);
    return branch;
}

void lt_branch_free(struct lt_crawl_worker *worker, struct lt_branch *branch) {
    if (branch->room > LARGEST_SPARE || worker->spare_count + 1 > MOST_SPARE) {
        free(branch);
        return;
    }
    branch->with = worker->spare;
    worker->spare = branch;
    worker->spare_count++;
}

void lt_branch_free_spare(struct lt_crawl_worker *worker) {
    for (struct lt_branch *branch; (branch = worker->spare);) {
        worker->spare = branch->with;
        free(branch);
    }
}

void lt_branch_append(struct lt_branches *list, struct lt_branch *branch) {
    branch->newer = NULL;
    branch->older = list->newest;
    if (list->newest)
        list->newest->newer = branch;
    else
        list->oldest = branch;
    list->newest = branch;
    list->count++;
}

void lt_branch_remove(struct lt_branches *list, struct lt_branch *branch) {
    if (branch->newer)
        branch->newer->older = branch->older;
    else
        list->newest = branch->older;
    if (branch->older)
        branch->older->newer = branch->newer;
    else
        list->oldest = branch->newer;
    list->count--;
}

static void tell_others(struct lt_crawl_stack *stack, bool movable) {
    lt_store(&stack->to_take, stack->whole.count + (movable ? stack->begun.count : 0), relaxed);
}

size_t lt_stack_push(struct lt_crawl_stack *stack, struct lt_branch *branch, bool movable) {
    lt_lock(&stack->lock);
    branch->order = ++stack->order;
    lt_branch_append(&stack->whole, branch);
    tell_others(stack, movable);
    size_t count = stack->whole.count + stack->begun.count;
    lt_unlock(&stack->lock);
    return count;
}

void lt_stack_push_begun(struct lt_crawl_stack *stack, struct lt_branch *first, uint64_t order, bool movable) {
    lt_lock(&stack->lock);
    first->order = order;
    lt_branch_append(&stack->begun, first);
    tell_others(stack, movable);
    lt_unlock(&stack->lock);
}

/* Up to `most` of the newest branches, but none older than the newest call that was begun. */
static struct lt_branch *pop_whole(struct lt_crawl_stack *stack, size_t most) {
    uint64_t floor = stack->begun.newest ? stack->begun.newest->order : 0;
    struct lt_branch *first = NULL, **end = &first;
    for (struct lt_branch *branch; most-- > 0 && (branch = stack->whole.newest) && branch->order > floor;) {
        lt_branch_remove(&stack->whole, branch);
        branch->with = NULL;
        *end = branch;
        end = &branch->with;
    }
    return first;
}

struct lt_branch *lt_stack_pop(struct lt_crawl_stack *stack, size_t most, bool more_wanted, bool movable,
                               uint64_t *order) {
    lt_lock(&stack->lock);
    *order = ++stack->order;
    /* A worker that others look to for work makes some more before it does its last. */
    bool continues = stack->begun.newest && more_wanted && stack->whole.count <= 1;
    struct lt_branch *first = continues ? NULL : pop_whole(stack, most);
    if (!first && (first = stack->begun.newest))
        lt_branch_remove(&stack->begun, first);
    tell_others(stack, movable);
    lt_unlock(&stack->lock);
    return first;
}

/* The oldest ones, linked by `with`; a call that was begun only when there is nothing else. */
static struct lt_branch *take_oldest(struct lt_crawl_stack *stack, size_t most, bool movable, bool *begun) {
    struct lt_branch *first = NULL, **end = &first;
    size_t half = (stack->whole.count + 1) / 2;
    for (size_t count = half < most ? half : most; count > 0; count--) {
        struct lt_branch *branch = stack->whole.oldest;
        lt_branch_remove(&stack->whole, branch);
        branch->with = NULL;
        *end = branch;
        end = &branch->with;
    }
    *begun = !first && movable && stack->begun.oldest;
    if (*begun)
        lt_branch_remove(&stack->begun, first = stack->begun.oldest);
    return first;
}

size_t lt_stack_move(struct lt_crawl_stack *from, struct lt_crawl_stack *to, size_t most, bool movable) {
    bool begun;
    lt_lock(&from->lock);
    struct lt_branch *list = take_oldest(from, most, movable, &begun);
    tell_others(from, movable);
    lt_unlock(&from->lock);
    if (!list)
        return 0;
    lt_lock(&to->lock);
    size_t count = 0;
    for (struct lt_branch *branch = list, *next; branch; branch = next, count++) {
        next = begun ? NULL : branch->with;
        branch->order = ++to->order;
        lt_branch_append(begun ? &to->begun : &to->whole, branch);
    }
    tell_others(to, movable);
    lt_unlock(&to->lock);
    return count;
}

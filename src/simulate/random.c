/* SPDX-License-Identifier: MIT */
/**
 * The seeded chooser. The seed also chooses the way of choosing, since no single
 * one finds all bugs: an even choice among all, with preemptions anywhere from
 * often to rarely; or fixed priorities of threads, lowered at a few points
 * (Burckhardt and others, "A randomized scheduler with probabilistic guarantees
 * of finding bugs", 2010), which finds what needs few preemptions in the right
 * order, however far apart.
 */
#include "simulate/virtual.h"

enum { SPANS = 6, THREADS = 256 };

static uint64_t next(struct lt_random_chooser *chooser) {
    /* splitmix64 (Steele, Lea, Flood 2014). */
    uint64_t z = chooser->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static uint32_t below(struct lt_random_chooser *chooser, uint32_t limit) {
    return (uint32_t)((next(chooser) >> 32) * limit >> 32);
}

/* Points until the next preemption: on average `rarity`. */
static uint32_t patience(struct lt_random_chooser *chooser) {
    return below(chooser, 2 * chooser->rarity);
}

static uint32_t priority(struct lt_random_chooser *chooser, const struct lt_virtual *thread) {
    uint32_t *mine = &chooser->priority[thread->id % THREADS];
    if (!*mine)
        *mine = THREADS + below(chooser, 1u << 30);
    return *mine;
}

static void lower(struct lt_random_chooser *chooser, const struct lt_virtual *thread) {
    chooser->priority[thread->id % THREADS] = THREADS - ++chooser->changes % (THREADS - 1);
}

/* Now and then a store becomes visible, or time passes, in the middle of things. The number of moves: none. */
static unsigned another_kind(struct lt_random_chooser *chooser, const struct lt_choice *choice) {
    for (unsigned i = 0; i < choice->count; i++) {
        enum lt_move_kind kind = choice->moves[i].kind;
        if (kind == LT_GO)
            continue;
        if (below(chooser, kind == LT_DRAIN ? chooser->drain : chooser->pass) == 0)
            return i;
    }
    return choice->count;
}

static unsigned evenly(struct lt_random_chooser *chooser, const struct lt_choice *choice) {
    unsigned goers = 0;
    for (unsigned i = 0; i < choice->count; i++)
        goers += choice->moves[i].kind == LT_GO;
    unsigned chosen = goers ? below(chooser, goers) : 0;
    for (unsigned i = 0; i < choice->count; i++)
        if (choice->moves[i].kind == LT_GO && chosen-- == 0)
            return i;
    return 0;
}

static unsigned by_priority(struct lt_random_chooser *chooser, const struct lt_choice *choice) {
    if (choice->can_go_on && (choice->spins || chooser->next_change <= choice->present->points)) {
        lower(chooser, choice->present);
        /* Changes lie closer together or farther apart, by powers of two. */
        chooser->next_change = choice->present->points + (1 + below(chooser, 16)) * (4u << below(chooser, SPANS));
    }
    unsigned best = 0;
    uint32_t highest = 0;
    for (unsigned i = 0; i < choice->count; i++) {
        if (choice->moves[i].kind != LT_GO)
            continue;
        uint32_t this = priority(chooser, choice->moves[i].thread);
        if (this > highest) {
            highest = this;
            best = i;
        }
    }
    return best;
}

static unsigned choose(struct lt_chooser *base, const struct lt_choice *choice) {
    struct lt_random_chooser *chooser = (struct lt_random_chooser *)base;
    if (choice->moves[0].kind == LT_PASS)
        return 0;
    base->patience = chooser->priorities ? 0 : patience(chooser);
    unsigned other = another_kind(chooser, choice);
    if (other < choice->count)
        return other;
    return chooser->priorities ? by_priority(chooser, choice) : evenly(chooser, choice);
}

void lt_random_chooser_open(struct lt_random_chooser *chooser, uint64_t seed) {
    static uint32_t priorities[THREADS];
    *chooser = (struct lt_random_chooser){.chooser = {.choose = choose}, .state = seed};
    chooser->priority = priorities;
    for (unsigned i = 0; i < THREADS; i++)
        priorities[i] = 0;
    chooser->priorities = below(chooser, 2);
    chooser->rarity = 1u << below(chooser, 8);
    chooser->drain = 2u << below(chooser, 6);
    chooser->pass = 16u << below(chooser, 6);
    chooser->next_change = below(chooser, 4u << (2 * below(chooser, SPANS)));
    chooser->chooser.patience = chooser->priorities ? 0 : patience(chooser);
}

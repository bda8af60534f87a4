/* SPDX-License-Identifier: MIT */
/**
 * Histories: what tasks did at the same time, and the question whether one
 * order of it all explains the results (Wing and Gong's check, by search).
 *
 * Each operation takes effect in one or more steps, all between its call and
 * its return: one that never waits in a single step, one that waits in several
 * (it joins a queue; somebody ends its wait; it goes on). A specification is a
 * sequential machine that says which step may come next in a state. A history
 * is explained when the steps of all operations can be put into an order that
 * keeps to the times and that the machine goes along with.
 *
 * Steps rather than one moment for each operation, because a hand-over without
 * a buffer is two operations that take effect together, and a wait for a
 * condition gives up a mutex and takes it again.
 */
#ifndef LEAT_TESTS_HISTORY_H
#define LEAT_TESTS_HISTORY_H

#include "runtime/runtime.h"

enum { AUTHORS = 3, EACH = 4, WHOLE = 3 /* the step at which an operation is over */ };
enum { LAST = 12 /* operations of whoever ends the waits of the others */, OPERATIONS = AUTHORS * EACH + LAST };

struct operation {
    uint8_t kind, form;
    uint8_t used;
    uint8_t author;
    int argument[4];
    int result, value; /* as returned */
    unsigned called, returned;
};

struct history {
    _Atomic unsigned clock, ready;
    struct operation operations[OPERATIONS];
};

struct specification {
    const char *text; /* printed with a history that it does not explain */
    size_t state_size;
    /** Take step `step` of operation `index`: false if that cannot happen in this state, or not with its results.
     * Returns in `*next` which step is the operation's next. */
    bool (*take)(void *state, const struct operation *operations, unsigned index, unsigned step, unsigned *next);
    void (*describe)(const struct operation *operation, char *text, size_t size);
};

enum { MOST_STATE = 256 };

struct search {
    const struct specification *specification;
    const struct operation *operations;
    unsigned long looked; /* states looked at */
};

static inline bool explained_from(struct search *search, const uint8_t *steps, const void *state) {
    search->looked++;
    unsigned earliest_return = UINT32_MAX;
    for (unsigned i = 0; i < OPERATIONS; i++)
        if (search->operations[i].used && steps[i] != WHOLE && search->operations[i].returned < earliest_return)
            earliest_return = search->operations[i].returned;
    if (earliest_return == UINT32_MAX)
        return true;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        /* It may come next if nobody else has returned before it was called. */
        if (!search->operations[i].used || steps[i] == WHOLE || search->operations[i].called > earliest_return)
            continue;
        _Alignas(8) char after[MOST_STATE];
        uint8_t taken[OPERATIONS];
        unsigned next = WHOLE;
        memcpy(after, state, search->specification->state_size);
        memcpy(taken, steps, sizeof taken);
        if (!search->specification->take(after, search->operations, i, steps[i], &next))
            continue;
        taken[i] = (uint8_t)next;
        if (explained_from(search, taken, after))
            return true;
    }
    return false;
}

static inline bool explained(const struct specification *specification, const struct operation *operations,
                             const void *state) {
    struct search search = {specification, operations, 0};
    uint8_t steps[OPERATIONS] = {0};
    return explained_from(&search, steps, state);
}

static inline void show(const struct specification *specification, const struct operation *operations) {
    dprintf(2, "# no order of these operations agrees with the specification:\n");
    for (int i = 0; i < OPERATIONS; i++) {
        const struct operation *it = &operations[i];
        char text[200];
        if (!it->used)
            continue;
        specification->describe(it, text, sizeof text);
        dprintf(2, "#   task %d, from %2u to %2u: %s\n", it->author, it->called, it->returned, text);
    }
    dprintf(2, "# the specification:\n%s", specification->text);
}

/* -------------------------------------------------- writing them */

struct author {
    struct history *history;
    void *objects;
    void (*perform)(void *objects, struct operation *operation);
    struct operation *mine;
    struct leat_wg *running;
    bool in_thread; /* a thread, which leat parks in another way */
};

static inline void record(struct author *author, struct operation *operation) {
    operation->called = lt_fetch_add(&author->history->clock, 1, seq_cst);
    author->perform(author->objects, operation);
    operation->returned = lt_fetch_add(&author->history->clock, 1, seq_cst);
}

static inline int write_all(void *arg) {
    struct author *author = arg;
    lt_fetch_add(&author->history->ready, 1, relaxed);
    /* Begin together if that is possible, so that operations overlap. */
    for (int i = 0; i < 1000 && lt_load(&author->history->ready, relaxed) < AUTHORS; i++)
        lt_pause();
    for (int i = 0; i < EACH; i++)
        if (author->mine[i].used)
            record(author, &author->mine[i]);
    return 0;
}

static inline int write_history(void *arg) {
    struct author *author = arg;
    int result = author->in_thread ? leat_block(write_all, author) : write_all(author);
    leat_wg_done(author->running);
    return result;
}

/* End the waits of those who wait for each other, one operation at a time, as long as there are any. False: more than
 * the history holds were needed, since the machine is slow. */
static inline bool end_waits(struct author *last, struct leat_wg *running) {
    bool complete = true;
    leat_time patience = LEAT_MILLISECOND / 10;
    for (unsigned i = 0; leat_wg_wait_until(running, leat_after(patience)) != 0; i++) {
        struct operation again = last->mine[i % LAST];
        if (i < LAST && again.used)
            record(last, &last->mine[i]);
        else if (again.used)
            last->perform(last->objects, &again);
        complete &= i < LAST;
        patience = i % LAST == LAST - 1 ? LEAT_SECOND / 10 : patience * 2;
    }
    return complete;
}

/**
 * Let AUTHORS tasks perform what is in `history`. As long as they wait for each other the last operations of the
 * history, which must be such that all waits end, are performed as well; those not needed are struck out. False: the
 * history is not complete.
 */
static inline bool write_together(struct history *history, void *objects, bool threads,
                                  void (*perform)(void *objects, struct operation *operation)) {
    struct author authors[AUTHORS + 1];
    struct leat_wg running = {0};
    leat_wg_add(&running, AUTHORS);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i <= AUTHORS; i++)
        authors[i] =
            (struct author){history, objects, perform, &history->operations[i * EACH], &running, threads && i == 0};
    for (int i = 0; i < OPERATIONS; i++)
        history->operations[i].author = (uint8_t)(i < AUTHORS * EACH ? i / EACH : AUTHORS);
    for (int i = 0; i < AUTHORS; i++)
        leat_go(scope, write_history, &authors[i]);
    bool complete = end_waits(&authors[AUTHORS], &running);
    for (int i = 0; i < LAST; i++)
        authors[AUTHORS].mine[i].used &= authors[AUTHORS].mine[i].returned != 0;
    equal(leat_scope_close(scope), 0);
    return complete;
}

#endif

/* SPDX-License-Identifier: MIT */
/** The threads of a model as the checker sees them. All of it is part of the world, which is saved and restored. */
#ifndef LEAT_TESTS_MODEL_WORLD_H
#define LEAT_TESTS_MODEL_WORLD_H

#include "model/checker.h"

#include <stdint.h>

enum { STORES = 8, STACK = 32 << 10 };

enum fiber_state { READY, ASLEEP, ENDED };

struct stored {
    void *object;
    uint64_t value;
    uint32_t size;
    bool relaxed;
};

struct fiber {
    void *context;
    enum fiber_state state;
    bool rests;   /* goes on when another has done something, or nobody else can */
    bool patient; /* asleep without a deadline */
    bool timed_out;
    const volatile void *word;   /* asleep on it */
    enum lt_operation operation; /* what it does next */
    const volatile void *object;
    const struct lt_site *site;
    struct stored stores[STORES];
    unsigned stored;
    void *locals[LT_LOCALS];
};

/** One move: what happens next. */
struct move {
    enum { GO, ARRIVE, TIME_OUT, WAKE } kind;
    uint8_t thread;
    uint8_t store; /* ARRIVE: which */
};

enum { MOST_MOVES = MODEL_THREADS * (STORES + 3) };

/** True: what was assumed of which objects are shared was wrong, and all states must be searched anew. */
bool world_was_wrong(void);

/** The first state of a model. */
void world_begin(const struct model *model);
/** What can happen now. */
unsigned world_moves(const struct model *model, struct move *moves);
void world_move(const struct model *model, struct move move);
/** Text of a move that is possible now. */
void world_describe(struct move move, char *text, size_t size);
/** Which threads have ended. */
void world_ended(const struct model *model, bool *ended);

/** The bytes of the present state, for saving: at most world_size(). Returns how many. */
size_t world_save(const struct model *model, char *to);
void world_restore(const struct model *model, const char *from);
size_t world_size(void);
uint64_t world_hash(const char *saved, size_t size);

/** What a thread or the model found wrong, or NULL. */
const char *world_trouble(void);
void world_forget_trouble(void);

#endif

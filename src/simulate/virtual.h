/* SPDX-License-Identifier: MIT */
/**
 * Virtual threads: everything that is a thread of the system in reality is a
 * fiber here, all on one thread of the system, and a chooser (chooser.h) says at
 * every point which goes on.
 *
 * Invariants
 * - One virtual thread is present; each of the others is ready, sleeps, or has
 *   ended. It switches only within lt_before() and its like.
 * - The clock stands still but for some nanoseconds a point, and goes to the
 *   next deadline when nobody is ready (or when the chooser wants it to, by not
 *   more than `stall`: as long as that a ready thread may be held up).
 * - The same choices make the same run: nothing here depends on addresses, on
 *   the real clock, or on what ran before in the process.
 * - The present thread cannot go on for ever while others are ready or sleep
 *   until a moment: after FAIR points the default is that somebody else does.
 * - Descriptors are real, but only looked at; whoever waits for one is ready
 *   when a look says so. Other processes are waited for only when nothing else
 *   can happen; with them, runs of one seed may differ.
 *
 * Stores: a thread's stores that are not sequentially consistent wait in its
 * own buffer, first in, first out, until a move drains them or the thread does
 * something that orders them (an atomic change, a full fence, any system call).
 * That is the memory of x86-64 (TSO); what arm64 may do beyond it, such as
 * reordering two loads, is not simulated.
 */
#ifndef LEAT_SIMULATE_VIRTUAL_H
#define LEAT_SIMULATE_VIRTUAL_H

#include "base/annotate.h"
#include "base/atomic.h"
#include "leat.h"
#include "simulate/chooser.h"

enum lt_virtual_state { LT_READY, LT_ASLEEP, LT_ENDED };

enum { LT_STORES = 8 };

struct lt_stored {
    volatile void *object;
    uint64_t value;
    size_t size;
    const struct lt_site *site;
};

struct lt_virtual {
    uint32_t id;     /* in the order in which they were started */
    uint32_t points; /* that it has passed */
    enum lt_virtual_state state;
    bool spins;
    uint64_t looked; /* changes of memory when it did something last, other than spin */

    /* What it does next, once it goes on. */
    enum lt_operation operation;
    const volatile void *object;
    const struct lt_site *site;

    /* Asleep. */
    const volatile void *word; /* what lt_futex_wake() is called with; NULL: nothing wakes it that way */
    int descriptor;            /* or a readable one; -1: none */
    int events;
    leat_time deadline;
    bool timed_out;
    struct lt_virtual *joined;

    struct lt_stored stores[LT_STORES]; /* the oldest first */
    unsigned stored;

    void *locals[LT_LOCALS];
    void *(*function)(void *arg);
    void *arg;
    void (*at_end)(void *value);
    void *at_end_value;
    bool detached;

    void *context;
    int kept_errno;
    char *stack;
    struct lt_annotation annotation;
};

/** Why a run was cut short. */
enum lt_ending {
    LT_WENT_WELL, /* it was not */
    LT_HANGS,     /* nobody is ready, and no moment will come that changes it */
    LT_TOO_LONG,  /* steps */
    LT_TOO_LATE,  /* virtual time */
    LT_CHECK,     /* a check failed */
};

struct lt_world_options {
    struct lt_chooser *chooser;
    uint64_t steps;
    leat_time horizon;
    leat_time stall;
    bool direct; /* stores are visible at once */
    /** Told of every move that is not the default, before it is made. NULL: nobody. */
    void (*moved)(const struct lt_choice *choice, unsigned move, void *arg);
    /** Asked when every thread sleeps, before time passes: a text when something is wrong. NULL: nobody. */
    const char *(*all_asleep)(void);
    /** The end of the stack that the present thread has borrowed, or NULL when it is on its own. */
    const char *(*borrowed_stack)(void);
    void *arg;
};

/**
 * Run `function(arg)` as the first virtual thread until it has returned (and
 * those it started have ended or are detached and asleep). After an ending
 * other than LT_WENT_WELL its memory is left as it lies.
 */
enum lt_ending lt_simulate(const struct lt_world_options *options, void *(*function)(void *arg), void *arg);

/** Whether the caller is in a simulation. */
bool lt_simulated(void);
/** End the run at once, with this reason. Does not return. */
_Noreturn void lt_cut_short(enum lt_ending ending, const char *text);
/** More about the last ending. */
const char *lt_ending_text(void);

/** The present virtual thread; NULL outside. */
struct lt_virtual *lt_present(void);
uint64_t lt_steps(void);
leat_time lt_virtual_time(void);

/* ---- for memory.c and threads.c */
/** Memory that all threads see has changed. */
void lt_changed(void);

extern bool lt_direct_stores;
/** The present thread sleeps until it is woken or `deadline`: fill in `word` or `descriptor` before. False: timed out.
 */
bool lt_virtual_sleep(leat_time deadline, const struct lt_site *site);
void lt_virtual_wake(struct lt_virtual *thread);
struct lt_virtual *lt_virtual_start(void *(*function)(void *), void *arg, bool detached);
/** Call `visit` for every thread that has not ended; it stops when that says false. */
void lt_virtual_each(bool (*visit)(struct lt_virtual *thread, void *arg), void *arg);
unsigned lt_virtual_count(void);
/** One past the highest byte of the running stack. */
const char *lt_stack_top(void);

/* ---- threads.c */
void lt_set_processors(unsigned count);

/* ---- memory.c */
void lt_drain(struct lt_virtual *thread);
void lt_drain_one(struct lt_virtual *thread);

/* ---- random.c, replay.c */

/** One recorded answer: at its `point`-th point thread `thread` another move was made than the default. */
struct lt_step {
    uint32_t thread, point;
    uint16_t kind;   /* enum lt_move_kind */
    uint16_t target; /* number of the thread; with LT_PASS 0 */
};

struct lt_random_chooser {
    struct lt_chooser chooser;
    uint64_t state;
    bool priorities; /* few changes of fixed priorities, instead of an even choice */
    unsigned rarity; /* a preemption in so many points */
    unsigned drain, pass;
    unsigned changes;
    uint32_t next_change;
    uint32_t *priority; /* by number of the thread; 0: not drawn yet */
};
void lt_random_chooser_open(struct lt_random_chooser *chooser, uint64_t seed);

enum { LT_NO_STEP = UINT32_MAX };

struct lt_replay_chooser {
    struct lt_chooser chooser;
    const struct lt_step *steps;
    uint32_t *next, *after; /* of each thread, its next step; of each step, the same thread's one after it */
};
/** 0 or -ENOMEM. */
int lt_replay_chooser_open(struct lt_replay_chooser *chooser, const struct lt_step *steps, size_t count);
void lt_replay_chooser_close(struct lt_replay_chooser *chooser);

#endif

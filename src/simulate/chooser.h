/* SPDX-License-Identifier: MIT */
/**
 * Who decides what happens next in a simulation.
 *
 * At every point of the present virtual thread (before each atomic operation,
 * clock reading, sleep, wake-up, call of the library) there is a list of moves.
 * Move 0 is the default, what a run without any chooser would do: the present
 * thread goes on if it can; else the one that has been ready longest; when none
 * is ready, time passes. A chooser that always answers 0 makes a run without
 * preemption, and a schedule is the list of its other answers. The list is
 * never empty, and a list of one is not asked about.
 *
 * Choosers: random.c (seeded), replay.c (a recorded schedule). One that searches
 * all interleavings answers from a prefix that it counts up from run to run; the
 * operation that each thread does next (virtual.h: `operation`, `object`) tells
 * it which moves commute.
 */
#ifndef LEAT_SIMULATE_CHOOSER_H
#define LEAT_SIMULATE_CHOOSER_H

#include <stdint.h>

struct lt_virtual;

enum lt_move_kind {
    LT_GO,    /* `thread` goes on until its next point */
    LT_DRAIN, /* the oldest store of `thread` that is under way becomes visible; then the chooser is asked again */
    LT_PASS,  /* the clock goes to the next deadline of a sleeper, who becomes ready; then the chooser is asked again */
};

struct lt_move {
    enum lt_move_kind kind;
    struct lt_virtual *thread; /* NULL with LT_PASS */
};

struct lt_choice {
    struct lt_virtual *present; /* the thread that has come to a point */
    bool can_go_on;             /* it is ready itself, so any other LT_GO preempts it */
    bool spins;                 /* it is ready, but waits for what another does */
    const struct lt_move *moves;
    unsigned count;
};

struct lt_chooser {
    /** The number of a move. */
    unsigned (*choose)(struct lt_chooser *chooser, const struct lt_choice *choice);
    /** So many points at which the present thread can go on are passed without asking; counts down. */
    uint32_t patience;
};

#endif

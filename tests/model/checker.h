/* SPDX-License-Identifier: MIT */
/**
 * All interleavings of a few threads that run the real sources.
 *
 * A model sets up a small world (a runtime with two workers, a channel), starts
 * up to four threads in it that call functions of src/, and says what must hold.
 * The sources are compiled as for a simulation (simulate/atomic.h), so each
 * atomic operation is a point; here the threads are fibers, and the checker goes
 * from every state it meets along every move: any thread's next operation, any
 * store on its way becoming visible, any sleep with a deadline timing out, any
 * sleep ending for no reason. A state is the whole memory of the program with
 * the live parts of the stacks; it is saved and restored by copying, and met
 * again by its hash (64 bits: of a million states two are confused with a
 * chance of one in ten million).
 *
 * Found are
 * - what a model checks (model_check, `holds`, `judge`) and finds wrong,
 * - states in which nobody can go on although somebody should,
 * - states from which no end can be reached any more, in circles for ever.
 *
 * Memory: stores that are not sequentially consistent wait in the thread's
 * buffer; relaxed ones may overtake others (as on arm64), the rest go in order
 * (as on x86-64, too). Atomic changes, full fences and system calls empty it.
 * So a missing full fence between a store and a load is found, and a store that
 * had to be a release. Not found is a load that is too early (a missing
 * acquire), nor that a change may be weaker than a full fence on arm64:
 * ThreadSanitizer looks for the former.
 *
 * Why not the simulation's own search (src/explore): it begins each run anew
 * and knows a state only by the choices that led to it, which is right for a
 * whole runtime and far too slow to be complete. Why not spin or GenMC: a
 * second text of the protocol, or a compiler of its own, and no futex.
 *
 * Each bug that a model must find is planted by tests/model/plant into a copy
 * of one source file; a model that does not find it has failed.
 */
#ifndef LEAT_TESTS_MODEL_CHECKER_H
#define LEAT_TESTS_MODEL_CHECKER_H

#include "base/atomic.h"

#include <stdbool.h>
#include <stddef.h>

enum { MODEL_THREADS = 4 };

struct model {
    const char *name;
    unsigned threads;
    void (*set_up)(void);           /* the first state; operations are no points yet */
    void (*thread)(unsigned index); /* what each thread does */
    bool (*holds)(void);            /* in every state; may be NULL */
    /** Nobody can go on: what is wrong, or NULL. `ended`: which threads have come to their end. Without it all must. */
    const char *(*judge)(const bool *ended);
    void (*forget)(void); /* after every move: set what does not matter to one value; may be NULL */
    unsigned preemptions; /* at most so many times a thread that could go on is passed over; 0: no such bound */
    const volatile void *hints[4]; /* atomic objects on which no decision depends: operations on them are no points */
};

/** A condition that a thread finds true. */
#define model_check(condition) model_check_at((condition), #condition, __FILE__, __LINE__)
void model_check_at(bool holds, const char *text, const char *file, int line);

/** Wait in a model's own code until another thread has done something. */
void model_wait(void);

/** What bug is in there, which one of the models must find; NULL: none. */
extern const char *const model_planted;

/** Explore all; prints TAP. */
int model_main(const struct model *models, unsigned count);

/** Memory for the sources, part of the world. Never given back. */
void *model_allocate(size_t size);

#endif

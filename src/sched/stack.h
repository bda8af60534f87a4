/* SPDX-License-Identifier: MIT */
/**
 * Stacks of tasks: cut from slabs, guarded at their low end, used again.
 *
 * One mapping holds many stacks, since mappings are counted (65,530 in a
 * process by default) and a mapping for each stack would stop at half of that.
 * A stack that comes free goes to its worker, still warm, without a system
 * call; a fresh page costs more than fifty switches. What lies idle for long is
 * given back to the system by lt_stack_trim(), never on the way of a task.
 */
#ifndef LEAT_SCHED_STACK_H
#define LEAT_SCHED_STACK_H

#include "leat.h"
#include "base/annotate.h"

struct lt_worker;

enum { LT_STACK_CLASSES = 3 };

struct lt_stack {
    struct lt_stack *next; /* in a free list */
    char *bottom;          /* lowest usable byte, above the guard */
    char *top;             /* one past the highest usable byte */
    uint8_t stack_class;
    uint8_t clean; /* given back to the system since its last use */
    struct lt_annotation annotation;
};

struct lt_stack_list {
    struct lt_stack *head;
    unsigned count;
};

/** A stack of a class; NULL when there is no memory. */
struct lt_stack *lt_stack_new(struct lt_worker *worker, unsigned stack_class);
void lt_stack_free(struct lt_worker *worker, struct lt_stack *stack);

/**
 * With `look`: give the pages of those stacks back to the system that lay idle
 * all the time between the last such call and this one. True: more stacks than
 * usual still have pages, so another look is due.
 */
bool lt_stack_trim(bool look);

/** Bytes below `bottom` that fault. */
size_t lt_stack_guard(unsigned stack_class);

/** At the start and the end of a runtime; `size`: of the default class. `keep`: tasks were abandoned on their stacks.
 */
void lt_stacks_start(size_t size);
void lt_stacks_end(bool keep);

#endif

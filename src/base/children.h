/* SPDX-License-Identifier: MIT */
/**
 * What child processes take of the processors: of those that were collected, which the system counts, and of those that
 * live, whose numbers are read from /proc.
 *
 * - A child is on the list from its start until just before it is collected, so that its number is its own as long as
 *   it is looked at.
 * - How long one waited for a processor is known of the child itself only, not of processes that it started.
 *
 * Rejected: asking when a child is collected only (one that lives as long as the run would count at its end); a control
 * group of their own (needs rights).
 */
#ifndef LEAT_BASE_CHILDREN_H
#define LEAT_BASE_CHILDREN_H

#include "leat.h"

#include <sys/types.h>

/** A child that lives; a member of whatever owns it. */
struct lt_living {
    pid_t pid;
    leat_time since;
    struct lt_living *before, *next;
};

/** It has been started. Any thread. */
void lt_living_begin(struct lt_living *living, pid_t pid);
/** It is about to be collected. Any thread. */
void lt_living_end(struct lt_living *living);

struct lt_children_use {
    leat_time cpu;     /**< of all children so far, and of theirs */
    leat_time delayed; /**< they were ready to run and others had the processors */
    leat_time machine; /**< the processors that this process may use were busy, for whomever; 0: that cannot be told */
};

/** Any thread. A number may be less than before for as long as a child is just being collected. */
void lt_children_use(struct lt_children_use *use);

#endif

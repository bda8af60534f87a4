/* SPDX-License-Identifier: MIT */
/**
 * What a load measures while it runs.
 *
 * Latency of a message: from the moment it was due to the moment leat learned
 * that it was confirmed. Whatever made it late is in there: a target that took
 * nothing more, a queue in between, leat itself. Only confirmed messages count.
 *
 * Lag of the generator: from the moment a message was due, or the moment the sink
 * took something again if that came later, to the moment the message was on its
 * way. It says how far the latencies are the generator's own fault.
 *
 * Invariants: messages are sent by one task and settled by one task, each of
 * which writes counters of its own; any thread may read them meanwhile. The
 * timeline covers the whole run with a bounded number of histograms: when it is
 * full, neighbours are merged and each stands for twice the time.
 */
#ifndef LEAT_CLI_LOAD_MEASURE_H
#define LEAT_CLI_LOAD_MEASURE_H

#include "base/histogram.h"

enum { LT_TIMELINE = 240 };

struct lt_timeline {
    leat_time width;                         /* of one place */
    size_t used;                             /* places up to the last message that was due */
    struct lt_histogram places[LT_TIMELINE]; /* .counts NULL: nothing was due then */
};

struct lt_measure {
    leat_time begin; /* 0: not yet */
    struct lt_histogram latency, lag;
    struct lt_timeline timeline;
    /* the sending task's */
    _Atomic uint64_t sent;
    leat_time last_due, last_sent; /* offsets of the last message */
    /* the settling task's */
    _Atomic uint64_t confirmed;
    leat_time last_confirmed;           /* offset */
    uint64_t middle_from, middle_to;    /* counts between which the steady rate is taken; 0: not asked for */
    leat_time middle_begin, middle_end; /* offsets at which they were passed; 0: not yet */
    bool short_of_memory;               /* for the timeline: the rest is complete */
};

/** 0 or -ENOMEM; close in both cases. */
int lt_measure_open(struct lt_measure *measure);
void lt_measure_close(struct lt_measure *measure);

/** One message was put on its way. Offsets from the beginning: due, the sink took something again, now. */
void lt_measure_sent(struct lt_measure *measure, leat_time due, leat_time able, leat_time now);

/** One message was confirmed; offsets. `timed`: it was due at a certain moment, so that there is a latency. */
void lt_measure_confirmed(struct lt_measure *measure, leat_time due, leat_time now, bool timed);

/** Messages a second between `middle_from` and `middle_to`; 0: unknown, or they went by in so small a part of the time
 * that it says nothing. */
double lt_measure_steady_rate(const struct lt_measure *measure);

/** Is the run good for judging the target by it? */
struct lt_measure_verdict {
    bool valid;
    char text[256]; /* why not */
};

/** Numbers that decide it; times in nanoseconds. */
struct lt_measure_facts {
    uint64_t sent;
    double rate; /* asked for, a second */
    leat_time lag_p99, latency_p50;
    leat_time last_due, last_sent;
};

void lt_measure_judge(const struct lt_measure_facts *facts, struct lt_measure_verdict *verdict);

/** "1.24 ms": three digits and a unit, "0" for nothing. */
void lt_measure_time_text(leat_time time, char *text, size_t size);

#endif

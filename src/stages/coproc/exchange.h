/* SPDX-License-Identifier: MIT */
/**
 * Talking to a child that lives long: many lines to it, as many from it.
 *
 * - Writing and reading go on at the same time, so neither side can wait for ever for
 *   the other's pipe. Nothing is sent that is not answered before the exchange is
 *   over: between two of them there is nothing on its way.
 * - Answers stand in `input` until the next exchange begins.
 * - A child is given up when it has ended, when it answers nothing for the time that it
 *   has, or when it says what nobody asked for; then it is gone when the call returns.
 */
#ifndef LEAT_STAGES_COPROC_EXCHANGE_H
#define LEAT_STAGES_COPROC_EXCHANGE_H

#include "stages/child/child.h"

/** Bytes that grow. */
struct lt_stream {
    char *data;
    size_t size, room;
};

/** How a child was lost. */
enum lt_loss {
    LT_LOST_NOT,
    LT_LOST_ENDED,  /**< by itself; see `ending` */
    LT_LOST_TIME,   /**< no answer in time */
    LT_LOST_SPEECH, /**< it wrote more lines than it was given */
    LT_LOST_LENGTH, /**< a line without end */
    LT_LOST_STOP,   /**< the run was called off */
};

struct lt_partner {
    const struct lt_launch *launch;
    leat_time timeout, kill_after;
    uint64_t longest; /**< bytes of an answer */

    bool alive;
    bool deaf; /* it reads no more */
    struct lt_child child;
    struct lt_watch watch;
    struct lt_stream output, input;
    size_t sent, scanned; /* of output; of input: cut into lines so far */
    enum lt_loss loss;
    leat_time patience; /* with its end */
    struct lt_ending ending;
};

/** One line that was answered: `line` without its end, in `input`; it may move until the exchange is over. */
typedef void lt_answer(void *argument, size_t offset, size_t size);

/** Start it. 0, or why that failed. */
int lt_partner_start(struct lt_partner *partner, struct leat_error *error);

/**
 * Send `output` and wait for `count` lines, for each of which `answer` is called. The number of lines that came: fewer
 * when the child was lost (see `loss`). -ECANCELED, -ENOMEM: it was lost, too.
 */
ptrdiff_t lt_partner_exchange(struct lt_partner *partner, size_t count, lt_answer *answer, void *argument);

/** Close its input, and wait for its end; kill it if that does not come. */
void lt_partner_end(struct lt_partner *partner);

/** Room for `more` bytes. 0 or -ENOMEM. */
int lt_stream_reserve(struct lt_stream *stream, size_t more);

#endif

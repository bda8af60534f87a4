/* SPDX-License-Identifier: MIT */
/**
 * A task of an end's own, from the end's open to its close. It belongs to the
 * scope in which the end was opened, which lives until the end is closed; a scope
 * of the end's own would become the current one of whoever opened it.
 */
#ifndef LEAT_ENDS_AMQP_HELPER_H
#define LEAT_ENDS_AMQP_HELPER_H

#include "leat-pipeline.h"

struct lt_amqp_helper {
    leat_fn *run;
    void *arg;
    struct leat_wg begun, ended;
    bool running; /**< it was started, so it must be joined */
};

/** Returns when the task has begun: one for which no stack can be had never would. */
int lt_amqp_helper_start(struct lt_amqp_helper *helper, leat_fn *run, void *arg, const char *name,
                         struct leat_error *error);
/** Wait until it has ended; in a shield. False: the deadline came first. */
bool lt_amqp_helper_join(struct lt_amqp_helper *helper, leat_time deadline);

#endif

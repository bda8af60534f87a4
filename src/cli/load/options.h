/* SPDX-License-Identifier: MIT */
/** The options of `leat load`, besides those of every run. */
#ifndef LEAT_CLI_LOAD_OPTIONS_H
#define LEAT_CLI_LOAD_OPTIONS_H

#include "leat-pipeline.h"

struct lt_load_options {
    uint64_t fill;         /**< messages, as fast as the sink takes them; 0: by rate */
    double rate;           /**< messages a second */
    leat_time duration;    /**< --for */
    bool poisson;          /**< random gaps */
    uint64_t size, seed;   /**< of made-up messages */
    struct leat_list body; /**< files with the messages */
    bool whole;            /**< each file is one message */
    const char *exit_when; /**< --exit-when */
    const char *stamp;     /**< member for the time when it was due; NULL: none */
};

extern const struct leat_option lt_load_options[];

#endif

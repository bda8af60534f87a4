/* SPDX-License-Identifier: MIT */
/**
 * Secrets from the environment: $NAME itself, or the first line of the file that
 * $NAME_FILE names. They never stand in a pipeline, and no message has one.
 */
#ifndef LEAT_ENDS_SECRET_H
#define LEAT_ENDS_SECRET_H

#include "leat-pipeline.h"

/** May block: call it in leat_block(). `*secret` becomes NULL when there is none. 0, or an error that names the
 * variable. */
int lt_secret_read(const char *name, char **secret, struct leat_error *error);

/** Overwrite and free; NULL is nothing. */
void lt_secret_free(char *secret);

#endif

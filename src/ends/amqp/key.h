/* SPDX-License-Identifier: MIT */
/** Routing keys with fields of the item in them: "orders.{country}"; "{{" is a brace. */
#ifndef LEAT_ENDS_AMQP_KEY_H
#define LEAT_ENDS_AMQP_KEY_H

#include "leat-pipeline.h"

enum { LT_AMQP_LONGEST_KEY = 255 };

/** Before any item: is it one that items can have? 0 or -EINVAL. */
int lt_amqp_key_check(const char *pattern, struct leat_error *error);

/** The item's key, in `place` (LT_AMQP_LONGEST_KEY bytes). 0, or an error that is the item's. */
int lt_amqp_key_make(const char *pattern, struct leat_batch *batch, struct leat_item *item, char *place,
                     struct leat_bytes *key, struct leat_error *error);

#endif

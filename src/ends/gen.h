/* SPDX-License-Identifier: MIT */
/**
 * Made-up messages, for gen: and for load: they look like the mail of a help
 * desk: words, and among them e-mail addresses, links, dates, phone numbers,
 * hashtags, JSON escapes and letters beyond ASCII, about as many as the
 * measurements of the main job were made with (between one and two of each kind
 * in a message of the usual size).
 *
 * A message depends on the seed and its number alone, so that two runs, or two
 * loads one after the other, are the same bytes.
 */
#ifndef LEAT_ENDS_GEN_H
#define LEAT_ENDS_GEN_H

#include "leat-pipeline.h"

/** {"n":NUMBER,"content":"…"} in the batch's memory, with `size` bytes between the quotes. False: out of memory. */
bool lt_gen_message(struct leat_batch *batch, uint64_t seed, uint64_t number, uint64_t size, struct leat_bytes *body);

/** The id of that message's item. */
uint64_t lt_gen_id(uint64_t seed, uint64_t number);

#endif

/* SPDX-License-Identifier: MIT */
/** Numbers as people write them: "64k", "1e6", "100/s". The whole text must be one; no hexadecimal, no "inf". */
#ifndef LEAT_BASE_NUMBER_H
#define LEAT_BASE_NUMBER_H

#include "leat.h"

/** A whole number from 0 on; the suffixes k, M and G stand for `base` (1000 or 1024), its square and its cube. */
bool lt_number_whole(const char *text, double base, uint64_t *value);

/** The same for a number in JSON, without suffixes; false for anything else. */
bool lt_number_json(struct leat_bytes json, uint64_t *value);

/** Is it a port of TCP, 0 to 65535, in digits alone? */
bool lt_number_is_port(const char *text);

/** So many a second: "100", "100/s", "6k/m", "10/h". */
bool lt_number_rate(const char *text, double *value);

/** "30" (seconds), "500ms", "1m30s"; from ns to d. */
bool lt_number_duration(const char *text, leat_time *value);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef LEAT_BASE_UTF8_H
#define LEAT_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** Bytes of the longest valid beginning of `data`: `size` when all of it is valid. */
size_t lt_utf8_prefix(const char *data, size_t size);

/** The length (1 to 4) of the valid sequence at `at`, which lies before `end`; 0 when there is none. */
unsigned lt_utf8_sequence(const char *at, const char *end);

/**
 * How many bytes one U+FFFD stands for where lt_utf8_sequence() is 0: the
 * longest beginning of a valid sequence, at least 1 (Unicode's "maximal subpart").
 */
unsigned lt_utf8_broken(const char *at, const char *end);

/** Write a code point that is no surrogate; returns how many bytes. */
unsigned lt_utf8_write(uint32_t code_point, char *room);

#endif

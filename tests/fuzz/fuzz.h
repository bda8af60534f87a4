/* SPDX-License-Identifier: MIT */
/**
 * A fuzz target: takes any bytes and dies when something does not hold. clang's
 * libFuzzer looks for such bytes (`make fuzz`), guided by what they reach;
 * replay.c runs what is known, in every build. A target reads nothing but its
 * input, and gives back all memory.
 */
#ifndef LEAT_TESTS_FUZZ_FUZZ_H
#define LEAT_TESTS_FUZZ_FUZZ_H

#include "leat-pipeline.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The target. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must_at(bool holds, const char *what, const char *file, int line) {
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}
/* A macro for the text and the place of the condition alone. */
#define must(condition) must_at((condition), #condition, __FILE__, __LINE__)

/** A copy in memory of exactly its size, so that a sanitizer sees who reads beyond it. */
static inline char *exact_copy(const void *data, size_t size) {
    char *copy = calloc(1, size ? size : 1);
    must(copy);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

/** The same as a string. */
static inline char *exact_string(const void *data, size_t size) {
    char *copy = malloc(size + 1);
    must(copy);
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

/** The input, taken piece by piece. */
struct input {
    const uint8_t *at;
    size_t size;
};

/** Its next byte; 0 when there is none. */
static inline uint8_t next_byte(struct input *input) {
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->at++;
}

/** Its next `width` bytes as a number. */
static inline uint64_t next_number(struct input *input, unsigned width) {
    uint64_t number = 0;
    while (width-- > 0)
        number = number << 8 | next_byte(input);
    return number;
}

/** Its bytes up to a newline, which is taken too, as a string of its own. */
static inline char *next_line(struct input *input) {
    const uint8_t *end = input->size ? memchr(input->at, '\n', input->size) : NULL;
    size_t length = end ? (size_t)(end - input->at) : input->size;
    char *line = exact_string(input->at, length);
    input->at += length + (end != NULL);
    input->size -= length + (end != NULL);
    return line;
}

#endif

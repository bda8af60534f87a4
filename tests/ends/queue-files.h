/* SPDX-License-Identifier: MIT */
/** What the tests of the queue file share: files of their own, messages that tell their number, children. */
#ifndef LEAT_TESTS_QUEUE_FILES_H
#define LEAT_TESTS_QUEUE_FILES_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ends/queue/queue.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child a failed check must not look like success. */
static inline void insist(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "# child: %s\n", what);
    _exit(99);
}

static inline void file_name(char *path, size_t size, const char *name) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/queue-test-%d-%s", folder ? folder : "/tmp", getpid(), name);
}

static inline void remove_queue(const char *path) {
    char lock[4096];
    snprintf(lock, sizeof lock, "%s-lock", path);
    unlink(path);
    unlink(lock);
}

static inline struct lt_queue *open_queue(const char *target, enum lt_store_mode mode) {
    struct lt_queue *queue = NULL;
    struct leat_error error = {0};
    if (lt_queue_open(&queue, target, mode, &error) < 0) {
        fprintf(stderr, "# %s\n", error.text);
        return NULL;
    }
    return queue;
}

/* A deterministic source of chance. */
static inline uint64_t chance(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

enum { NUMBERED_SIZE = 100 };

/** Put messages that carry the numbers first, first + 1, … */
static inline int put_numbered(struct lt_queue *queue, uint64_t first, size_t count, struct leat_error *error) {
    char(*texts)[NUMBERED_SIZE] = calloc(count, sizeof *texts);
    struct leat_bytes *bodies = calloc(count, sizeof *bodies);
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], NUMBERED_SIZE, "%020llu", (unsigned long long)(first + i));
        bodies[i] = (struct leat_bytes){texts[i], NUMBERED_SIZE};
    }
    int result = lt_queue_put(queue, bodies, count, error);
    free(bodies);
    free(texts);
    return result;
}

/** What a read gave: sequence numbers and the numbers in the bodies. */
struct gathered {
    size_t count, limit;
    uint64_t *sequences, *numbers;
    uint32_t *attempts;
    struct lt_queue_end *ends;
};

static inline struct gathered gathered_new(size_t limit) {
    return (struct gathered){.limit = limit,
                             .sequences = calloc(limit, sizeof(uint64_t)),
                             .numbers = calloc(limit, sizeof(uint64_t)),
                             .attempts = calloc(limit, sizeof(uint32_t)),
                             .ends = calloc(limit, sizeof(struct lt_queue_end))};
}

static inline void gathered_free(struct gathered *gathered) {
    free(gathered->sequences);
    free(gathered->numbers);
    free(gathered->attempts);
    free(gathered->ends);
}

static inline bool gather(void *arg, const struct lt_queue_message *message) {
    struct gathered *gathered = arg;
    if (gathered->count == gathered->limit)
        return false;
    char text[21] = "";
    memcpy(text, message->body.data, message->body.size < 20 ? message->body.size : 20);
    gathered->sequences[gathered->count] = message->sequence;
    gathered->numbers[gathered->count] = strtoull(text, NULL, 10);
    gathered->attempts[gathered->count] = message->attempts;
    gathered->ends[gathered->count++] = (struct lt_queue_end){.sequence = message->sequence};
    return true;
}

/** Start a child that runs `work(arg)` and leaves with its result. Nothing of a queue may be open here. */
static inline pid_t start_child(int (*work)(void *arg), void *arg) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* The test framework would take a crash for one of its own. */
        const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
        for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
            signal(crashes[i], SIG_DFL);
        _exit(work(arg));
    }
    return child;
}

/** The exit code of a child, or -signal. */
static inline int child_result(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif

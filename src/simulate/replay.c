/* SPDX-License-Identifier: MIT */
/**
 * A recorded schedule once more. A step is known by its thread and how many
 * points that thread had passed, not by its place in the whole run: so steps can
 * be left out, and the others still mean the same, as far as that is possible. A
 * step that the run does not come to, or whose move is not to be had there, is
 * passed over.
 */
#include "simulate/virtual.h"

#include <errno.h>
#include <string.h>

enum { THREADS = 1024 };

static unsigned move_of(const struct lt_step *step, const struct lt_choice *choice) {
    for (unsigned i = 0; i < choice->count; i++) {
        const struct lt_move *move = &choice->moves[i];
        if (move->kind == step->kind && (move->thread ? move->thread->id : 0) == step->target)
            return i;
    }
    return 0;
}

static unsigned choose(struct lt_chooser *base, const struct lt_choice *choice) {
    struct lt_replay_chooser *chooser = (struct lt_replay_chooser *)base;
    uint32_t thread = choice->present->id;
    if (thread >= THREADS)
        return 0;
    uint32_t *next = &chooser->next[thread];
    while (*next != LT_NO_STEP) {
        const struct lt_step *step = &chooser->steps[*next];
        if (step->point > choice->present->points)
            return 0;
        bool now = step->point == choice->present->points;
        *next = chooser->after[*next];
        if (now)
            return move_of(step, choice);
    }
    return 0;
}

int lt_replay_chooser_open(struct lt_replay_chooser *chooser, const struct lt_step *steps, size_t count) {
    *chooser = (struct lt_replay_chooser){.chooser = {.choose = choose}, .steps = steps};
    chooser->next = malloc((THREADS + count) * sizeof *chooser->next);
    if (!chooser->next)
        return -ENOMEM;
    chooser->after = chooser->next + THREADS;
    for (size_t i = 0; i < THREADS; i++)
        chooser->next[i] = LT_NO_STEP;
    /* The steps of each thread as a list, linked from behind. */
    for (size_t i = count; i-- > 0;) {
        uint32_t thread = steps[i].thread < THREADS ? steps[i].thread : THREADS - 1;
        chooser->after[i] = chooser->next[thread];
        chooser->next[thread] = (uint32_t)i;
    }
    return 0;
}

void lt_replay_chooser_close(struct lt_replay_chooser *chooser) {
    free(chooser->next);
}

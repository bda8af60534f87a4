/* SPDX-License-Identifier: MIT */
/**
 * The search: depth first through all states of a model, each once.
 *
 * Every move from one state to another is kept, and when all are known the ends
 * are walked back from: what is not reached that way cannot end.
 */
#include "model/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN = 400 };
static const uint32_t MOST_STATES = 30000000;

struct frame {
    uint32_t state;
    unsigned count, next;
    size_t saved; /* where, in `bytes` */
    struct move moves[MOST_MOVES];
};

struct edge {
    uint32_t from, to;
};

struct search {
    const struct model *model;
    struct slot {
        uint64_t hash;
        uint32_t state;
    } * slots;
    size_t slot_count; /* a power of two */
    uint32_t states;
    struct edge *edges;
    size_t edge_count, edge_room;
    uint32_t *ends;
    size_t end_count, end_room;
    struct frame *frames;
    size_t depth, frame_room, deepest;
    char *bytes, *present;
    size_t byte_count, byte_room;
    uint32_t endless; /* a state from which no end can be reached, plus 1 */
    char trouble[400];
};

/* Room for one more of a list. */
static void *room(void *list, size_t count, size_t *have, size_t size) {
    if (count < *have)
        return list;
    *have = *have ? 2 * *have : 1024;
    list = realloc(list, *have * size);
    if (!list)
        abort();
    return list;
}

/* ------------------------------------------------------------ states met */

static struct slot *slot_of(struct search *search, uint64_t hash) {
    size_t at = hash & (search->slot_count - 1);
    while (search->slots[at].hash && search->slots[at].hash != hash)
        at = (at + 1) & (search->slot_count - 1);
    return &search->slots[at];
}

static void grow_slots(struct search *search) {
    struct slot *old = search->slots;
    size_t count = search->slot_count;
    search->slot_count = count ? 2 * count : 1 << 16;
    search->slots = calloc(search->slot_count, sizeof *search->slots);
    if (!search->slots)
        abort();
    for (size_t i = 0; i < count; i++)
        if (old[i].hash)
            *slot_of(search, old[i].hash) = old[i];
    free(old);
}

/* The number of the state with this hash; `*is_new`: it is met for the first time. */
static uint32_t state_of(struct search *search, uint64_t hash, bool *is_new) {
    if (2 * (size_t)search->states >= search->slot_count)
        grow_slots(search);
    struct slot *slot = slot_of(search, hash);
    *is_new = !slot->hash;
    if (*is_new)
        *slot = (struct slot){hash, search->states++};
    return slot->state;
}

/* ------------------------------------------------------------ going on */

static void judge_end(struct search *search, uint32_t state) {
    bool ended[MODEL_THREADS];
    const char *wrong = NULL;
    world_ended(search->model, ended);
    if (search->model->judge) {
        wrong = search->model->judge(ended);
    } else {
        for (unsigned i = 0; i < search->model->threads; i++)
            if (!ended[i])
                wrong = "nobody can go on, but not all have come to their end";
    }
    if (wrong)
        snprintf(search->trouble, sizeof search->trouble, "%s", wrong);
    search->ends = room(search->ends, search->end_count, &search->end_room, sizeof *search->ends);
    search->ends[search->end_count++] = state;
}

/* The present state, which is new: keep it for as long as moves from it are left. */
static void enter(struct search *search, uint32_t state, size_t size) {
    search->frames = room(search->frames, search->depth, &search->frame_room, sizeof *search->frames);
    struct frame *frame = &search->frames[search->depth++];
    search->deepest = search->depth > search->deepest ? search->depth : search->deepest;
    *frame = (struct frame){.state = state, .saved = search->byte_count};
    frame->count = world_moves(search->model, frame->moves);
    while (search->byte_room < search->byte_count + size)
        search->bytes = room(search->bytes, search->byte_room, &search->byte_room, 1);
    memcpy(search->bytes + search->byte_count, search->present, size);
    search->byte_count += size;
    if (frame->count == 0)
        judge_end(search, state);
    if (search->endless == state + 1)
        snprintf(search->trouble, sizeof search->trouble, "no end can be reached from here");
}

static void meet(struct search *search, const uint32_t *from) {
    bool is_new;
    size_t size = world_save(search->model, search->present);
    uint32_t state = state_of(search, world_hash(search->present, size), &is_new);
    if (from) {
        search->edges = room(search->edges, search->edge_count, &search->edge_room, sizeof *search->edges);
        search->edges[search->edge_count++] = (struct edge){*from, state};
    }
    if (is_new)
        enter(search, state, size);
}

static bool go_on(struct search *search) {
    if (search->depth == 0)
        return false;
    struct frame *frame = &search->frames[search->depth - 1];
    if (frame->next == frame->count) {
        search->byte_count = frame->saved;
        search->depth--;
        return true;
    }
    uint32_t from = frame->state;
    world_restore(search->model, search->bytes + frame->saved);
    world_move(search->model, frame->moves[frame->next++]);
    if (world_trouble())
        snprintf(search->trouble, sizeof search->trouble, "%s", world_trouble());
    else
        meet(search, &from);
    return !search->trouble[0] && !world_was_wrong() && search->states < MOST_STATES;
}

/* ------------------------------------------------------------ can all end? */

static int by_target(const void *a, const void *b) {
    uint32_t left = ((const struct edge *)a)->to, right = ((const struct edge *)b)->to;
    return left < right ? -1 : left > right;
}

/* The first state met that cannot reach an end, plus 1; 0: all can. */
static uint32_t endless(struct search *search) {
    qsort(search->edges, search->edge_count, sizeof *search->edges, by_target);
    size_t *first = calloc((size_t)search->states + 1, sizeof *first);
    bool *reached = calloc(search->states, sizeof *reached);
    uint32_t *todo = calloc(search->states, sizeof *todo);
    if (!first || !reached || !todo)
        abort();
    for (size_t i = 0; i < search->edge_count; i++)
        first[search->edges[i].to + 1]++;
    for (uint32_t i = 0; i < search->states; i++)
        first[i + 1] += first[i];
    uint32_t count = 0;
    for (size_t i = 0; i < search->end_count; i++) {
        reached[search->ends[i]] = true;
        todo[count++] = search->ends[i];
    }
    for (uint32_t i = 0; i < count; i++)
        for (size_t k = first[todo[i]]; k < first[todo[i] + 1]; k++)
            if (!reached[search->edges[k].from]) {
                reached[search->edges[k].from] = true;
                todo[count++] = search->edges[k].from;
            }
    uint32_t state = 0;
    while (state < search->states && reached[state])
        state++;
    free(first);
    free(reached);
    free(todo);
    return count < search->states ? state + 1 : 0;
}

/* ------------------------------------------------------------ the report */

/* The moves that led to the trouble: each frame's last one. */
static void show_way(struct search *search) {
    size_t begin = search->depth > SHOWN ? search->depth - SHOWN : 0;
    printf("# %s\n", search->trouble);
    for (size_t i = begin; i < search->depth; i++) {
        const struct frame *frame = &search->frames[i];
        char text[300];
        if (frame->next == 0)
            continue;
        world_restore(search->model, search->bytes + frame->saved);
        world_describe(frame->moves[frame->next - 1], text, sizeof text);
        printf("#   %s\n", text);
    }
}

static void discard(struct search *search) {
    free(search->slots);
    free(search->edges);
    free(search->ends);
    free(search->frames);
    free(search->bytes);
    free(search->present);
}

/* All states, or until trouble. */
static struct search walk(const struct model *model, uint32_t endless) {
    for (;;) {
        struct search search = {.model = model, .present = malloc(world_size()), .endless = endless};
        if (!search.present)
            abort();
        world_begin(model);
        meet(&search, NULL);
        while (go_on(&search))
            ;
        if (!world_was_wrong())
            return search;
        discard(&search);
    }
}

/* True: nothing was found. */
static bool explore(const struct model *model, bool quiet) {
    struct search search = walk(model, 0);
    if (!search.trouble[0] && search.states >= MOST_STATES)
        snprintf(search.trouble, sizeof search.trouble, "too many states");
    uint32_t state = search.trouble[0] ? 0 : endless(&search);
    if (state) {
        /* Once more, to come there and show the way. */
        discard(&search);
        search = walk(model, state);
    }
    printf("# %s: %u states, %zu moves, %zu ends, at most %zu moves deep\n", model->name, search.states,
           search.edge_count, search.end_count, search.deepest);
    if (search.trouble[0] && !quiet)
        show_way(&search);
    if (search.trouble[0] && quiet)
        printf("# found: %s (after %zu moves)\n", search.trouble, search.depth);
    discard(&search);
    return !search.trouble[0];
}

/* A bug may as well end in a crash. */
static void on_fault(int number) {
    printf("%s\n%sok 1 - %s: crashed by signal %d\n", model_planted ? "1..1" : "# a model", model_planted ? "" : "not ",
           model_planted ? model_planted : "the sources", number);
    fflush(stdout);
    _exit(model_planted ? 0 : 1);
}

static void catch_faults(void) {
    const stack_t own = {.ss_sp = malloc(16 << 10),
                         .ss_size = 16 << 10}; /* not a variable: those are saved with each state */
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    sigaltstack(&own, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

int model_main(const struct model *models, unsigned count) {
    unsigned failed = 0;
    catch_faults();
    if (model_planted) {
        bool found = false;
        for (unsigned i = 0; i < count && !found; i++)
            found = !explore(&models[i], getenv("LEAT_MODEL_SHOW") == NULL);
        printf("1..1\n%sok 1 - the planted bug is found: %s\n", found ? "" : "not ", model_planted);
        return found ? 0 : 1;
    }
    printf("1..%u\n", count);
    for (unsigned i = 0; i < count; i++) {
        bool good = explore(&models[i], false);
        printf("%sok %u - %s\n", good ? "" : "not ", i + 1, models[i].name);
        fflush(stdout);
        failed += !good;
    }
    return failed ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/* Which virtual thread goes on, and the switch to it. The invariants are in virtual.h. */
#include "simulate/virtual.h"
#include "base/context.h"
#include "base/os.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    STACK = 1 << 20,
    SPARE = 64,
    GUARD = 4 << 10,
    FAIR = 500,     /* points in a row, while others are ready */
    OVERDUE = 2000, /* points without time passing, while somebody waits for that */
    LOOK = 32,      /* points between two looks at descriptors */
    POLLED = 64,    /* descriptors that are waited for at once */
    OUTSIDE = 5000, /* real milliseconds for what comes from other processes */
};
static const leat_time BEGIN = 1000 * LEAT_SECOND, STEP = 20;

static struct {
    struct lt_world_options options;
    struct lt_virtual *present;
    struct lt_virtual **threads; /* by number; freed when the run is over */
    uint32_t count, room, alive;
    struct lt_virtual **ready; /* first come, first served; without the present one */
    uint32_t ready_count;
    struct lt_move *moves;
    uint32_t streak;      /* points of the present thread in a row */
    uint32_t waiting;     /* points since time passed last */
    uint32_t spinners;    /* ready threads that wait for what another does */
    uint32_t descriptors; /* threads asleep until one is ready */
    uint64_t steps;
    uint64_t changes;        /* of memory that all can see */
    leat_time now, earliest; /* deadline of a sleeper */
    void *outside;
    struct lt_annotation outside_annotation;
    struct lt_virtual *left; /* who was left in the last switch */
    enum lt_ending ending;
    char text[256];
} world;

bool lt_direct_stores;

struct lt_virtual *lt_present(void) {
    return world.present;
}

bool lt_simulated(void) {
    return world.present != NULL;
}

uint64_t lt_steps(void) {
    return world.steps;
}

leat_time lt_virtual_time(void) {
    return world.now;
}

const char *lt_ending_text(void) {
    return world.text;
}

const char *lt_stack_top(void) {
    const char *borrowed = world.options.borrowed_stack ? world.options.borrowed_stack() : NULL;
    return borrowed ? borrowed : world.present->stack + STACK;
}

void **lt_virtual_local(enum lt_local which) {
    static void *outside[LT_LOCALS];
    return world.present ? &world.present->locals[which] : &outside[which];
}

void lt_virtual_each(bool (*visit)(struct lt_virtual *thread, void *arg), void *arg) {
    for (uint32_t i = 0; i < world.count; i++)
        if (world.threads[i]->state != LT_ENDED && !visit(world.threads[i], arg))
            return;
}

unsigned lt_virtual_count(void) {
    return world.alive;
}

/* ------------------------------------------------------------ switching */

/* Not instrumented: its frame begins in one fiber and ends in another. */
__attribute__((noinline)) static void switch_to(void **save, struct lt_annotation *from, struct lt_virtual *to,
                                                bool ends) {
    world.present = to;
    lt_annotate_leave(from, to ? &to->annotation : &world.outside_annotation, ends);
    lt_context_switch(save, to ? to->context : world.outside);
}

static void stack_free(struct lt_virtual *thread);

static void arrive(struct lt_virtual *self) {
    struct lt_virtual *left = world.left;
    lt_annotate_arrive_from(&self->annotation, left ? &left->annotation : &world.outside_annotation);
    if (left && left->state == LT_ENDED)
        stack_free(left);
}

static void go_to(struct lt_virtual *self, struct lt_virtual *to) {
    world.streak = 0;
    if (self == to)
        return;
    self->kept_errno = errno;
    world.left = self;
    switch_to(&self->context, &self->annotation, to, self->state == LT_ENDED);
    arrive(self);
    errno = self->kept_errno;
}

void lt_cut_short(enum lt_ending ending, const char *text) {
    struct lt_virtual *self = world.present;
    world.ending = ending;
    snprintf(world.text, sizeof world.text, "%s", text ? text : "");
    world.left = self;
    switch_to(&self->context, &self->annotation, NULL, false);
    __builtin_unreachable();
}

void lt_must(bool holds, const char *invariant) {
    if (!holds && world.present)
        lt_cut_short(LT_CHECK, invariant);
}

/* ------------------------------------------------------------ ready and asleep */

static void find_earliest(void) {
    world.earliest = LEAT_FOREVER;
    for (uint32_t i = 0; i < world.count; i++) {
        const struct lt_virtual *thread = world.threads[i];
        if (thread->state == LT_ASLEEP && thread->deadline < world.earliest)
            world.earliest = thread->deadline;
    }
}

static void make_ready(struct lt_virtual *thread) {
    bool slept = thread->state == LT_ASLEEP;
    thread->state = LT_READY;
    world.descriptors -= slept && thread->descriptor >= 0;
    if (slept && thread->deadline == world.earliest)
        find_earliest();
    thread->word = NULL;
    thread->descriptor = -1;
    thread->joined = NULL;
    world.ready[world.ready_count++] = thread;
}

void lt_virtual_wake(struct lt_virtual *thread) {
    thread->timed_out = false;
    make_ready(thread);
}

static void not_ready(struct lt_virtual *thread) {
    for (uint32_t i = 0; i < world.ready_count; i++)
        if (world.ready[i] == thread) {
            memmove(&world.ready[i], &world.ready[i + 1], (--world.ready_count - i) * sizeof *world.ready);
            return;
        }
}

static void wake_due(void) {
    for (uint32_t i = 0; i < world.count; i++) {
        struct lt_virtual *thread = world.threads[i];
        if (thread->state != LT_ASLEEP || thread->deadline > world.now)
            continue;
        thread->timed_out = true;
        make_ready(thread);
    }
}

static void pass_time(leat_time to) {
    world.waiting = world.streak = 0;
    if (to > world.now)
        world.now = to;
    if (world.now - BEGIN > world.options.horizon)
        lt_cut_short(LT_TOO_LATE, NULL);
    wake_due();
}

/* The world outside takes part only when nothing else can happen, and then it is waited for in earnest. */
static void wait_for_descriptors(void) {
    struct pollfd polls[POLLED];
    nfds_t count = 0;
    for (uint32_t i = 0; i < world.count && count < POLLED; i++) {
        const struct lt_virtual *thread = world.threads[i];
        if (thread->state == LT_ASLEEP && thread->descriptor >= 0)
            polls[count++] = (struct pollfd){.fd = thread->descriptor, .events = (short)thread->events};
    }
    poll(polls, count, OUTSIDE);
}

static void look_at_descriptors(void) {
    for (uint32_t i = 0; i < world.count; i++) {
        struct lt_virtual *thread = world.threads[i];
        if (thread->state != LT_ASLEEP || thread->descriptor < 0)
            continue;
        struct pollfd poll_fd = {.fd = thread->descriptor, .events = (short)thread->events};
        if (poll(&poll_fd, 1, 0) > 0)
            lt_virtual_wake(thread);
    }
}

/* ------------------------------------------------------------ the choice */

static void add(uint32_t *count, enum lt_move_kind kind, struct lt_virtual *thread) {
    world.moves[(*count)++] = (struct lt_move){kind, thread};
}

static uint32_t add_ready(uint32_t count, bool spinning) {
    for (uint32_t i = 0; i < world.ready_count; i++)
        if (world.ready[i]->spins == spinning)
            add(&count, LT_GO, world.ready[i]);
    return count;
}

/* The moves, the default first. */
static uint32_t list_moves(struct lt_virtual *self, bool can_go_on, bool spins) {
    uint32_t count = 0;
    bool may_pass = world.earliest != LEAT_FOREVER;
    bool overdue = may_pass && world.waiting >= OVERDUE;
    bool first = can_go_on && !spins && world.streak < FAIR;
    if (overdue)
        add(&count, LT_PASS, NULL);
    if (first)
        add(&count, LT_GO, self);
    count = add_ready(count, false);
    bool others = count > 0U + overdue + first;
    if (!others)
        count = add_ready(count, true);
    /* Nobody else can change what it waits for, but perhaps time does. */
    bool pass_first = may_pass && !overdue && count == 0;
    if (pass_first)
        add(&count, LT_PASS, NULL);
    if (can_go_on && !first && (!spins || count <= 0U + overdue + pass_first))
        add(&count, LT_GO, self);
    for (uint32_t i = 0; i < world.count; i++)
        if (world.threads[i]->stored)
            add(&count, LT_DRAIN, world.threads[i]);
    if (may_pass && !overdue && !pass_first && world.earliest - world.now <= world.options.stall)
        add(&count, LT_PASS, NULL);
    return count;
}

static void hang(void) {
    char text[sizeof world.text] = "every thread sleeps, and nothing will wake one:";
    size_t length = strlen(text);
    for (uint32_t i = 0; i < world.count && length < sizeof text; i++) {
        const struct lt_virtual *thread = world.threads[i];
        if (thread->state == LT_ASLEEP)
            length += (size_t)snprintf(text + length, sizeof text - length, " %u (%s)", thread->id, thread->site->what);
    }
    lt_cut_short(LT_HANGS, text);
}

static struct lt_move choose(struct lt_virtual *self, bool can_go_on, bool spins) {
    struct lt_chooser *chooser = world.options.chooser;
    if (world.descriptors && !can_go_on && !world.ready_count)
        look_at_descriptors();
    if (!can_go_on && !world.ready_count && world.options.all_asleep) {
        const char *wrong = world.options.all_asleep();
        if (wrong)
            lt_cut_short(LT_HANGS, wrong);
    }
    uint32_t count = list_moves(self, can_go_on, spins);
    if (!count && world.descriptors) {
        wait_for_descriptors();
        look_at_descriptors();
        count = list_moves(self, can_go_on, spins);
    }
    if (!count)
        hang();
    struct lt_choice choice = {self, can_go_on, spins, world.moves, count};
    unsigned answer = count > 1 ? chooser->choose(chooser, &choice) : 0;
    struct lt_move move = world.moves[answer];
    if (answer && world.options.moved)
        world.options.moved(&choice, answer, world.options.arg);
    return move;
}

/* The present thread has come to a point: somebody goes on. */
static void go_on(struct lt_virtual *self, bool can_go_on, bool spins) {
    for (;;) {
        struct lt_move move = choose(self, can_go_on, spins);
        switch (move.kind) {
        case LT_DRAIN:
            lt_drain_one(move.thread);
            continue;
        case LT_PASS:
            pass_time(world.earliest);
            continue;
        case LT_GO:
            break;
        }
        if (move.thread == self && can_go_on) {
            world.streak++;
            return;
        }
        not_ready(move.thread);
        if (can_go_on) {
            make_ready(self);
            go_to(self, move.thread);
            return;
        }
        go_to(self, move.thread);
        return;
    }
}

/* A sleeper may be ready again, by a deadline that passed, before it has left. */
static void go_away(struct lt_virtual *self) {
    go_on(self, false, false);
}

static void step(struct lt_virtual *self, enum lt_operation operation, const volatile void *object,
                 const struct lt_site *site) {
    self->operation = operation;
    self->object = object;
    self->site = site;
    self->points++;
    world.now += STEP;
    world.waiting++;
    if (++world.steps > world.options.steps)
        lt_cut_short(LT_TOO_LONG, NULL);
    if (world.earliest <= world.now)
        wake_due();
    if (world.descriptors && world.steps % LOOK == 0)
        look_at_descriptors();
}

/* Something was done: whoever waited for that may look. */
static void let_spinners_look(void) {
    for (uint32_t i = 0; i < world.ready_count; i++)
        world.ready[i]->spins = false;
    world.spinners = 0;
}

void lt_before(enum lt_operation operation, const volatile void *object, const struct lt_site *site) {
    struct lt_virtual *self = world.present;
    if (!self)
        return;
    step(self, operation, object, site);
    if (world.spinners)
        let_spinners_look();
    struct lt_chooser *chooser = world.options.chooser;
    if (world.alive > 1 && chooser->patience && world.streak < FAIR && world.waiting < OVERDUE) {
        chooser->patience--;
        world.streak++;
    } else if (world.alive > 1) {
        go_on(self, true, false);
    }
    self->looked = world.changes;
}

void lt_changed(void) {
    world.changes++;
}

void lt_spin(const struct lt_site *site) {
    struct lt_virtual *self = world.present;
    if (!self)
        return;
    /* What changed between its last look and its first pause it has not seen. */
    bool may_look = self->looked != world.changes;
    lt_drain(self);
    step(self, LT_SPIN, NULL, site);
    self->spins = !may_look;
    world.spinners += !may_look;
    go_on(self, true, !may_look);
    self->spins = false;
}

bool lt_virtual_sleep(leat_time deadline, const struct lt_site *site) {
    struct lt_virtual *self = world.present;
    lt_drain(self);
    /* A point of its own: the choice here is another than the one before it. */
    self->points++;
    self->operation = LT_SLEEP;
    self->site = site;
    self->deadline = deadline;
    self->timed_out = false;
    self->state = LT_ASLEEP;
    world.descriptors += self->descriptor >= 0;
    if (deadline < world.earliest)
        world.earliest = deadline;
    go_away(self);
    return !self->timed_out;
}

/* ------------------------------------------------------------ beginning and end */

static bool grow(void) {
    uint32_t room = world.room ? world.room * 2 : 16;
    struct lt_virtual **threads = realloc(world.threads, room * sizeof(void *));
    if (threads)
        world.threads = threads;
    struct lt_virtual **ready = realloc(world.ready, room * sizeof(void *));
    if (ready)
        world.ready = ready;
    struct lt_move *moves = realloc(world.moves, (2 * room + 4) * sizeof *moves);
    if (moves)
        world.moves = moves;
    if (!threads || !ready || !moves)
        return false;
    world.room = room;
    return true;
}

static void entry(void) {
    struct lt_virtual *self = world.present;
    arrive(self);
    self->function(self->arg);
    if (self->at_end)
        self->at_end(self->at_end_value);
    lt_drain(self);
    self->points++;
    self->state = LT_ENDED;
    world.alive--;
    for (uint32_t i = 0; i < world.count; i++)
        if (world.threads[i]->state == LT_ASLEEP && world.threads[i]->joined == self)
            lt_virtual_wake(world.threads[i]);
    go_away(self);
    __builtin_unreachable();
}

/* Stacks serve again, also in the next run; as much as this is kept. */
static struct {
    char *stacks[SPARE];
    unsigned count;
} spare;

static char *stack_new(void) {
    if (spare.count)
        return spare.stacks[--spare.count];
    char *stack = lt_reserve(STACK);
    if (!stack || lt_guard(stack, GUARD, STACK, 1) == 0)
        return stack;
    lt_unreserve(stack, STACK);
    return NULL;
}

static void stack_free(struct lt_virtual *thread) {
    if (!thread->stack)
        return;
    lt_annotate_stack_gone(&thread->annotation);
    if (spare.count < SPARE)
        spare.stacks[spare.count++] = thread->stack;
    else
        lt_unreserve(thread->stack, STACK);
    thread->stack = NULL;
}

static struct lt_virtual *virtual_new(void) {
    struct lt_virtual *thread = calloc(1, sizeof *thread);
    if (!thread)
        return NULL;
    thread->stack = stack_new();
    if (!thread->stack) {
        (free)(thread);
        return NULL;
    }
    lt_annotate_stack_again(thread->stack + GUARD, thread->stack + STACK);
    lt_annotate_stack(&thread->annotation, thread->stack + GUARD, STACK - GUARD);
    thread->context = lt_context_new(thread->stack + GUARD, thread->stack + STACK, entry);
    return thread;
}

struct lt_virtual *lt_virtual_start(void *(*function)(void *), void *arg, bool detached) {
    if (world.count == world.room && !grow())
        return NULL;
    struct lt_virtual *thread = virtual_new();
    if (!thread)
        return NULL;
    thread->id = world.count;
    thread->function = function;
    thread->arg = arg;
    thread->detached = detached;
    thread->descriptor = -1;
    thread->deadline = LEAT_FOREVER;
    world.threads[world.count++] = thread;
    world.alive++;
    make_ready(thread);
    return thread;
}

struct first {
    void *(*function)(void *arg);
    void *arg;
};

/* The first thread lasts until no other can go on: those that nobody joins may have some way to go. */
static void *first_main(void *arg) {
    struct first *first = arg;
    first->function(first->arg);
    static const struct lt_site site = {__FILE__, __LINE__, __func__, "end"};
    while (world.ready_count)
        lt_spin(&site);
    lt_cut_short(LT_WENT_WELL, NULL);
}

static void clean_up(void) {
    for (uint32_t i = 0; i < world.count; i++) {
        stack_free(world.threads[i]);
        (free)(world.threads[i]);
    }
    (free)(world.threads);
    (free)(world.ready);
    (free)(world.moves);
    world.threads = world.ready = NULL;
    world.moves = NULL;
    world.count = world.room = world.alive = world.ready_count = 0;
}

enum lt_ending lt_simulate(const struct lt_world_options *options, void *(*function)(void *arg), void *arg) {
    world.options = *options;
    world.now = BEGIN;
    world.earliest = LEAT_FOREVER;
    world.steps = world.changes = world.streak = world.waiting = world.spinners = world.descriptors = 0;
    world.ending = LT_WENT_WELL;
    lt_direct_stores = options->direct;
    struct first first = {function, arg};
    struct lt_virtual *thread = lt_virtual_start(first_main, &first, false);
    if (!thread) {
        snprintf(world.text, sizeof world.text, "no memory");
        return LT_HANGS;
    }
    not_ready(thread);
    lt_annotate_thread(&world.outside_annotation);
    world.left = NULL;
    switch_to(&world.outside, &world.outside_annotation, thread, false);
    lt_annotate_arrive_from(&world.outside_annotation, &world.left->annotation);
    if (world.ending == LT_WENT_WELL)
        clean_up();
    return world.ending;
}

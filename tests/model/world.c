/* SPDX-License-Identifier: MIT */
/** Fibers, their stores, and the state of all as bytes. */
#include "model/world.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MEMORY = 1024,
    DEAD = 1024, /* bytes below a stack pointer that are wiped */
    OBJECTS = 1024,
    IN_A_ROW = 1000,
};

/* Where the linker puts the variables of a program. */
extern char __data_start[], _end[];

static struct fiber fibers[MODEL_THREADS];
static unsigned present;
static unsigned last, preemptions; /* who moved last; how often somebody was passed over */
static bool running;               /* a fiber, rather than the checker */
static _Alignas(64) char memory[MEMORY];
static size_t allocated;

/* Who has read and written an object so far, in any run of the model; a bit for each thread. */
struct access {
    const volatile void *object;
    uint8_t readers, writers;
    bool hidden; /* an operation on it was no point */
};

/* Not part of the world: it lies in memory of its own. */
static struct {
    void *context;
    char *stacks;
    const struct model *model;
    char trouble[300];
    struct access accesses[OBJECTS];
    unsigned hidden; /* operations in a row that were no points */
    bool was_wrong;
} * checker;

/* ------------------------------------------------------------ points */

static struct fiber *self(void) {
    return running ? &fibers[present] : NULL;
}

static void leave(struct fiber *fiber) {
    lt_context_switch(&fiber->context, checker->context);
}

static bool is_hint(const volatile void *object) {
    for (unsigned i = 0; i < sizeof checker->model->hints / sizeof *checker->model->hints; i++)
        if (object && object == checker->model->hints[i])
            return true;
    return false;
}

static struct access *access_to(const volatile void *object) {
    size_t at = ((uintptr_t)object / 4 * 0x9e3779b1u) % OBJECTS;
    while (checker->accesses[at].object && checker->accesses[at].object != object)
        at = (at + 1) % OBJECTS;
    checker->accesses[at].object = object;
    return &checker->accesses[at];
}

/*
 * Whether nobody else can tell when the operation happens: a load of what no
 * other thread writes, a change of what no other thread looks at, a fence that
 * has nothing to order. Such an operation is no point, which makes the states
 * several times fewer. That nobody else does is first assumed, and found wrong
 * when somebody does; then all begins anew with what is known by then.
 */
static bool is_hidden(const struct fiber *fiber, enum lt_operation operation, const volatile void *object) {
    if (operation == LT_FENCE)
        return fiber->stored == 0;
    if (is_hint(object))
        return true;
    bool sleeps = operation == LT_SLEEP || operation == LT_WAKE;
    if (operation != LT_LOAD && operation != LT_STORE && operation != LT_CHANGE && !sleeps)
        return false;
    struct access *access = access_to(object);
    uint8_t me = (uint8_t)(1 << present);
    *(operation == LT_LOAD || operation == LT_SLEEP ? &access->readers : &access->writers) |= me;
    uint8_t all = access->readers | access->writers;
    if (access->writers && all != me) {
        checker->was_wrong |= access->hidden;
        return false;
    }
    if (sleeps)
        return false;
    access->hidden = true;
    return (operation != LT_CHANGE || fiber->stored == 0) && checker->hidden++ < IN_A_ROW;
}

bool world_was_wrong(void) {
    return checker->was_wrong;
}

/* True: the operation has been a point. */
static bool come_to(enum lt_operation operation, const volatile void *object, const struct lt_site *site) {
    struct fiber *fiber = self();
    if (!fiber || is_hidden(fiber, operation, object))
        return false;
    fiber->operation = operation;
    fiber->object = object;
    fiber->site = site;
    leave(fiber);
    return true;
}

void lt_before(enum lt_operation operation, const volatile void *object, const struct lt_site *site) {
    come_to(operation, object, site);
}

static void arrive(struct fiber *fiber, unsigned index) {
    struct stored *stored = &fiber->stores[index];
    memcpy(stored->object, &stored->value, stored->size);
    fiber->stored--;
    memmove(stored, stored + 1, (fiber->stored - index) * sizeof *stored);
    memset(&fiber->stores[fiber->stored], 0, sizeof *stored);
}

static void arrive_all(struct fiber *fiber) {
    while (fiber && fiber->stored)
        arrive(fiber, 0);
}

void lt_see(const volatile void *object, void *value, size_t size) {
    const struct fiber *fiber = self();
    for (unsigned i = fiber ? fiber->stored : 0; i-- > 0;)
        if (fiber->stores[i].object == object) {
            memcpy(value, &fiber->stores[i].value, size);
            return;
        }
}

static bool is_stored(const struct fiber *fiber, const volatile void *object) {
    for (unsigned i = 0; fiber && i < fiber->stored; i++)
        if (fiber->stores[i].object == object)
            return true;
    return false;
}

void lt_put(volatile void *object, const void *value, size_t size, enum lt_order order, const struct lt_site *site) {
    /* One that is sequentially consistent empties the buffer, as a change does. */
    bool at_once = order == LT_ORDER_seq_cst;
    bool was_point = come_to(at_once ? LT_CHANGE : LT_STORE, object, site);
    struct fiber *fiber = self();
    if (at_once)
        arrive_all(fiber);
    if (at_once || (!was_point && !is_stored(fiber, object))) {
        memcpy((void *)object, value, size);
        return;
    }
    if (fiber->stored == STORES)
        arrive(fiber, 0);
    struct stored *stored = &fiber->stores[fiber->stored++];
    *stored = (struct stored){.object = (void *)object, .size = (uint32_t)size, .relaxed = order == LT_ORDER_relaxed};
    memcpy(&stored->value, value, size);
}

void lt_before_change(const volatile void *object, const struct lt_site *site) {
    lt_before(LT_CHANGE, object, site);
    arrive_all(self());
}

void lt_full_fence(const struct lt_site *site) {
    lt_before(LT_FENCE, NULL, site);
    arrive_all(self());
}

void lt_spin(const struct lt_site *site) {
    struct fiber *fiber = self();
    if (fiber)
        fiber->rests = true;
    lt_before(LT_SPIN, NULL, site);
}

void model_wait(void) {
    lt_spin(lt_site_here("the model waits"));
}

void **lt_virtual_local(enum lt_local which) {
    return &fibers[present].locals[which];
}

/* ------------------------------------------------------------ the system */

int lt_futex_wait(_Atomic uint32_t *word, uint32_t expected, leat_time deadline) {
    lt_before(LT_SLEEP, word, lt_site_here("futex"));
    struct fiber *fiber = self();
    arrive_all(fiber);
    if (*word != expected)
        return 0;
    fiber->state = ASLEEP;
    fiber->word = word;
    fiber->patient = deadline == LEAT_FOREVER;
    fiber->timed_out = false;
    leave(fiber);
    return fiber->timed_out ? -ETIMEDOUT : 0;
}

void lt_futex_wake(_Atomic uint32_t *word, int count) {
    lt_before(LT_WAKE, word, lt_site_here("futex"));
    arrive_all(self());
    for (unsigned i = 0; i < MODEL_THREADS && count > 0; i++) {
        if (fibers[i].state != ASLEEP || fibers[i].word != word)
            continue;
        fibers[i].state = READY;
        fibers[i].word = NULL;
        count--;
    }
}

/* Time stands still; deadlines pass whenever the checker wants them to. */
leat_time lt_now(void) {
    return 1;
}

int lt_os_thread_id(void) {
    return 0;
}

void lt_os_yield(void) {
}

void lt_virtual_free(void *block) {
    (void)block;
}

void *model_allocate(size_t size) {
    void *block = memory + allocated;
    allocated += (size + 63) & ~(size_t)63;
    model_check(allocated <= MEMORY);
    return block;
}

/* ------------------------------------------------------------ trouble */

const char *world_trouble(void) {
    return checker->trouble[0] ? checker->trouble : NULL;
}

void world_forget_trouble(void) {
    checker->trouble[0] = 0;
}

void model_check_at(bool holds, const char *text, const char *file, int line) {
    if (!holds && !checker->trouble[0])
        snprintf(checker->trouble, sizeof checker->trouble, "%s:%d: %s", file, line, text);
}

/* The invariants that the sources state for a simulation hold here, too. */
void lt_must(bool holds, const char *invariant) {
    model_check_at(holds, invariant, "an invariant of the sources", 0);
}

/* ------------------------------------------------------------ moves */

static void fiber_main(void) {
    unsigned index = present;
    checker->model->thread(index);
    fibers[index].state = ENDED;
    fibers[index].site = NULL;
    fibers[index].operation = LT_BEGIN;
    fibers[index].object = NULL;
    leave(&fibers[index]);
}

static char *bottom_of(unsigned index) {
    return checker->stacks + (size_t)index * STACK;
}

static void set_up_checker(void) {
    if (checker)
        return;
    void *place = mmap(NULL, sizeof *checker + MODEL_THREADS * STACK + 64, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    checker = place;
    checker->stacks = (char *)(((uintptr_t)place + sizeof *checker + 63) & ~(uintptr_t)63);
}

void world_begin(const struct model *model) {
    set_up_checker();
    if (checker->model != model)
        memset(checker->accesses, 0, sizeof checker->accesses);
    for (unsigned i = 0; i < OBJECTS; i++)
        checker->accesses[i].hidden = false;
    checker->model = model;
    checker->trouble[0] = 0;
    checker->was_wrong = false;
    memset(fibers, 0, sizeof fibers);
    memset(memory, 0, sizeof memory);
    memset(checker->stacks, 0, MODEL_THREADS * STACK);
    allocated = last = preemptions = 0;
    running = false;
    for (present = MODEL_THREADS; present-- > model->threads;)
        fibers[present].state = ENDED;
    model->set_up();
    for (present = 0; present < model->threads; present++)
        fibers[present].context = lt_context_new(bottom_of(present), bottom_of(present) + STACK, fiber_main);
    present = 0;
    if (model->forget)
        model->forget();
}

static void wake_the_resting(unsigned but) {
    for (unsigned i = 0; i < MODEL_THREADS; i++)
        if (i != but)
            fibers[i].rests = false;
}

/* A lock that is held is waited for: its spinning (base/lock.c) would only make many states of one. */
static bool waits_for_lock(const struct fiber *fiber) {
    return fiber->site && fiber->operation == LT_CHANGE && strcmp(fiber->site->function, "lt_lock") == 0 &&
           *(const volatile uint32_t *)fiber->object != 0;
}

static bool can_go(const struct fiber *fiber) {
    return fiber->state == READY && !fiber->rests && !waits_for_lock(fiber);
}

/* May this store become visible before those in front of it? */
static bool may_arrive(const struct fiber *fiber, unsigned index) {
    if (index > 0 && !fiber->stores[index].relaxed)
        return false;
    for (unsigned i = 0; i < index; i++)
        if (fiber->stores[i].object == fiber->stores[index].object)
            return false;
    return true;
}

unsigned world_moves(const struct model *model, struct move *moves) {
    unsigned count = 0, resting = 0;
    bool bound = model->preemptions && preemptions >= model->preemptions && can_go(&fibers[last]);
    for (unsigned i = 0; i < model->threads; i++) {
        const struct fiber *fiber = &fibers[i];
        if (can_go(fiber) && (!bound || i == last))
            moves[count++] = (struct move){GO, (uint8_t)i, 0};
        resting += fiber->state == READY && fiber->rests;
        for (unsigned k = 0; k < fiber->stored; k++)
            if (may_arrive(fiber, k))
                moves[count++] = (struct move){ARRIVE, (uint8_t)i, (uint8_t)k};
        if (fiber->state == ASLEEP && !fiber->patient)
            moves[count++] = (struct move){TIME_OUT, (uint8_t)i, 0};
    }
    if (count == 0)
        for (unsigned i = 0; i < model->threads && resting; i++)
            if (fibers[i].state == READY)
                moves[count++] = (struct move){GO, (uint8_t)i, 0};
    /* Waking for no reason does not count as a way on: whoever is left asleep is left for good. */
    for (unsigned i = 0; i < model->threads && count; i++)
        if (fibers[i].state == ASLEEP)
            moves[count++] = (struct move){WAKE, (uint8_t)i, 0};
    return count;
}

static void go(unsigned index) {
    struct fiber *fiber = &fibers[index];
    bool changes = fiber->operation != LT_LOAD && fiber->operation != LT_SPIN;
    if (checker->model->preemptions) {
        preemptions += index != last && can_go(&fibers[last]);
        last = index;
    }
    fiber->rests = false;
    checker->hidden = 0;
    present = index;
    running = true;
    lt_context_switch(&checker->context, fiber->context);
    running = false;
    present = 0;
    /* What earlier calls left there must not make states look different. */
    char *dead = (char *)fiber->context - DEAD;
    if (dead < bottom_of(index))
        dead = bottom_of(index);
    memset(dead, 0, (size_t)((char *)fiber->context - dead));
    if (changes)
        wake_the_resting(index);
}

void world_move(const struct model *model, struct move move) {
    struct fiber *fiber = &fibers[move.thread];
    if (move.kind == GO) {
        go(move.thread);
    } else if (move.kind == ARRIVE) {
        arrive(fiber, move.store);
        wake_the_resting(move.thread);
    } else {
        fiber->state = READY;
        fiber->word = NULL;
        fiber->timed_out = move.kind == TIME_OUT;
    }
    if (model->forget)
        model->forget();
    if (model->holds && !model->holds())
        model_check_at(false, "the model's invariant does not hold", model->name, 0);
}

void world_describe(struct move move, char *text, size_t size) {
    static const char *const operations[] = {"begins", "loads",     "stores", "changes", "fences",
                                             "",       "sleeps on", "wakes",  "rests",   ""};
    const struct fiber *fiber = &fibers[move.thread];
    const struct lt_site *site = fiber->site;
    if (move.kind == ARRIVE)
        snprintf(text, size, "thread %u: its store of %llu (%u in front of it) becomes visible", move.thread,
                 (unsigned long long)fiber->stores[move.store].value, move.store);
    else if (move.kind != GO)
        snprintf(text, size, "thread %u: %s", move.thread,
                 move.kind == TIME_OUT ? "its time is over" : "wakes for nothing");
    else if (!site)
        snprintf(text, size, "thread %u: begins", move.thread);
    else
        snprintf(text, size, "thread %u: %s:%d %s() %s %s", move.thread,
                 strrchr(site->file, '/') ? strrchr(site->file, '/') + 1 : site->file, site->line, site->function,
                 operations[fiber->operation], site->what);
}

void world_ended(const struct model *model, bool *ended) {
    for (unsigned i = 0; i < model->threads; i++)
        ended[i] = fibers[i].state == ENDED;
}

/* ------------------------------------------------------------ states */

static size_t variables(void) {
    return (size_t)(_end - __data_start);
}

size_t world_size(void) {
    return variables() + (size_t)MODEL_THREADS * STACK;
}

size_t world_save(const struct model *model, char *to) {
    size_t size = variables();
    memcpy(to, __data_start, size);
    for (unsigned i = 0; i < model->threads; i++) {
        if (fibers[i].state == ENDED)
            continue;
        const char *top = bottom_of(i) + STACK, *at = fibers[i].context;
        memcpy(to + size, at, (size_t)(top - at));
        size += (size_t)(top - at);
    }
    return size;
}

void world_restore(const struct model *model, const char *from) {
    size_t size = variables();
    memcpy(__data_start, from, size);
    for (unsigned i = 0; i < model->threads; i++) {
        if (fibers[i].state == ENDED)
            continue;
        char *top = bottom_of(i) + STACK, *at = fibers[i].context;
        memcpy(at, from + size, (size_t)(top - at));
        size += (size_t)(top - at);
    }
}

uint64_t world_hash(const char *saved, size_t size) {
    uint64_t hash = 0x9e3779b97f4a7c15, word = 0;
    for (size_t i = 0; i < size; i += sizeof word) {
        word = 0;
        memcpy(&word, saved + i, size - i < sizeof word ? size - i : sizeof word);
        __uint128_t product = (__uint128_t)(hash ^ word) * 0xd6e8feb86659fd93;
        hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ word << 1;
    }
    return hash ? hash : 1;
}

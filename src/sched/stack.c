/* SPDX-License-Identifier: MIT */
#include "sched/stack.h"
#include "base/atomic.h"
#include "base/lock.h"
#include "base/os.h"
#include "sched/runtime.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    KEPT = 64,   /* idle stacks a worker keeps before it gives half of them to all */
    DIRTY = 128, /* idle stacks that keep their pages */
    TRIM = 64,   /* stacks given back to the system at a time */
    COLOURS = 8,
    COLOUR = 128,
};

struct shape {
    size_t size, guard;
    unsigned slab; /* stacks in a mapping */
};

struct slab {
    struct slab *next;
    char *memory;
    size_t size;
    unsigned count;
    struct lt_stack stacks[];
};

/* All stacks of the process; the runtime's, and so allowed to be global. */
static struct {
    struct lt_lock lock;
    struct shape shapes[LT_STACK_CLASSES];
    struct slab *slabs;
    struct slab *kept;                           /* of abandoned runs: channels may still name waiters that lie there */
    struct lt_stack_list used[LT_STACK_CLASSES]; /* idle, with the pages they touched */
    struct lt_stack_list clean[LT_STACK_CLASSES]; /* idle, without */
    unsigned dirty;                               /* in `used` */
    unsigned least;                               /* fewest of them since the last look */
    unsigned spare;                               /* of them to be given back to the system */
} pool;

void lt_stacks_start(size_t size) {
    size_t small = size ? (size + 4095) & ~(size_t)4095 : 64 << 10;
#if defined(LEAT_ASAN) || defined(LEAT_TSAN)
    small *= 4; /* instrumented frames are larger */
#endif
    if (small < 16 << 10)
        small = 16 << 10;
#if defined(LEAT_SIMULATION)
    const unsigned slab = 8; /* runs are short and many */
#else
    const unsigned slab = 64;
#endif
    pool.shapes[LEAT_STACK_DEFAULT] = (struct shape){small, 4 << 10, slab};
    pool.shapes[LEAT_STACK_LARGE] = (struct shape){1 << 20, 64 << 10, 16};
    pool.shapes[LEAT_STACK_COMPUTE] = (struct shape){256 << 20, 64 << 10, 4};
}

void lt_stacks_end(bool keep) {
    while (pool.slabs) {
        struct slab *slab = pool.slabs;
        pool.slabs = slab->next;
        if (keep) {
            slab->next = pool.kept;
            pool.kept = slab;
            continue;
        }
        for (unsigned i = 0; i < slab->count; i++)
            lt_annotate_stack_gone(&slab->stacks[i].annotation);
        lt_unreserve(slab->memory, slab->size);
        free(slab);
    }
    for (unsigned i = 0; i < LT_STACK_CLASSES; i++)
        pool.used[i] = pool.clean[i] = (struct lt_stack_list){NULL, 0};
    pool.dirty = pool.least = pool.spare = 0;
}

size_t lt_stack_guard(unsigned stack_class) {
    return pool.shapes[stack_class].guard;
}

/* Map a slab and return its stacks as a list. */
static struct lt_stack *slab_new(unsigned stack_class) {
    const struct shape *shape = &pool.shapes[stack_class];
    size_t stride = shape->size + shape->guard;
    struct slab *slab = malloc(sizeof *slab + shape->slab * sizeof slab->stacks[0]);
    if (!slab)
        return NULL;
    slab->count = shape->slab;
    slab->size = stride * shape->slab;
    slab->memory = lt_reserve(slab->size);
    if (!slab->memory) {
        free(slab);
        return NULL;
    }
    if (lt_guard(slab->memory, shape->guard, stride, shape->slab) < 0) {
        /* Too many mappings: better no stack than one that overflows unseen. */
        lt_unreserve(slab->memory, slab->size);
        free(slab);
        return NULL;
    }
    struct lt_stack *list = NULL;
    for (unsigned i = shape->slab; i-- > 0;) {
        struct lt_stack *stack = &slab->stacks[i];
        char *memory = slab->memory + i * stride;
        /* Tops at different distances from a page's end do not fight for the same cache sets. */
        *stack = (struct lt_stack){.next = list,
                                   .bottom = memory + shape->guard,
                                   .top = memory + stride - i % COLOURS * COLOUR,
                                   .stack_class = (uint8_t)stack_class,
                                   .clean = 1};
        lt_annotate_stack(&stack->annotation, stack->bottom, (size_t)(stack->top - stack->bottom));
        list = stack;
    }
    lt_lock(&pool.lock);
    slab->next = pool.slabs;
    pool.slabs = slab;
    lt_unlock(&pool.lock);
    return list;
}

static struct lt_stack *take(struct lt_stack_list *list) {
    struct lt_stack *stack = list->head;
    if (!stack)
        return NULL;
    list->head = stack->next;
    list->count--;
    return stack;
}

static void put(struct lt_stack_list *list, struct lt_stack *stack) {
    stack->next = list->head;
    list->head = stack;
    list->count++;
}

/* Get up to KEPT / 2 stacks that lie idle, else a new slab. */
static void refill(struct lt_stack_list *mine, unsigned stack_class) {
    struct lt_stack_list *used = &pool.used[stack_class], *clean = &pool.clean[stack_class];
    lt_lock(&pool.lock);
    for (unsigned i = 0; i < KEPT / 2 && (used->head || clean->head); i++) {
        pool.dirty -= used->head != NULL;
        put(mine, take(used->head ? used : clean));
    }
    pool.least = pool.dirty < pool.least ? pool.dirty : pool.least;
    lt_unlock(&pool.lock);
    if (mine->head)
        return;
    for (struct lt_stack *stack = slab_new(stack_class); stack;) {
        struct lt_stack *next = stack->next;
        put(mine, stack);
        stack = next;
    }
}

struct lt_stack *lt_stack_new(struct lt_worker *worker, unsigned stack_class) {
    struct lt_stack_list *mine = &worker->free_stacks[stack_class];
    if (!mine->head)
        refill(mine, stack_class);
    struct lt_stack *stack = take(mine);
    if (stack)
        stack->clean = 0;
    return stack;
}

void lt_stack_free(struct lt_worker *worker, struct lt_stack *stack) {
    struct lt_stack_list *mine = &worker->free_stacks[stack->stack_class];
    put(mine, stack);
    if (mine->count <= KEPT)
        return;
    lt_lock(&pool.lock);
    while (mine->count > KEPT / 2) {
        struct lt_stack *given = take(mine);
        pool.dirty += !given->clean;
        put(given->clean ? &pool.clean[given->stack_class] : &pool.used[given->stack_class], given);
    }
    lt_unlock(&pool.lock);
}

/* Take up to TRIM spare stacks out, so that nobody gets one while its pages go. */
static unsigned take_spare(struct lt_stack **batch) {
    unsigned count = 0;
    for (unsigned i = 0; i < LT_STACK_CLASSES; i++)
        while (pool.spare && count < TRIM && pool.used[i].head) {
            batch[count++] = take(&pool.used[i]);
            pool.spare--;
        }
    pool.dirty -= count;
    return count;
}

/* Give the pages of one batch back. False: none was left to take. */
static bool trim_batch(void) {
    struct lt_stack *batch[TRIM];
    lt_lock(&pool.lock);
    unsigned count = take_spare(batch);
    lt_unlock(&pool.lock);
    for (unsigned i = 0; i < count; i++) {
        uintptr_t end = ((uintptr_t)batch[i]->top + 4095) & ~(uintptr_t)4095;
        madvise(batch[i]->bottom, end - (uintptr_t)batch[i]->bottom, MADV_DONTNEED);
        batch[i]->clean = 1;
    }
    lt_lock(&pool.lock);
    for (unsigned i = 0; i < count; i++)
        put(&pool.clean[batch[i]->stack_class], batch[i]);
    pool.least = pool.dirty < pool.least ? pool.dirty : pool.least;
    lt_unlock(&pool.lock);
    return count > 0;
}

bool lt_stack_trim(bool look) {
    if (look) {
        lt_lock(&pool.lock);
        /* What has lain idle all the time since the last look will hardly be missed. */
        pool.spare = pool.least > DIRTY ? pool.least - DIRTY : 0;
        pool.least = pool.dirty;
        lt_unlock(&pool.lock);
        while (trim_batch())
            ;
    }
    lt_lock(&pool.lock);
    bool more = pool.dirty > DIRTY;
    lt_unlock(&pool.lock);
    return more;
}

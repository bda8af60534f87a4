/* SPDX-License-Identifier: MIT */
/**
 * What sanitizers and valgrind must be told of stacks and switches. Everything
 * here is nothing in an ordinary build.
 *
 * ThreadSanitizer: a switch of fibers counts as synchronisation (flag 0), so a
 * race between two tasks is only reported when they ran on different workers.
 * Without it the worker's own fields, which tasks of one worker touch in turn,
 * would be reported.
 */
#ifndef LEAT_BASE_ANNOTATE_H
#define LEAT_BASE_ANNOTATE_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define LEAT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAT_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define LEAT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LEAT_TSAN 1
#endif
#endif

#if defined(LEAT_ASAN)
#include <pthread.h>
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *memory, size_t size);
#endif

#if defined(LEAT_TSAN)
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

#if defined(LEAT_VALGRIND)
#include <valgrind/valgrind.h>
#endif

/** What the tools know of one stack. */
struct lt_annotation {
#if defined(LEAT_ASAN)
    void *fake_stack;
    const void *bottom;
    size_t size;
#endif
#if defined(LEAT_TSAN)
    void *fiber;
#endif
#if defined(LEAT_VALGRIND)
    unsigned valgrind;
#endif
    char nothing;
};

/** A stack serves again: frames at its top that were left for good, without returning, have left their marks on it. */
static inline void lt_annotate_stack_again(char *bottom, char *top) {
    (void)bottom, (void)top;
#if defined(LEAT_ASAN)
    enum { TOP = 16 << 10 };
    size_t size = (size_t)(top - bottom);
    size = size < TOP ? size : TOP;
    __asan_unpoison_memory_region(top - size, size);
#endif
}

/** A new stack. */
static inline void lt_annotate_stack(struct lt_annotation *note, void *bottom, size_t size) {
    (void)note, (void)bottom, (void)size;
#if defined(LEAT_ASAN)
    note->bottom = bottom;
    note->size = size;
#endif
#if defined(LEAT_TSAN)
    note->fiber = NULL; /* most of a slab's stacks are never used, and a fiber is a megabyte of memory */
#endif
#if defined(LEAT_VALGRIND)
    note->valgrind = VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size);
#endif
}

static inline void lt_annotate_stack_gone(struct lt_annotation *note) {
    (void)note;
#if defined(LEAT_TSAN)
    if (note->fiber)
        __tsan_destroy_fiber(note->fiber);
#endif
#if defined(LEAT_VALGRIND)
    VALGRIND_STACK_DEREGISTER(note->valgrind);
#endif
}

/** The stack that the calling thread came with. */
static inline void lt_annotate_thread(struct lt_annotation *note) {
    (void)note;
#if defined(LEAT_ASAN)
    pthread_attr_t attributes;
    void *bottom;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &bottom, &note->size);
    pthread_attr_destroy(&attributes);
    note->bottom = bottom;
#endif
#if defined(LEAT_TSAN)
    note->fiber = __tsan_get_current_fiber();
#endif
}

/** Right before the switch; `ends`: the stack left behind will not be returned to as it is. */
static inline void lt_annotate_leave(struct lt_annotation *from, struct lt_annotation *to, int ends) {
    (void)from, (void)to, (void)ends;
#if defined(LEAT_ASAN)
    __sanitizer_start_switch_fiber(ends ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
#if defined(LEAT_TSAN)
    if (!to->fiber)
        to->fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/** Right after it, on the stack that was switched to. */
static inline void lt_annotate_arrive(struct lt_annotation *here) {
    (void)here;
#if defined(LEAT_ASAN)
    __sanitizer_finish_switch_fiber(here->fake_stack, NULL, NULL);
    here->fake_stack = NULL;
#endif
}

/** The same, where the stack left behind need not be known yet: its bounds are noted in `from`. */
static inline void lt_annotate_arrive_from(struct lt_annotation *here, struct lt_annotation *from) {
    (void)here, (void)from;
#if defined(LEAT_ASAN)
    __sanitizer_finish_switch_fiber(here->fake_stack, &from->bottom, &from->size);
    here->fake_stack = NULL;
#endif
}

#endif

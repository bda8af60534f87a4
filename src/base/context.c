/* SPDX-License-Identifier: MIT */
#include "base/context.h"

#include <stdint.h>
#include <string.h>

#if defined(LEAT_PORTABLE_CONTEXT)

#include <ucontext.h>

void lt_context_switch(void **save, void *to) {
    ucontext_t here;
    *save = &here;
    swapcontext(&here, to);
}

void *lt_context_new(void *bottom, void *top, void (*function)(void)) {
    /* The first context lives at the top of the stack it describes: swapcontext copies it before that memory is used.
     */
    ucontext_t *context = (ucontext_t *)(((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63);
    getcontext(context);
    context->uc_stack.ss_sp = bottom;
    context->uc_stack.ss_size = (size_t)((char *)context - (char *)bottom);
    context->uc_link = NULL;
    makecontext(context, function, 0);
    return context;
}

#else

void lt_context_entry(void);

#if defined(__x86_64__)
/* As lt_context_switch leaves them: r15 r14 r13 r12 rbx rbp, return address. */
enum { SAVED_WORDS = 7, FUNCTION = 4, RETURN = 6 };
#else
enum { SAVED_WORDS = 20, FUNCTION = 0, RETURN = 11 };
#endif

void *lt_context_new(void *bottom, void *top, void (*function)(void)) {
    (void)bottom;
    uintptr_t aligned = (uintptr_t)top & ~(uintptr_t)15;
    /* The entry is reached by a return, so the stack must be aligned as after a call has returned. */
    void **frame = (void **)(aligned - 16) - SAVED_WORDS;
#if defined(__aarch64__)
    frame = (void **)(aligned - SAVED_WORDS * sizeof(void *));
#endif
    memset(frame, 0, SAVED_WORDS * sizeof *frame);
    memcpy(&frame[FUNCTION], &function, sizeof function);
    void (*entry)(void) = lt_context_entry;
    memcpy(&frame[RETURN], &entry, sizeof entry);
    return frame;
}

#endif

/* SPDX-License-Identifier: MIT */
/**
 * A context is a stack with saved registers on it, named by its stack pointer.
 *
 * On x86-64 and arm64 the switch is a plain assembly function that follows the
 * ABI (an inline assembly switch that lists clobbers was rejected: a compiler
 * that forgets one vector register corrupts data silently). Elsewhere, or with
 * -Dcontext=portable, ucontext does the same at fifty times the price.
 */
#ifndef LEAT_BASE_CONTEXT_H
#define LEAT_BASE_CONTEXT_H

#include <stddef.h>

#if !defined(LEAT_PORTABLE_CONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define LEAT_PORTABLE_CONTEXT 1
#endif

/** Save the running context's stack pointer to `*save` and go on with `to`. Returns when somebody switches back. */
void lt_context_switch(void **save, void *to);

/** A context that will run `function` on the stack [bottom, top). The function must never return. */
void *lt_context_new(void *bottom, void *top, void (*function)(void));

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Atomic operations in a simulation: before each the schedule may let another
 * virtual thread run (lt_before), and a store that is not sequentially
 * consistent may become visible to the others later (memory.c). Only one thread
 * of the system runs, so the operations themselves need no order.
 *
 * Included by base/atomic.h, never directly.
 */
#ifndef LEAT_SIMULATE_ATOMIC_H
#define LEAT_SIMULATE_ATOMIC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** What a virtual thread is about to do. */
enum lt_operation { LT_BEGIN, LT_LOAD, LT_STORE, LT_CHANGE, LT_FENCE, LT_CLOCK, LT_SLEEP, LT_WAKE, LT_SPIN, LT_CALL };

/** Where in the sources. */
struct lt_site {
    const char *file;
    int line;
    const char *function;
    const char *what; /* the text of the operand */
};

enum lt_order { LT_ORDER_relaxed, LT_ORDER_acquire, LT_ORDER_release, LT_ORDER_acq_rel, LT_ORDER_seq_cst };

/** A point: the schedule may go on with another virtual thread here. `object`: what the operation touches, or NULL. */
void lt_before(enum lt_operation operation, const volatile void *object, const struct lt_site *site);
/** The same for one that changes memory at once: this thread's stores become visible first. */
void lt_before_change(const volatile void *object, const struct lt_site *site);
/** A value as this thread sees it: `value` is what memory has. */
void lt_see(const volatile void *object, void *value, size_t size);
void lt_put(volatile void *object, const void *value, size_t size, enum lt_order order, const struct lt_site *site);
void lt_full_fence(const struct lt_site *site);
/** This thread spins: let another do something first. */
void lt_spin(const struct lt_site *site);

/** What each virtual thread has of its own, in place of thread-local variables. */
enum lt_local { LT_LOCAL_WORKER, LT_LOCAL_RECORD, LT_LOCALS };
void **lt_virtual_local(enum lt_local which);

/** An invariant: a run in which it does not hold has failed. */
void lt_must(bool holds, const char *invariant);

/** free() of a thread whose stores are on their way: they must not arrive in what is something else by then. */
void lt_virtual_free(void *memory);
#define free(memory) lt_virtual_free(memory)

/* The type without its qualifiers, as a comma expression has it. */
#define lt_value_of(pointer) __typeof__((void)0, *(pointer))

#define lt_site_here(text)                                                                                             \
    __extension__({                                                                                                    \
        static const struct lt_site lt_site_ = {__FILE__, __LINE__, __func__, text};                                   \
        &lt_site_;                                                                                                     \
    })

#define lt_load(pointer, order)                                                                                        \
    __extension__({                                                                                                    \
        __auto_type lt_at_ = (pointer);                                                                                \
        lt_before(LT_LOAD, lt_at_, lt_site_here(#pointer));                                                            \
        lt_value_of(lt_at_) lt_value_ = atomic_load_explicit(lt_at_, memory_order_relaxed);                            \
        lt_see(lt_at_, &lt_value_, sizeof lt_value_);                                                                  \
        lt_value_;                                                                                                     \
    })

#define lt_store(pointer, value, order)                                                                                \
    __extension__({                                                                                                    \
        __auto_type lt_at_ = (pointer);                                                                                \
        lt_value_of(lt_at_) lt_value_ = (value);                                                                       \
        lt_put(lt_at_, &lt_value_, sizeof lt_value_, LT_ORDER_##order, lt_site_here(#pointer));                        \
    })

/* `operation` is one of C's, applied at once. */
#define lt_change(pointer, operation, value)                                                                           \
    __extension__({                                                                                                    \
        __auto_type lt_at_ = (pointer);                                                                                \
        lt_value_of(lt_at_) lt_value_ = (lt_value_of(lt_at_))(value);                                                  \
        lt_before_change(lt_at_, lt_site_here(#pointer));                                                              \
        operation(lt_at_, lt_value_, memory_order_relaxed);                                                            \
    })

#define lt_exchange(pointer, value, order) lt_change(pointer, atomic_exchange_explicit, value)
#define lt_fetch_add(pointer, value, order) lt_change(pointer, atomic_fetch_add_explicit, value)
#define lt_fetch_sub(pointer, value, order) lt_change(pointer, atomic_fetch_sub_explicit, value)
#define lt_fetch_or(pointer, value, order) lt_change(pointer, atomic_fetch_or_explicit, value)
#define lt_fetch_and(pointer, value, order) lt_change(pointer, atomic_fetch_and_explicit, value)

#define lt_cas(pointer, expected, desired, order)                                                                      \
    __extension__({                                                                                                    \
        __auto_type lt_at_ = (pointer);                                                                                \
        __auto_type lt_expected_ = (expected);                                                                         \
        lt_value_of(lt_at_) lt_value_ = (desired);                                                                     \
        lt_before_change(lt_at_, lt_site_here(#pointer));                                                              \
        atomic_compare_exchange_strong_explicit(lt_at_, lt_expected_, lt_value_, memory_order_relaxed,                 \
                                                memory_order_relaxed);                                                 \
    })

/* Only a full fence does something: others order what is in order here. */
#define lt_fence(order) (LT_ORDER_##order == LT_ORDER_seq_cst ? lt_full_fence(lt_site_here("fence")) : (void)0)

#define lt_pause() lt_spin(lt_site_here("pause"))

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Ordinary threads that call leat: each has a task record and parks by the
 * same protocol as a task, but sleeps on a futex.
 */
#ifndef LEAT_SCHED_THREAD_H
#define LEAT_SCHED_THREAD_H

#include "sched/task.h"

/** The record of the calling ordinary thread; NULL when memory is short. */
struct lt_task *lt_thread_self(void);

/** lt_park_until() of an ordinary thread; `token` matters only with a deadline. */
int lt_thread_park(struct lt_task *self, uint64_t token, leat_time deadline, void (*commit)(void *arg), void *arg);
/** lt_ready() of an ordinary thread. */
void lt_thread_ready(struct lt_task *task);
void lt_thread_yield(void);

/** errno of the thread that calls now: compilers keep its address across a switch unless they cannot see it. */
int lt_errno(void);
void lt_errno_set(int value);

/** How many ordinary threads wait in leat without a deadline. */
uint32_t lt_threads_waiting(void);
/** How often such a thread was woken so far. */
uint32_t lt_threads_woken(void);

#endif

/* SPDX-License-Identifier: MIT */
/** What a task does, seen by others of this process that are not part of the runtime. */
#ifndef LEAT_SCHED_LOOK_H
#define LEAT_SCHED_LOOK_H

#include "leat.h"

#include <stdbool.h>

struct lt_task;

/** The calling task, for lt_task_waits(). */
struct lt_task *lt_task_here(void);

/** Whether the task has given its processor up until something wakes it. The answer may be out of date at once. */
bool lt_task_waits(const struct lt_task *task);

/** How long the runtime's threads, all together, were ready to run and others had the processors. Any thread; 0 before
 * and after the run. */
leat_time lt_workers_delayed(void);

#endif

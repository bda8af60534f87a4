/* SPDX-License-Identifier: MIT */
/** Scopes, as the scheduler sees them; see scope.c. */
#ifndef LEAT_SYNC_SCOPE_H
#define LEAT_SYNC_SCOPE_H

#include "sched/task.h"

/** How a scope begins: all that a blocking call looks at. */
struct lt_scope_head {
    _Atomic int stop; /* 0, or what blocking calls return */
};

/** A task of this scope's has ended with `result`, or could not begin. The last touch of the task's scope. */
void lt_scope_task_ends(struct lt_task *task, int result);

/** Count a task that the runtime made itself as one of a scope that cannot end meanwhile. */
void lt_scope_adopt(struct leat_scope *scope, struct lt_task *task);

/** The task is about to park for the first time: cancellation must be able to find it. */
void lt_scope_enlist(struct lt_task *task);

/** The scope that all others are within; its end is the end of the run. */
struct leat_scope *lt_scope_root(void);
void lt_scope_root_free(struct leat_scope *root);

#endif

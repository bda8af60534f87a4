/* SPDX-License-Identifier: MIT */
/**
 * Calls that are given away: a caller notes two calls, others may take them.
 * Each is made once, whoever makes it; the join comes after its end; nobody
 * touches a frame after its join; and nobody waits for what nobody makes.
 */
#include "work/fork.c"

#include "model/checker.h"

#include <string.h>

enum { TAKERS = 2, CALLS = 2 };

static struct lt_runtime runtime;
static struct lt_worker workers[TAKERS];
static struct lt_task record;
static struct lt_scope_head scope_head;
static struct gang gang;
static int made[CALLS];

/* ------------------------------------------------------------ as worker.c and runtime.c do it */

struct lt_runtime *_Atomic lt_runtime;
_Atomic uint32_t lt_visitors;

int lt_park(struct lt_task *self, void (*commit)(void *arg), void *arg) {
    return lt_thread_park(self, 0, LEAT_FOREVER, commit, arg);
}

void lt_ready(struct lt_task *task, enum lt_placement placement) {
    (void)placement;
    lt_thread_ready(task);
}

void lt_notify(struct lt_runtime *with) {
    (void)with; /* those who take look by themselves */
}

bool lt_prepare(struct lt_worker *worker, struct lt_task *task) {
    (void)worker, (void)task;
    return true;
}

void lt_scope_adopt(struct leat_scope *scope, struct lt_task *task) {
    lt_store(&task->scope, scope, relaxed);
}

void lt_scope_enlist(struct lt_task *task) {
    (void)task;
}

unsigned leat_workers(void) {
    return TAKERS;
}

struct leat_scope *leat_scope_open(const struct leat_scope_options *options) {
    (void)options;
    return NULL;
}

int leat_scope_close(struct leat_scope *scope) {
    (void)scope;
    return 0;
}

int leat_go_at(struct leat_scope *scope, leat_fn *fn, void *arg, const struct leat_task_options *options,
               const char *function, const char *file, int line) {
    (void)scope, (void)fn, (void)arg, (void)options, (void)function, (void)file, (void)line;
    return -EINVAL;
}

/* ------------------------------------------------------------ the world */

static void set_up(void) {
    memset(&runtime, 0, sizeof runtime);
    memset(workers, 0, sizeof workers);
    memset(&record, 0, sizeof record);
    memset(&scope_head, 0, sizeof scope_head);
    memset(made, 0, sizeof made);
    lt_store(&record.kind, LT_THREAD, relaxed);
    lt_store(&runtime.hungry, TAKERS, relaxed);
    lt_store(&lt_runtime, &runtime, relaxed);
    gang = (struct gang){.kind = {.run = run_frame, .refuse = refuse, .scope = (struct leat_scope *)&scope_head},
                         .most_waiting = CALLS};
}

static int call(struct leat_forker *self, void *arg) {
    int *count = arg;
    (void)self;
    model_check(*count == 0);
    ++*count;
    return -7; /* a result to be handed back */
}

static void caller(void) {
    *lt_virtual_local(LT_LOCAL_RECORD) = &record;
    struct leat_forker self;
    struct leat_frame frames[CALLS];
    begin(&self, &gang);
    for (int i = 0; i < CALLS; i++)
        leat_fork(&self, &frames[i], call, &made[i]);
    for (int i = CALLS; i-- > 0;) {
        model_check(leat_join(&self, &frames[i]) == -7);
        model_check(made[i] == 1);
        memset(&frames[i], 0xdb, sizeof frames[i]);
        lt_fence(seq_cst);
    }
    for (size_t i = 0; i < sizeof frames; i++)
        model_check(((unsigned char *)frames)[i] == 0xdb);
}

/* As often as there are calls. */
static void taker(struct lt_worker *worker) {
    struct lt_task *mine = lt_offer_take(&runtime, worker);
    *lt_virtual_local(LT_LOCAL_RECORD) = mine;
    if (mine)
        mine->function(mine->argument);
}

static void one_taker(unsigned index) {
    if (index == 0) {
        caller();
        return;
    }
    for (int i = 0; i < CALLS; i++)
        taker(&workers[0]);
}

static void two_takers(unsigned index) {
    if (index == 0)
        caller();
    else
        taker(&workers[index - 1]);
}

#define HINTS .hints = {&gang.offered, &gang.taken}

static const struct model models[] = {
    {.name = "two calls and one who takes", .threads = 2, .set_up = set_up, .thread = one_taker, HINTS},
    {.name = "two calls and two who take", .threads = 3, .set_up = set_up, .thread = two_takers, HINTS},
};

int main(void) {
    return model_main(models, sizeof models / sizeof *models);
}

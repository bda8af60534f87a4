/* SPDX-License-Identifier: MIT */
#include "sched/offer.h"
#include "sync/scope.h"

bool lt_offer_make(struct lt_runtime *runtime, struct lt_offer *offer) {
    struct lt_offer *none = NULL;
    if (lt_load(&runtime->offer, relaxed) || !lt_cas(&runtime->offer, &none, offer, acq_rel))
        return false;
    lt_notify(runtime);
    return true;
}

bool lt_offer_withdraw(struct lt_runtime *runtime, struct lt_offer *offer) {
    struct lt_offer *mine = offer;
    return lt_load(&runtime->offer, relaxed) == offer && lt_cas(&runtime->offer, &mine, NULL, acq_rel);
}

static struct lt_task *make_task(struct lt_worker *worker, struct lt_offer *offer) {
    struct lt_task *task = lt_task_new(worker);
    if (!task)
        return NULL;
    const struct lt_offer_kind *kind = offer->kind;
    task->function = kind->run;
    task->argument = offer;
    task->name = kind->name;
    task->file = kind->file;
    task->line = kind->line;
    task->stack_class = LEAT_STACK_COMPUTE;
    if (lt_prepare(worker, task)) {
        lt_scope_adopt(kind->scope, task);
        return task;
    }
    lt_task_free(worker, task);
    return NULL;
}

struct lt_task *lt_offer_take(struct lt_runtime *runtime, struct lt_worker *worker) {
    struct lt_offer *offer = lt_load(&runtime->offer, relaxed);
    if (!offer || !lt_cas(&runtime->offer, &offer, NULL, acq_rel))
        return NULL;
    struct lt_task *task = make_task(worker, offer);
    if (!task)
        offer->kind->refuse(offer);
    return task;
}

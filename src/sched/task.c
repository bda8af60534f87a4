/* SPDX-License-Identifier: MIT */
#include "sched/task.h"
#include "sched/look.h"
#include "sched/park.h"
#include "sched/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB = 128, KEPT = 256, ID_BLOCK = 1024 };

struct slab {
    struct slab *_Atomic next;
    struct lt_task tasks[SLAB];
};

/* All records; kept as long as the process, because ordinary threads have records, too. */
static struct {
    struct lt_lock lock;
    struct slab *_Atomic slabs;
    struct lt_task_list depot;
} pool;

static void put(struct lt_task_list *list, struct lt_task *task) {
    task->next = list->head;
    list->head = task;
    list->count++;
}

static struct lt_task *take(struct lt_task_list *list) {
    struct lt_task *task = list->head;
    if (!task)
        return NULL;
    list->head = task->next;
    list->count--;
    return task;
}

static void slab_new(struct lt_task_list *list) {
    struct slab *slab = aligned_alloc(64, sizeof *slab);
    if (!slab)
        return;
    memset(slab, 0, sizeof *slab);
    for (unsigned i = SLAB; i-- > 0;) {
        slab->tasks[i].timer.index = LT_TIMER_OUT;
        put(list, &slab->tasks[i]);
    }
    lt_lock(&pool.lock);
    lt_store(&slab->next, lt_load(&pool.slabs, relaxed), relaxed);
    lt_store(&pool.slabs, slab, release);
    lt_unlock(&pool.lock);
}

static void refill(struct lt_task_list *list, unsigned count) {
    lt_lock(&pool.lock);
    for (unsigned i = 0; i < count && pool.depot.head; i++)
        put(list, take(&pool.depot));
    lt_unlock(&pool.lock);
    if (!list->head)
        slab_new(list);
}

static void give(struct lt_task_list *list, unsigned keep) {
    lt_lock(&pool.lock);
    while (list->count > keep)
        put(&pool.depot, take(list));
    lt_unlock(&pool.lock);
}

/* Numbers come in blocks, so that spawning touches no shared counter. */
static uint64_t next_id(struct lt_worker *worker) {
    if (!worker) {
        struct lt_runtime *runtime = lt_visit();
        uint64_t id = runtime ? lt_fetch_add(&runtime->ids, 1, relaxed) + 1 : 0;
        lt_visit_end();
        return id;
    }
    struct lt_runtime *runtime = lt_the_runtime();
    if (worker->next_id == worker->last_id) {
        worker->next_id = lt_fetch_add(&runtime->ids, ID_BLOCK, relaxed);
        worker->last_id = worker->next_id + ID_BLOCK;
    }
    return ++worker->next_id;
}

struct lt_task *lt_task_new(struct lt_worker *worker) {
    struct lt_task_list alone = {NULL, 0};
    struct lt_task_list *list = worker ? &worker->free_tasks : &alone;
    if (!list->head)
        refill(list, worker ? KEPT / 2 : 1);
    struct lt_task *task = take(list);
    if (!worker)
        give(list, 0);
    if (!task)
        return NULL;
    task->context = NULL;
    task->stack = NULL;
    task->in_scope_list = 0;
    task->wake_result = 0;
    task->id = next_id(worker);
    lt_store(&task->on_cpu, 0, relaxed);
    lt_store(&task->uncancellable, 0, relaxed);
    lt_store(&task->wait, LT_WAIT_NOTHING, relaxed);
    lt_store(&task->kind, LT_TASK, release);
    return task;
}

void lt_task_free(struct lt_worker *worker, struct lt_task *task) {
    struct lt_task_list alone = {NULL, 0};
    struct lt_task_list *list = worker ? &worker->free_tasks : &alone;
    lt_store(&task->kind, LT_FREE, relaxed);
    put(list, task);
    if (!worker)
        give(list, 0);
    else if (list->count > KEPT)
        give(list, KEPT / 2);
}

void lt_task_each(void (*visit)(struct lt_task *task, void *arg), void *arg) {
    for (struct slab *slab = lt_load(&pool.slabs, acquire); slab; slab = lt_load(&slab->next, relaxed))
        for (unsigned i = 0; i < SLAB; i++)
            if (lt_load(&slab->tasks[i].kind, acquire) != LT_FREE)
                visit(&slab->tasks[i], arg);
}

static void abandon(struct lt_task *task, void *arg) {
    (void)arg;
    if (lt_load(&task->kind, relaxed) != LT_TASK)
        return;
    /* Nobody may end its wait any more: whoever comes later finds it ended. */
    lt_fetch_or(&task->ticket, LT_TICKET_STATES, seq_cst);
    lt_task_free(NULL, task);
}

void lt_tasks_abandon(void) {
    lt_task_each(abandon, NULL);
}

struct lt_task *lt_task_here(void) {
    return lt_self();
}

bool lt_task_waits(const struct lt_task *task) {
    return lt_load(&task->wait, relaxed) != LT_WAIT_NOTHING;
}

#if defined(LEAT_SIMULATION)
void lt_tasks_forget(void) {
    for (struct slab *slab = lt_load(&pool.slabs, relaxed), *next; slab; slab = next) {
        next = lt_load(&slab->next, relaxed);
        free(slab);
    }
    lt_store(&pool.slabs, NULL, relaxed);
    pool.depot = (struct lt_task_list){NULL, 0};
}
#endif

static const char *wait_words(enum lt_wait wait) {
    switch (wait) {
    case LT_WAIT_SEND:
        return "waits to send to channel";
    case LT_WAIT_RECEIVE:
        return "waits to receive from channel";
    case LT_WAIT_SELECT:
        return "waits in a select of channels, first";
    case LT_WAIT_SLEEP:
        return "sleeps";
    case LT_WAIT_SCOPE:
        return "waits for the tasks of scope";
    case LT_WAIT_GROUP:
        return "waits for wait group";
    case LT_WAIT_MUTEX:
        return "waits for mutex";
    case LT_WAIT_CONDITION:
        return "waits for condition";
    case LT_WAIT_BLOCKING:
        return "waits for a blocking call";
    case LT_WAIT_DESCRIPTOR:
        return "waits for descriptor";
    case LT_WAIT_BRANCH:
        return "waits for a branch of crawl";
    case LT_WAIT_JOIN:
        return "waits for a forked call that another worker took";
    case LT_WAIT_NOTHING:
        break;
    }
    return "runs or is ready to run";
}

int lt_task_describe(const struct lt_task *task, char *text, size_t size) {
    enum lt_wait wait = (enum lt_wait)lt_load(&task->wait, relaxed);
    const void *object = lt_load(&task->wait_object, relaxed);
    const char *name = lt_load(&task->wait_name, relaxed);
    char what[160] = "";
    if (wait == LT_WAIT_DESCRIPTOR)
        snprintf(what, sizeof what, " %d", (int)(intptr_t)object);
    else if (name && wait != LT_WAIT_NOTHING)
        snprintf(what, sizeof what, " \"%s\"", name);
    else if (object && wait != LT_WAIT_NOTHING)
        snprintf(what, sizeof what, " %p", object);
    if (lt_load(&task->kind, relaxed) == LT_THREAD)
        return snprintf(text, size, "an ordinary thread %s%s\n", wait_words(wait), what);
    return snprintf(text, size, "task %llu \"%s\", spawned at %s:%d, %s%s\n", (unsigned long long)task->id,
                    task->name ? task->name : "?", task->file ? task->file : "?", task->line, wait_words(wait), what);
}

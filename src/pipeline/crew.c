/* SPDX-License-Identifier: MIT */
/**
 * The workers of a group: started when they are of use, up to the number asked
 * for. Each group has a foreman, a task that starts them and ends after them.
 *
 * Invariants
 * - `expected` counts the batches that were given to the group and have not left
 *   it, and a worker has one of them in its hands at most. So while expected <=
 *   started, no batch waits for a worker that has not been started.
 * - Beyond that, more workers are of use when fewer of those that exist are at work
 *   than there are processors. One that waits (for a child, a server, a rate) is
 *   not at work; one that waits for its output is: others would only wait beside it.
 * - Who gives the group a batch tells the foreman if that makes expected > started.
 *   As long as it is so the foreman looks again and again, because workers that
 *   begin to wait tell nobody.
 * - The first worker is opened before anything is read, so what cannot work at all
 *   never starts. One of the others that cannot be started ends the run like a
 *   broken source: what was read is finished by the workers there are.
 *
 * Rejected: all workers at the start (-j 100k took minutes and gigabytes however
 * small the input); one for each batch that waits (a quick source is ahead of every
 * stage, and so all would be started); asking the stages whether they wait (one
 * that forgets to tell would never get its workers).
 */
#include "base/error.h"
#include "pipeline/engine.h"
#include "sched/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LOOK LEAT_MILLISECOND
#define LAST_LOOK (16 * LEAT_MILLISECOND)

/* ----------------------------------------------------------------- members */

struct lt_worker *lt_worker_new(struct lt_group *group) {
    size_t size = sizeof(struct lt_worker) + group->count * sizeof(void *), line = _Alignof(struct lt_worker);
    size = (size + line - 1) / line * line;
    struct lt_worker *worker = aligned_alloc(line, size);
    if (!worker)
        return NULL;
    memset(worker, 0, size);
    worker->pipeline = group->pipeline;
    worker->group = group;
    lt_line_start(&worker->line, LEAT_WAITS_INPUT, lt_crew_since(group));
    unsigned index = worker->index = lt_load(&group->started, relaxed);
    group->members[index] = worker;
    lt_store(&group->started, index + 1, release);
    return worker;
}

int lt_worker_open(struct lt_worker *worker, struct leat_error *error) {
    struct lt_pipeline *pipeline = worker->pipeline;
    for (size_t s = 0; s < worker->group->count; s++) {
        size_t stage = worker->group->first + s;
        const struct leat_stage_type *type = pipeline->plan->stages[stage].type;
        int code = type->open_worker ? type->open_worker(pipeline->stages[stage], &worker->states[s], error) : 0;
        if (code < 0)
            return code;
        worker->opened = s + 1;
    }
    return 0;
}

static void break_opening(struct lt_worker *worker, int code, const struct leat_error *error) {
    struct lt_pipeline *pipeline = worker->pipeline;
    const char *spelling = pipeline->plan->stages[worker->group->first + worker->opened].segment.spelling;
    if (code != -ECANCELED || !lt_is_called_off(pipeline))
        lt_break(pipeline, spelling, error, LT_DRAINING);
}

static void break_crew(struct lt_group *group) {
    struct leat_error error;
    unsigned started = lt_load(&group->started, relaxed);
    leat_fail(&error, -ENOMEM, "out of memory for worker %u of %u", started, group->workers);
    lt_break(group->pipeline, group->name, &error, LT_DRAINING);
}

static int first_task(void *argument) {
    struct lt_worker *worker = argument;
    struct leat_error error = {.code = -ENOMEM, .text = "out of memory"};
    if (!lt_begin(worker->pipeline))
        return 0;
    if (lt_reach_open(worker->pipeline, &worker->reach, LT_DROPPING) < 0)
        lt_break(worker->pipeline, worker->group->name, &error, LT_DRAINING);
    lt_work(worker);
    lt_reach_close(worker->pipeline, &worker->reach);
    return 0;
}

static int later_task(void *argument) {
    struct lt_worker *worker = argument;
    struct leat_error error = {.code = 0, .text = "a worker could not be opened and did not say why"};
    if (lt_reach_open(worker->pipeline, &worker->reach, LT_DROPPING) < 0) {
        break_crew(worker->group);
        return 0;
    }
    int code = lt_worker_open(worker, &error);
    if (code < 0)
        break_opening(worker, code, &error);
    else
        lt_work(worker);
    lt_reach_close(worker->pipeline, &worker->reach);
    return 0;
}

/* ----------------------------------------------------------------- foreman */

void lt_crew_expect(struct lt_group *group) {
    lt_fetch_add(&group->expected, 1, relaxed);
}

void lt_crew_passed(struct lt_group *group) {
    lt_fetch_sub(&group->expected, 1, relaxed);
}

/** How many workers short of one for each batch. */
static unsigned shortage(struct lt_group *group) {
    unsigned started = lt_load(&group->started, relaxed);
    unsigned admitted = lt_load(&group->admitted, relaxed);
    int64_t missing = lt_load(&group->expected, relaxed) - started;
    if (missing <= 0 || started >= admitted)
        return 0;
    return missing < admitted - started ? (unsigned)missing : admitted - started;
}

void lt_crew_tell(struct lt_group *group) {
    if (shortage(group))
        leat_send_try(group->more, NULL);
}

static bool is_at_work(struct lt_worker *worker) {
    struct lt_task *task = lt_load(&worker->task, relaxed);
    return !task || !lt_task_waits(task) || lt_load(&worker->line.state, relaxed) == LEAT_WAITS_OUTPUT;
}

/** How many more would be of use at this moment. Never more than double there are: these may soon be at work. */
static unsigned of_use(struct lt_group *group) {
    unsigned started = lt_load(&group->started, relaxed), missing = shortage(group), at_work = 0;
    unsigned processors = leat_workers();
    for (unsigned w = 0; missing && w < started && at_work < processors; w++)
        at_work += is_at_work(group->members[w]);
    if (at_work >= processors)
        return 0;
    unsigned most = processors - at_work > started ? processors - at_work : started;
    return missing < most ? missing : most;
}

/** A worker and the batches that go with it. False: memory is short. */
static bool start_worker(struct lt_group *group, struct leat_scope *crew) {
    struct lt_worker *worker = lt_worker_new(group);
    size_t batches = lt_load(&group->started, relaxed) > 2 ? 2 : 1;
    return worker && lt_add_batches(group->pipeline, batches) == 0 &&
           lt_spawn(crew, later_task, worker, group->name) == 0;
}

/** Start workers until there is one for each batch, or as many as there can be. False: there will be no more. */
static bool raise_crew(struct lt_group *group, struct leat_scope *crew) {
    leat_time pause = FIRST_LOOK;
    while (shortage(group)) {
        /* A task without a stack ends before it begins, with an error of its own. */
        bool possible = leat_scope_cause(crew) == 0;
        for (unsigned count = of_use(group); possible && count > 0; count--) {
            possible = start_worker(group, crew);
            pause = 0;
        }
        if (!possible)
            break_crew(group);
        if (lt_load(&group->pipeline->broken, acquire))
            return false;
        if ((pause ? leat_sleep(pause) : leat_yield()) < 0)
            return false;
        pause = pause ? pause * 2 : FIRST_LOOK;
        pause = pause < LAST_LOOK ? pause : LAST_LOOK;
    }
    return lt_load(&group->started, relaxed) < group->workers;
}

static void oversee(struct lt_group *group) {
    struct leat_scope *crew = leat_scope_open(&(struct leat_scope_options){.name = group->name, .collect = true});
    if (!crew) {
        break_crew(group);
        return;
    }
    bool open = true;
    do
        open = leat_recv(group->more, NULL) == 0;
    while (raise_crew(group, crew) && open);
    leat_scope_close(crew);
}

/** The first worker has a scope that its failure to begin cancels, which calls the start off. */
int lt_foreman_task(void *argument) {
    struct lt_group *group = argument;
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = group->name});
    if (!scope || lt_spawn(scope, first_task, group->members[0], group->name) < 0) {
        leat_scope_close(scope);
        return -ENOMEM;
    }
    oversee(group);
    int cause = leat_scope_close(scope);
    lt_close_input(group->pipeline, group->index + 1);
    return cause;
}

/* SPDX-License-Identifier: MIT */
/**
 * Stopping: how far it has gone, whom it wakes, and the first error.
 *
 * A task that a stop must be able to wake works within a scope of its own (a
 * reach). The stop cancels the scope; the task sees -ECANCELED, closes the
 * scope, and from then on its channel operations work again, so that nothing in
 * its hands is lost. Rejected: one scope for all workers, with a shield opened
 * after the cancellation, because then the way out needs memory.
 */
#include "base/error.h"
#include "base/clock.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <string.h>

enum lt_level lt_level(const struct lt_pipeline *pipeline) {
    return lt_load(&pipeline->level, acquire);
}

bool lt_is_called_off(const struct lt_pipeline *pipeline) {
    return lt_level(pipeline) == LT_DROPPING || lt_load(&pipeline->halted, acquire) == LT_HALTED_NOW;
}

/* Under the mutex. To be halted now means for the stages what a drop means for all. */
static void cancel(struct lt_pipeline *pipeline, struct lt_reach *reach) {
    enum lt_level level = lt_load(&pipeline->level, relaxed);
    bool halted = lt_load(&pipeline->halted, relaxed) == LT_HALTED_NOW;
    if (reach->scope && (halted || level >= reach->level))
        leat_scope_cancel(reach->scope, -ECANCELED);
}

static void cancel_workers(struct lt_pipeline *pipeline) {
    for (size_t g = 0; g < pipeline->group_count; g++)
        for (unsigned w = 0; w < lt_load(&pipeline->groups[g].started, acquire); w++)
            cancel(pipeline, &pipeline->groups[g].members[w]->reach);
}

void lt_call_off(struct lt_pipeline *pipeline, enum lt_halted how, const struct leat_error *why) {
    pthread_mutex_lock(&pipeline->mutex);
    bool first = !lt_load(&pipeline->halted, relaxed);
    if (first) {
        pipeline->halt_error = *why;
        lt_store(&pipeline->returned_below, (uint32_t)pipeline->group_count + 1, release);
        lt_store(&pipeline->halted, how, release);
        cancel_workers(pipeline);
    }
    pthread_mutex_unlock(&pipeline->mutex);
    if (first)
        lt_raise(pipeline, LT_DRAINING);
}

void lt_raise(struct lt_pipeline *pipeline, enum lt_level level) {
    pthread_mutex_lock(&pipeline->mutex);
    if (level > lt_load(&pipeline->level, relaxed)) {
        lt_store(&pipeline->level, (uint32_t)level, release);
        cancel(pipeline, &pipeline->opening);
        cancel(pipeline, &pipeline->reading);
        cancel(pipeline, &pipeline->emptying);
        cancel_workers(pipeline);
    }
    pthread_mutex_unlock(&pipeline->mutex);
    lt_watchdog_ring(pipeline);
}

void lt_pipeline_stop(struct lt_pipeline *pipeline, enum lt_stop how) {
    enum lt_level level = how == LT_STOP_DROP ? LT_DROPPING : LT_DRAINING;
    pthread_mutex_lock(&pipeline->mutex);
    if (level > lt_load(&pipeline->asked, relaxed))
        lt_store(&pipeline->asked, (uint32_t)level, release);
    pthread_mutex_unlock(&pipeline->mutex);
    lt_raise(pipeline, level);
}

void lt_break(struct lt_pipeline *pipeline, const char *spelling, const struct leat_error *error, enum lt_level level) {
    pthread_mutex_lock(&pipeline->mutex);
    if (!lt_load(&pipeline->broken, relaxed)) {
        pipeline->error = *error;
        if (strcmp(spelling, "-") != 0 && strncmp(error->text, spelling, strlen(spelling)) != 0)
            lt_error_prefix(&pipeline->error, "%s", spelling);
        lt_store(&pipeline->broken, true, release);
    }
    pthread_mutex_unlock(&pipeline->mutex);
    lt_raise(pipeline, level);
}

int lt_reach_open(struct lt_pipeline *pipeline, struct lt_reach *reach, enum lt_level level) {
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = "until stopped", .collect = true});
    if (!scope)
        return -ENOMEM;
    pthread_mutex_lock(&pipeline->mutex);
    reach->level = level;
    reach->scope = scope;
    cancel(pipeline, reach);
    pthread_mutex_unlock(&pipeline->mutex);
    return 0;
}

void lt_reach_close(struct lt_pipeline *pipeline, struct lt_reach *reach) {
    pthread_mutex_lock(&pipeline->mutex);
    struct leat_scope *scope = reach->scope;
    reach->scope = NULL;
    pthread_mutex_unlock(&pipeline->mutex);
    leat_scope_close(scope);
}

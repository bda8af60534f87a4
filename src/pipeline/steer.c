/* SPDX-License-Identifier: MIT */
/**
 * Steering a run that is on its way: pause, a limit of items a second, other numbers of workers.
 *
 * All of it acts where batches come in (the source task asks before and after each
 * read) or where a worker takes its next one (lt_stand_by), so that nothing on its
 * way is ever cut short, and a stop goes through as ever: both waits are in the
 * reach of the task that waits.
 *
 * A group's worker whose number is not below `admitted` stands by between two
 * batches: it keeps the states of its stages (a connection, a child) for when it is
 * called again. Time in which it stands by is nobody's: its line stands still. There
 * are never more workers than the room that was made at the start (`workers`).
 * So does the source's line during a pause, whose time is counted by itself: those who
 * wait for input meanwhile do not wait for the source.
 */
#include "base/clock.h"
#include "pipeline/engine.h"

#include <errno.h>

/** How long one who stands by may take to notice that it is wanted. */
static const leat_time LOOK = 50 * LEAT_MILLISECOND;

/* Of ten milliseconds, since a sleep is usually late by less. */
static double burst_of(double rate) {
    return rate / 100 < 1 ? 1 : rate / 100;
}

/* ------------------------------------------------------------- the source */

void lt_pipeline_pause(struct lt_pipeline *pipeline, bool paused) {
    lt_store(&pipeline->paused, paused, release);
    if (!paused)
        leat_send_try(pipeline->resumed, NULL);
}

int lt_pipeline_limit(struct lt_pipeline *pipeline, double rate) {
    struct leat_limiter *limiter = rate > 0 ? leat_limiter_new(rate, burst_of(rate)) : NULL;
    if (rate > 0 && !limiter)
        return -ENOMEM;
    pthread_mutex_lock(&pipeline->mutex);
    struct leat_limiter *before = pipeline->next_limiter;
    pipeline->next_limiter = limiter;
    pipeline->rate = rate > 0 ? rate : 0;
    lt_store(&pipeline->limiter_changed, true, release);
    pthread_mutex_unlock(&pipeline->mutex);
    leat_limiter_free(before);
    return 0;
}

double lt_steer_rate(struct lt_pipeline *pipeline) {
    pthread_mutex_lock(&pipeline->mutex);
    double rate = pipeline->rate;
    pthread_mutex_unlock(&pipeline->mutex);
    return rate;
}

/** The limiter in use is the source task's own; one that was set comes into use with the next batch. */
static void renew_limiter(struct lt_pipeline *pipeline) {
    pthread_mutex_lock(&pipeline->mutex);
    struct leat_limiter *before = pipeline->limiter;
    pipeline->limiter = pipeline->next_limiter;
    pipeline->limiter_rate = pipeline->rate;
    pipeline->next_limiter = NULL;
    lt_store(&pipeline->limiter_changed, false, relaxed);
    pthread_mutex_unlock(&pipeline->mutex);
    leat_limiter_free(before);
}

void lt_steer_before(struct lt_pipeline *pipeline) {
    if (!lt_load(&pipeline->paused, acquire))
        return;
    lt_line_halt(&pipeline->source_line);
    lt_line_start(&pipeline->pause_line, LEAT_BUSY, lt_now());
    while (lt_load(&pipeline->paused, acquire) && leat_recv(pipeline->resumed, NULL) == 0)
        continue;
    lt_line_halt(&pipeline->pause_line);
    lt_line_start(&pipeline->source_line, LEAT_WAITS_OUTPUT, lt_now());
}

uint64_t lt_steer_items(struct lt_pipeline *pipeline, uint64_t most) {
    if (lt_load(&pipeline->limiter_changed, acquire))
        renew_limiter(pipeline);
    double burst = burst_of(pipeline->limiter_rate);
    return pipeline->limiter && burst < (double)most ? (uint64_t)burst : most;
}

void lt_steer_after(struct lt_pipeline *pipeline, size_t items) {
    int code = -ETIMEDOUT;
    if (pipeline->limiter && leat_limiter_take_try(pipeline->limiter, (double)items) == 0)
        return;
    while (pipeline->limiter && code == -ETIMEDOUT) {
        lt_line_switch(&pipeline->source_line, LEAT_THROTTLED);
        code = leat_limiter_take_until(pipeline->limiter, (double)items, lt_after(LOOK));
        if (lt_load(&pipeline->limiter_changed, acquire))
            renew_limiter(pipeline);
    }
}

/* ------------------------------------------------------------ the workers */

/** Since when a worker that has not been started counts as one that waits. */
static leat_time waiting_since(const struct lt_group *group) {
    leat_time flowing = lt_load(&group->pipeline->flowing, acquire);
    leat_time admitted = lt_load(&group->admitted_at, acquire);
    return admitted > flowing ? admitted : flowing;
}

leat_time lt_crew_since(const struct lt_group *group) {
    return waiting_since(group);
}

leat_time lt_crew_waited(const struct lt_group *group, leat_time now) {
    leat_time before = lt_load(&group->waited, acquire), since = waiting_since(group);
    unsigned started = lt_load(&group->started, acquire), admitted = lt_load(&group->admitted, acquire);
    return before + (since && now > since && admitted > started ? (admitted - started) * (now - since) : 0);
}

int lt_pipeline_set_workers(struct lt_pipeline *pipeline, size_t column, unsigned workers) {
    if (column < 1 || column > pipeline->group_count)
        return -ENOENT;
    struct lt_group *group = &pipeline->groups[column - 1];
    if (workers < 1 || workers > group->workers)
        return -ERANGE;
    leat_time now = lt_now();
    pthread_mutex_lock(&pipeline->mutex);
    lt_store(&group->waited, lt_crew_waited(group, now), release);
    lt_store(&group->admitted_at, now, release);
    lt_store(&group->admitted, workers, release);
    pthread_mutex_unlock(&pipeline->mutex);
    lt_crew_tell(group);
    return 0;
}

void lt_stand_by(struct lt_worker *worker) {
    struct lt_group *group = worker->group;
    if (worker->index < lt_load(&group->admitted, acquire))
        return;
    lt_line_halt(&worker->line);
    while (worker->index >= lt_load(&group->admitted, acquire) &&
           leat_recv_until(group->ended, NULL, lt_after(LOOK)) == -ETIMEDOUT && leat_cancelled() == 0)
        continue;
    lt_line_start(&worker->line, LEAT_WAITS_INPUT, lt_now());
}

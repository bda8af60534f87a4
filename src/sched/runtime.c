/* SPDX-License-Identifier: MIT */
/** Starting and ending the runtime, and the small public calls about tasks and time. */
#include "sched/look.h"
#include "sched/runtime.h"
#include "base/clock.h"
#include "base/os.h"
#include "sched/park.h"
#include "sync/scope.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const char *leat_version(void) {
    return LEAT_VERSION;
}

leat_time leat_now(void) {
    return lt_now();
}

leat_time leat_after(leat_time duration) {
    return lt_after(duration);
}

leat_time lt_workers_delayed(void) {
    struct lt_runtime *runtime = lt_visit();
    leat_time delayed = 0;
    for (unsigned i = 0; runtime && i < runtime->worker_count; i++)
        if (lt_load(&runtime->workers[i].thread_id, relaxed))
            delayed += lt_os_thread_delayed(lt_load(&runtime->workers[i].thread_id, relaxed));
    lt_visit_end();
    return delayed;
}

unsigned leat_workers(void) {
    struct lt_runtime *runtime = lt_visit();
    unsigned count = runtime ? runtime->worker_count : 0;
    lt_visit_end();
    return count;
}

uint64_t leat_task_id(void) {
    struct lt_worker *worker = lt_worker_here();
    return worker ? worker->current->id : 0;
}

size_t leat_stack_left(void) {
    struct lt_worker *worker = lt_worker_here();
    if (!worker)
        return SIZE_MAX;
    char here;
    return (size_t)(&here - worker->current->stack->bottom);
}

int leat_sleep_until(leat_time moment) {
    lt_disturb();
    struct lt_task *self = lt_self();
    if (!self)
        return -ENOMEM;
    uint64_t token = lt_arm(self);
    int cancelled = lt_cancelled(self);
    if (cancelled && lt_disarm(self, token))
        return cancelled;
    lt_waits(self, LT_WAIT_SLEEP, NULL, NULL);
    int result = lt_park_until(self, token, moment, NULL, NULL);
    if (result != -ETIMEDOUT)
        return result;
    return lt_cancelled(self);
}

int leat_sleep(leat_time duration) {
    if (duration <= 0)
        return leat_yield();
    return leat_sleep_until(lt_after(duration));
}

/* ------------------------------------------------------------ waiting with a deadline */

static struct lt_task *wait_is_over(struct lt_timer *timer) {
    struct lt_task *task = (struct lt_task *)((char *)timer - offsetof(struct lt_task, timer));
    return lt_fire(task, timer->token, -ETIMEDOUT) ? task : NULL;
}

int lt_park_until(struct lt_task *self, uint64_t token, leat_time deadline, void (*commit)(void *arg), void *arg) {
    if (deadline == LEAT_FOREVER)
        return lt_park(self, commit, arg);
    if (lt_load(&self->kind, relaxed) == LT_THREAD)
        return lt_thread_park(self, token, deadline, commit, arg);
    self->timer.token = token;
    self->timer.fire = wait_is_over;
    self->timer.later = NULL;
    int error = lt_timer_start(&self->worker->timers, &self->timer, deadline);
    if (error < 0 && lt_disarm(self, token)) {
        if (commit)
            commit(arg);
        return error;
    }
    int result = lt_park(self, commit, arg);
    if (error == 0)
        lt_timer_stop(&self->timer);
    return result;
}

/* ------------------------------------------------------------ start and end */

static unsigned wanted_workers(const struct leat_options *options) {
    unsigned count = options ? options->workers : 0;
    const char *variable = getenv("LEAT_WORKERS");
    if (!count && variable)
        count = (unsigned)strtoul(variable, NULL, 10);
    if (!count)
        count = lt_processors();
    return count < LT_MAX_WORKERS ? count : LT_MAX_WORKERS;
}

static struct lt_runtime *runtime_new(const struct leat_options *options) {
    struct lt_runtime *runtime = aligned_alloc(64, (sizeof *runtime + 63) & ~(size_t)63);
    if (!runtime)
        return NULL;
    memset(runtime, 0, sizeof *runtime);
    runtime->worker_count = wanted_workers(options);
    runtime->may_spin = runtime->worker_count > 1 && runtime->worker_count <= lt_processors();
    runtime->report_fd = options && options->report_fd ? options->report_fd : 2;
    runtime->workers = aligned_alloc(64, runtime->worker_count * sizeof *runtime->workers);
    if (!runtime->workers) {
        free(runtime);
        return NULL;
    }
    memset(runtime->workers, 0, runtime->worker_count * sizeof *runtime->workers);
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        runtime->workers[i].index = i;
        lt_timer_heap_open(&runtime->workers[i].timers);
    }
    return runtime;
}

static void runtime_free(struct lt_runtime *runtime) {
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct lt_worker *worker = &runtime->workers[i];
        lt_timer_heap_close(&worker->timers);
        while (worker->free_tasks.head) {
            struct lt_task *task = worker->free_tasks.head;
            worker->free_tasks.head = task->next;
            lt_task_free(NULL, task);
        }
    }
    free(runtime->workers);
    free(runtime);
}

/* Threads of the runtime leave signals to the program's own. */
static int start_threads(struct lt_runtime *runtime) {
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = lt_monitor_start(runtime);
    for (unsigned i = 0; i < runtime->worker_count && !error; i++) {
        error = lt_os_thread_start(&runtime->workers[i].thread, lt_worker_main, &runtime->workers[i]);
        runtime->started += !error;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void stop_threads(struct lt_runtime *runtime) {
    lt_store(&runtime->stopping, 1, seq_cst);
    lt_notify_all(runtime);
    for (unsigned i = 0; i < runtime->started; i++) {
        /* A worker may have fallen idle after the others were woken. */
        lt_notify_worker(runtime, &runtime->workers[i]);
        lt_os_thread_join(&runtime->workers[i].thread);
    }
    lt_monitor_stop(runtime);
    lt_blocking_end(runtime);
}

struct main_call {
    leat_fn *function;
    void *argument;
    int result;
};

static int main_task(void *arg) {
    struct main_call *call = arg;
    return call->result = call->function(call->argument);
}

/* With everything else set up: threads, first task, wait. */
static int run_threads(struct lt_runtime *runtime, struct main_call *call, const char *name) {
    int error = start_threads(runtime);
    if (!error)
        error = leat_go_at(runtime->root, main_task, call, NULL, name, "leat_run", 0);
    if (!error) {
        lt_store(&runtime->begun, 1, seq_cst);
        while (!lt_load(&runtime->done, acquire))
            lt_futex_wait(&runtime->done, 0, LEAT_FOREVER);
    }
    stop_threads(runtime);
    if (error)
        return error;
    if (lt_load(&runtime->done, relaxed) == LT_ABANDONED || runtime->reports)
        return -EDEADLK;
    if (call->result)
        return call->result;
    return leat_scope_cause(runtime->root);
}

/* From the beginning of a run until nothing of it is left; lt_runtime is unset before that. */
static _Atomic uint32_t taken;

int leat_run_with(const struct leat_options *options, leat_fn *fn, void *arg) {
    struct lt_runtime *runtime = runtime_new(options);
    if (!runtime)
        return -ENOMEM;
    if (lt_exchange(&taken, 1, acq_rel)) {
        runtime_free(runtime);
        return -EBUSY;
    }
    lt_stacks_start(options ? options->stack_size : 0);
    runtime->root = lt_scope_root();
    lt_store(&lt_runtime, runtime, seq_cst);
    int error = runtime->root ? lt_poll_start() : -ENOMEM;
    if (!error)
        error = lt_overflow_start();
    struct main_call call = {fn, arg, 0};
    if (!error) {
        error = run_threads(runtime, &call, "main");
        lt_overflow_end();
    }
    lt_store(&lt_runtime, NULL, seq_cst);
    while (lt_load(&lt_visitors, seq_cst))
        lt_thread_yield();
    lt_poll_end();
    lt_scope_root_free(runtime->root);
    lt_stacks_end(lt_load(&runtime->done, relaxed) == LT_ABANDONED);
    lt_tasks_abandon();
    runtime_free(runtime);
    lt_store(&taken, 0, release);
    return error;
}

int leat_run(leat_fn *fn, void *arg) {
    return leat_run_with(NULL, fn, arg);
}

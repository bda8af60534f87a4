/* SPDX-License-Identifier: MIT */
#include "sched/thread.h"
#include "base/os.h"
#include "sched/park.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

static _Thread_local struct lt_task *thread_record __attribute__((tls_model("initial-exec")));
static _Atomic uint32_t waiting; /* threads that wait without a deadline, in any run or none */
static pthread_key_t ending;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_ends(void *record) {
    lt_task_free(NULL, record);
}

static void make_key(void) {
    pthread_key_create(&ending, thread_ends);
}

static struct lt_task *thread_new(void) {
    pthread_once(&once, make_key);
    struct lt_task *task = lt_task_new(NULL);
    if (!task)
        return NULL;
    lt_store(&task->kind, LT_THREAD, relaxed);
    lt_store(&task->scope, NULL, relaxed);
    lt_store(&task->futex, 0, relaxed);
    pthread_setspecific(ending, task);
    thread_record = task;
    return task;
}

struct lt_task *lt_thread_self(void) {
    return thread_record ? thread_record : thread_new();
}

int lt_thread_park(struct lt_task *self, uint64_t token, leat_time deadline, void (*commit)(void *arg), void *arg) {
    /* A thread that waits without a deadline cannot act: the deadlock check wants to know. */
    self->counted = deadline == LEAT_FOREVER;
    if (self->counted)
        lt_fetch_add(&waiting, 1, seq_cst);
    if (commit)
        commit(arg);
    while (!lt_load(&self->futex, acquire)) {
        if (lt_futex_wait(&self->futex, 0, deadline) != -ETIMEDOUT)
            continue;
        if (lt_fire(self, token, -ETIMEDOUT))
            break;
        /* Somebody else won, and the wake-up is on its way. */
        deadline = LEAT_FOREVER;
    }
    lt_store(&self->futex, 0, relaxed);
    lt_store(&self->wait, LT_WAIT_NOTHING, relaxed);
    return self->wake_result;
}

void lt_thread_ready(struct lt_task *task) {
    /* The waker takes it off the count, for the thread can act from now on, whenever it will run. */
    if (task->counted)
        lt_fetch_sub(&waiting, 1, seq_cst);
    /* The thread may be gone as soon as it sees the store; the wake-up then meets nobody. */
    _Atomic uint32_t *futex = &task->futex;
    lt_store(futex, 1, release);
    lt_futex_wake(futex, 1);
}

__attribute__((noinline)) int lt_errno(void) {
    __asm__ volatile("" ::: "memory");
    return errno;
}

__attribute__((noinline)) void lt_errno_set(int value) {
    __asm__ volatile("" ::: "memory");
    errno = value;
}

uint32_t lt_threads_waiting(void) {
    return lt_load(&waiting, seq_cst);
}

void lt_thread_yield(void) {
    sched_yield();
}

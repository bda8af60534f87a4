/* SPDX-License-Identifier: MIT */
#include "sched/thread.h"
#include "base/os.h"
#include "sched/park.h"

#include <errno.h>

#if defined(LEAT_SIMULATION)
#define thread_record (*(struct lt_task **)lt_virtual_local(LT_LOCAL_RECORD))
#else
static _Thread_local struct lt_task *thread_record __attribute__((tls_model("initial-exec")));
#endif
static _Atomic uint32_t waiting; /* threads that wait without a deadline, in any run or none */
static _Atomic uint32_t woken;   /* how often one of them was woken */

static void thread_ends(void *record) {
    /* Another destructor of the thread may still call leat, and then gets a new record. */
    thread_record = NULL;
    lt_task_free(NULL, record);
}

static struct lt_task *thread_new(void) {
    struct lt_task *task = lt_task_new(NULL);
    if (!task)
        return NULL;
    lt_store(&task->kind, LT_THREAD, relaxed);
    lt_store(&task->scope, NULL, relaxed);
    lt_store(&task->futex, 0, relaxed);
    lt_os_thread_at_end(thread_ends, task);
    thread_record = task;
    return task;
}

struct lt_task *lt_thread_self(void) {
    return thread_record ? thread_record : thread_new();
}

/*
 * What the word says that a thread sleeps on. A thread that waits without a
 * deadline cannot act: the deadlock check wants to know. It counts itself, but
 * only while nobody has woken it; the waker takes it off the count before it
 * lets it go, for from then on it can act, whenever it will run.
 */
enum { ASLEEP = 0, WOKEN = 1, COUNTED = 2 };

static uint32_t fall_asleep(struct lt_task *self, leat_time deadline) {
    if (deadline != LEAT_FOREVER)
        return ASLEEP;
    uint32_t word = ASLEEP;
    if (!lt_cas(&self->futex, &word, COUNTED, acq_rel))
        return WOKEN;
    /* After the word: for a moment the count may be one too low, even below 0, but never too high. */
    lt_fetch_add(&waiting, 1, seq_cst);
    return COUNTED;
}

int lt_thread_park(struct lt_task *self, uint64_t token, leat_time deadline, void (*commit)(void *arg), void *arg) {
    uint32_t asleep = fall_asleep(self, deadline);
    if (commit)
        commit(arg);
    while (lt_load(&self->futex, acquire) != WOKEN) {
        if (lt_futex_wait(&self->futex, asleep, deadline) != -ETIMEDOUT)
            continue;
        if (lt_fire(self, token, -ETIMEDOUT))
            break;
        /* Somebody else won, and the wake-up is on its way. */
        deadline = LEAT_FOREVER;
    }
    lt_store(&self->futex, ASLEEP, relaxed);
    lt_store(&self->wait, LT_WAIT_NOTHING, relaxed);
    return self->wake_result;
}

void lt_thread_ready(struct lt_task *task) {
    /* The thread may be gone as soon as it sees the change; the wake-up then meets nobody. */
    _Atomic uint32_t *futex = &task->futex;
    uint32_t word = ASLEEP;
    if (!lt_cas(futex, &word, WOKEN, acq_rel)) {
        lt_fetch_add(&woken, 1, seq_cst);
        lt_fetch_sub(&waiting, 1, seq_cst);
        lt_store(futex, WOKEN, release);
    }
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

uint32_t lt_threads_woken(void) {
    return lt_load(&woken, seq_cst);
}

void lt_thread_yield(void) {
    lt_os_yield();
}

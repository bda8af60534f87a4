/* SPDX-License-Identifier: MIT */
/**
 * A stack overflow, named as such.
 *
 * Below every stack lies a guard. A fault there while a task runs is reported
 * with the task, and then the process dies of it as it would have anyway: the
 * old handler gets the signal again. Workers have a signal stack for this,
 * since the overflowing one is of no use.
 */
#include "base/os.h"
#include "sched/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIGNAL_STACK = 64 << 10 };

static struct sigaction before_segv, before_bus;

static bool report(const void *address) {
    struct lt_worker *worker = lt_worker_here();
    struct lt_task *task = worker ? worker->current : NULL;
    if (!task || !task->stack)
        return false;
    const char *at = address;
    const struct lt_stack *stack = task->stack;
    if (at >= stack->bottom || at < stack->bottom - lt_stack_guard(stack->stack_class))
        return false;
    char text[512];
    /* snprintf of plain conversions does not allocate; there is no better place to be anyway. */
    int length =
        snprintf(text, sizeof text,
                 "leat: stack overflow: task %llu \"%s\", spawned at %s:%d, has used up its %zu KiB of stack\n",
                 (unsigned long long)task->id, task->name ? task->name : "?", task->file ? task->file : "?", task->line,
                 (size_t)(stack->top - stack->bottom + 1023) >> 10);
    (void)!write(lt_the_runtime()->report_fd, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
    return true;
}

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)context;
    struct sigaction *before = signal == SIGBUS ? &before_bus : &before_segv;
    report(info->si_addr);
    /* Back to whoever was there before; the same instruction faults again at once, and a signal sent is sent again. */
    sigaction(signal, before, NULL);
    if (info->si_code <= 0)
        raise(signal);
}

int lt_overflow_start(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &before_segv) < 0 || sigaction(SIGBUS, &action, &before_bus) < 0)
        return -errno;
    return 0;
}

void lt_overflow_end(void) {
    sigaction(SIGSEGV, &before_segv, NULL);
    sigaction(SIGBUS, &before_bus, NULL);
}

void lt_overflow_worker(struct lt_worker *worker) {
    worker->signal_stack = malloc(SIGNAL_STACK);
    if (!worker->signal_stack)
        return;
    lt_os_signal_stack(worker->signal_stack, SIGNAL_STACK);
}

void lt_overflow_worker_end(struct lt_worker *worker) {
    lt_os_signal_stack(NULL, 0);
    free(worker->signal_stack);
}

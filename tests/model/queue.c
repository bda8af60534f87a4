/* SPDX-License-Identifier: MIT */
/**
 * The run queue: an owner that appends, takes and spills while two others
 * steal. Every task is had by exactly one of them, whatever the order, with
 * rings of two places (so that indices wrap and every push may overflow).
 */
#include "sched/queue.h"
#include "model/checker.h"
#include "sched/task.h"

#include <string.h>

enum { TASKS = 5, OWNER = 0 };

static struct lt_ring rings[3];
static struct lt_injection injection;
static struct lt_task tasks[TASKS];
static unsigned char taken[TASKS];

static void take(struct lt_task *task) {
    if (!task)
        return;
    model_check(task >= tasks && task < tasks + TASKS);
    model_check(taken[task - tasks] == 0);
    taken[task - tasks]++;
}

static void set_up(void) {
    memset(rings, 0, sizeof rings);
    memset(&injection, 0, sizeof injection);
    memset(tasks, 0, sizeof tasks);
    memset(taken, 0, sizeof taken);
}

/* As a worker does it (worker.c: push). */
static void push(struct lt_task *task) {
    while (!lt_ring_push(&rings[OWNER], task)) {
        struct lt_task *list;
        uint32_t count = lt_ring_spill(&rings[OWNER], &list);
        if (!count)
            continue;
        struct lt_task *tail = list;
        while (tail->next)
            tail = tail->next;
        lt_inject(&injection, list, tail, count);
    }
}

static void owner(unsigned count) {
    for (unsigned i = 0; i < count; i++)
        push(&tasks[i]);
    for (unsigned i = 0; i < count; i++)
        take(lt_ring_pop(&rings[OWNER]));
}

static void thief(unsigned index, bool injected) {
    take(lt_ring_steal(&rings[index], &rings[OWNER]));
    take(lt_ring_pop(&rings[index]));
    if (injected)
        take(lt_injection_take(&injection, &rings[index], 2));
}

static void one_thief(unsigned index) {
    if (index == OWNER)
        owner(TASKS);
    else
        thief(index, true);
}

static void two_thieves(unsigned index) {
    if (index == OWNER)
        owner(3);
    else
        thief(index, false);
}

/* Where a thief is stolen from while it steals. */
static void chain(unsigned index) {
    if (index == OWNER)
        owner(3);
    else if (index == 1)
        thief(1, false);
    else
        take(lt_ring_steal(&rings[2], &rings[1]));
}

/* Nobody is lost: what nobody took is still there. */
static const char *judge_of(unsigned count) {
    static unsigned char found[TASKS];
    memcpy(found, taken, sizeof found);
    for (int i = 0; i < 3; i++)
        for (struct lt_task *task; (task = lt_ring_pop(&rings[i]));)
            found[task - tasks]++;
    for (struct lt_task *task = injection.head; task; task = task->next)
        found[task - tasks]++;
    const char *wrong = NULL;
    for (unsigned i = 0; i < count; i++)
        if (found[i] != 1)
            wrong = found[i] ? "a task is there twice" : "a task is lost";
    memset(found, 0, sizeof found);
    return wrong;
}

static const char *judge_all(const bool *ended) {
    return ended[0] && ended[1] ? judge_of(TASKS) : "somebody waits for ever";
}

static const char *judge_three(const bool *ended) {
    return ended[0] && ended[1] && ended[2] ? judge_of(3) : "somebody waits for ever";
}

static const struct model models[] = {
    {.name = "a queue that overflows, and a thief", 2, set_up, one_thief, NULL, judge_all, NULL},
    {.name = "a queue and two thieves", 3, set_up, two_thieves, NULL, judge_three, NULL},
    {.name = "a thief that is stolen from", 3, set_up, chain, NULL, judge_three, NULL},
};

int main(void) {
    return model_main(models, sizeof models / sizeof *models);
}

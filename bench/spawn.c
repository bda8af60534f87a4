/* SPDX-License-Identifier: MIT */
/**
 * Many tasks: a million started and joined, at once and in batches of a
 * thousand; a million asleep for up to a second; what one that only waits
 * occupies.
 */
#include "bench.h"

#include "leat.h"

enum { TASKS = 1000 * 1000, BATCH = 1000, IDLE = 200 * 1000 };

static int nothing(void *arg) {
    (void)arg;
    return 0;
}

static void spawn_and_join(int count) {
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < count; i++)
        bench_must(leat_go(scope, nothing, NULL), "leat_go");
    bench_must(leat_scope_close(scope), "leat_scope_close");
}

static int spawn_all(void *name) {
    double begin = bench_now();
    spawn_and_join(TASKS);
    bench_report(name, (bench_now() - begin) * 1e9 / TASKS, "ns/task");
    return 0;
}

static int spawn_batches(void *name) {
    double begin = bench_now();
    for (int i = 0; i < TASKS / BATCH; i++)
        spawn_and_join(BATCH);
    bench_report(name, (bench_now() - begin) * 1e9 / TASKS, "ns/task");
    return 0;
}

static int doze(void *arg) {
    return leat_sleep((leat_time)(intptr_t)arg);
}

/** Sleeps of 0 to 1 s, spread evenly by the golden ratio; the same in every language. */
static leat_time nap(int i) {
    return (leat_time)((uint32_t)i * 2654435769u) * LEAT_SECOND >> 32;
}

static int sleep_all(void *name) {
    double begin = bench_now(), cpu = bench_cpu();
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < TASKS; i++)
        bench_must(leat_go(scope, doze, (void *)(intptr_t)nap(i)), "leat_go");
    bench_must(leat_scope_close(scope), "leat_scope_close");
    bench_report(name, bench_now() - begin, "s");
    bench_report("timers-cpu", bench_cpu() - cpu, "s");
    return 0;
}

struct waiting_room {
    struct leat_wg arrived;
    struct leat_chan *door;
};

static int wait_for_door(void *arg) {
    struct waiting_room *room = arg;
    bench_must(leat_wg_done(&room->arrived), "leat_wg_done");
    char value;
    (void)leat_recv(room->door, &value);
    return 0;
}

static int idle_all(void *name) {
    struct waiting_room room = {.door = leat_chan_new(1, 0)};
    double before = bench_resident();
    struct leat_scope *scope = leat_scope_open(NULL);
    bench_must(leat_wg_add(&room.arrived, IDLE), "leat_wg_add");
    for (int i = 0; i < IDLE; i++)
        bench_must(leat_go(scope, wait_for_door, &room), "leat_go");
    bench_must(leat_wg_wait(&room.arrived), "leat_wg_wait");
    bench_must(leat_sleep(50 * LEAT_MILLISECOND), "leat_sleep");
    bench_report(name, (bench_resident() - before) / IDLE, "B/task");
    leat_chan_close(room.door);
    bench_must(leat_scope_close(scope), "leat_scope_close");
    leat_chan_free(room.door);
    return 0;
}

static void measure_spawn(const char *name) {
    bench_must(leat_run(spawn_all, (void *)name), "leat_run");
}

static void measure_batches(const char *name) {
    bench_must(leat_run(spawn_batches, (void *)name), "leat_run");
}

static void measure_timers(const char *name) {
    bench_must(leat_run(sleep_all, (void *)name), "leat_run");
}

static void measure_idle(const char *name) {
    bench_must(leat_run(idle_all, (void *)name), "leat_run");
}

int main(int argc, char **argv) {
    static const struct bench_row rows[] = {{"spawn", measure_spawn},
                                            {"spawn-batches", measure_batches},
                                            {"timers", measure_timers},
                                            {"idle", measure_idle},
                                            {NULL, NULL}};
    return bench_main(argc, argv, rows);
}

/* SPDX-License-Identifier: MIT */
/* -j auto, on a run made up for the purpose: workers that wait for something outside, each for a second an item. */
#include "cli/tune.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 256, STAGE = 1 };

/** The run: so many workers are served at once, by whatever it is that they wait for. */
struct lt_pipeline {
    struct lt_tune tune;
    struct lt_snapshot now;
    unsigned served;
};

int lt_pipeline_set_workers(struct lt_pipeline *pipeline, size_t column, unsigned workers) {
    if (column != STAGE)
        return -ENOENT;
    if (workers < 1 || workers > MOST)
        return -ERANGE;
    pipeline->now.stages[STAGE].workers = workers;
    return 0;
}

static void column(struct lt_snapshot *now, const char *name, unsigned workers) {
    now->stages[now->stage_count++] = (struct lt_stage_snapshot){.name = name, .workers = workers};
}

static void look(struct lt_pipeline *run) {
    struct lt_snapshot seen = run->now; /* the run goes on while it is looked at */
    lt_tune_look(&run->tune, run, &seen);
}

static void begin(struct lt_pipeline *run, unsigned workers, unsigned served) {
    memset(run, 0, sizeof *run);
    run->served = served;
    column(&run->now, "in", 1);
    column(&run->now, "exec", workers);
    column(&run->now, "out", 1);
    run->now.stages[STAGE].automatic = true;
    run->now.stages[STAGE].most_workers = MOST;
    run->now.flowing = true;
    look(run);
}

/** Seconds go by, at each of which it is looked. */
static void go_on(struct lt_pipeline *run, unsigned seconds) {
    struct lt_snapshot *now = &run->now;
    for (unsigned s = 0; s < seconds; s++) {
        unsigned workers = now->stages[STAGE].workers;
        uint64_t items = now->paused ? 0 : workers < run->served ? workers : run->served;
        now->elapsed += LEAT_SECOND;
        now->resting += now->paused ? LEAT_SECOND : 0;
        now->counts.in += items;
        now->counts.delivered += items;
        now->stages[0].time[LEAT_WAITS_OUTPUT] += now->paused ? 0 : LEAT_SECOND;
        now->stages[STAGE].time[now->paused ? LEAT_WAITS_INPUT : LEAT_WAITS_OUTSIDE] += workers * LEAT_SECOND;
        now->stages[2].time[LEAT_WAITS_INPUT] += LEAT_SECOND;
        look(run);
    }
}

static void go_on_until_tried(struct lt_pipeline *run, unsigned tries) {
    for (int s = 0; s < 60 && run->tune.tries < tries; s++)
        go_on(run, 1);
    assert_int_equal(run->tune.tries, tries);
}

static unsigned workers_of(const struct lt_pipeline *run) {
    return run->now.stages[STAGE].workers;
}

/* As long as each more brings as much as those before, there are more of them, up to the room. */
static void as_many_as_help(void **state) {
    struct lt_pipeline run;
    (void)state;
    begin(&run, 2, 100000);
    go_on(&run, 120);
    assert_int_equal(workers_of(&run), MOST);
}

/* What they wait for serves so many at once: then there are hardly more, and they stay as many. */
static void as_many_as_are_served(void **state) {
    struct lt_pipeline run;
    (void)state;
    begin(&run, 2, 80);
    go_on(&run, 120);
    assert_in_range(workers_of(&run), 80, 120);
}

/* One more would bring little since the sink is nearly full, too: nothing is tried. */
static void another_limit(void **state) {
    struct lt_pipeline run;
    (void)state;
    begin(&run, 40, 100000);
    for (int s = 0; s < 60; s++) {
        run.now.stages[2].time[LEAT_BUSY] += 99 * LEAT_SECOND / 100;
        go_on(&run, 1);
    }
    assert_int_equal(workers_of(&run), 40);
    assert_int_equal(run.tune.tries, 0);
}

/* A number on trial when the run is paused is not taken back because nothing happened meanwhile. */
static void a_pause(void **state) {
    struct lt_pipeline run;
    (void)state;
    begin(&run, 8, 100000);
    go_on_until_tried(&run, 3);
    unsigned before = workers_of(&run);
    run.now.paused = true;
    go_on(&run, 15);
    run.now.paused = false;
    go_on(&run, 3);
    assert_true(workers_of(&run) >= before);
    go_on(&run, 120);
    assert_int_equal(workers_of(&run), MOST);
}

/* Nor because there is a limit of the user's now. */
static void a_rate(void **state) {
    struct lt_pipeline run;
    (void)state;
    begin(&run, 8, 100000);
    go_on_until_tried(&run, 3);
    unsigned before = workers_of(&run);
    run.now.rate = 5;
    run.served = 5;
    go_on(&run, 1);
    assert_int_equal(workers_of(&run), before);
}

/* Nothing was tried yet, nothing is said. */
static void nothing_to_say(void **state) {
    struct lt_pipeline run;
    char text[128];
    (void)state;
    begin(&run, 2, 8);
    lt_tune_text(&(struct lt_tune){0}, &run.now, text, sizeof text);
    assert_string_equal(text, "");
    go_on(&run, 60);
    lt_tune_text(&run.tune, &run.now, text, sizeof text);
    assert_non_null(strstr(text, "exec from 2 to "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_help), cmocka_unit_test(as_many_as_are_served),
        cmocka_unit_test(another_limit),   cmocka_unit_test(a_pause),
        cmocka_unit_test(a_rate),          cmocka_unit_test(nothing_to_say),
    };
    return cmocka_run_group_tests_name("tune", tests, NULL, NULL);
}

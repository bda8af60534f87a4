/* SPDX-License-Identifier: MIT */
/*
 * `leat check`: could it run? Stages are opened, since only they can tell
 * whether their words are right; ends are not, since that would create files
 * and take items: they are asked.
 */
#include "base/error.h"
#include "cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct check {
    const struct lt_plan *plan;
    struct leat_error error;
};

static int open_stages(void *argument) {
    struct check *check = argument;
    for (size_t i = 0; i < check->plan->stage_count; i++) {
        const struct lt_planned_stage *stage = &check->plan->stages[i];
        void *opened = NULL;
        int result = stage->type->open ? stage->type->open(&opened, &stage->segment, &check->error) : 0;
        if (result)
            return result;
        if (stage->type->close)
            stage->type->close(opened);
    }
    return 0;
}

static int check_end(int (*check)(const struct leat_segment *segment, struct leat_error *error),
                     const struct leat_segment *segment, struct leat_error *error) {
    int code = check ? check(segment, error) : 0;
    if (code < 0 && strncmp(error->text, segment->spelling, strlen(segment->spelling)) != 0)
        lt_error_prefix(error, "%s", segment->spelling);
    return code;
}

static int check_ends(const struct lt_plan *plan, struct leat_error *error) {
    int code = check_end(plan->source->check, &plan->from, error);
    if (code == 0)
        code = check_end(plan->sink->check, &plan->to, error);
    if (code == 0 && plan->dead)
        code = check_end(plan->dead->check, &plan->dead_to, error);
    return code;
}

int lt_check(struct lt_command *command) {
    const char *name = command->file ? command->file : "command line";
    struct check check = {.plan = &command->plan};
    if (check_ends(&command->plan, &check.error) < 0) {
        fprintf(stderr, "leat: %s: %s\n", name, check.error.text);
        return check.error.code == -EINVAL ? LT_EXIT_USAGE : LT_EXIT_NOT_STARTED;
    }
    if (command->plan.stage_count) {
        int result = leat_run(open_stages, &check);
        if (result) {
            if (!check.error.text[0])
                leat_fail(&check.error, result, "the stages cannot be opened (%s)", strerrordesc_np(-result));
            fprintf(stderr, "leat: %s: %s\n", name, check.error.text);
            return check.error.code == -EINVAL ? LT_EXIT_USAGE : LT_EXIT_NOT_STARTED;
        }
    }
    size_t steps = command->plan.stage_count;
    printf("%s: ok (from, %zu step%s, to)\n", name, steps, steps == 1 ? "" : "s");
    return LT_EXIT_DONE;
}

/* SPDX-License-Identifier: MIT */
#include "ends/amqp/helper.h"
#include "base/error.h"

static int run_helper(void *arg) {
    struct lt_amqp_helper *helper = arg;
    leat_wg_done(&helper->begun);
    helper->run(helper->arg);
    leat_wg_done(&helper->ended);
    return 0;
}

int lt_amqp_helper_start(struct lt_amqp_helper *helper, leat_fn *run, void *arg, const char *name,
                         struct leat_error *error) {
    static const leat_time LONG_ENOUGH = 10 * LEAT_SECOND;
    *helper = (struct lt_amqp_helper){.run = run, .arg = arg};
    leat_wg_add(&helper->begun, 1);
    leat_wg_add(&helper->ended, 1);
    struct leat_task_options options = {.name = name, .stack = LEAT_STACK_LARGE};
    int code = leat_go_with(NULL, run_helper, helper, &options);
    if (code == 0)
        code = leat_wg_wait_until(&helper->begun, leat_after(LONG_ENOUGH));
    helper->running = code == 0;
    return code < 0 ? leat_fail(error, code, "the task \"%s\" did not begin", name) : 0;
}

bool lt_amqp_helper_join(struct lt_amqp_helper *helper, leat_time deadline) {
    return leat_wg_wait_until(&helper->ended, deadline) == 0;
}

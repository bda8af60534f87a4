/* SPDX-License-Identifier: MIT */
/* The tables of the ends and stages there are: what is made from them can be made. */
#include "cli/options.h"
#include "cli/value.h"
#include "pipeline/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct leat_error error;

static void test_no_name_has_two_meanings(void **state) {
    (void)state;
    if (lt_options_check(&error))
        fail_msg("%s", error.text);
}

static void check_table(const char *owner, const struct leat_option *table, size_t settings_size) {
    struct lt_memory memory = {0};
    for (const struct leat_option *option = table; option && option->name; option++) {
        bool flag = option->type == LEAT_OPTION_FLAG;
        if (!option->help || !*option->help)
            fail_msg("%s: --%s has no help", owner, option->name);
        if (flag != (option->argument == NULL))
            fail_msg("%s: --%s: a flag has no argument, and everything else has one", owner, option->name);
        if (option->offset >= settings_size)
            fail_msg("%s: --%s lies outside of its settings", owner, option->name);
        if (strncmp(option->name, "no-", 3) == 0)
            fail_msg("%s: --%s: \"no-\" turns a flag off", owner, option->name);
        char *settings = lt_memory_take(&memory, settings_size);
        if (option->initial && lt_value_assign(&memory, option, settings, option->initial, &error))
            fail_msg("%s: --%s: %s", owner, option->name, error.text);
    }
    lt_memory_free(&memory);
}

static void check_words(const char *syntax, const char *summary) {
    assert_non_null(syntax);
    assert_non_null(summary);
    if (summary[strlen(summary) - 1] != '.')
        fail_msg("%s: its summary is no sentence", syntax);
}

static void test_tables_are_complete(void **state) {
    (void)state;
    check_table("leat", lt_front_options, sizeof(struct lt_front));
    check_table("every stage", lt_stage_options, sizeof(struct lt_stage_flags));
    for (size_t i = 0; lt_source_types[i]; i++) {
        check_words(lt_source_types[i]->syntax, lt_source_types[i]->summary);
        check_table(lt_source_types[i]->syntax, lt_source_types[i]->options, lt_source_types[i]->settings_size);
    }
    for (size_t i = 0; lt_sink_types[i]; i++) {
        check_words(lt_sink_types[i]->syntax, lt_sink_types[i]->summary);
        check_table(lt_sink_types[i]->syntax, lt_sink_types[i]->options, lt_sink_types[i]->settings_size);
    }
    for (size_t i = 0; lt_stage_types[i]; i++) {
        check_words(lt_stage_types[i]->syntax, lt_stage_types[i]->summary);
        check_table(lt_stage_types[i]->name, lt_stage_types[i]->options, lt_stage_types[i]->settings_size);
        assert_true(strncmp(lt_stage_types[i]->syntax, lt_stage_types[i]->name, strlen(lt_stage_types[i]->name)) == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_name_has_two_meanings),
        cmocka_unit_test(test_tables_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "cli/options.h"
#include "cli/bench/options.h"
#include "cli/load/options.h"
#include "cli/suggest.h"
#include "cli/value.h"
#include "pipeline/registry.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN(member) offsetof(struct lt_front, run.member)
#define FRONT(member) offsetof(struct lt_front, member)

const struct leat_option lt_front_options[] = {
    {"workers", 'j', LEAT_OPTION_WORKERS, RUN(workers), "N|N%|auto", NULL,
     "Workers: so many, or per cent of the processors; auto finds out how many are best. By default as many as there "
     "are "
     "processors."},
    {"keep-order", 'k', LEAT_OPTION_FLAG, RUN(keep_order), NULL, NULL, "Deliver in the order of the input."},
    {"forever", 0, LEAT_OPTION_FLAG, RUN(forever), NULL, NULL,
     "Wait for more at the end of the input: for services. By default a run ends when its input does."},
    {"stop", 0, LEAT_OPTION_STRING, RUN(stop), "drain|drop", "drain",
     "What the first SIGINT or SIGTERM does: finish what has been read, or give back what is not yet delivered."},
    {"deadline", 0, LEAT_OPTION_DURATION, RUN(deadline), "TIME", NULL,
     "Stop this long after the start; what is unfinished stays with its source. A sink that does not confirm what it "
     "took is waited for, for --grace at most."},
    {"grace", 0, LEAT_OPTION_DURATION, RUN(grace), "TIME", "30s", "Time between a stop and the hard end."},
    {"errors", 0, LEAT_OPTION_STRING, RUN(errors), "FILE", NULL,
     "Append failed items here, one JSON object a line: item, stage, reason."},
    {"dead", 0, LEAT_OPTION_STRING, RUN(dead), "TO", NULL,
     "Deliver failed items there, as they came; not lines that --max-line has cut."},
    {"halt", 0, LEAT_OPTION_STRING, RUN(halt_text), "WHEN,WHY", NULL,
     "End once so many items have failed, succeeded or are done: soon,fail=3 begins no more, now,fail=20% also calls "
     "off "
     "what is being processed; success=N, done=N."},
    {"resume", 0, LEAT_OPTION_STRING, RUN(resume), "FILE", NULL,
     "Keep in FILE which items are done, and pass over those that an earlier run has recorded there. Not for queue: "
     "and amqp:, which forget by themselves what is done."},
    {"dry-run", 0, LEAT_OPTION_FLAG, FRONT(run.dry_run), NULL, NULL,
     "Print what the first stage that changes anything would do; do nothing, and give everything back."},
    {"memory", 0, LEAT_OPTION_SIZE, RUN(memory), "SIZE", NULL,
     "Bytes of items on their way at once, at most, and one item more; by default about 32M."},
    {"batch", 0, LEAT_OPTION_COUNT, RUN(batch_items), "N", NULL, "Items that travel together, at most."},
    {"batch-bytes", 0, LEAT_OPTION_SIZE, RUN(batch_bytes), "SIZE", NULL, "Bytes that travel together, at most."},
    {"progress", 0, LEAT_OPTION_STRING, FRONT(progress), "auto|always|never", "auto",
     "A line that shows how far the run is; by default when standard error is a terminal."},
    {"stats", 0, LEAT_OPTION_FLAG, FRONT(stats), NULL, NULL,
     "Print a line a second on standard error: items in and out, unacknowledged, unconfirmed, what the ends count, "
     "what "
     "each part does."},
    {"stats-json", 0, LEAT_OPTION_FLAG, FRONT(stats_json), NULL, NULL,
     "The same as a JSON object a line, also with --quiet; the last one has the final numbers."},
    {"http", 0, LEAT_OPTION_STRING, FRONT(http), "[HOST:]PORT", NULL,
     "Serve a page to watch the run with, and /status.json, /metrics, /ready; by default on 127.0.0.1 only."},
    {"control", 0, LEAT_OPTION_FLAG, FRONT(control), NULL, NULL,
     "With --http: who has the token, which is printed, or that of $LEAT_CONTROL_TOKEN, may pause, stop, set rate and "
     "workers."},
    {"trace", 0, LEAT_OPTION_STRING, RUN(trace), "ID|N|1/N", NULL,
     "Tell where the time of an item went, by its id or position, or that of every Nth."},
    {"report", 0, LEAT_OPTION_STRING, FRONT(report), "FILE", NULL,
     "Write counts, times of each stage and the verdict as JSON at the end; of load also .html and .svg."},
    {"quiet", 'q', LEAT_OPTION_FLAG, FRONT(quiet), NULL, NULL, "No progress, no last line, no verdict; errors only."},
    {"verbose", 'v', LEAT_OPTION_FLAG, FRONT(verbose), NULL, NULL, "Print the times of each stage at the end."},
    {"set", 0, LEAT_OPTION_LIST, FRONT(set), "PATH=VALUE", NULL,
     "Replace a value of the YAML file: options.workers=8, steps.0.match.field=.body."},
    {"help", 'h', LEAT_OPTION_FLAG, FRONT(help), NULL, NULL, "Print help. See also: leat help TOPIC."},
    {"version", 0, LEAT_OPTION_FLAG, FRONT(version), NULL, NULL, "Print the version."},
    {0},
};

bool lt_front_is_lasting(const struct leat_option *option) {
    return option->offset != FRONT(help) && option->offset != FRONT(version) && option->offset != FRONT(set);
}

const struct leat_option lt_stage_options[] = {
    {"workers", 'j', LEAT_OPTION_WORKERS, offsetof(struct lt_stage_flags, workers), "N|N%|auto", NULL,
     "Workers of this stage alone."},
    {"name", 'n', LEAT_OPTION_STRING, offsetof(struct lt_stage_flags, name), "NAME", NULL,
     "What messages and reports call the stage."},
    {"help", 'h', LEAT_OPTION_FLAG, offsetof(struct lt_stage_flags, help), NULL, NULL, "Print help of the stage."},
    {0},
};

const struct leat_option *lt_option_find(const struct leat_option *table, const char *name) {
    for (; table && table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static const struct leat_option *find_letter(const struct leat_option *table, char letter) {
    for (; table && table->name; table++)
        if (table->letter && table->letter == letter)
            return table;
    return NULL;
}

/* The option that `name` is in one of the open tables, and its settings. */
static const struct leat_option *find_open(const struct lt_arguments *arguments, const char *name, char letter,
                                           void **settings) {
    for (size_t i = 0; i < LT_OPTION_SETS; i++) {
        const struct leat_option *table = arguments->sets[i].table;
        const struct leat_option *option = name ? lt_option_find(table, name) : find_letter(table, letter);
        *settings = arguments->sets[i].settings;
        if (option)
            return option;
    }
    return NULL;
}

static int unknown_long(const struct lt_arguments *arguments, const char *name, struct leat_error *error) {
    if (lt_option_find(arguments->elsewhere, name))
        return leat_fail(error, -EINVAL, "option --%s is one of the whole run: it stands before FROM or after TO",
                         name);
    struct lt_suggest suggest = {.word = name};
    for (size_t i = 0; i < LT_OPTION_SETS; i++)
        for (const struct leat_option *option = arguments->sets[i].table; option && option->name; option++)
            lt_suggest_try(&suggest, option->name);
    char hint[96];
    lt_suggest_text(&suggest, "--", hint, sizeof hint);
    return leat_fail(error, -EINVAL, "unknown option \"--%s\"%s", name, hint);
}

static int unknown_letter(const struct lt_arguments *arguments, char letter, struct leat_error *error) {
    if (find_letter(arguments->elsewhere, letter))
        return leat_fail(error, -EINVAL, "option -%c is one of the whole run: it stands before FROM or after TO",
                         letter);
    return leat_fail(error, -EINVAL, "unknown option \"-%c\"", letter);
}

static const char *next_value(struct lt_arguments *arguments) {
    return arguments->next < arguments->count ? arguments->words[arguments->next++] : NULL;
}

/* The option without its dashes: "name", "name=value", "no-name". */
static int parse_long(struct lt_arguments *arguments, struct lt_memory *memory, const char *text,
                      struct leat_error *error) {
    const char *equals = strchr(text, '=');
    const char *name = equals ? lt_memory_copy(memory, text, (size_t)(equals - text)) : text;
    void *settings;
    const struct leat_option *option = find_open(arguments, name, 0, &settings);
    if (!option && !equals && strncmp(name, "no-", 3) == 0) {
        option = find_open(arguments, name + 3, 0, &settings);
        if (option && option->type == LEAT_OPTION_FLAG)
            return lt_value_assign(memory, option, settings, "false", error);
        option = NULL;
    }
    if (!option)
        return unknown_long(arguments, name, error);
    if (option->type == LEAT_OPTION_FLAG) {
        if (equals)
            return leat_fail(error, -EINVAL, "option --%s takes no value; --no-%s turns it off", name, name);
        return lt_value_assign(memory, option, settings, "true", error);
    }
    const char *value = equals ? equals + 1 : next_value(arguments);
    if (!value)
        return leat_fail(error, -EINVAL, "option --%s needs a value: --%s %s", name, name, option->argument);
    int result = lt_value_assign(memory, option, settings, value, error);
    if (result)
        lt_error_prefix(error, "--%s", name);
    return result;
}

/* Letters without their dash: flags in a row, the last one maybe with its value. */
static int parse_letters(struct lt_arguments *arguments, struct lt_memory *memory, const char *text,
                         struct leat_error *error) {
    for (; *text; text++) {
        void *settings;
        const struct leat_option *option = find_open(arguments, NULL, *text, &settings);
        if (!option)
            return unknown_letter(arguments, *text, error);
        if (option->type == LEAT_OPTION_FLAG) {
            lt_value_assign(memory, option, settings, "true", error);
            continue;
        }
        const char *value = text[1] ? text + 1 : next_value(arguments);
        if (!value)
            return leat_fail(error, -EINVAL, "option -%c needs a value: -%c %s", *text, *text, option->argument);
        int result = lt_value_assign(memory, option, settings, value, error);
        if (result)
            lt_error_prefix(error, "-%c", *text);
        return result;
    }
    return 0;
}

int lt_arguments_next(struct lt_arguments *arguments, struct lt_memory *memory, const char **word,
                      struct leat_error *error) {
    while (arguments->next < arguments->count) {
        const char *text = arguments->words[arguments->next++];
        if (arguments->only_words || text[0] != '-' || text[1] == '\0') {
            *word = text;
            return 1;
        }
        if (strcmp(text, "--") == 0) {
            arguments->only_words = true;
            continue;
        }
        int result = text[1] == '-' ? parse_long(arguments, memory, text + 2, error)
                                    : parse_letters(arguments, memory, text + 1, error);
        if (result)
            return result;
    }
    return 0;
}

void *lt_options_new(struct lt_memory *memory, const struct leat_option *table, size_t size) {
    void *settings = lt_memory_take(memory, size ? size : 1);
    for (const struct leat_option *option = table; option && option->name; option++)
        if (option->initial)
            lt_value_assign(memory, option, settings, option->initial, NULL);
    return settings;
}

void lt_option_environment_name(const struct leat_option *option, char *name, size_t size) {
    size_t length = (size_t)snprintf(name, size, "LEAT_%s", option->name);
    for (size_t i = 0; i < length && i < size; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
}

int lt_options_environment(struct lt_memory *memory, struct lt_front *front, struct leat_error *error) {
    for (const struct leat_option *option = lt_front_options; option->name; option++) {
        char name[64];
        lt_option_environment_name(option, name, sizeof name);
        const char *value = lt_front_is_lasting(option) ? getenv(name) : NULL;
        if (!value || !*value)
            continue;
        if (lt_value_assign(memory, option, front, value, error)) {
            lt_error_prefix(error, "$%s", name);
            return -EINVAL;
        }
    }
    return 0;
}

/* No name or letter of `table` stands in `other`; of a table with itself: not again further down. */
static int check_pair(const char *owner, const struct leat_option *table, const struct leat_option *other,
                      struct leat_error *error) {
    for (const struct leat_option *left = table; left && left->name; left++) {
        for (const struct leat_option *right = table == other ? left + 1 : other; right && right->name; right++) {
            if (strcmp(left->name, right->name) == 0)
                return leat_fail(error, -EEXIST, "%s: option --%s has two meanings", owner, left->name);
            if (left->letter && left->letter == right->letter)
                return leat_fail(error, -EEXIST, "%s: option -%c has two meanings", owner, left->letter);
        }
    }
    return 0;
}

static int check_table(const char *owner, const struct leat_option *table, const struct leat_option *other,
                       struct leat_error *error) {
    int result = check_pair(owner, table, table, error);
    return result ? result : check_pair(owner, table, other, error);
}

int lt_options_check(struct leat_error *error) {
    int result = check_pair("leat", lt_front_options, lt_front_options, error);
    for (size_t i = 0; !result && lt_source_types[i]; i++)
        result = check_table(lt_source_types[i]->syntax, lt_source_types[i]->options, lt_front_options, error);
    if (!result)
        result = check_table("load", lt_load_options, lt_front_options, error);
    if (!result)
        result = check_table("bench", lt_bench_options, lt_front_options, error);
    for (size_t i = 0; !result && lt_source_types[i]; i++)
        result = check_pair(lt_source_types[i]->syntax, lt_source_types[i]->options, lt_bench_options, error);
    for (size_t i = 0; !result && lt_sink_types[i]; i++) {
        result = check_table(lt_sink_types[i]->syntax, lt_sink_types[i]->options, lt_front_options, error);
        if (!result)
            result = check_pair(lt_sink_types[i]->syntax, lt_sink_types[i]->options, lt_load_options, error);
        if (!result)
            result = check_pair(lt_sink_types[i]->syntax, lt_sink_types[i]->options, lt_bench_options, error);
    }
    for (size_t i = 0; !result && lt_stage_types[i]; i++) {
        result = check_table(lt_stage_types[i]->name, lt_stage_types[i]->options, lt_stage_options, error);
        if (!result)
            result = check_pair(lt_stage_types[i]->name, lt_stage_types[i]->options, lt_front_options, error);
    }
    return result;
}

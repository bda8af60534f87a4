/* SPDX-License-Identifier: MIT */
#include "cli/parse.h"
#include "cli/part.h"
#include "base/error.h"
#include "cli/yaml.h"
#include "pipeline/registry.h"

#include <errno.h>
#include <string.h>

const char *const lt_verb_names[] = {"run", "check", "show", "help", "queue", "load", "bench", "top", NULL};

static bool is_separator(const char *word) {
    return word[0] == ':' && word[1] == '\0';
}

/* A word of colons alone is written with one more. */
static const char *literal(const char *word) {
    size_t length = strlen(word);
    return length > 1 && strspn(word, ":") == length ? word + 1 : word;
}

static size_t segment_end(char **words, size_t count, size_t start) {
    while (start < count && !is_separator(words[start]))
        start++;
    return start;
}

static bool is_help(const char *word) {
    return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

static bool is_file(const char *word) {
    size_t length = strlen(word);
    return (length > 5 && strcmp(word + length - 5, ".yaml") == 0) ||
           (length > 4 && strcmp(word + length - 4, ".yml") == 0);
}

static bool is_path(const char *word) {
    const char *target = word;
    const struct leat_source_type *type = lt_find_source(word, &target);
    return type && !*type->scheme && strcmp(word, "-") != 0;
}

static bool take_verb(struct lt_command *command, const char *word) {
    for (size_t i = 0; lt_verb_names[i]; i++) {
        if (strcmp(word, lt_verb_names[i]) == 0) {
            command->verb = (enum lt_verb)i;
            return true;
        }
    }
    return false;
}

/* The words of a part that has begun, options of its own and of `more` among them. */
static int parse_words(struct lt_command *command, struct lt_arguments *arguments, struct lt_part *part,
                       struct lt_option_set more, struct leat_error *error) {
    arguments->sets[0] = (struct lt_option_set){part->options, part->settings};
    arguments->sets[1] = more;
    const char *word;
    int result;
    while ((result = lt_arguments_next(arguments, &command->memory, &word, error)) > 0) {
        lt_part_word(&command->memory, part, literal(word));
        arguments->only_words |= part->stage && part->stage->command;
    }
    if (result == 0)
        lt_part_finish(&command->memory, part, &command->plan);
    return result;
}

static int parse_stage(struct lt_command *command, struct lt_arguments *arguments, struct leat_error *error) {
    struct lt_part part;
    struct lt_stage_flags early = {0};
    arguments->sets[0] = (struct lt_option_set){lt_stage_options, &early};
    arguments->elsewhere = lt_front_options;
    const char *word;
    int result = lt_arguments_next(arguments, &command->memory, &word, error);
    if (result == 0 && !early.help)
        return leat_fail(error, -EINVAL, "a stage is missing between two \":\"");
    if (result > 0)
        result = lt_part_stage(&command->memory, &part, word, error);
    else if (result == 0)
        command->verb = LT_VERB_HELP;
    if (result || command->verb == LT_VERB_HELP)
        return result;
    part.flags = early;
    result = parse_words(command, arguments, &part, (struct lt_option_set){lt_stage_options, &part.flags}, error);
    if (result == 0 && part.flags.help) {
        command->verb = LT_VERB_HELP;
        command->topic = part.stage->name;
    } else if (result)
        lt_error_prefix(error, "%s", part.stage->name);
    return result;
}

static int parse_sink(struct lt_command *command, struct lt_arguments *arguments, struct leat_error *error) {
    struct lt_part part;
    arguments->sets[0] = (struct lt_option_set){lt_front_options, &command->front};
    const char *word;
    int result = lt_arguments_next(arguments, &command->memory, &word, error);
    if (result == 0 && !command->front.help)
        return leat_fail(error, -EINVAL, "where the items go is missing after the last \":\" (- prints them)");
    if (result <= 0)
        return result;
    if (lt_find_stage(word) && arguments->next < arguments->count && is_help(arguments->words[arguments->next])) {
        command->verb = LT_VERB_HELP;
        command->topic = word;
        return 0;
    }
    result = lt_part_sink(&command->memory, &part, literal(word), error);
    if (result)
        return result;
    return parse_words(command, arguments, &part, (struct lt_option_set){lt_front_options, &command->front}, error);
}

static int default_sink(struct lt_command *command, struct leat_error *error) {
    struct lt_part part;
    int result = lt_part_sink(&command->memory, &part, "-", error);
    if (result == 0)
        lt_part_finish(&command->memory, &part, &command->plan);
    return result;
}

/* Options of bench stand where those of the run do. */
static struct lt_option_set bench_set(const struct lt_command *command) {
    bool is_bench = command->verb == LT_VERB_BENCH;
    return (struct lt_option_set){is_bench ? lt_bench_options : NULL, (void *)command->bench};
}

/* What follows `from`, the first segment; `words` begins after its ":". */
static int parse_tail(struct lt_command *command, char **words, size_t count, struct leat_error *error) {
    for (size_t start = 0; command->verb != LT_VERB_HELP;) {
        size_t end = segment_end(words, count, start);
        struct lt_arguments arguments = {.words = words + start, .count = end - start};
        if (end == count) {
            arguments.sets[2] = bench_set(command);
            return parse_sink(command, &arguments, error);
        }
        int result = parse_stage(command, &arguments, error);
        if (result)
            return result;
        start = end + 1;
    }
    return 0;
}

/* Options and words of the file's command line once more: they have the last word over the file. */
static int parse_again(struct lt_command *command, struct lt_arguments *arguments, struct leat_error *error) {
    *arguments = (struct lt_arguments){
        .words = arguments->words,
        .count = arguments->count,
        .sets = {{lt_front_options, &command->front}, bench_set(command)},
    };
    const char *word;
    int result;
    while ((result = lt_arguments_next(arguments, &command->memory, &word, error)) > 0)
        continue;
    return result;
}

static int parse_file(struct lt_command *command, struct lt_arguments *arguments, const char *file,
                      struct leat_error *error) {
    const char *word;
    int result = lt_arguments_next(arguments, &command->memory, &word, error);
    if (result > 0)
        return leat_fail(error, -EINVAL, "\"%s\" is too much: one file at a time", word);
    if (result || command->front.help)
        return result;
    command->file = file;
    struct leat_list set = command->front.set;
    result = lt_yaml_read(command, &set, error);
    if (result == 0)
        result = parse_again(command, arguments, error);
    if (result)
        return result;
    result = lt_plan_finish(&command->memory, &command->plan, &command->front, error);
    if (result)
        lt_error_prefix(error, "%s", file);
    return result;
}

static bool takes_the_rest(enum lt_verb verb) {
    return verb == LT_VERB_HELP || verb == LT_VERB_QUEUE || verb == LT_VERB_LOAD || verb == LT_VERB_TOP;
}

/* Up to the first word that is no command: options of the run, a command. `*named`: there was one. */
static int parse_head(struct lt_command *command, struct lt_arguments *arguments, const char **word, bool *named,
                      struct leat_error *error) {
    arguments->sets[0] = (struct lt_option_set){lt_front_options, &command->front};
    int result;
    while ((result = lt_arguments_next(arguments, &command->memory, word, error)) > 0) {
        if (*named || arguments->only_words || !take_verb(command, *word))
            return result;
        *named = true;
        if (command->verb == LT_VERB_BENCH) {
            command->bench = lt_options_new(&command->memory, lt_bench_options, sizeof *command->bench);
            arguments->sets[2] = bench_set(command);
        }
        if (takes_the_rest(command->verb))
            return 0;
    }
    return result;
}

/* FROM, and all that follows it. */
static int parse_pipeline(struct lt_command *command, struct lt_arguments *head, const char *from, char **words,
                          size_t count, struct leat_error *error) {
    struct lt_part part;
    int result = lt_part_source(&command->memory, &part, literal(from), error);
    if (result == 0)
        result = parse_words(command, head, &part, (struct lt_option_set){lt_front_options, &command->front}, error);
    if (result || command->front.help)
        return result;
    result = head->count < count ? parse_tail(command, words + head->count + 1, count - head->count - 1, error)
                                 : default_sink(command, error);
    if (result || command->verb == LT_VERB_HELP || command->front.help)
        return result;
    if (command->front.set.count)
        return leat_fail(error, -EINVAL, "--set changes a YAML file, and here there is none");
    return lt_plan_finish(&command->memory, &command->plan, &command->front, error);
}

/* TO, and options of three kinds around it. */
static int parse_load(struct lt_command *command, struct leat_error *error) {
    struct lt_load_options *settings =
        lt_options_new(&command->memory, lt_load_options, sizeof(struct lt_load_options));
    struct lt_arguments arguments = {
        .words = command->rest,
        .count = command->rest_count,
        .sets = {{lt_front_options, &command->front}, {lt_load_options, settings}},
    };
    struct lt_part part;
    const char *word;
    command->load = settings;
    int result = lt_arguments_next(&arguments, &command->memory, &word, error);
    if (result == 0 && !command->front.help)
        return leat_fail(error, -EINVAL, "load: where the messages go is missing");
    if (result <= 0)
        return result;
    result = lt_part_sink(&command->memory, &part, literal(word), error);
    if (result)
        return result;
    arguments.sets[2] = (struct lt_option_set){part.options, part.settings};
    while ((result = lt_arguments_next(&arguments, &command->memory, &word, error)) > 0)
        lt_part_word(&command->memory, &part, literal(word));
    if (result || command->front.help)
        return result;
    lt_part_finish(&command->memory, &part, &command->plan);
    return lt_plan_finish(&command->memory, &command->plan, &command->front, error);
}

static int parse_all(struct lt_command *command, char **words, size_t count, struct leat_error *error) {
    if (count == 2 && words[0][0] != '-' && is_help(words[1])) {
        command->verb = LT_VERB_HELP;
        command->topic = words[0];
        return 0;
    }
    struct lt_arguments head = {.words = words, .count = segment_end(words, count, 0)};
    const char *first = NULL;
    bool named = false;
    int result = parse_head(command, &head, &first, &named, error);
    if (result < 0)
        return result;
    if (takes_the_rest(command->verb)) {
        command->rest = words + head.next;
        command->rest_count = count - head.next;
        return command->verb == LT_VERB_LOAD ? parse_load(command, error) : 0;
    }
    bool runs = named && command->verb == LT_VERB_RUN, is_whole = head.count == count;
    if (result > 0 && runs && is_file(first) && !is_whole)
        return leat_fail(error, -EINVAL, "\"%s\" is a whole pipeline; without \"run\" it is the input of one", first);
    if (result > 0 && named && is_whole && (is_file(first) || (runs && is_path(first))))
        return parse_file(command, &head, first, error);
    if (result > 0)
        return parse_pipeline(command, &head, first, words, count, error);
    if (command->front.help || command->front.version)
        return 0;
    return leat_fail(error, -EINVAL, "where the items come from is missing%s",
                     head.count < count ? " before the first \":\"" : "");
}

int lt_parse(int argc, char **argv, struct lt_command *command, struct leat_error *error) {
    *command = (struct lt_command){.verb = LT_VERB_RUN};
    command->front = *(struct lt_front *)lt_options_new(&command->memory, lt_front_options, sizeof command->front);
    int result = lt_options_environment(&command->memory, &command->front, error);
    if (result == 0)
        result = parse_all(command, argv + 1, argc > 0 ? (size_t)argc - 1 : 0, error);
    if (result)
        return result;
    if (command->verb == LT_VERB_HELP && !command->topic && command->rest_count)
        command->topic = command->rest[0];
    if (command->front.help && (command->verb == LT_VERB_LOAD || command->verb == LT_VERB_BENCH))
        command->topic = lt_verb_names[command->verb];
    if (command->front.help)
        command->verb = LT_VERB_HELP;
    else if (command->front.version)
        command->verb = LT_VERB_VERSION;
    return 0;
}

void lt_command_free(struct lt_command *command) {
    lt_memory_free(&command->memory);
}

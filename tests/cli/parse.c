/* SPDX-License-Identifier: MIT */
/*
 * The command line, the YAML file and what `show` prints, against small tables
 * of their own: what is tested is the language, not the ends and stages.
 */
#include "cli/parse.h"
#include "cli/suggest.h"
#include "cli/value.h"
#include "cli/yaml.h"
#include "pipeline/registry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct end_settings {
    bool follow;
    uint64_t count, size;
    leat_time lease;
    double rate;
    struct leat_list also;
};

static const struct leat_option end_options[] = {
    {"follow", 'f', LEAT_OPTION_FLAG, offsetof(struct end_settings, follow), NULL, NULL, "Follow."},
    {"count", 'c', LEAT_OPTION_COUNT, offsetof(struct end_settings, count), "N", "10", "Count."},
    {"size", 0, LEAT_OPTION_SIZE, offsetof(struct end_settings, size), "SIZE", "64k", "Size."},
    {"lease", 0, LEAT_OPTION_DURATION, offsetof(struct end_settings, lease), "TIME", "30s", "Lease."},
    {"rate", 0, LEAT_OPTION_RATE, offsetof(struct end_settings, rate), "RATE", NULL, "Rate."},
    {"also", 0, LEAT_OPTION_LIST, offsetof(struct end_settings, also), "PATH", NULL, "Also."},
    {0},
};

/* Without names that load has as well. */
static const struct leat_option sink_options[] = {
    {"follow", 'f', LEAT_OPTION_FLAG, offsetof(struct end_settings, follow), NULL, NULL, "Follow."},
    {"count", 'c', LEAT_OPTION_COUNT, offsetof(struct end_settings, count), "N", "10", "Count."},
    {"lease", 0, LEAT_OPTION_DURATION, offsetof(struct end_settings, lease), "TIME", "30s", "Lease."},
    {"also", 0, LEAT_OPTION_LIST, offsetof(struct end_settings, also), "PATH", NULL, "Also."},
    {0},
};

struct match_settings {
    const char *field, *on;
    bool all;
};

static const struct leat_option match_options[] = {
    {"field", 'f', LEAT_OPTION_STRING, offsetof(struct match_settings, field), "FIELD", NULL, "Field."},
    {"on-error", 0, LEAT_OPTION_STRING, offsetof(struct match_settings, on), "fail|drop", "fail", "What then."},
    {"all", 'a', LEAT_OPTION_FLAG, offsetof(struct match_settings, all), NULL, "true", "All."},
    {0},
};

static const struct leat_source_type path_source = {.scheme = "", .syntax = "PATH", .summary = "Lines."};
static const struct leat_source_type queue_source = {
    .scheme = "queue", .syntax = "queue:FILE", .options = end_options, .settings_size = sizeof(struct end_settings)};
static const struct leat_source_type gen_source = {.scheme = "gen", .syntax = "gen:"};
static const struct leat_sink_type path_sink = {.scheme = "", .syntax = "PATH", .summary = "Lines."};
static const struct leat_sink_type null_sink = {.scheme = "null", .syntax = "null:"};
static const struct leat_sink_type queue_sink = {
    .scheme = "queue", .syntax = "queue:FILE", .options = sink_options, .settings_size = sizeof(struct end_settings)};
static const struct leat_stage_type match_stage = {
    .name = "match", .syntax = "match", .options = match_options, .settings_size = sizeof(struct match_settings)};
static const struct leat_stage_type where_stage = {.name = "where", .syntax = "where"};

const struct leat_source_type *const lt_source_types[] = {&path_source, &queue_source, &gen_source, NULL};
const struct leat_sink_type *const lt_sink_types[] = {&path_sink, &queue_sink, &null_sink, NULL};
const struct leat_stage_type *const lt_stage_types[] = {&match_stage, &where_stage, NULL};

/* ------------------------------------------------------------- the helpers */

enum { MOST_WORDS = 64 };

static struct lt_command command;
static struct leat_error error;

/* Parse words that a NULL ends. */
static int parse(const char *first, ...) {
    char *words[MOST_WORDS] = {(char *)"leat"};
    int count = 1;
    va_list list;
    va_start(list, first);
    for (const char *word = first; word && count < MOST_WORDS; word = va_arg(list, const char *))
        words[count++] = (char *)word;
    va_end(list);
    error.text[0] = '\0';
    lt_command_free(&command);
    /* The words' array must outlive nothing: the parser keeps the strings only. */
    return lt_parse(count, words, &command, &error);
}

#define assert_parses(...)                                                                                             \
    do {                                                                                                               \
        int parsed = parse(__VA_ARGS__, NULL);                                                                         \
        if (parsed)                                                                                                    \
            fail_msg("%s", error.text);                                                                                \
    } while (0)

#define assert_refused(sentence, ...)                                                                                  \
    do {                                                                                                               \
        assert_int_equal(parse(__VA_ARGS__, NULL), -EINVAL);                                                           \
        assert_string_equal(error.text, sentence);                                                                     \
    } while (0)

static const struct match_settings *match_at(size_t index) {
    assert_true(index < command.plan.stage_count);
    assert_ptr_equal(command.plan.stages[index].type, &match_stage);
    return command.plan.stages[index].segment.settings;
}

static const struct leat_segment *stage_at(size_t index) {
    assert_true(index < command.plan.stage_count);
    return &command.plan.stages[index].segment;
}

static int start(void **state) {
    (void)state;
    return chdir(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
}

static int finish(void **state) {
    (void)state;
    lt_command_free(&command);
    return 0;
}

/* Write a YAML file of this process; returns its name. */
static const char *file_with(const char *text) {
    static char name[64];
    snprintf(name, sizeof name, "leat-parse-%d.yaml", (int)getpid());
    FILE *file = fopen(name, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return name;
}

static int run_file(const char *text, const char *set) {
    const char *name = file_with(text);
    int result = set ? parse("run", name, "--set", set, NULL) : parse("run", name, NULL);
    unlink(name);
    return result;
}

static void assert_file(const char *text) {
    if (run_file(text, NULL))
        fail_msg("%s", error.text);
}

/* The error after "FILE", as ":line:column: …" or ": …". */
static void assert_file_refused(const char *text, const char *message) {
    assert_int_equal(run_file(text, NULL), -EINVAL);
    const char *rest = strstr(error.text, ".yaml");
    assert_non_null(rest);
    assert_string_equal(rest + 5, message);
}

static char *shown(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    int result = lt_yaml_show(&command, file, &error);
    fclose(file);
    if (result)
        fail_msg("%s", error.text);
    return text;
}

/* ------------------------------------------------------------ command line */

static void test_segments(void **state) {
    (void)state;
    assert_parses("queue:in.q", "-fc", "5", ":", "match", "-f", ".content", "emails=a+", "x=b", ":", "where", ".a", ":",
                  "out.jsonl", "-j", "4", "--errors", "bad.jsonl");
    assert_int_equal(command.verb, LT_VERB_RUN);
    assert_ptr_equal(command.plan.source, &queue_source);
    assert_string_equal(command.plan.from.spelling, "queue:in.q");
    assert_string_equal(command.plan.from.target, "in.q");
    const struct end_settings *from = command.plan.from.settings;
    assert_true(from->follow);
    assert_int_equal(from->count, 5);
    assert_int_equal(from->size, 65536);
    assert_int_equal(command.plan.stage_count, 2);
    assert_string_equal(match_at(0)->field, ".content");
    assert_true(match_at(0)->all);
    assert_int_equal(stage_at(0)->word_count, 2);
    assert_string_equal(stage_at(0)->words[1], "x=b");
    assert_null(stage_at(0)->words[2]);
    assert_string_equal(stage_at(0)->name, "match");
    assert_string_equal(command.plan.to.target, "out.jsonl");
    assert_int_equal(command.plan.options.workers, 4);
    assert_string_equal(command.plan.options.errors, "bad.jsonl");
    assert_int_equal(command.plan.options.grace, 30 * LEAT_SECOND);
    assert_string_equal(command.plan.options.stop, "drain");
}

static void test_run_options_first(void **state) {
    (void)state;
    assert_parses("-kj4", "--deadline=1m30s", "--forever", "in", ":", "match", "-j", "2", "-n", "first", "a=b", ":",
                  "-", "--no-keep-order");
    assert_int_equal(command.plan.options.workers, 4);
    assert_false(command.plan.options.keep_order);
    assert_int_equal(command.plan.options.deadline, 90 * LEAT_SECOND);
    assert_true(command.plan.from.forever);
    assert_int_equal(stage_at(0)->workers, 2);
    assert_string_equal(stage_at(0)->name, "first");
}

static void test_words(void **state) {
    (void)state;
    assert_parses("in", ":", "match", "::", "--", "-a", "--field", ":::", ":", "null:");
    assert_int_equal(stage_at(0)->word_count, 4);
    assert_string_equal(stage_at(0)->words[0], ":");
    assert_string_equal(stage_at(0)->words[1], "-a");
    assert_string_equal(stage_at(0)->words[2], "--field");
    assert_string_equal(stage_at(0)->words[3], "::");
    assert_ptr_equal(command.plan.sink, &null_sink);
}

static void test_defaults(void **state) {
    (void)state;
    assert_parses("in");
    assert_string_equal(command.plan.to.spelling, "-");
    assert_int_equal(command.plan.stage_count, 0);
    assert_parses("in", ":", "match", "a=1", ":", "match", "b=2", ":", "-");
    assert_string_equal(stage_at(0)->name, "match1");
    assert_string_equal(stage_at(1)->name, "match2");
    assert_parses("run", "in", ":", "-");
    assert_int_equal(command.verb, LT_VERB_RUN);
    assert_parses("check", "in", ":", "-");
    assert_int_equal(command.verb, LT_VERB_CHECK);
    assert_parses("./run", ":", "-");
    assert_string_equal(command.plan.from.target, "./run");
}

static void test_list_and_dead(void **state) {
    (void)state;
    assert_parses("queue:a", "--also", "x", "--also=y", "--also", "z", "--rate", "6k/m", ":", "-", "--dead",
                  "queue:dead");
    const struct end_settings *from = command.plan.from.settings;
    assert_int_equal(from->also.count, 3);
    assert_string_equal(from->also.items[2], "z");
    assert_true(from->rate == 100.0);
    assert_ptr_equal(command.plan.dead, &queue_sink);
    assert_string_equal(command.plan.dead_to.target, "dead");
}

static void test_refusals(void **state) {
    (void)state;
    assert_refused("unknown stage \"mtach\" (did you mean \"match\"?)", "in", ":", "mtach", ":", "-");
    assert_refused("unknown stage \"zzzzz\"", "in", ":", "zzzzz", ":", "-");
    assert_refused("match: unknown option \"--feild\" (did you mean \"--field\"?)", "in", ":", "match", "--feild", "x",
                   ":", "-");
    assert_refused("match: option --errors is one of the whole run: it stands before FROM or after TO", "in", ":",
                   "match", "--errors", "x", ":", "-");
    assert_refused("match: option -k is one of the whole run: it stands before FROM or after TO", "in", ":", "match",
                   "-k", ":", "-");
    assert_refused("match: unknown option \"-x\"", "in", ":", "match", "-x", ":", "-");
    assert_refused("match: --on-error: \"die\" is not one of fail|drop", "in", ":", "match", "--on-error", "die", ":",
                   "-");
    assert_refused("unknown kind of end \"qeue:\" (did you mean \"queue\"?)", "qeue:a", ":", "-");
    assert_refused("unknown kind of end \"https:\"; a file of that name is written with ./ before it", "https://x");
    assert_refused("\"null:\" can only be written to", "null:", ":", "-");
    assert_refused("\"gen:\" can only be read from", "in", ":", "gen:");
    assert_refused("where the items come from is missing", "-k");
    assert_refused("where the items come from is missing before the first \":\"", ":", "-");
    assert_refused("a stage is missing between two \":\"", "in", ":", ":", "-");
    assert_refused("where the items go is missing after the last \":\" (- prints them)", "in", ":");
    assert_refused("\"match\" is a stage; a pipeline ends with where its items go (: - prints them)", "in", ":",
                   "match", "a=b");
    assert_refused("\"where\" is a stage; a pipeline begins with where its items come from", "where", ".a");
    assert_refused("unknown option \"--erors\" (did you mean \"--errors\"?)", "in", "--erors", "x");
    assert_refused("option --errors needs a value: --errors FILE", "in", "--errors");
    assert_refused("option -j needs a value: -j N|N%|auto", "in", "-kj");
    assert_refused("option --quiet takes no value; --no-quiet turns it off", "in", "--quiet=1");
    assert_refused("unknown option \"--no-errors\" (did you mean \"--errors\"?)", "in", "--no-errors");
    assert_refused("--deadline: \"soon\" is not a duration (write 500ms, 30s, 5m, 1h30m; plain means seconds)", "in",
                   "--deadline", "soon");
    assert_refused("-j: \"-2\" is not a number of workers (write 8, 50% or auto)", "in", "-j", "-2");
    assert_refused("--stop: \"\" is not one of drain|drop", "in", "--stop=");
    assert_refused("two stages are called \"x\"", "in", ":", "match", "-n", "x", ":", "where", "-n", "x", ":", "-");
    assert_refused("\"where2\" is what leat calls a stage that has no name; choose another", "a", ":", "match", "-n",
                   "where2", ":", "-");
    assert_refused("\"b\" is one word too many after \"a\"; stages stand between two \":\"", "a", "b", ":", "-");
    assert_refused("\"x\" is one word too many after \"-\"; stages stand between two \":\"", "a", ":", "-", "x");
    assert_refused("--set changes a YAML file, and here there is none", "a", ":", "-", "--set", "x=y");
    assert_refused("--dead: unknown kind of end \"nul:\" (did you mean \"null\"?)", "in", "--dead", "nul:");
}

static void test_help(void **state) {
    (void)state;
    assert_parses("--help");
    assert_int_equal(command.verb, LT_VERB_HELP);
    assert_null(command.topic);
    assert_parses("help", "match");
    assert_string_equal(command.topic, "match");
    assert_parses("match", "--help");
    assert_string_equal(command.topic, "match");
    assert_parses("in", ":", "match", "-h");
    assert_string_equal(command.topic, "match");
    assert_parses("in", ":", "match", "-h", ":", "-");
    assert_int_equal(command.verb, LT_VERB_HELP);
    assert_string_equal(command.topic, "match");
    assert_parses("--version");
    assert_int_equal(command.verb, LT_VERB_VERSION);
    assert_parses("queue", "ls", "-x", "file");
    assert_int_equal(command.verb, LT_VERB_QUEUE);
    assert_int_equal(command.rest_count, 3);
}

static void test_environment(void **state) {
    (void)state;
    setenv("LEAT_BATCH_BYTES", "2M", 1);
    setenv("LEAT_KEEP_ORDER", "yes", 1);
    assert_parses("in");
    assert_int_equal(command.plan.options.batch_bytes, 2 << 20);
    assert_true(command.plan.options.keep_order);
    assert_parses("in", "--batch-bytes", "1k", "--no-keep-order");
    assert_int_equal(command.plan.options.batch_bytes, 1024);
    assert_false(command.plan.options.keep_order);
    setenv("LEAT_KEEP_ORDER", "maybe", 1);
    assert_refused("$LEAT_KEEP_ORDER: \"maybe\" is neither true nor false", "in");
    unsetenv("LEAT_BATCH_BYTES");
    unsetenv("LEAT_KEEP_ORDER");
}

/* ----------------------------------------------------------------- values */

static const struct leat_option count_option = {"n", 0, LEAT_OPTION_COUNT, 0, "N", NULL, ""};
static const struct leat_option size_option = {"n", 0, LEAT_OPTION_SIZE, 0, "N", NULL, ""};
static const struct leat_option duration_option = {"n", 0, LEAT_OPTION_DURATION, 0, "N", NULL, ""};
static const struct leat_option rate_option = {"n", 0, LEAT_OPTION_RATE, 0, "N", NULL, ""};

static void assert_value(const struct leat_option *option, const char *text, uint64_t expected) {
    struct lt_memory memory = {0};
    uint64_t value = 0, again = 0;
    assert_int_equal(lt_value_assign(&memory, option, &value, text, &error), 0);
    assert_int_equal(value, expected);
    assert_int_equal(lt_value_assign(&memory, option, &again, lt_value_text(&memory, option, &value), &error), 0);
    assert_int_equal(again, expected);
    lt_memory_free(&memory);
}

static void assert_no_value(const struct leat_option *option, const char *text) {
    struct lt_memory memory = {0};
    uint64_t value = 77;
    assert_int_equal(lt_value_assign(&memory, option, &value, text, &error), -EINVAL);
    assert_int_equal(value, 77);
}

static void test_values(void **state) {
    (void)state;
    assert_value(&count_option, "0", 0);
    assert_value(&count_option, "1e6", 1000000);
    assert_value(&count_option, "1.5k", 1500);
    assert_value(&count_option, "2M", 2000000);
    assert_value(&count_option, "18446744073709551615", UINT64_MAX);
    assert_value(&size_option, "64k", 65536);
    assert_value(&size_option, "1G", 1 << 30);
    assert_value(&size_option, "1000", 1000);
    assert_value(&duration_option, "30", (uint64_t)(30 * LEAT_SECOND));
    assert_value(&duration_option, "250us", 250000);
    assert_value(&duration_option, "1.5ms", 1500000);
    assert_value(&duration_option, "1h30m", (uint64_t)(5400 * LEAT_SECOND));
    assert_value(&duration_option, "0", 0);
    const char *const bad[] = {"", "x", "-1", "+1", " 1", "1 ", "0x10", "inf", "nan", "1q", "1kk", ".", "1e", "1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_no_value(&count_option, bad[i]);
        assert_no_value(&size_option, bad[i]);
        assert_no_value(&duration_option, bad[i]);
        assert_no_value(&rate_option, bad[i]);
    }
    assert_no_value(&count_option, "1.5");
    assert_no_value(&count_option, "18446744073709551616");
    assert_no_value(&duration_option, "30s5");
    assert_no_value(&duration_option, "1000000h1000000000h");
    assert_no_value(&rate_option, "1/d");
}

static void test_rates(void **state) {
    (void)state;
    const struct {
        const char *text;
        double value;
    } rates[] = {{"100", 100}, {"100/s", 100}, {"6k/m", 100}, {"10/h", 10.0 / 3600}, {"0.1", 0.1}, {"1e9", 1e9}};
    struct lt_memory memory = {0};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        double value, again;
        assert_int_equal(lt_value_assign(&memory, &rate_option, &value, rates[i].text, &error), 0);
        assert_true(value == rates[i].value);
        assert_int_equal(
            lt_value_assign(&memory, &rate_option, &again, lt_value_text(&memory, &rate_option, &value), &error), 0);
        assert_true(value == again);
    }
    lt_memory_free(&memory);
}

static void test_tables(void **state) {
    (void)state;
    if (lt_options_check(&error))
        fail_msg("%s", error.text);
}

/* ------------------------------------------------------------------- YAML */

static const char everything[] = "from:\n"
                                 "  uri: queue:in.q\n"
                                 "  follow: true\n"
                                 "  also: [x, y]\n"
                                 "steps:\n"
                                 "  - where: .a=1\n"
                                 "  - match:\n"
                                 "      field: .content\n"
                                 "      workers: 3\n"
                                 "      name: find\n"
                                 "      args:\n"
                                 "        emails: '[\\w.]+@\\w+'\n"
                                 "        urls: 'https?://\\S+'\n"
                                 "  - where: [.b, '.c: d']\n"
                                 "  - where\n"
                                 "to: null:x\n"
                                 "options: {workers: 4, keep-order: yes, grace: 5s}\n";

static void test_yaml(void **state) {
    (void)state;
    assert_file(everything);
    const struct end_settings *from = command.plan.from.settings;
    assert_true(from->follow);
    assert_int_equal(from->also.count, 2);
    assert_int_equal(from->count, 10);
    assert_int_equal(command.plan.stage_count, 4);
    assert_string_equal(stage_at(0)->words[0], ".a=1");
    assert_string_equal(match_at(1)->field, ".content");
    assert_string_equal(stage_at(1)->name, "find");
    assert_int_equal(stage_at(1)->workers, 3);
    assert_string_equal(stage_at(1)->words[0], "emails=[\\w.]+@\\w+");
    assert_string_equal(stage_at(1)->words[1], "urls=https?://\\S+");
    assert_string_equal(stage_at(2)->words[1], ".c: d");
    assert_int_equal(stage_at(3)->word_count, 0);
    assert_string_equal(stage_at(3)->name, "where3");
    assert_ptr_equal(command.plan.sink, &null_sink);
    assert_int_equal(command.plan.options.workers, 4);
    assert_int_equal(command.plan.options.grace, 5 * LEAT_SECOND);
    assert_file("from: in");
    assert_string_equal(command.plan.to.spelling, "-");
}

static void test_yaml_refusals(void **state) {
    (void)state;
    assert_file_refused("form: in", ":1:1: unknown key \"form\" in a pipeline (did you mean \"from\"?)");
    assert_file_refused("from: in\nsteps:\n  - mtach: x\n", ":3:5: unknown stage \"mtach\" (did you mean \"match\"?)");
    assert_file_refused("from: in\nsteps:\n  - match:\n      feild: x\n",
                        ":4:7: unknown key \"feild\" in match (did you mean \"field\"?)");
    assert_file_refused("from: in\nsteps:\n  - match: {help: yes}\n", ":3:13: unknown key \"help\" in match");
    assert_file_refused("from: {uri: queue:x, sice: 3}",
                        ":1:22: unknown key \"sice\" in from (did you mean \"size\"?)");
    assert_file_refused("from: {uri: queue:x, size: 3q}",
                        ":1:28: size: \"3q\" is not a size (write 512, 64k, 10M or 1G)");
    assert_file_refused("from: {size: 3}", ":1:7: from: its uri is missing");
    assert_file_refused("from: in\noptions: {wokers: 3}",
                        ":2:11: unknown key \"wokers\" in options (did you mean \"workers\"?)");
    assert_file_refused("from: in\noptions: {help: yes}", ":2:11: unknown key \"help\" in options");
    assert_file_refused("from: in\nfrom: in", ":2:1: \"from\" stands here twice");
    assert_file_refused("from: [in]", ":1:7: from must be one value, not a list");
    assert_file_refused("steps: {}\nfrom: in", ":1:8: steps must be a list");
    assert_file_refused("from: in\nsteps: [{match: x, where: y}]", ":2:9: a step has one key, the name of its stage");
    assert_file_refused("to: out", ":1:1: \"from\" is missing");
    assert_file_refused("- a", ":1:1: a pipeline is a map of from, steps, to, options");
    assert_file_refused("", ": the file is empty");
    assert_file_refused("from: in\n---\nfrom: in", ":3:1: a second document; a file is one pipeline");
    assert_file_refused("from: in\n  to: out", ":2:5: mapping values are not allowed in this context; a text with \": "
                                               "\" in it or \":\" at its end stands in quotes");
    assert_file_refused(
        "from: in\nto: -",
        ":2:5: block sequence entries are not allowed in this context; a \"-\" that is a text stands in quotes");
    assert_file_refused("from: {uri: in, args: x}", ":1:17: unknown key \"args\" in from");
    assert_int_equal(mkdir("leat-parse.yaml", 0700), 0);
    assert_int_equal(parse("run", "leat-parse.yaml", NULL), -EISDIR);
    rmdir("leat-parse.yaml");
    assert_int_equal(parse("run", "no-such-file.yaml", NULL), -ENOENT);
    assert_string_equal(error.text, "no-such-file.yaml: No such file or directory");
}

static void test_yaml_variables(void **state) {
    (void)state;
    setenv("LEAT_TEST_NAME", "a: [b", 1);
    unsetenv("LEAT_TEST_NONE");
    assert_file(
        "from: in\nsteps:\n - match: {field: '${LEAT_TEST_NAME}', args: {x: '<${LEAT_TEST_NONE:-none}>$${y}'}}\n"
        "options: {workers: '${LEAT_TEST_NONE:-7}'}");
    assert_string_equal(match_at(0)->field, "a: [b");
    assert_string_equal(stage_at(0)->words[0], "x=<none>${y}");
    assert_int_equal(command.plan.options.workers, 7);
    char *text = shown();
    assert_null(strstr(text, "a: [b"));
    assert_non_null(strstr(text, "field: '${LEAT_TEST_NAME}'"));
    assert_non_null(strstr(text, "x: '<${LEAT_TEST_NONE:-none}>$${y}'"));
    free(text);
    assert_file_refused("from: ${LEAT_TEST_NONE}",
                        ":1:7: ${LEAT_TEST_NONE}: there is no such variable; ${LEAT_TEST_NONE:-else} gives a default");
    assert_file_refused("from: ${LEAT_TEST_NONE", ":1:7: \"${\" without \"}\"; \"$${\" is a plain \"${\"");
    assert_file_refused("from: ${a b}",
                        ":1:7: ${a b} is none of ${VAR}, ${VAR:-else} and ${file:PATH}; \"$${\" is a plain \"${\"");
    assert_file_refused("from: ${file:no-such-file}", ":1:7: ${file:no-such-file}: No such file or directory");
    FILE *secret = fopen("leat-parse-secret", "we");
    fputs("hidden\n", secret);
    fclose(secret);
    assert_file("from: x-${file:leat-parse-secret}");
    unlink("leat-parse-secret");
    assert_string_equal(command.plan.from.target, "x-hidden");
}

static void test_yaml_set(void **state) {
    (void)state;
    assert_int_equal(run_file(everything, "options.workers=9"), 0);
    assert_int_equal(command.plan.options.workers, 9);
    assert_int_equal(run_file(everything, "steps.1.match.field=.x=y"), 0);
    assert_string_equal(match_at(1)->field, ".x=y");
    assert_int_equal(run_file(everything, "from.count=3"), 0);
    assert_int_equal(((const struct end_settings *)command.plan.from.settings)->count, 3);
    assert_int_equal(run_file("from: in", "options.keep-order=on"), 0);
    assert_true(command.plan.options.keep_order);
    assert_int_equal(run_file("from: in", "from=queue:x"), 0);
    assert_ptr_equal(command.plan.source, &queue_source);
    assert_int_equal(run_file(everything, "steps.9.match=x"), -EINVAL);
    assert_non_null(strstr(error.text, "--set steps.9.match: the file has no such place"));
    assert_int_equal(run_file("from: in", "from.x.y=z"), -EINVAL);
    assert_non_null(strstr(error.text, "--set from.x.y: the file has no such place"));
    assert_int_equal(run_file("from: in", "options.wrokers=2"), -EINVAL);
    assert_non_null(strstr(error.text, "--set: unknown key \"wrokers\" in options (did you mean \"workers\"?)"));
    assert_int_equal(run_file("from: in", "x"), -EINVAL);
    assert_non_null(strstr(error.text, "it reads PATH=VALUE"));
}

static void test_yaml_and_command_line(void **state) {
    (void)state;
    const char *name = file_with(everything);
    assert_parses("-j", "1", "run", name, "--no-keep-order", "--dead", "queue:d");
    unlink(name);
    assert_int_equal(command.plan.options.workers, 1);
    assert_false(command.plan.options.keep_order);
    assert_int_equal(command.plan.options.grace, 5 * LEAT_SECOND);
    assert_ptr_equal(command.plan.dead, &queue_sink);
    assert_refused("\"in\" is too much: one file at a time", "run", "x.yaml", "in");
}

/* ------------------------------------------------------------- round trip */

static void assert_same_segment(const struct leat_segment *left, const struct leat_segment *right,
                                const struct leat_option *options) {
    assert_string_equal(left->spelling, right->spelling);
    assert_string_equal(left->name, right->name);
    assert_int_equal(left->workers, right->workers);
    assert_int_equal(left->forever, right->forever);
    assert_int_equal(left->word_count, right->word_count);
    for (size_t i = 0; i < left->word_count; i++)
        assert_string_equal(left->words[i], right->words[i]);
    for (const struct leat_option *option = options; option && option->name; option++)
        assert_true(lt_value_equal(option, left->settings, right->settings));
}

/* Show the command's plan, read that, and find the same plan. */
static void assert_round_trip(void) {
    struct lt_command before = command;
    command.memory.blocks = NULL;
    struct lt_command saved = before;
    command = before;
    char *text = shown();
    saved = command;
    command.memory.blocks = NULL;
    assert_file(text);
    assert_ptr_equal(saved.plan.source, command.plan.source);
    assert_ptr_equal(saved.plan.sink, command.plan.sink);
    assert_same_segment(&saved.plan.from, &command.plan.from, saved.plan.source->options);
    assert_same_segment(&saved.plan.to, &command.plan.to, saved.plan.sink->options);
    assert_int_equal(saved.plan.stage_count, command.plan.stage_count);
    for (size_t i = 0; i < saved.plan.stage_count; i++) {
        assert_ptr_equal(saved.plan.stages[i].type, command.plan.stages[i].type);
        assert_same_segment(&saved.plan.stages[i].segment, &command.plan.stages[i].segment,
                            saved.plan.stages[i].type->options);
    }
    for (const struct leat_option *option = lt_front_options; option->name; option++)
        assert_true(lt_value_equal(option, &saved.front, &command.front));
    char *again = shown();
    assert_string_equal(text, again);
    free(text);
    free(again);
    lt_command_free(&saved);
}

static void test_round_trip(void **state) {
    (void)state;
    assert_parses("in");
    assert_round_trip();
    assert_parses("queue:in.q", "-f", "-c7", "--also", "- a", "--also", "b: c", "--rate=10/h", "--lease", "1500ms", ":",
                  "match", "--no-all", "-f", "${x} $${y}", "a=b'c\"d", "é=ü", ":", "where", "", ":", "where", "a=1",
                  "a=2", ":", "match", "x=~", "y=null", "z=#\n\t\x01\xc2\x85\xe2\x80\xa8", "-j8", ":", "null:", "-k",
                  "-j3", "--deadline", "90s", "--batch-bytes", "3M", "--report", " r.json ", "--progress=never", "-q");
    assert_round_trip();
    assert_parses("-", ":", "match", "-n", "x", "a=${", "b=$${x}", ":", "-", "--forever", "--stop", "drop");
    assert_round_trip();
    assert_parses("queue:\xff");
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_int_equal(lt_yaml_show(&command, file, &error), -EINVAL);
    fclose(file);
    free(text);
    assert_non_null(strstr(error.text, "is not UTF-8"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments),      cmocka_unit_test(test_run_options_first),
        cmocka_unit_test(test_words),         cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_list_and_dead), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help),          cmocka_unit_test(test_environment),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_tables),        cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_yaml_refusals), cmocka_unit_test(test_yaml_variables),
        cmocka_unit_test(test_yaml_set),      cmocka_unit_test(test_yaml_and_command_line),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

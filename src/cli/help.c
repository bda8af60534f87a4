/* SPDX-License-Identifier: MIT */
#include "cli/help.h"
#include "cli/bench/options.h"
#include "cli/load/options.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/suggest.h"
#include "ends/queue/admin.h"
#include "pipeline/registry.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char lt_summary[] =
    "take work from one place, process it with a bounded number of workers, deliver it to another "
    "place, and always finish, telling the truth about what happened";

const struct lt_entry lt_examples[] = {
    {"leat mail.ndjson : match -f .content emails='[\\w.+-]+@[\\w-]+\\.\\w+' urls='https?://\\S+' : out.ndjson -j 4",
     "Add all matches of two patterns in a field to each JSON object."},
    {"leat 'dir:/usr/share/doc?glob=**/changelog*' : read : match cves='CVE-\\d{4}-\\d+' : where .cves : -",
     "Read all files of a tree and print those in which something is found."},
    {"leat - : queue:jobs.q", "Keep the lines of standard input in a queue that survives a crash."},
    {"leat queue:jobs.q : match -f .body ids='ID-\\d+' : done.ndjson --errors bad.jsonl --forever",
     "Work through that queue as a service; an item leaves it when its result is delivered."},
    {"leat urls.txt : exec -t 10s -r 2 curl -sf {} : - -k -j 50 --resume state",
     "Run a command for each line, 50 at once, in order; go on after a kill where it was."},
    {"leat 'gen:?count=1e6' : match dates='\\d{4}-\\d\\d-\\d\\d' : null: -j 2",
     "Measure how fast a stage is and what limits it."},
    {"leat run pipeline.yaml --set options.workers=8", "Run a pipeline that stands in a file."},
    {"leat load queue:jobs.q --rate 2000/s --for 30s --report load.html",
     "Load a queue by the clock and draw how long its confirmations take."},
    {"leat bench mail.ndjson : match -f .content urls='https?://\\S+' : null: --sweep 1,2,4,8",
     "Find out what more workers bring, and what limits them."},
    {0},
};

const struct lt_entry lt_usages[] = {
    {"leat FROM [flags] : STAGE [flags] … : TO [flags] [options]",
     "Run a pipeline. A \":\" on its own separates; \"::\" is a plain \":\". Flags of an end or a stage stand after "
     "its "
     "name, options of the whole run first or last. Without TO items are printed."},
    {"leat run FILE [options]", "Run a pipeline from a YAML file."},
    {"leat check FILE.yaml | FROM : … : TO",
     "Say whether its words are right; look at no file or server, and run nothing."},
    {"leat show FILE.yaml | FROM : … : TO", "Print it as YAML."},
    {"leat load TO --fill N | --rate RATE --for TIME [options]",
     "Make load for an end and measure what it does with it: throughput, or latencies by an absolute schedule."},
    {"leat bench [--sweep N,N…] FROM : … : TO [options]",
     "Run a pipeline with several numbers of workers and tell what they bring; FILE.yaml in place of FROM : … : TO."},
    {"leat top [URL]",
     "Show a run that was started with --http PORT, in the terminal, until it ends or q is pressed; 9090 without URL."},
    {"leat queue ls|peek|requeue|purge FILE[#NAME]",
     "Look into a queue file; give its failed items another chance; empty it."},
    {"leat help [TOPIC]",
     "Help on a stage, an end or a command; man: the man page; bash, zsh, fish: what makes the shell complete."},
    {0},
};

const struct lt_entry lt_exit_codes[] = {
    {"0", "Every item was delivered, or filtered on purpose."},
    {"1", "Finished, but some items failed, or the run broke and the rest stayed with its source, or a load was "
          "INVALID, or ended by a limit of --exit-when, or a bench slower than its baseline."},
    {"2", "The command line or the file is wrong; nothing was started."},
    {"3", "Could not start."},
    {"4", "Ended by --halt."},
    {"5", "Out of time: --deadline or --grace."},
    {"70", "A defect of leat: the counts do not balance."},
    {"128+N", "Stopped by signal N; 141: whoever read the output has gone."},
    {0},
};

const char lt_about_yaml[] = "from: queue:in.q\n"
                             "steps:\n"
                             "  - where: .size>10\n"
                             "  - match:\n"
                             "      field: .content\n"
                             "      args:\n"
                             "        emails: '[\\w.+-]+@[\\w-]+\\.\\w+'\n"
                             "to:\n"
                             "  uri: out.ndjson\n"
                             "  append: true\n"
                             "options:\n"
                             "  workers: 4\n"
                             "  errors: ${ERRORS:-bad.jsonl}\n";

const char lt_about_environment[] =
    "Each option of the run has a twin in the environment: LEAT_WORKERS for --workers, LEAT_BATCH_BYTES for "
    "--batch-bytes. The command line overrides a file, a file the environment. The progress line honours TERM and "
    "COLUMNS and has no colours.";

/* --------------------------------------------------------------- writing */

enum { NARROW = 60, WIDE = 100, COLUMN = 26 };

static size_t page_width(void) {
    const char *columns = getenv("COLUMNS");
    long width = columns ? strtol(columns, NULL, 10) : 0;
    return width < NARROW ? 80 : width > WIDE ? WIDE : (size_t)width;
}

/* Columns that text takes on a terminal: its code points. */
static size_t text_width(const char *text, size_t size) {
    size_t width = 0;
    for (size_t i = 0; i < size; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

/* Text from column `at` on, broken between words and indented. A first letter is large; the full stop of a single
 * sentence goes. */
static void write_text(FILE *file, const char *text, size_t at, size_t indent) {
    size_t width = page_width(), rest = strlen(text);
    if (rest && text[rest - 1] == '.' && !strstr(text, ". "))
        rest--;
    for (bool first = true; rest > 0; first = false) {
        size_t length = strcspn(text, " ");
        if (length > rest)
            length = rest;
        size_t columns = text_width(text, length);
        if (at > indent && at + columns + 1 > width) {
            fprintf(file, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', file);
            at++;
        }
        if (first && length) {
            fputc(toupper((unsigned char)*text), file);
            fwrite(text + 1, 1, length - 1, file);
        } else {
            fwrite(text, 1, length, file);
        }
        at += columns;
        text += length;
        rest -= length;
        if (rest) {
            text++;
            rest--;
        }
    }
    fputc('\n', file);
}

/* "  name      text", the text on a line of its own when the name is long. */
static void write_entry(FILE *file, const char *name, const char *text) {
    size_t columns = 2 + text_width(name, strlen(name));
    fprintf(file, "  %s", name);
    if (columns + 2 > COLUMN) {
        fputc('\n', file);
        columns = 0;
    }
    fprintf(file, "%*s", (int)(COLUMN - columns), "");
    write_text(file, text, COLUMN, COLUMN);
}

static void write_options(FILE *file, const struct leat_option *table) {
    for (const struct leat_option *option = table; option && option->name; option++) {
        char name[128], text[512];
        int length =
            option->letter ? snprintf(name, sizeof name, "-%c, ", option->letter) : snprintf(name, sizeof name, "    ");
        snprintf(name + length, sizeof name - (size_t)length, "--%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        size_t size = strlen(option->help);
        bool stop = option->initial && size && option->help[size - 1] == '.';
        snprintf(text, sizeof text, "%.*s%s%s%s", (int)(size - stop), option->help, option->initial ? " [" : "",
                 option->initial ? option->initial : "", option->initial ? "]" : "");
        write_entry(file, name, text);
    }
}

static void write_end(FILE *file, const char *syntax, const char *summary, const struct leat_option *options,
                      const char *direction) {
    fprintf(file, "%s (%s)\n  ", syntax, direction);
    write_text(file, summary, 2, 2);
    if (options && options->name)
        fputs("\nFlags:\n", file);
    write_options(file, options);
}

/* ---------------------------------------------------------------- topics */

/* How a topic is called: the scheme, or "path" where that is empty. */
static const char *end_topic(const char *scheme) {
    return *scheme ? scheme : "path";
}

static bool help_ends(FILE *file, const char *topic) {
    bool found = false;
    for (size_t i = 0; lt_source_types[i]; i++) {
        const struct leat_source_type *type = lt_source_types[i];
        if (strcmp(end_topic(type->scheme), topic) != 0)
            continue;
        write_end(file, type->syntax, type->summary, type->options, "to read from");
        found = true;
    }
    for (size_t i = 0; lt_sink_types[i]; i++) {
        const struct leat_sink_type *type = lt_sink_types[i];
        if (strcmp(end_topic(type->scheme), topic) != 0)
            continue;
        if (found)
            fputc('\n', file);
        write_end(file, type->syntax, type->summary, type->options, "to write to");
        found = true;
    }
    return found;
}

static bool help_stage(FILE *file, const char *topic) {
    const struct leat_stage_type *type = lt_find_stage(topic);
    if (!type)
        return false;
    fprintf(file, "%s\n  ", type->syntax);
    write_text(file, type->summary, 2, 2);
    if (type->options && type->options->name)
        fputs("\nFlags:\n", file);
    write_options(file, type->options);
    fputs("\nFlags of every stage:\n", file);
    write_options(file, lt_stage_options);
    return true;
}

static bool help_command(FILE *file, const char *topic) {
    bool found = false;
    size_t length = strlen(topic);
    for (const struct lt_entry *usage = lt_usages; usage->name; usage++) {
        const char *name = usage->name + strlen("leat ");
        if (strncmp(name, topic, length) != 0 || name[length] != ' ')
            continue;
        fprintf(file, "%s\n  ", usage->name);
        write_text(file, usage->text, 2, 2);
        found = true;
    }
    if (found && strcmp(topic, "queue") == 0)
        fprintf(file, "\n%s", lt_queue_admin_usage);
    if (found && strcmp(topic, "load") == 0) {
        fputs("\nOptions, besides those of the run and the flags of TO:\n", file);
        write_options(file, lt_load_options);
    }
    if (found && strcmp(topic, "bench") == 0) {
        fputs("\nOptions, besides those of the run; --report writes .html or JSON:\n", file);
        write_options(file, lt_bench_options);
    }
    if (found && strcmp(topic, "run") == 0) {
        fprintf(file, "\nA file:\n\n%s\nOptions:\n", lt_about_yaml);
        write_options(file, lt_front_options);
    }
    return found;
}

static void help_all(FILE *file) {
    fputs("leat: pipelines that always finish\n\n", file);
    write_text(file, lt_summary, 0, 0);
    for (const struct lt_entry *example = lt_examples; example->name; example++) {
        fprintf(file, "\n  %s\n      ", example->name);
        write_text(file, example->text, 6, 6);
    }
    fputs("\nUsage:\n", file);
    for (const struct lt_entry *usage = lt_usages; usage->name; usage++) {
        fprintf(file, "  %s\n      ", usage->name);
        write_text(file, usage->text, 6, 6);
    }
    fputs("\nFROM:\n", file);
    for (size_t i = 0; lt_source_types[i]; i++)
        write_entry(file, lt_source_types[i]->syntax, lt_source_types[i]->summary);
    fputs("\nSTAGE:\n", file);
    for (size_t i = 0; lt_stage_types[i]; i++)
        write_entry(file, lt_stage_types[i]->syntax, lt_stage_types[i]->summary);
    fputs("\nTO:\n", file);
    for (size_t i = 0; lt_sink_types[i]; i++)
        write_entry(file, lt_sink_types[i]->syntax, lt_sink_types[i]->summary);
    fputs("\nOptions of the run:\n", file);
    write_options(file, lt_front_options);
    fputs("\nExit code:\n", file);
    for (const struct lt_entry *code = lt_exit_codes; code->name; code++)
        write_entry(file, code->name, code->text);
    fputc('\n', file);
    write_text(file, lt_about_environment, 0, 0);
}

static void suggest_topics(struct lt_suggest *suggest) {
    for (size_t i = 0; lt_stage_types[i]; i++)
        lt_suggest_try(suggest, lt_stage_types[i]->name);
    for (size_t i = 0; lt_source_types[i]; i++)
        lt_suggest_try(suggest, end_topic(lt_source_types[i]->scheme));
    for (size_t i = 0; lt_sink_types[i]; i++)
        lt_suggest_try(suggest, end_topic(lt_sink_types[i]->scheme));
    for (size_t i = 0; lt_verb_names[i]; i++)
        lt_suggest_try(suggest, lt_verb_names[i]);
}

int lt_help(FILE *file, const char *topic, struct leat_error *error) {
    if (!topic) {
        help_all(file);
        return 0;
    }
    if (strcmp(topic, "man") == 0) {
        lt_help_man(file);
        return 0;
    }
    const char *completion = lt_completion(topic);
    if (completion) {
        fputs(completion, file);
        return 0;
    }
    const char *name = strcmp(topic, "-") == 0 ? "path" : topic;
    bool found = help_stage(file, name);
    found |= help_ends(file, name);
    found |= help_command(file, name);
    if (found)
        return 0;
    struct lt_suggest suggest = {.word = topic};
    suggest_topics(&suggest);
    char hint[96];
    lt_suggest_text(&suggest, "", hint, sizeof hint);
    return leat_fail(error, -EINVAL, "there is no help on \"%s\"%s", topic, hint);
}

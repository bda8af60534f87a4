/* SPDX-License-Identifier: MIT */
/*
 * Completion. The shells ask the program itself ("leat help complete WORD…"),
 * so what they offer follows from the same tables and the same idea of a
 * segment. Scripts with all words written out were tried: three languages had
 * to know the grammar. Where nothing is offered the shells complete file names.
 */
#include "cli/help.h"
#include "cli/bench/options.h"
#include "cli/load/options.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/value.h"
#include "pipeline/registry.h"

#include <string.h>

/* Bash cuts words at ":" and "=", so it gets the line and cuts at white space; what it has cut off is cut off again. */
static const char bash[] = "_leat() {\n"
                           "    local line=${COMP_LINE:0:COMP_POINT} words candidate cut\n"
                           "    read -ra words <<<\"$line\"\n"
                           "    [[ $line == *[[:space:]] ]] && words+=('')\n"
                           "    cut=${words[-1]%\"${COMP_WORDS[COMP_CWORD]}\"}\n"
                           "    COMPREPLY=()\n"
                           "    while IFS=$'\\t' read -r candidate _; do\n"
                           "        [[ $candidate == \"${words[-1]}\"* ]] && COMPREPLY+=(\"${candidate#\"$cut\"}\")\n"
                           "    done < <(\"${words[0]}\" help complete -- \"${words[@]:1}\" 2>/dev/null)\n"
                           "    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace\n"
                           "}\n"
                           "complete -o default -F _leat leat\n";

static const char zsh[] = "#compdef leat\n"
                          "local -a candidates\n"
                          "local candidate text\n"
                          "while IFS=$'\\t' read -r candidate text; do\n"
                          "    candidates+=(\"${candidate//:/\\\\:}:$text\")\n"
                          "done < <(\"${words[1]}\" help complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
                          "(( ${#candidates} )) && _describe leat candidates\n"
                          "_files\n";

static const char fish[] = "complete -c leat -a '(leat help complete -- (commandline -opc)[2..] (commandline -ct))'\n";

const char *lt_completion(const char *shell) {
    if (strcmp(shell, "bash") == 0)
        return bash;
    if (strcmp(shell, "zsh") == 0)
        return zsh;
    return strcmp(shell, "fish") == 0 ? fish : NULL;
}

static bool is_separator(const char *word) {
    return strcmp(word, ":") == 0;
}

/* The tables that are open in a segment: its end's or stage's, and that of the run or of all stages. */
struct tables {
    const struct leat_option *open[4];
    size_t count;
};

static void add_table(struct tables *tables, const struct leat_option *table) {
    if (table)
        tables->open[tables->count++] = table;
}

/* Is the word an option that takes the next one as its value? */
static const struct leat_option *takes_next(const struct tables *tables, const char *word) {
    if (word[0] != '-' || word[1] == '\0' || strchr(word, '='))
        return NULL;
    for (size_t i = 0; i < tables->count; i++) {
        for (const struct leat_option *option = tables->open[i]; option->name; option++) {
            bool same = word[1] == '-' ? strcmp(word + 2, option->name) == 0
                                       : option->letter && word[strlen(word) - 1] == option->letter;
            if (same && option->type != LEAT_OPTION_FLAG)
                return option;
        }
    }
    return NULL;
}

/* Open the tables of the segment, whose first word is `head` (NULL: not yet there). */
static void open_tables(struct tables *tables, const char *head, bool is_first, bool is_last) {
    const char *target;
    const struct leat_stage_type *stage = head && !is_first ? lt_find_stage(head) : NULL;
    const struct leat_source_type *source = head && is_first ? lt_find_source(head, &target) : NULL;
    const struct leat_sink_type *sink = head && is_last && !is_first && !stage ? lt_find_sink(head, &target) : NULL;
    if (source)
        add_table(tables, source->options);
    if (stage) {
        add_table(tables, stage->options);
        add_table(tables, lt_stage_options);
        return;
    }
    if (sink)
        add_table(tables, sink->options);
    add_table(tables, lt_front_options);
}

static void offer_options(FILE *file, const struct tables *tables) {
    for (size_t i = 0; i < tables->count; i++)
        for (const struct leat_option *option = tables->open[i]; option->name; option++)
            fprintf(file, "--%s\t%s\n", option->name, option->help);
}

static void offer_choices(FILE *file, const struct leat_option *option) {
    if (!lt_value_is_choice(option))
        return;
    for (const char *choice = option->argument; *choice;) {
        size_t length = strcspn(choice, "|");
        fprintf(file, "%.*s\t\n", (int)length, choice);
        choice += length + (choice[length] == '|');
    }
}

static void offer_sources(FILE *file) {
    for (size_t i = 0; lt_source_types[i]; i++)
        if (*lt_source_types[i]->scheme)
            fprintf(file, "%s:\t%s\n", lt_source_types[i]->scheme, lt_source_types[i]->summary);
}

static void offer_sinks(FILE *file) {
    for (size_t i = 0; lt_sink_types[i]; i++)
        if (*lt_sink_types[i]->scheme)
            fprintf(file, "%s:\t%s\n", lt_sink_types[i]->scheme, lt_sink_types[i]->summary);
}

static void offer_stages(FILE *file) {
    for (size_t i = 0; lt_stage_types[i]; i++)
        fprintf(file, "%s\t%s\n", lt_stage_types[i]->name, lt_stage_types[i]->summary);
}

static void offer_verbs(FILE *file) {
    for (size_t i = 0; lt_verb_names[i]; i++)
        fprintf(file, "%s\tcommand\n", lt_verb_names[i]);
}

static void offer_topics(FILE *file) {
    static const char *const more[] = {"path", "man", "bash", "zsh", "fish"};
    offer_stages(file);
    offer_verbs(file);
    for (size_t i = 0; lt_source_types[i]; i++)
        if (*lt_source_types[i]->scheme)
            fprintf(file, "%s\t%s\n", lt_source_types[i]->scheme, lt_source_types[i]->summary);
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        fprintf(file, "%s\t\n", more[i]);
}

/* The first word of the segment that is no option and no option's value. */
static const char *find_head(char **words, size_t count, const struct tables *early, bool skip_verb) {
    for (size_t i = 0; i < count; i++) {
        if (takes_next(early, words[i])) {
            i++;
            continue;
        }
        if (words[i][0] == '-' && words[i][1])
            continue;
        bool verb = false;
        for (size_t j = 0; skip_verb && lt_verb_names[j]; j++)
            verb |= strcmp(lt_verb_names[j], words[i]) == 0;
        if (!verb)
            return words[i];
        skip_verb = false;
    }
    return NULL;
}

static void complete_load(FILE *file, char **words, size_t last) {
    struct tables tables = {.open = {lt_load_options, lt_front_options}, .count = 2};
    const char *target, *head = find_head(words + 1, last - 1, &tables, false);
    const struct leat_sink_type *sink = head ? lt_find_sink(head, &target) : NULL;
    if (sink)
        add_table(&tables, sink->options);
    const struct leat_option *pending = takes_next(&tables, words[last - 1]);
    if (pending)
        offer_choices(file, pending);
    else if (words[last][0] == '-')
        offer_options(file, &tables);
    else if (!head)
        offer_sinks(file);
}

void lt_complete(FILE *file, char **words, size_t count) {
    if (count == 0)
        return;
    size_t last = count - 1, start = 0;
    for (size_t i = 0; i < last; i++)
        if (is_separator(words[i]))
            start = i + 1;
    bool first = start == 0;
    if (first && last == 1 && strcmp(words[0], "help") == 0) {
        offer_topics(file);
        return;
    }
    if (last > 0 && strcmp(words[0], "load") == 0) {
        complete_load(file, words, last);
        return;
    }
    struct tables early = {.open = {lt_front_options}, .count = 1}, tables = {0};
    bool is_bench = last > 0 && strcmp(words[0], "bench") == 0;
    if (is_bench)
        add_table(&early, lt_bench_options);
    const char *head = find_head(words + start, last - start, &early, first);
    open_tables(&tables, head, first, !first);
    if (is_bench)
        add_table(&tables, lt_bench_options);
    const struct leat_option *pending = last > start ? takes_next(&tables, words[last - 1]) : NULL;
    if (pending) {
        offer_choices(file, pending);
    } else if (words[last][0] == '-') {
        offer_options(file, &tables);
    } else if (!head && first) {
        offer_sources(file);
        if (last == 0)
            offer_verbs(file);
    } else if (!head) {
        offer_stages(file);
        offer_sinks(file);
    }
}

/* SPDX-License-Identifier: MIT */
#include "cli/part.h"
#include "base/error.h"
#include "cli/halt.h"
#include "cli/suggest.h"
#include "pipeline/run.h"
#include "pipeline/registry.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Length of what looks like a scheme, without the colon; 0: none. */
static size_t scheme_length(const char *word) {
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789+-");
    return length > 1 && word[length] == ':' ? length : 0;
}

static bool is_source_scheme(const char *scheme) {
    for (size_t i = 0; lt_source_types[i]; i++)
        if (strcmp(lt_source_types[i]->scheme, scheme) == 0)
            return true;
    return false;
}

static bool is_sink_scheme(const char *scheme) {
    for (size_t i = 0; lt_sink_types[i]; i++)
        if (strcmp(lt_sink_types[i]->scheme, scheme) == 0)
            return true;
    return false;
}

/* A word that no type's scheme fits is a path, unless it looks like a scheme. */
static int check_path(struct lt_memory *memory, const char *word, bool reading, struct leat_error *error) {
    size_t length = scheme_length(word);
    if (length == 0)
        return 0;
    const char *scheme = lt_memory_copy(memory, word, length);
    if (reading && is_sink_scheme(scheme))
        return leat_fail(error, -EINVAL, "\"%s:\" can only be written to", scheme);
    if (!reading && is_source_scheme(scheme))
        return leat_fail(error, -EINVAL, "\"%s:\" can only be read from", scheme);
    struct lt_suggest suggest = {.word = scheme};
    for (size_t i = 0; reading && lt_source_types[i]; i++)
        lt_suggest_try(&suggest, lt_source_types[i]->scheme);
    for (size_t i = 0; !reading && lt_sink_types[i]; i++)
        lt_suggest_try(&suggest, lt_sink_types[i]->scheme);
    char hint[96];
    if (suggest.best)
        lt_suggest_text(&suggest, "", hint, sizeof hint);
    else
        snprintf(hint, sizeof hint, "; a file of that name is written with ./ before it");
    return leat_fail(error, -EINVAL, "unknown kind of end \"%s:\"%s", scheme, hint);
}

/* Command lines can be read by everybody on the machine, and pipelines are shown in messages. The word itself is not.
 */
static int check_password(const char *word, struct leat_error *error) {
    const char *place = strstr(word, "://");
    if (!place)
        return 0;
    place += 3;
    size_t length = strcspn(place, "/?#");
    const char *at = memrchr(place, '@', length);
    if (!at || !memchr(place, ':', (size_t)(at - place)))
        return 0;
    return leat_fail(error, -EINVAL,
                     "%.*s: a password does not belong into a pipeline, where everybody can read it; "
                     "\"leat help\" of that end says where it comes from",
                     (int)(strstr(word, "://") - word), word);
}

static int check_empty(const char *word, struct leat_error *error) {
    return *word ? 0 : leat_fail(error, -EINVAL, "an end without a name: \"\"");
}

int lt_part_source(struct lt_memory *memory, struct lt_part *part, const char *word, struct leat_error *error) {
    *part = (struct lt_part){.spelling = word, .target = word};
    part->source = lt_find_source(word, &part->target);
    int result = check_empty(word, error);
    if (result == 0)
        result = check_password(word, error);
    if (result == 0 && (!part->source || !*part->source->scheme))
        result = check_path(memory, word, true, error);
    if (result)
        return result;
    if (!part->source)
        return leat_fail(error, -EINVAL, "\"%s\" cannot be read from", word);
    if (lt_find_stage(word) && access(word, F_OK) != 0)
        return leat_fail(error, -EINVAL, "\"%s\" is a stage; a pipeline begins with where its items come from", word);
    part->options = part->source->options;
    part->settings = lt_options_new(memory, part->options, part->source->settings_size);
    return 0;
}

int lt_part_sink(struct lt_memory *memory, struct lt_part *part, const char *word, struct leat_error *error) {
    *part = (struct lt_part){.spelling = word, .target = word};
    part->sink = lt_find_sink(word, &part->target);
    int result = check_empty(word, error);
    if (result == 0)
        result = check_password(word, error);
    if (result == 0 && (!part->sink || !*part->sink->scheme))
        result = check_path(memory, word, false, error);
    if (result)
        return result;
    if (!part->sink)
        return leat_fail(error, -EINVAL, "\"%s\" cannot be written to", word);
    if (lt_find_stage(word))
        return leat_fail(error, -EINVAL, "\"%s\" is a stage; a pipeline ends with where its items go (: - prints them)",
                         word);
    part->options = part->sink->options;
    part->settings = lt_options_new(memory, part->options, part->sink->settings_size);
    return 0;
}

int lt_part_stage(struct lt_memory *memory, struct lt_part *part, const char *word, struct leat_error *error) {
    *part = (struct lt_part){.spelling = word};
    part->stage = lt_find_stage(word);
    if (part->stage) {
        part->options = part->stage->options;
        part->settings = lt_options_new(memory, part->options, part->stage->settings_size);
        return 0;
    }
    struct lt_suggest suggest = {.word = word};
    for (size_t i = 0; lt_stage_types[i]; i++)
        lt_suggest_try(&suggest, lt_stage_types[i]->name);
    char hint[96];
    lt_suggest_text(&suggest, "", hint, sizeof hint);
    return leat_fail(error, -EINVAL, "unknown stage \"%s\"%s", word, hint);
}

void lt_part_word(struct lt_memory *memory, struct lt_part *part, const char *word) {
    part->words = lt_memory_grow(memory, part->words, part->word_count, sizeof *part->words);
    part->words[part->word_count++] = word;
}

static struct leat_segment segment_of(struct lt_memory *memory, const struct lt_part *part) {
    const char **words = lt_memory_take(memory, (part->word_count + 1) * sizeof *words);
    if (part->word_count)
        memcpy(words, part->words, part->word_count * sizeof *words);
    return (struct leat_segment){
        .spelling = part->spelling,
        .target = part->target,
        .words = words,
        .word_count = part->word_count,
        .settings = part->settings,
        .name = part->stage ? part->flags.name : part->spelling,
        .workers = part->flags.workers < UINT_MAX ? (unsigned)part->flags.workers : UINT_MAX,
    };
}

void lt_part_finish(struct lt_memory *memory, const struct lt_part *part, struct lt_plan *plan) {
    struct leat_segment segment = segment_of(memory, part);
    if (part->source) {
        plan->source = part->source;
        plan->from = segment;
    } else if (part->sink) {
        plan->sink = part->sink;
        plan->to = segment;
    } else {
        plan->stages = lt_memory_grow(memory, plan->stages, plan->stage_count, sizeof *plan->stages);
        plan->stages[plan->stage_count++] = (struct lt_planned_stage){.type = part->stage, .segment = segment};
    }
}

/* "match" when there is one without a name of its own, else "match1", "match2". */
static void name_stage(struct lt_memory *memory, struct lt_plan *plan, size_t index, const bool *own) {
    const struct leat_stage_type *type = plan->stages[index].type;
    size_t count = 0, number = 0;
    for (size_t i = 0; i < plan->stage_count; i++) {
        if (plan->stages[i].type != type || own[i])
            continue;
        count++;
        number += i <= index;
    }
    plan->stages[index].segment.name = count > 1 ? lt_memory_print(memory, "%s%zu", type->name, number) : type->name;
}

bool lt_is_default_name(const struct leat_stage_type *type, const char *name) {
    size_t length = strlen(type->name);
    return strncmp(name, type->name, length) == 0 && name[length + strspn(name + length, "0123456789")] == '\0';
}

static int check_own_name(const char *name, struct leat_error *error) {
    for (size_t i = 0; lt_stage_types[i]; i++)
        if (lt_is_default_name(lt_stage_types[i], name))
            return leat_fail(error, -EINVAL, "\"%s\" is what leat calls a stage that has no name; choose another",
                             name);
    return 0;
}

static int name_stages(struct lt_memory *memory, struct lt_plan *plan, struct leat_error *error) {
    if (plan->stage_count > LT_MAX_STAGES)
        return leat_fail(error, -EINVAL, "%zu stages are more than the %d there can be", plan->stage_count,
                         LT_MAX_STAGES);
    bool *own = lt_memory_take(memory, plan->stage_count + 1);
    for (size_t i = 0; i < plan->stage_count; i++) {
        own[i] = plan->stages[i].segment.name != NULL;
        if (own[i] && check_own_name(plan->stages[i].segment.name, error))
            return -EINVAL;
    }
    for (size_t i = 0; i < plan->stage_count; i++) {
        if (!own[i])
            name_stage(memory, plan, i, own);
    }
    for (size_t i = 0; i < plan->stage_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(plan->stages[i].segment.name, plan->stages[j].segment.name) == 0)
                return leat_fail(error, -EINVAL, "two stages are called \"%s\"", plan->stages[i].segment.name);
    return 0;
}

/* An end is one word. A second one is a file that would be passed over, or a ":" that was forgotten. */
static int check_words(const struct leat_segment *segment, struct leat_error *error) {
    if (segment->word_count == 0)
        return 0;
    return leat_fail(error, -EINVAL, "\"%s\" is one word too many after \"%s\"; stages stand between two \":\"",
                     segment->words[0], segment->spelling);
}

/* "PATH", "queue:PATH", "queue:PATH#NAME" */
static bool names_file(const char *spelling, const char *path) {
    size_t length = strlen(path);
    if (spelling && strncmp(spelling, "queue:", 6) == 0)
        return strncmp(spelling + 6, path, length) == 0 && (!spelling[6 + length] || spelling[6 + length] == '#');
    return spelling && strcmp(spelling, path) == 0;
}

static int check_file(const char *name, const char *path, struct leat_error *error) {
    if (!path)
        return 0;
    if (!*path)
        return leat_fail(error, -EINVAL, "--%s: the name of a file is missing", name);
    if (strcmp(path, "-") == 0)
        return leat_fail(error, -EINVAL, "--%s - would be a file; write ./- for a file of that name", name);
    return 0;
}

/* A file that is there is found in use when it is opened. The report is opened last, and may not be there yet. */
static int check_files(const struct lt_plan *plan, const struct lt_front *front, struct leat_error *error) {
    const char *report = front->report;
    const char *const others[] = {plan->from.spelling, plan->to.spelling, front->run.errors, front->run.resume,
                                  front->run.dead};
    if (check_file("errors", front->run.errors, error) || check_file("resume", front->run.resume, error) ||
        check_file("report", report, error))
        return -EINVAL;
    for (size_t i = 0; report && i < sizeof others / sizeof *others; i++)
        if (names_file(others[i], report))
            return leat_fail(error, -EINVAL, "--report %s: is also used elsewhere in this run", report);
    return 0;
}

int lt_plan_finish(struct lt_memory *memory, struct lt_plan *plan, const struct lt_front *front,
                   struct leat_error *error) {
    if (check_words(&plan->from, error) || check_words(&plan->to, error) || check_files(plan, front, error))
        return -EINVAL;
    plan->options = front->run;
    if (lt_halt_parse(front->run.halt_text, &plan->options.halt, error)) {
        lt_error_prefix(error, "--halt");
        return -EINVAL;
    }
    if (front->run.resume && plan->source && plan->source->forgets)
        return leat_fail(error, -EINVAL,
                         "--resume: %s forgets by itself what is done; what is like it and comes later is new",
                         plan->from.spelling);
    plan->from.forever = plan->to.forever = front->run.forever;
    plan->from.quiet = plan->to.quiet = front->quiet;
    plan->to.most_held = front->run.memory ? front->run.memory / 2 : LEAT_HELD_BYTES;
    plan->from.workers = front->run.workers == LEAT_WORKERS_AUTO ? 0
                         : front->run.workers < UINT_MAX         ? (unsigned)front->run.workers
                                                                 : UINT_MAX;
    if (front->run.dead) {
        struct lt_part part;
        if (lt_part_sink(memory, &part, front->run.dead, error)) {
            lt_error_prefix(error, "--dead");
            return -EINVAL;
        }
        if (part.sink->holds)
            return leat_fail(error, -EINVAL, "--dead: %s gathers what comes to it, and a dead end must take it at once",
                             part.spelling);
        plan->dead = part.sink;
        plan->dead_to = segment_of(memory, &part);
        plan->dead_to.quiet = front->quiet;
    }
    return name_stages(memory, plan, error);
}

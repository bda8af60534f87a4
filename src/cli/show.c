/* SPDX-License-Identifier: MIT */
/*
 * Plan to YAML: what `leat run` of it does is the same run. Options stand there
 * when they differ from their defaults. Text is plain where nobody can take it
 * for something else, in single quotes where that is enough, else escaped.
 */
#include "base/utf8.h"
#include "cli/part.h"
#include "cli/value.h"
#include "cli/yaml.h"

#include <errno.h>
#include <string.h>

enum { END_OF_TEXT = -1, NOT_UTF8 = -2 };

/* The next code point; moves past it. */
static int next_point(const char **text) {
    if (!**text)
        return END_OF_TEXT;
    unsigned length = lt_utf8_sequence(*text, *text + strlen(*text));
    if (length == 0)
        return NOT_UTF8;
    int point = length == 1 ? **text : (unsigned char)**text & (0x7f >> length);
    for (unsigned i = 1; i < length; i++)
        point = point << 6 | ((*text)[i] & 0x3f);
    *text += length;
    return point;
}

static bool must_escape(int point) {
    return point < 0x20 || (point >= 0x7f && point <= 0xa0) || point == 0x2028 || point == 0x2029 || point == 0xfeff ||
           point >= 0xfffe;
}

static bool is_plain(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./";
    size_t length = strlen(text);
    if (length == 0 || !strchr(letters, text[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!strchr(letters, text[i]) && text[i] != '-' && !(text[i] == ':' && i + 1 < length))
            return false;
    return true;
}

static void write_escaped(FILE *file, const char *text) {
    const char *at = text;
    fputc('"', file);
    for (;;) {
        const char *start = at;
        int point = next_point(&at);
        if (point < 0)
            break;
        if (point == '\n')
            fputs("\\n", file);
        else if (point == '\t')
            fputs("\\t", file);
        else if (must_escape(point))
            fprintf(file, point > 0xffff ? "\\U%08X" : "\\u%04X", (unsigned)point);
        else if (point == '"' || point == '\\')
            fprintf(file, "\\%c", point);
        else
            fwrite(start, 1, (size_t)(at - start), file);
    }
    fputc('"', file);
}

static int write_text(FILE *file, const char *text, struct leat_error *error) {
    const char *at = text;
    bool escape = false;
    int point;
    while ((point = next_point(&at)) >= 0)
        escape |= must_escape(point);
    if (point == NOT_UTF8)
        return leat_fail(error, -EINVAL, "\"%s\" is not UTF-8 and cannot be written as YAML", text);
    if (escape) {
        write_escaped(file, text);
    } else if (is_plain(text)) {
        fputs(text, file);
    } else {
        fputc('\'', file);
        for (; *text; text++)
            fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, file);
        fputc('\'', file);
    }
    return 0;
}

/* What stands in a file for this value: as it stood there, or with "${" protected. */
static const char *source_text(struct lt_command *command, const char *value) {
    for (size_t i = 0; i < command->original_count; i++)
        if (command->originals[i].expanded == value)
            return command->originals[i].text;
    const char *result = "";
    for (const char *dollar; (dollar = strstr(value, "${")); value = dollar + 2)
        result = lt_memory_print(&command->memory, "%s%.*s$${", result, (int)(dollar - value), value);
    return *result ? lt_memory_print(&command->memory, "%s%s", result, value) : value;
}

/* "\n", the indent, then "name: value" */
static int write_pair(struct lt_command *command, FILE *file, int indent, const char *name, const char *value,
                      struct leat_error *error) {
    fprintf(file, "\n%*s%s: ", indent, "", name);
    return write_text(file, source_text(command, value), error);
}

static int write_list(struct lt_command *command, FILE *file, int indent, const char *const *items, size_t count,
                      struct leat_error *error) {
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "\n%*s- ", indent, "");
        if (write_text(file, source_text(command, items[i]), error))
            return -EINVAL;
    }
    return 0;
}

/* The options that differ from their defaults; `file` NULL: only count them. Returns how many, or -EINVAL. */
static int write_options(struct lt_command *command, FILE *file, int indent, const struct leat_option *table,
                         const void *settings, const void *defaults, struct leat_error *error) {
    int count = 0;
    for (const struct leat_option *option = table; option && option->name; option++) {
        if (lt_value_equal(option, settings, defaults) || (table == lt_front_options && !lt_front_is_lasting(option)))
            continue;
        count++;
        if (!file)
            continue;
        int result;
        if (option->type == LEAT_OPTION_LIST) {
            const struct leat_list *list = (const void *)((const char *)settings + option->offset);
            fprintf(file, "\n%*s%s:", indent, "", option->name);
            result = write_list(command, file, indent + 2, list->items, list->count, error);
        } else {
            const char *text = lt_value_text(&command->memory, option, settings);
            result = write_pair(command, file, indent, option->name, text ? text : "", error);
        }
        if (result)
            return result;
    }
    return count;
}

/* Length of the NAME of "NAME=VALUE"; 0: it is something else. */
static size_t name_length(const char *word) {
    size_t length = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return word[length] == '=' && !(word[0] >= '0' && word[0] <= '9') ? length : 0;
}

/* Can the words stand as a map: all NAME=VALUE, no name twice? */
static bool are_pairs(const struct leat_segment *segment) {
    for (size_t i = 0; i < segment->word_count; i++) {
        size_t length = name_length(segment->words[i]);
        if (length == 0)
            return false;
        for (size_t j = 0; j < i; j++)
            if (strncmp(segment->words[j], segment->words[i], length + 1) == 0)
                return false;
    }
    return segment->word_count > 0;
}

static int write_arguments(struct lt_command *command, FILE *file, int indent, const struct leat_segment *segment,
                           struct leat_error *error) {
    if (segment->word_count == 0)
        return 0;
    fprintf(file, "\n%*sargs:", indent, "");
    if (!are_pairs(segment))
        return write_list(command, file, indent + 2, segment->words, segment->word_count, error);
    for (size_t i = 0; i < segment->word_count; i++) {
        size_t length = name_length(segment->words[i]);
        const char *word = source_text(command, segment->words[i]);
        fprintf(file, "\n%*s%.*s: ", indent + 2, "", (int)length, word);
        if (write_text(file, word + length + 1, error))
            return -EINVAL;
    }
    return 0;
}

static int write_end(struct lt_command *command, FILE *file, const char *key, const struct leat_segment *segment,
                     const struct leat_option *options, size_t settings_size, struct leat_error *error) {
    const void *defaults = lt_options_new(&command->memory, options, settings_size);
    int count = write_options(command, NULL, 0, options, segment->settings, defaults, error);
    fprintf(file, "%s:", key);
    int result;
    if (count == 0) {
        fputc(' ', file);
        result = write_text(file, source_text(command, segment->spelling), error);
    } else {
        result = write_pair(command, file, 2, "uri", segment->spelling, error);
        if (result == 0 && write_options(command, file, 2, options, segment->settings, defaults, error) < 0)
            result = -EINVAL;
    }
    fputc('\n', file);
    return result;
}

static int write_stage(struct lt_command *command, FILE *file, const struct lt_planned_stage *stage,
                       struct leat_error *error) {
    const struct leat_stage_type *type = stage->type;
    const struct leat_segment *segment = &stage->segment;
    const void *defaults = lt_options_new(&command->memory, type->options, type->settings_size);
    struct lt_stage_flags none = {0}, flags = {.workers = segment->workers};
    if (!lt_is_default_name(type, segment->name))
        flags.name = segment->name;
    int count = write_options(command, NULL, 0, type->options, segment->settings, defaults, error) +
                write_options(command, NULL, 0, lt_stage_options, &flags, &none, error);
    fprintf(file, "  - %s", type->name);
    if (count == 0 && segment->word_count == 0) {
        fputc('\n', file);
        return 0;
    }
    fputc(':', file);
    int result = 0;
    if (count == 0 && segment->word_count == 1 && *segment->words[0]) {
        fputc(' ', file);
        result = write_text(file, source_text(command, segment->words[0]), error);
    } else {
        if (write_options(command, file, 6, type->options, segment->settings, defaults, error) < 0 ||
            write_options(command, file, 6, lt_stage_options, &flags, &none, error) < 0)
            return -EINVAL;
        result = write_arguments(command, file, 6, segment, error);
    }
    fputc('\n', file);
    return result;
}

int lt_yaml_show(struct lt_command *command, FILE *file, struct leat_error *error) {
    const struct lt_plan *plan = &command->plan;
    int result =
        write_end(command, file, "from", &plan->from, plan->source->options, plan->source->settings_size, error);
    if (plan->stage_count)
        fputs("steps:\n", file);
    for (size_t i = 0; result == 0 && i < plan->stage_count; i++)
        result = write_stage(command, file, &plan->stages[i], error);
    if (result == 0)
        result = write_end(command, file, "to", &plan->to, plan->sink->options, plan->sink->settings_size, error);
    struct lt_front *defaults = lt_options_new(&command->memory, lt_front_options, sizeof *defaults);
    int count = write_options(command, NULL, 0, lt_front_options, &command->front, defaults, error);
    if (result || count == 0)
        return result;
    fputs("options:", file);
    result = write_options(command, file, 2, lt_front_options, &command->front, defaults, error);
    fputc('\n', file);
    return result < 0 ? result : 0;
}

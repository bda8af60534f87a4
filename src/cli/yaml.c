/* SPDX-License-Identifier: MIT */
/*
 * Nodes are read in place, by a walk that knows what it expects; nothing is
 * copied into a tree of our own. --set changes the document before that walk,
 * so a value from the command line goes through the same checks.
 */
#include "cli/expand.h"
#include "cli/part.h"
#include "cli/suggest.h"
#include "cli/value.h"
#include "cli/yaml.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    LARGEST_FILE = 256 * 1024,
    MOST_DEPTH = 16,
};

struct reader {
    struct lt_command *command;
    yaml_document_t *document;
    size_t file_nodes; /* nodes beyond come from --set */
    struct leat_error *error;
};

static const char *text_of(const yaml_node_t *node) {
    return (const char *)node->data.scalar.value;
}

static yaml_node_t *node_at(const struct reader *reader, int index) {
    return yaml_document_get_node(reader->document, index);
}

/* "file.yaml:3:5", or of a value that is not in the file "file.yaml: --set" */
static const char *place_of(struct reader *reader, const yaml_node_t *node) {
    struct lt_command *command = reader->command;
    if ((size_t)(node - reader->document->nodes.start) >= reader->file_nodes)
        return lt_memory_print(&command->memory, "%s: --set", command->file);
    return lt_memory_print(&command->memory, "%s:%zu:%zu", command->file, node->start_mark.line + 1,
                           node->start_mark.column + 1);
}

/* Fail at a node: "file.yaml:3:5: …". */
static int fail_at(struct reader *reader, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail_at(struct reader *reader, const yaml_node_t *node, const char *format, ...) {
    char text[sizeof reader->error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return leat_fail(reader->error, -EINVAL, "%s: %s", place_of(reader, node), text);
}

static void remember(struct lt_command *command, const char *expanded, const char *text) {
    command->originals =
        lt_memory_grow(&command->memory, command->originals, command->original_count, sizeof *command->originals);
    command->originals[command->original_count++] = (struct lt_original){expanded, text};
}

/* The text of a scalar with ${…} replaced; NULL: failed. What was replaced is kept for `show`. */
static const char *expand(struct reader *reader, const yaml_node_t *node) {
    struct lt_command *command = reader->command;
    struct leat_error why;
    if (strlen(text_of(node)) != node->data.scalar.length) {
        fail_at(reader, node, "a value holds a zero byte");
        return NULL;
    }
    const char *original = lt_memory_copy(&command->memory, text_of(node), node->data.scalar.length);
    const char *expanded = lt_expand(&command->memory, original, &why);
    if (!expanded) {
        fail_at(reader, node, "%s", why.text);
        reader->error->code = why.code;
    }
    if (expanded && expanded != original)
        remember(command, expanded, original);
    return expanded;
}

/* ------------------------------------------------------------------- --set */

static int set_fail(struct reader *reader, const char *path, int code) {
    const char *reason = code == -ENOMEM   ? "out of memory"
                         : code == -ENOENT ? "the file has no such place"
                         : code == -EILSEQ ? "it is not UTF-8"
                                           : "it reads PATH=VALUE, as in options.workers=8";
    return leat_fail(reader->error, code == -ENOMEM ? code : -EINVAL, "%s: --set %s: %s", reader->command->file, path,
                     reason);
}

/* The place in `parent` that `key` names, made when it is a new key of a mapping. 0, -ENOENT or -ENOMEM. */
static int set_place(struct reader *reader, int parent, const char *key, yaml_node_item_t **place) {
    yaml_node_t *node = node_at(reader, parent);
    if (node->type == YAML_SEQUENCE_NODE) {
        char *end;
        unsigned long index = strtoul(key, &end, 10);
        size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
        *place = node->data.sequence.items.start + index;
        return *key && !*end && index < count ? 0 : -ENOENT;
    }
    if (node->type != YAML_MAPPING_NODE)
        return -ENOENT;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = node_at(reader, pair->key);
        *place = &pair->value;
        if (name->type == YAML_SCALAR_NODE && strcmp(text_of(name), key) == 0)
            return 0;
    }
    int name = yaml_document_add_scalar(reader->document, NULL, (const yaml_char_t *)key, -1, YAML_ANY_SCALAR_STYLE);
    int value = yaml_document_add_mapping(reader->document, NULL, YAML_ANY_MAPPING_STYLE);
    if (!name || !value || !yaml_document_append_mapping_pair(reader->document, parent, name, value))
        return -ENOMEM;
    *place = &node_at(reader, parent)->data.mapping.pairs.top[-1].value;
    return 0;
}

/* One "a.b.0=value". */
static int set_one(struct reader *reader, const char *text) {
    struct lt_memory *memory = &reader->command->memory;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return set_fail(reader, text, -EINVAL);
    if (lt_utf8_prefix(text, strlen(text)) < strlen(text))
        return set_fail(reader, text, -EILSEQ);
    const char *path = lt_memory_copy(memory, text, (size_t)(equals - text));
    int parent = 1;
    for (const char *key = path;; key = strchr(key, '.') + 1) {
        const char *end = strchrnul(key, '.');
        const char *name = lt_memory_copy(memory, key, (size_t)(end - key));
        yaml_node_item_t *place;
        int code = set_place(reader, parent, name, &place);
        if (code)
            return set_fail(reader, path, code);
        if (*end) {
            parent = *place;
            continue;
        }
        int value = yaml_document_add_scalar(reader->document, NULL, (const yaml_char_t *)(equals + 1), -1,
                                             YAML_ANY_SCALAR_STYLE);
        if (!value)
            return set_fail(reader, path, -ENOMEM);
        *place = value;
        return 0;
    }
}

/* --------------------------------------------------------------- the walk */

/* Options, then these other keys: what a map may hold. */
static int unknown_key(struct reader *reader, const yaml_node_t *key, const char *where,
                       const struct leat_option *const *tables, size_t table_count, const char *const *others) {
    struct lt_suggest suggest = {.word = text_of(key)};
    for (size_t i = 0; i < table_count; i++)
        for (const struct leat_option *option = tables[i]; option && option->name; option++)
            lt_suggest_try(&suggest, option->name);
    for (; others && *others; others++)
        lt_suggest_try(&suggest, *others);
    char hint[96];
    lt_suggest_text(&suggest, "", hint, sizeof hint);
    return fail_at(reader, key, "unknown key \"%s\" in %s%s", text_of(key), where, hint);
}

/* Keys are scalars, and none stands twice. */
static int check_keys(struct reader *reader, const yaml_node_t *map) {
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(reader, pair->key);
        if (key->type != YAML_SCALAR_NODE)
            return fail_at(reader, key, "a key must be plain text");
        for (yaml_node_pair_t *other = map->data.mapping.pairs.start; other < pair; other++)
            if (strcmp(text_of(node_at(reader, other->key)), text_of(key)) == 0)
                return fail_at(reader, key, "\"%s\" stands here twice", text_of(key));
    }
    return 0;
}

static int read_scalar(struct reader *reader, const yaml_node_t *node, const char *what, const char **text) {
    *text = NULL;
    if (node->type != YAML_SCALAR_NODE)
        return fail_at(reader, node, "%s must be one value, not a %s", what,
                       node->type == YAML_SEQUENCE_NODE ? "list" : "map");
    *text = expand(reader, node);
    return *text ? 0 : -EINVAL;
}

static int read_option_value(struct reader *reader, const yaml_node_t *node, const struct leat_option *option,
                             void *settings) {
    const char *text;
    if (read_scalar(reader, node, option->name, &text))
        return -EINVAL;
    struct leat_error why;
    if (lt_value_assign(&reader->command->memory, option, settings, text, &why))
        return fail_at(reader, node, "%s: %s", option->name, why.text);
    return 0;
}

/* A list option takes one value or a list of them. */
static int read_option(struct reader *reader, const yaml_node_t *node, const struct leat_option *option,
                       void *settings) {
    if (option->type != LEAT_OPTION_LIST || node->type != YAML_SEQUENCE_NODE)
        return read_option_value(reader, node, option, settings);
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
        if (read_option_value(reader, node_at(reader, *item), option, settings))
            return -EINVAL;
    return 0;
}

/* "NAME=VALUE", known to `show` by what stood in the file. */
static const char *join_word(struct reader *reader, const char *name, const char *value) {
    struct lt_command *command = reader->command;
    const char *word = lt_memory_print(&command->memory, "%s=%s", name, value);
    for (size_t i = 0; i < command->original_count; i++) {
        if (command->originals[i].expanded != value)
            continue;
        remember(command, word, lt_memory_print(&command->memory, "%s=%s", name, command->originals[i].text));
        break;
    }
    return word;
}

/* Words of a part: one, a list, or a map for NAME=VALUE. */
static int read_words(struct reader *reader, const yaml_node_t *node, struct lt_part *part) {
    struct lt_memory *memory = &reader->command->memory;
    const char *text;
    if (node->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
            if (read_scalar(reader, node_at(reader, *item), "a word", &text))
                return -EINVAL;
            lt_part_word(memory, part, text);
        }
        return 0;
    }
    if (node->type == YAML_MAPPING_NODE) {
        if (check_keys(reader, node))
            return -EINVAL;
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
            const char *name = text_of(node_at(reader, pair->key));
            if (read_scalar(reader, node_at(reader, pair->value), name, &text))
                return -EINVAL;
            lt_part_word(memory, part, join_word(reader, name, text));
        }
        return 0;
    }
    if (read_scalar(reader, node, "args", &text))
        return -EINVAL;
    lt_part_word(memory, part, text);
    return 0;
}

/* The map of an end or a stage. `skip`: a key that has been read. */
static int read_settings(struct reader *reader, const yaml_node_t *map, struct lt_part *part, const char *where,
                         const char *skip) {
    const char *const others[] = {part->stage ? "args" : "uri", NULL};
    const struct leat_option *const tables[] = {part->options, part->stage ? lt_stage_options : NULL};
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(reader, pair->key), *value = node_at(reader, pair->value);
        const char *name = text_of(key);
        const struct leat_option *option = lt_option_find(tables[0], name);
        void *settings = part->settings;
        if (!option) {
            option = lt_option_find(tables[1], name);
            settings = &part->flags;
        }
        int result = 0;
        if (skip && strcmp(name, skip) == 0)
            continue;
        if (option && !(settings == &part->flags && option->letter == 'h'))
            result = read_option(reader, value, option, settings);
        else if (part->stage && strcmp(name, "args") == 0)
            result = read_words(reader, value, part);
        else
            result = unknown_key(reader, key, where, tables, 2, others);
        if (result)
            return result;
    }
    return 0;
}

static const yaml_node_t *find_key(struct reader *reader, const yaml_node_t *map, const char *name) {
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++)
        if (strcmp(text_of(node_at(reader, pair->key)), name) == 0)
            return node_at(reader, pair->value);
    return NULL;
}

typedef int begin_fn(struct lt_memory *memory, struct lt_part *part, const char *word, struct leat_error *error);

static int begin_at(struct reader *reader, const yaml_node_t *node, begin_fn *begin, struct lt_part *part,
                    const char *word) {
    struct leat_error why;
    if (begin(&reader->command->memory, part, word, &why))
        return fail_at(reader, node, "%s", why.text);
    return 0;
}

/* from: and to: */
static int read_end(struct reader *reader, const yaml_node_t *node, const char *where, begin_fn *begin) {
    struct lt_part part;
    const yaml_node_t *uri = node;
    if (node->type == YAML_MAPPING_NODE) {
        if (check_keys(reader, node))
            return -EINVAL;
        uri = find_key(reader, node, "uri");
        if (!uri)
            return fail_at(reader, node, "%s: its uri is missing", where);
    }
    const char *word;
    if (read_scalar(reader, uri, where, &word))
        return -EINVAL;
    if (uri->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text_of(uri), "null") == 0)
        return fail_at(reader, uri, "%s: null is no place; \"null:\" in quotes keeps nothing, ./null is a file", where);
    if (begin_at(reader, uri, begin, &part, word))
        return -EINVAL;
    if (node != uri && read_settings(reader, node, &part, where, "uri"))
        return -EINVAL;
    lt_part_finish(&reader->command->memory, &part, &reader->command->plan);
    return 0;
}

/* One of steps: "read", "where: .a", "match: {…}" */
static int read_step(struct reader *reader, const yaml_node_t *node) {
    const yaml_node_t *name = node, *value = NULL;
    if (node->type == YAML_MAPPING_NODE) {
        yaml_node_pair_t *pair = node->data.mapping.pairs.start;
        if (node->data.mapping.pairs.top - pair != 1)
            return fail_at(reader, node, "a step has one key, the name of its stage");
        name = node_at(reader, pair->key);
        value = node_at(reader, pair->value);
    }
    const char *word;
    struct lt_part part;
    if (read_scalar(reader, name, "a step", &word) || begin_at(reader, name, lt_part_stage, &part, word))
        return -EINVAL;
    int result = 0;
    bool empty = value && value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0 &&
                 value->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (value && value->type == YAML_MAPPING_NODE)
        result = check_keys(reader, value) ? -EINVAL : read_settings(reader, value, &part, word, NULL);
    else if (value && !empty)
        result = read_words(reader, value, &part);
    struct lt_plan *plan = &reader->command->plan;
    if (result)
        return result;
    lt_part_finish(&reader->command->memory, &part, plan);
    plan->stages[plan->stage_count - 1].place = place_of(reader, name);
    return 0;
}

static int read_steps(struct reader *reader, const yaml_node_t *node) {
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(reader, node, "steps must be a list");
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
        if (read_step(reader, node_at(reader, *item)))
            return -EINVAL;
    return 0;
}

static int read_options(struct reader *reader, const yaml_node_t *node) {
    if (node->type != YAML_MAPPING_NODE)
        return fail_at(reader, node, "options must be a map");
    if (check_keys(reader, node))
        return -EINVAL;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(reader, pair->key);
        const struct leat_option *option = lt_option_find(lt_front_options, text_of(key));
        const struct leat_option *tables[] = {lt_front_options};
        if (!option || !lt_front_is_lasting(option))
            return unknown_key(reader, key, "options", tables, 1, NULL);
        if (read_option(reader, node_at(reader, pair->value), option, &reader->command->front))
            return -EINVAL;
    }
    return 0;
}

static int read_root(struct reader *reader, const yaml_node_t *root) {
    static const char *const keys[] = {"from", "steps", "to", "options", NULL};
    if (root->type != YAML_MAPPING_NODE)
        return fail_at(reader, root, "a pipeline is a map of from, steps, to, options");
    if (check_keys(reader, root))
        return -EINVAL;
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(reader, pair->key), *value = node_at(reader, pair->value);
        const char *name = text_of(key);
        int result;
        if (strcmp(name, "from") == 0)
            result = read_end(reader, value, name, lt_part_source);
        else if (strcmp(name, "to") == 0)
            result = read_end(reader, value, name, lt_part_sink);
        else if (strcmp(name, "steps") == 0)
            result = read_steps(reader, value);
        else if (strcmp(name, "options") == 0)
            result = read_options(reader, value);
        else
            result = unknown_key(reader, key, "a pipeline", NULL, 0, keys);
        if (result)
            return result;
    }
    if (!reader->command->plan.source)
        return fail_at(reader, root, "\"from\" is missing");
    if (reader->command->plan.sink)
        return 0;
    struct lt_part part;
    int result = lt_part_sink(&reader->command->memory, &part, "-", reader->error);
    if (result == 0)
        lt_part_finish(&reader->command->memory, &part, &reader->command->plan);
    return result;
}

static int read_document(struct lt_command *command, yaml_document_t *document, const struct leat_list *set,
                         struct leat_error *error) {
    struct reader reader = {
        .command = command,
        .document = document,
        .file_nodes = (size_t)(document->nodes.top - document->nodes.start),
        .error = error,
    };
    if (reader.file_nodes == 0)
        return leat_fail(error, -EINVAL, "%s: the file is empty", command->file);
    for (size_t i = 0; i < set->count; i++)
        if (set_one(&reader, set->items[i]))
            return -EINVAL;
    return read_root(&reader, yaml_document_get_root_node(document));
}

static int syntax_error(const struct lt_command *command, const yaml_parser_t *parser, struct leat_error *error) {
    if (!parser->problem) /* when memory is short it does not always say so */
        return leat_fail(error, -ENOMEM, "%s: out of memory", command->file);
    if (parser->error == YAML_READER_ERROR)
        return leat_fail(error, -EINVAL, "%s: %s at byte %zu", command->file, parser->problem, parser->problem_offset);
    /* The two that everybody meets: "to: -" and "to: null:". */
    const char *hint = "";
    if (strstr(parser->problem, "block sequence entries"))
        hint = "; a \"-\" that is a text stands in quotes";
    else if (strstr(parser->problem, "mapping values"))
        hint = "; a text with \": \" in it or \":\" at its end stands in quotes";
    return leat_fail(error, -EINVAL, "%s:%zu:%zu: %s%s", command->file, parser->problem_mark.line + 1,
                     parser->problem_mark.column + 1, parser->problem, hint);
}

static int read_stream(struct lt_command *command, yaml_parser_t *parser, const struct leat_list *set,
                       struct leat_error *error) {
    yaml_document_t document, more;
    if (!yaml_parser_load(parser, &document))
        return syntax_error(command, parser, error);
    int result = read_document(command, &document, set, error);
    yaml_document_delete(&document);
    if (result)
        return result;
    if (!yaml_parser_load(parser, &more))
        return syntax_error(command, parser, error);
    yaml_node_t *root = yaml_document_get_root_node(&more);
    if (root)
        result = leat_fail(error, -EINVAL, "%s:%zu:%zu: a second document; a file is one pipeline", command->file,
                           root->start_mark.line + 1, root->start_mark.column + 1);
    yaml_document_delete(&more);
    return result;
}

/* The library takes time with the square of the depth, so what no pipeline can be is refused before it is loaded. */
static int check_depth(const struct lt_command *command, yaml_parser_t *parser, struct leat_error *error) {
    for (unsigned depth = 0;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return syntax_error(command, parser, error);
        yaml_event_type_t type = event.type;
        yaml_mark_t at = event.start_mark;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
            depth++;
        if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
            depth--;
        if (depth > MOST_DEPTH)
            return leat_fail(error, -EINVAL, "%s:%zu:%zu: nested too deeply for a pipeline", command->file, at.line + 1,
                             at.column + 1);
    }
}

static int parse(struct lt_command *command, const char *text, size_t size, const struct leat_list *set,
                 struct leat_error *error) {
    int result = 0;
    for (int pass = 0; pass < 2 && result == 0; pass++) {
        yaml_parser_t parser;
        if (!yaml_parser_initialize(&parser))
            return leat_fail(error, -ENOMEM, "%s: out of memory", command->file);
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
        result = pass == 0 ? check_depth(command, &parser, error) : read_stream(command, &parser, set, error);
        yaml_parser_delete(&parser);
    }
    return result;
}

int lt_yaml_read(struct lt_command *command, const struct leat_list *set, struct leat_error *error) {
    FILE *file = fopen(command->file, "re");
    if (!file)
        return leat_fail(error, -errno, "%s: %s", command->file, strerror(errno));
    char *text = lt_memory_take(&command->memory, LARGEST_FILE + 1);
    size_t size = fread(text, 1, LARGEST_FILE + 1, file);
    int code = ferror(file) ? errno : 0;
    fclose(file);
    if (code)
        return leat_fail(error, -code, "%s: %s", command->file, strerror(code));
    if (size > LARGEST_FILE)
        return leat_fail(error, -EFBIG, "%s: is larger than %d KiB, which no pipeline is", command->file,
                         LARGEST_FILE / 1024);
    return parse(command, text, size, set, error);
}

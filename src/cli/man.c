/* SPDX-License-Identifier: MIT */
/*
 * The man page in mdoc, made from the same tables as --help. Everything that
 * comes from a table goes through write_escaped(), so that no text is taken for
 * a macro.
 */
#include "base/utf8.h"
#include "cli/help.h"
#include "cli/bench/options.h"
#include "cli/load/options.h"
#include "cli/options.h"
#include "pipeline/registry.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_LINE = 72 };

/* One character: what roff would read is spelled out. Returns how many bytes of the text it was. */
static size_t write_character(FILE *file, const char *text) {
    unsigned length = lt_utf8_sequence(text, text + strlen(text));
    if (length <= 1) {
        if (*text == '\\')
            fputs("\\e", file);
        else if (*text == '-')
            fputs("\\-", file);
        else
            fputc(*text, file);
        return 1;
    }
    uint32_t point = (unsigned char)*text & (0x7f >> length);
    for (unsigned i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3f);
    fprintf(file, "\\[u%04X]", point);
    return length;
}

static void write_escaped(FILE *file, const char *text, size_t size) {
    if (size && (*text == '.' || *text == '\''))
        fputs("\\&", file);
    for (size_t i = 0; i < size;)
        i += write_character(file, text + i);
}

/* Running text: short lines, a new one for each sentence. */
static void write_text(FILE *file, const char *text) {
    size_t column = 0;
    for (bool first = true; *text; first = false) {
        size_t length = strcspn(text, " ");
        if (column && column + length >= LONGEST_LINE) {
            fputc('\n', file);
            column = 0;
        } else if (column) {
            fputc(' ', file);
        }
        if (first) {
            fputc(toupper((unsigned char)*text), file);
            write_escaped(file, text + 1, length - 1);
        } else {
            write_escaped(file, text, length);
        }
        column += length + 1;
        bool sentence = length && text[length - 1] == '.';
        text += length + (text[length] == ' ');
        if (sentence && *text) {
            fputc('\n', file);
            column = 0;
        }
        if (!*text && !sentence)
            fputc('.', file);
    }
    fputc('\n', file);
}

/* An argument of a macro: one word for roff. */
static void write_argument(FILE *file, const char *text) {
    fputs(" \"", file);
    for (size_t i = 0; text[i];) {
        if (text[i] == '"')
            fputs("\\(dq", file);
        i += text[i] == '"' ? 1 : write_character(file, text + i);
    }
    /* What ends in punctuation is not the end of a sentence. */
    fputs("\\&\"", file);
}

static void write_options(FILE *file, const struct leat_option *table) {
    if (!table || !table->name)
        return;
    fputs(".Bl -tag -width Ds\n", file);
    for (const struct leat_option *option = table; option->name; option++) {
        fputs(".It", file);
        if (option->letter)
            fprintf(file, " Fl %c ,", option->letter);
        fprintf(file, " Fl \\-%s", option->name);
        if (option->argument) {
            fputs(" Ar", file);
            write_argument(file, option->argument);
        }
        fputc('\n', file);
        write_text(file, option->help);
        if (option->initial) {
            fputs("The default is\n.Cm", file);
            write_argument(file, option->initial);
            fputs(" .\n", file);
        }
    }
    fputs(".El\n", file);
}

static void write_part(FILE *file, const char *syntax, const char *summary, const struct leat_option *options) {
    fputs(".Ss", file);
    write_argument(file, syntax);
    fputc('\n', file);
    write_text(file, summary);
    write_options(file, options);
}

static void write_entries(FILE *file, const struct lt_entry *entries) {
    fputs(".Bl -tag -width Ds\n", file);
    for (; entries->name; entries++) {
        fputs(".It Cm", file);
        write_argument(file, entries->name);
        fputc('\n', file);
        write_text(file, entries->text);
    }
    fputs(".El\n", file);
}

static void write_literal(FILE *file, const char *text) {
    fputs(".Bd -literal -offset indent\n", file);
    while (*text) {
        size_t length = strcspn(text, "\n");
        write_escaped(file, text, length);
        fputc('\n', file);
        text += length + (text[length] == '\n');
    }
    fputs(".Ed\n", file);
}

void lt_help_man(FILE *file) {
    fputs(".Dd November 23, 2026\n.Dt LEAT 1\n.Os\n.Sh NAME\n.Nm leat\n"
          ".Nd pipelines that always finish\n.Sh SYNOPSIS\n.Nm\n.Ar FROM\n.Op Ar flags\n"
          ".No \\&: Ar STAGE\n.Op Ar flags\n.No ...\n.No \\&: Ar TO\n.Op Ar flags\n.Op Ar options\n"
          ".Sh DESCRIPTION\n",
          file);
    write_text(file, lt_summary);
    write_entries(file, lt_usages);
    fputs(".Sh OPTIONS\n", file);
    write_options(file, lt_front_options);
    fputs(".Sh LOAD\nOptions of\n.Nm Cm load ,\nbesides those above and the flags of its end:\n", file);
    write_options(file, lt_load_options);
    fputs(".Sh BENCH\nOptions of\n.Nm Cm bench ,\nbesides those above:\n", file);
    write_options(file, lt_bench_options);
    fputs(".Sh SOURCES\n", file);
    for (size_t i = 0; lt_source_types[i]; i++)
        write_part(file, lt_source_types[i]->syntax, lt_source_types[i]->summary, lt_source_types[i]->options);
    fputs(".Sh STAGES\nFlags of every stage:\n", file);
    write_options(file, lt_stage_options);
    for (size_t i = 0; lt_stage_types[i]; i++)
        write_part(file, lt_stage_types[i]->syntax, lt_stage_types[i]->summary, lt_stage_types[i]->options);
    fputs(".Sh SINKS\n", file);
    for (size_t i = 0; lt_sink_types[i]; i++)
        write_part(file, lt_sink_types[i]->syntax, lt_sink_types[i]->summary, lt_sink_types[i]->options);
    fputs(".Sh ENVIRONMENT\n", file);
    write_text(file, lt_about_environment);
    fputs(".Sh FILES\nA pipeline as a file:\n", file);
    write_literal(file, lt_about_yaml);
    fputs(".Sh EXIT STATUS\n", file);
    write_entries(file, lt_exit_codes);
    fputs(".Sh EXAMPLES\n", file);
    for (const struct lt_entry *example = lt_examples; example->name; example++) {
        write_text(file, example->text);
        write_literal(file, example->name);
        if (example[1].name)
            fputs(".Pp\n", file);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * The picture of a run in the terminal: the same parts, bars and words as on the page. It is drawn as long as it is,
 * and then cut to the terminal; so nothing but the table's columns and the sentence has to know how wide that is.
 */
#include "cli/top/top.h"
#include "cli/words.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BAR = 24, LEAST_BAR = 10, MOST_NAME = 24, LEAST_NAME = 12, BESIDES = 57 };
enum { LEAST_SECONDS = 3 }; /* from when on it is told how sure the verdict is */

/** Columns of what gives way in a narrow terminal; what stands besides them in a row of the table takes BESIDES. */
struct layout {
    int name, bar;
};

/* Letters besides the colours: they can be told apart without them. */
static const struct {
    const char *name, *words;
    char letter;
    const char *colour;
} states[] = {{"busy", "busy", '#', "\033[34m"},
              {"outside", "waits for the outside", '~', "\033[33m"},
              {"throttled", "held back by a rate", '=', "\033[35m"},
              {"output", "waits for its output", '>', "\033[31m"},
              {"input", "waits for input", '.', "\033[2m"}};
enum { STATES = sizeof states / sizeof *states };

static double number(const json_t *object, const char *name) {
    return json_number_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name) {
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

static void put_scaled(FILE *file, int width, double value) {
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    char room[32];
    size_t prefix = 0;
    for (; value >= 999.5 && prefix < 4; prefix++)
        value /= 1000;
    snprintf(room, sizeof room, "%.*f%s%s/s", value < 9.95 && value > 0, value, prefix ? " " : "", prefixes[prefix]);
    fprintf(file, "%*s", width, room);
}

static void put_time(FILE *file, double seconds) {
    if (seconds < 1e-3)
        fprintf(file, "%.0f µs", seconds * 1e6);
    else if (seconds < 1)
        fprintf(file, "%.3g ms", seconds * 1e3);
    else
        fprintf(file, "%.1f s", seconds);
}

static bool begins_character(char byte) {
    return ((unsigned char)byte & 0xc0) != 0x80;
}

/* The bytes of the text's first columns. */
static size_t size_of(const char *text, size_t columns) {
    size_t size = 0;
    while (text[size] && (!begins_character(text[size]) || columns-- > 0))
        size++;
    return size;
}

/* What a terminal would take for more than text, U+0000 to U+001F and U+007F to U+009F, becomes a question mark. */
static void put_plain(FILE *file, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool pair = byte == 0xc2 && i + 1 < size && (unsigned char)text[i + 1] < 0xa0;
        fputc(byte < 0x20 || byte == 0x7f || pair ? '?' : byte, file);
        i += pair;
    }
}

/* Broken between words; `used` columns of the first line are taken. */
static void put_wrapped(FILE *file, const char *text, size_t used, size_t columns) {
    while (*text) {
        size_t size = strcspn(text, " "), width = lt_columns(text, size);
        bool full = used + 1 + width > columns;
        if (used)
            fputc(full ? '\n' : ' ', file);
        put_plain(file, text, size);
        used = used && !full ? used + 1 + width : width;
        text += size + (text[size] == ' ');
    }
    fputc('\n', file);
}

static void put_bar(FILE *file, const json_t *part, int width, bool colours) {
    double sum = 0;
    int drawn = 0;
    fputc('[', file);
    for (int s = 0; s < STATES; s++) {
        sum += number(part, states[s].name);
        int end = (int)(width * sum + 0.5);
        if (colours && end > drawn)
            fputs(states[s].colour, file);
        for (; drawn < end && drawn < width; drawn++)
            fputc(states[s].letter, file);
        if (colours)
            fputs("\033[0m", file);
    }
    for (; drawn < width; drawn++)
        fputc(' ', file);
    fputc(']', file);
}

static const char *main_words(const json_t *part, double *share) {
    int most = 0;
    for (int s = 1; s < STATES; s++)
        if (number(part, states[s].name) > number(part, states[most].name))
            most = s;
    *share = number(part, states[most].name);
    return states[most].words;
}

static void put_part(FILE *file, const json_t *part, const struct layout *layout, bool limits, bool colours) {
    double share, capacity = number(part, "queue_capacity");
    const char *words = main_words(part, &share), *name = text(part, "name");
    size_t size = size_of(name, (size_t)layout->name);
    fputs(limits && colours ? "\033[1;31m*\033[0m " : limits ? "* " : "  ", file);
    put_plain(file, name, size);
    fprintf(file, "%*s %7.0f ", layout->name - (int)lt_columns(name, size), "", number(part, "workers"));
    put_scaled(file, 9, number(part, "rate"));
    if (capacity > 0)
        fprintf(file, " %4.0f%%  ", 100 * number(part, "queued") / capacity);
    else
        fputs("        ", file);
    put_bar(file, part, layout->bar, colours);
    fprintf(file, " %3.0f%% %s\n", 100 * share, words);
}

static void put_head(FILE *file, const json_t *status) {
    double total = number(status, "total");
    const char *state = json_is_true(json_object_get(status, "ended"))      ? "ended"
                        : json_is_true(json_object_get(status, "stopping")) ? "stopping"
                        : json_is_true(json_object_get(status, "paused"))   ? "paused"
                                                                            : "running";
    fprintf(file, "leat: %s, %.0f s: %.0f", state, number(status, "seconds"), number(status, "in"));
    if (total > 0)
        fprintf(file, " of %.0f (%.0f%%)", total, 100 * number(status, "in") / total);
    fputs(" in, ", file);
    put_scaled(file, 0, number(status, "in_rate"));
    if (number(status, "rate_limit") > 0) {
        fputs(" (limit ", file);
        put_scaled(file, 0, number(status, "rate_limit"));
        fputc(')', file);
    }
    fprintf(file, "; %.0f delivered, %.0f filtered, %.0f failed, %.0f unacked, %.0f unconfirmed",
            number(status, "delivered"), number(status, "filtered"), number(status, "failed"),
            number(status, "unacked"), number(status, "unconfirmed"));
}

static struct layout lay_out(size_t columns) {
    struct layout layout = {MOST_NAME, MOST_BAR};
    int missing = columns < BESIDES + MOST_NAME + MOST_BAR ? BESIDES + MOST_NAME + MOST_BAR - (int)columns : 0;
    int from_bar = missing < MOST_BAR - LEAST_BAR ? missing : MOST_BAR - LEAST_BAR;
    int from_name = missing - from_bar < MOST_NAME - LEAST_NAME ? missing - from_bar : MOST_NAME - LEAST_NAME;
    layout.bar -= from_bar;
    layout.name -= from_name;
    return layout;
}

static bool is_limited(const json_t *status) {
    return strcmp(text(json_object_get(status, "verdict"), "kind"), "none") != 0;
}

static void put_verdict(FILE *file, const json_t *status, size_t columns) {
    const json_t *verdict = json_object_get(status, "verdict");
    const char *head = is_limited(status) ? "bottleneck:" : "";
    char sentence[512], sure[48] = "";
    unsigned seconds = (unsigned)number(verdict, "of_seconds");
    if (*head && seconds >= LEAST_SECONDS)
        snprintf(sure, sizeof sure, " (so in %u of %u s)", (unsigned)number(verdict, "agreeing"), seconds);
    snprintf(sentence, sizeof sentence, "%s%s", text(status, "bottleneck"), sure);
    fputs(head, file);
    put_wrapped(file, sentence, strlen(head), columns);
}

static void put_parts(FILE *file, const json_t *status, size_t columns, bool colours) {
    const json_t *verdict = json_object_get(status, "verdict"), *part;
    struct layout layout = lay_out(columns);
    bool limited = is_limited(status);
    size_t i;
    fprintf(file, "\n  %-*s %7s %9s %5s  %s\n", layout.name, "part", "workers", "items", "queue",
            "# busy ~ outside = rate > output . input");
    json_array_foreach(json_object_get(status, "parts"), i, part)
        put_part(file, part, &layout, limited && i == (size_t)number(verdict, "part"), colours);
}

static void put_latency(FILE *file, const json_t *latency) {
    fputs("\nfrom read to done: half within ", file);
    put_time(file, number(latency, "p50"));
    fputs(", 99 % within ", file);
    put_time(file, number(latency, "p99"));
    fputs(", the longest ", file);
    put_time(file, number(latency, "max"));
    fputc('\n', file);
}

static void put_failures(FILE *file, const json_t *failures) {
    const json_t *failure;
    size_t i;
    json_array_foreach(failures, i, failure) {
        const char *stage = text(failure, "stage"), *reason = text(failure, "reason");
        fprintf(file, "%sitem %.0f, ", i ? "" : "\nlast failures:\n", number(failure, "position"));
        put_plain(file, stage, size_of(stage, MOST_NAME));
        fputs(": ", file);
        put_plain(file, reason, strlen(reason));
        fputc('\n', file);
    }
}

/* The last row stays empty, for the cursor. Colours take no columns. */
static void put_cut(FILE *file, const char *picture, const struct lt_top_size *size) {
    size_t row = 1, column = 0;
    for (; *picture; picture++) {
        if (*picture == '\033') {
            size_t colour = strcspn(picture, "m");
            fwrite(picture, 1, colour + 1, file);
            picture += colour;
            continue;
        }
        column += begins_character(*picture);
        if (*picture == '\n')
            column = 0;
        if (column <= size->columns)
            fputc(*picture, file);
        if (*picture == '\n' && ++row >= size->rows)
            return;
    }
}

/* NULL when memory is short; the caller frees it. */
static char *head_of(const json_t *status) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    put_head(file, status);
    fclose(file);
    return text;
}

void lt_top_draw(FILE *file, const json_t *status, const struct lt_top_size *size, bool colours) {
    char *text = NULL, *head = head_of(status);
    size_t length = 0;
    FILE *picture = head ? open_memstream(&text, &length) : NULL;
    if (!picture) {
        free(head);
        return;
    }
    put_wrapped(picture, head, 0, size->columns);
    free(head);
    put_verdict(picture, status, size->columns);
    put_parts(picture, status, size->columns, colours);
    put_latency(picture, json_object_get(status, "latency"));
    put_failures(picture, json_object_get(status, "failures"));
    if (fclose(picture) == 0)
        put_cut(file, text, size);
    free(text);
}

/* SPDX-License-Identifier: MIT */
/* The picture of a run in the terminal: the same parts, bars and words as on the page. */
#include "cli/top/top.h"

#include <string.h>

enum { BAR = 24, NAME = 24 };

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

/* What a terminal would take for more than text is left out. */
static void put_plain(FILE *file, const char *what, size_t columns) {
    for (; *what && columns > 0; what++) {
        unsigned char byte = (unsigned char)*what;
        fputc(byte < 0x20 || byte == 0x7f ? '?' : byte, file);
        columns -= (byte & 0xc0) != 0x80;
    }
    while (((unsigned char)*what & 0xc0) == 0x80)
        fputc(*what++, file);
}

static void put_bar(FILE *file, const json_t *part, bool colours) {
    double sum = 0;
    int drawn = 0;
    fputc('[', file);
    for (int s = 0; s < STATES; s++) {
        sum += number(part, states[s].name);
        int end = (int)(BAR * sum + 0.5);
        if (colours && end > drawn)
            fputs(states[s].colour, file);
        for (; drawn < end && drawn < BAR; drawn++)
            fputc(states[s].letter, file);
        if (colours)
            fputs("\033[0m", file);
    }
    for (; drawn < BAR; drawn++)
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

static void put_part(FILE *file, const json_t *part, bool limits, bool colours) {
    double share, capacity = number(part, "queue_capacity");
    const char *words = main_words(part, &share);
    fputs(limits && colours ? "\033[1;31m*\033[0m " : limits ? "* " : "  ", file);
    char name[NAME + 1];
    snprintf(name, sizeof name, "%s", text(part, "name"));
    size_t length = strlen(name);
    while (length && (name[length - 1] & 0xc0) == 0x80 && strlen(text(part, "name")) > NAME)
        name[--length] = '\0';
    put_plain(file, name, NAME);
    fprintf(file, "%*s %7.0f ", (int)(NAME - (length < NAME ? length : NAME)), "", number(part, "workers"));
    put_scaled(file, 9, number(part, "rate"));
    if (capacity > 0)
        fprintf(file, " %4.0f%%  ", 100 * number(part, "queued") / capacity);
    else
        fputs("        ", file);
    put_bar(file, part, colours);
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
    fprintf(file, "; %.0f delivered, %.0f filtered, %.0f failed, %.0f unacked, %.0f unconfirmed\n",
            number(status, "delivered"), number(status, "filtered"), number(status, "failed"),
            number(status, "unacked"), number(status, "unconfirmed"));
}

void lt_top_draw(FILE *file, const json_t *status, size_t width, bool colours) {
    const json_t *verdict = json_object_get(status, "verdict"), *latency = json_object_get(status, "latency"), *entry;
    bool limited = strcmp(text(verdict, "kind"), "none") != 0;
    size_t i;
    put_head(file, status);
    fputs(limited ? "bottleneck: " : "", file);
    put_plain(file, text(status, "bottleneck"), 2 * width);
    fprintf(file, "\n\n  %-*s %7s %9s %5s  %-*s\n", NAME, "part", "workers", "items", "queue", BAR,
            "# busy ~ outside = rate > output . input");
    json_array_foreach(json_object_get(status, "parts"), i, entry)
        put_part(file, entry, limited && i == (size_t)number(verdict, "part"), colours);
    fputs("\nfrom read to done: half within ", file);
    put_time(file, number(latency, "p50"));
    fputs(", 99 % within ", file);
    put_time(file, number(latency, "p99"));
    fputs(", the longest ", file);
    put_time(file, number(latency, "max"));
    fputc('\n', file);
    json_array_foreach(json_object_get(status, "failures"), i, entry) {
        fprintf(file, "%sitem %.0f, ", i ? "" : "\nlast failures:\n", number(entry, "position"));
        put_plain(file, text(entry, "stage"), NAME);
        fputs(": ", file);
        put_plain(file, text(entry, "reason"), width > 40 ? width - 40 : 40);
        fputc('\n', file);
    }
}

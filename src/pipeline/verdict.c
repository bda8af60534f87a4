/* SPDX-License-Identifier: MIT */
/**
 * The verdict: who limits the run, from what its workers did with their time.
 *
 * Asked in this order, because each answer makes the later questions moot: are
 * the processors used up; does a limit of the user's hold the run back; do the
 * stages work without having processors, and so wait in their middle; is one
 * group of workers always at work while all before it wait for it; does a server
 * behind the ends; does the source, does the sink. Otherwise nobody does, and
 * saying so is the honest answer. All numbers are shares of the workers' time between the two snapshots,
 * without that in which the run was paused.
 *
 * Rejected: "the stage that is busiest" (a stage that shares full processors is
 * busy without being to blame) and fill levels of queues alone (they flip when
 * two stages are about as fast).
 */
#include "pipeline/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CPU_FULL 0.95     /* of the processors, from here on more workers do not help */
#define WORTH 0.02        /* of what a worker more would bring if nothing else limited: worth a word */
#define OTHERS 0.1        /* of the processors: worth a word */
#define MOSTLY 0.5        /* a share that says "this is what it does" */
#define HIGH 0.3          /* a share that is more than noise */
#define NOISE 0.1         /* a share that is not worth a word */
#define SATURATED 0.85    /* at work that much: neither short of input nor held up */
#define ACKNOWLEDGING 0.8 /* of the elapsed time */

/** One column between two snapshots. */
struct part {
    const char *name;
    unsigned workers;
    double share[LEAT_STATES]; /* of its workers' time; they sum up to 1 */
    double cpu;                /* seconds */
    double commands;           /* of them, those of its children */
    double busy;               /* seconds */
    double working;            /* seconds busy or waiting for the outside */
    double throttled;          /* seconds */
};

struct view {
    double seconds;
    double items; /* that came into the run */
    double cpu, processors;
    double delayed;       /* seconds in which workers were ready and others had the processors */
    double acknowledging; /* share */
    const char *source_server, *sink_server;
    double sinking;        /* share of an item's way that it is with the sink */
    double way;            /* seconds, of an item */
    double under_way;      /* items, on average */
    const char *hindrance; /* what the servers said most */
    double hindered;       /* share of the elapsed time */
    size_t count;
    struct part parts[LT_MAX_STAGES + 2];
};

static double in_seconds(leat_time time) {
    return (double)time / (double)LEAT_SECOND;
}

static leat_time difference(leat_time to, leat_time from) {
    return to > from ? to - from : 0;
}

/** `resting`: seconds in which there was no input, and nobody is to blame. */
static void compare(const struct lt_stage_snapshot *from, const struct lt_stage_snapshot *to, double resting,
                    struct part *part) {
    double total = 0;
    part->name = to->name;
    part->workers = to->workers ? to->workers : 1;
    for (int s = 0; s < LEAT_STATES; s++)
        part->share[s] = in_seconds(difference(to->time[s], from ? from->time[s] : 0));
    double waited = part->share[LEAT_WAITS_INPUT], rested = resting * part->workers;
    part->share[LEAT_WAITS_INPUT] = waited > rested ? waited - rested : 0;
    for (int s = 0; s < LEAT_STATES; s++)
        total += part->share[s];
    part->busy = part->share[LEAT_BUSY];
    part->working = part->busy + part->share[LEAT_WAITS_OUTSIDE];
    part->throttled = part->share[LEAT_THROTTLED];
    for (int s = 0; total > 0 && s < LEAT_STATES; s++)
        part->share[s] /= total;
    part->cpu = in_seconds(difference(to->cpu, from ? from->cpu : 0));
    part->commands = in_seconds(difference(to->commands, from ? from->commands : 0));
}

/**
 * What children would have used of the processors that others had: as much more as they would have been quicker. That
 * is less than they waited, since they wait for other things as well, and no more than others had, since they also wait
 * for each other.
 */
static double lost_by_children(const struct lt_snapshot *from, const struct lt_snapshot *to, const struct view *view) {
    double delayed = in_seconds(difference(to->commands_delayed, from ? from->commands_delayed : 0));
    double others = in_seconds(difference(to->machine, from ? from->machine : 0)) - view->cpu;
    double cpu = 0, time = 0;
    for (size_t s = 0; s < view->count; s++) {
        cpu += view->parts[s].commands;
        time += view->parts[s].commands > 0 ? view->parts[s].working : 0;
    }
    if (delayed <= 0 || others <= 0)
        return 0;
    double lost = time > delayed ? cpu * delayed / (time - delayed) : others;
    return lost < others ? lost : others;
}

static void look_at_ways(const struct lt_snapshot *from, const struct lt_snapshot *to, struct view *view) {
    const struct lt_counts *counts = &to->counts;
    double way = (double)(to->under_way - (from ? from->under_way : 0)) / 1e6;
    double sinking = (double)(to->with_sink - (from ? from->with_sink : 0)) / 1e6;
    double over = (double)(counts->delivered + counts->filtered + counts->failed + counts->returned);
    if (from)
        over -= (double)(from->counts.delivered + from->counts.filtered + from->counts.failed + from->counts.returned);
    if (way <= 0 || over <= 0 || view->seconds <= 0)
        return;
    view->sinking = sinking < way ? sinking / way : 1;
    view->way = way / over;
    view->under_way = way / view->seconds;
}

static void look_for_hindrances(const struct lt_counters *from, const struct lt_counters *to, struct view *view) {
    for (size_t i = 0; i < to->count && view->seconds > 0; i++) {
        uint64_t before = from && i < from->count ? from->list[i].value : 0;
        double share = (double)(to->list[i].value - before) / 1e3 / view->seconds;
        if (!to->list[i].hindrance || share <= view->hindered)
            continue;
        view->hindrance = to->list[i].hindrance;
        view->hindered = share;
    }
}

static void look(const struct lt_snapshot *from, const struct lt_snapshot *to, unsigned processors, struct view *view) {
    memset(view, 0, sizeof *view);
    view->processors = processors ? processors : 1;
    double resting = in_seconds(difference(to->resting, from ? from->resting : 0));
    view->seconds = in_seconds(difference(to->elapsed, from ? from->elapsed : 0)) - resting;
    view->items = (double)(to->counts.in - (from ? from->counts.in : 0));
    view->delayed = in_seconds(difference(to->delayed, from ? from->delayed : 0));
    view->count = to->stage_count;
    for (size_t s = 0; s < to->stage_count; s++) {
        compare(from && s < from->stage_count ? &from->stages[s] : NULL, &to->stages[s], s ? resting : 0,
                &view->parts[s]);
        view->cpu += view->parts[s].cpu;
    }
    view->delayed += lost_by_children(from, to, view);
    view->source_server = to->source_server;
    view->sink_server = to->sink_server;
    look_at_ways(from, to, view);
    look_for_hindrances(from ? &from->source_counters : NULL, &to->source_counters, view);
    look_for_hindrances(from ? &from->sink_counters : NULL, &to->sink_counters, view);
    if (view->seconds > 0)
        view->acknowledging = in_seconds(difference(to->acknowledging, from ? from->acknowledging : 0)) / view->seconds;
}

/** A sentence in the making; what has no room is left out. */
struct text {
    char *at;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void add_text(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text->at, text->room, format, arguments);
    va_end(arguments);
    size_t used = size < 0 ? 0 : (size_t)size < text->room ? (size_t)size : text->room - 1;
    text->at += used;
    text->room -= used;
}

/* -------------------------------------------------------------- capacities */

/** Items of the run a second that a part could pass with `workers` workers; 0: unknown. */
static double capacity(const struct view *view, size_t s, unsigned workers) {
    const struct part *part = &view->parts[s];
    double each = part->working + part->throttled;
    return each > 0 && view->items > 0 ? workers * view->items / each : 0;
}

static double cpu_capacity(const struct view *view) {
    return view->cpu > 0 ? view->items * view->processors / view->cpu : 0;
}

/** With one more worker in part `s`: what would limit then (`s` itself: it still, or the processors), and how much
 * faster the run would be. */
static void one_more(const struct view *view, size_t s, struct lt_verdict *verdict) {
    double now = capacity(view, s, view->parts[s].workers);
    double then = capacity(view, s, view->parts[s].workers + 1);
    verdict->next = s;
    for (size_t other = 0; other < view->count; other++) {
        double c = capacity(view, other, view->parts[other].workers);
        if (other == s || c <= 0 || c >= then)
            continue;
        then = c;
        verdict->next = other;
    }
    double cpu = cpu_capacity(view);
    if (cpu > 0 && cpu < then) {
        then = cpu;
        verdict->next = s;
    }
    verdict->gain = now > 0 && then > now ? then / now : 1;
}

/* --------------------------------------------------------------- questions */

static void tell_processors(const struct view *view, double used, double others, size_t most, char *text, size_t room) {
    const struct part *part = &view->parts[most];
    const char *commands = part->commands > MOSTLY * part->cpu ? "the commands of " : "";
    double share = 100 * part->cpu / view->cpu;
    used = used < view->processors ? used : view->processors;
    if (others > OTHERS * view->processors)
        snprintf(text, room,
                 "the processors: %.1f of %.0f busy here, mostly in %s%s (%.0f %%), and others have %.1f that would be "
                 "used; "
                 "more workers do not help",
                 used, view->processors, commands, part->name, share, others);
    else
        snprintf(
            text, room,
            "the processors: %.1f of %.0f busy, mostly in %s%s (%.0f %%); a faster machine or a second one helps, more "
            "workers do not",
            used, view->processors, commands, part->name, share);
}

static bool limited_by_processors(const struct view *view, struct lt_verdict *verdict) {
    double used = view->seconds > 0 ? view->cpu / view->seconds : 0;
    double others = view->seconds > 0 ? view->delayed / view->seconds : 0;
    others = used + others > view->processors ? view->processors - used : others;
    if (used + others < CPU_FULL * view->processors || view->cpu <= 0)
        return false;
    size_t most = 0;
    for (size_t s = 1; s < view->count; s++)
        if (view->parts[s].cpu > view->parts[most].cpu)
            most = s;
    verdict->kind = LT_LIMIT_CPU;
    verdict->stage = verdict->next = most;
    verdict->capacity = cpu_capacity(view);
    tell_processors(view, used, others, most, verdict->text, sizeof verdict->text);
    return true;
}

static bool limited_by_user(const struct view *view, struct lt_verdict *verdict) {
    for (size_t s = 0; s < view->count; s++) {
        if (view->parts[s].share[LEAT_THROTTLED] <= MOSTLY)
            continue;
        verdict->kind = LT_LIMIT_THROTTLE;
        verdict->stage = verdict->next = s;
        verdict->capacity = view->seconds > 0 ? view->items / view->seconds : 0;
        snprintf(verdict->text, sizeof verdict->text,
                 "the rate you set: %s is held back %.0f %% of the time; raise the rate to go faster",
                 view->parts[s].name, 100 * view->parts[s].share[LEAT_THROTTLED]);
        return true;
    }
    return false;
}

/** Always at work, while somebody before it waits for it or, being next to the source, the source does. */
static bool saturated(const struct view *view, size_t s) {
    const struct part *part = &view->parts[s];
    if (part->share[LEAT_BUSY] + part->share[LEAT_WAITS_OUTSIDE] < SATURATED)
        return false;
    for (size_t before = 0; before < s; before++)
        if (view->parts[before].share[LEAT_WAITS_OUTPUT] > HIGH)
            return true;
    return false;
}

/** Stages that work and neither have nor lack processors wait where nobody sees it: for each other's locks, as a rule.
 */
static bool limited_by_contention(const struct view *view, struct lt_verdict *verdict) {
    double busy = 0, own = view->delayed;
    size_t most = 0;
    for (size_t s = 0; s < view->count; s++)
        own += view->parts[s].cpu - view->parts[s].commands;
    for (size_t s = 1; s + 1 < view->count; s++) {
        busy += view->parts[s].busy;
        if (saturated(view, s) && (!most || view->parts[s].busy > view->parts[most].busy))
            most = s;
    }
    if (busy > view->processors * view->seconds) /* the others are ready, and wait for their turn */
        busy = view->processors * view->seconds;
    double hidden = busy - own;
    if (!most || view->parts[most].share[LEAT_BUSY] <= MOSTLY || hidden <= MOSTLY * busy ||
        hidden <= HIGH * view->seconds)
        return false;
    const struct part *part = &view->parts[most];
    verdict->kind = LT_LIMIT_CONTENTION;
    verdict->stage = verdict->next = most;
    verdict->capacity = capacity(view, most, part->workers);
    snprintf(verdict->text, sizeof verdict->text,
             "contention: %s is at work %.0f %% of the time, but %.0f %% of that without a processor: it waits for a "
             "lock, memory or a disk in its middle; while it is a lock more workers do not help",
             part->name, 100 * part->share[LEAT_BUSY], 100 * hidden / busy);
    return true;
}

static bool limited_by_stage(const struct view *view, struct lt_verdict *verdict) {
    size_t slowest = 0;
    double least = 0;
    for (size_t s = 1; s + 1 < view->count; s++) {
        double c = capacity(view, s, view->parts[s].workers);
        if (!saturated(view, s) || (slowest && c >= least))
            continue;
        slowest = s;
        least = c;
    }
    if (!slowest)
        return false;
    const struct part *part = &view->parts[slowest];
    bool waits = part->share[LEAT_WAITS_OUTSIDE] > part->share[LEAT_BUSY];
    verdict->kind = LT_LIMIT_STAGE;
    verdict->stage = slowest;
    verdict->capacity = least;
    one_more(view, slowest, verdict);
    struct text text = {verdict->text, sizeof verdict->text};
    add_text(&text, "%s: %u worker%s, %.0f %% of the time %s, %.3g items/s; one more would ", part->name, part->workers,
             part->workers == 1 ? "" : "s", 100 * (part->share[LEAT_BUSY] + part->share[LEAT_WAITS_OUTSIDE]),
             waits ? "waiting for the outside" : "at work", least);
    double percent = 100 * (verdict->gain - 1);
    if (percent * part->workers < 100 * WORTH)
        add_text(&text, "not help, %s limit%s next",
                 verdict->next == slowest ? "the processors" : view->parts[verdict->next].name,
                 verdict->next == slowest ? "" : "s");
    else
        add_text(&text, "bring about %.*f %%", percent < 1, percent);
    return true;
}

/** Does everybody from `first` on wait for `state` most of the time? */
static bool everybody(const struct view *view, enum leat_state state, size_t first, size_t end) {
    for (size_t s = first; s < end; s++)
        if (view->parts[s].share[state] <= HIGH)
            return false;
    return true;
}

/**
 * A server keeps the run waiting when the source waits for what the server has, or takes nothing more because of what
 * it has taken, which either is with the server for most of its way or is held up by a sink that waits for the server.
 */
static bool limited_by_server(const struct view *view, struct lt_verdict *verdict) {
    const struct part *source = &view->parts[0], *sink = &view->parts[view->count - 1];
    double reading = view->source_server ? source->share[LEAT_WAITS_OUTSIDE] : 0;
    bool backed_up = sink->share[LEAT_WAITS_OUTSIDE] > MOSTLY && everybody(view, LEAT_WAITS_OUTPUT, 0, view->count - 1);
    double confirming = view->sink_server ? source->share[LEAT_WAITS_OUTPUT] * (backed_up ? 1 : view->sinking) : 0;
    if (reading + confirming <= MOSTLY)
        return false;
    verdict->kind = LT_LIMIT_SERVER;
    verdict->stage = verdict->next = confirming > reading ? view->count - 1 : 0;
    verdict->capacity = view->seconds > 0 ? view->items / view->seconds : 0;
    struct text text = {verdict->text, sizeof verdict->text};
    add_text(&text, "%s: ", confirming > reading ? view->sink_server : view->source_server);
    if (reading > NOISE)
        add_text(&text, "%s waits for it %.0f %% of the time", source->name, 100 * reading);
    if (confirming > NOISE)
        add_text(&text, "%s%.0f %% of an item's way (%.3g ms, %.3g items at once) is waiting for %s to confirm",
                 reading > NOISE ? ", and " : "", 100 * view->sinking, 1e3 * view->way, view->under_way, sink->name);
    if (view->hindered > HIGH)
        add_text(&text, "; %.0f %% of the time %s", 100 * (view->hindered < 1 ? view->hindered : 1), view->hindrance);
    add_text(&text, "; more workers do not help");
    return true;
}

/** Could the sink take more? It also waits for confirmations while it takes more. */
static bool has_room(const struct view *view) {
    return view->parts[view->count - 1].share[LEAT_BUSY] < SATURATED;
}

static bool limited_by_input(const struct view *view, struct lt_verdict *verdict) {
    const struct part *source = &view->parts[0];
    bool slow_acknowledgement = view->acknowledging > ACKNOWLEDGING;
    double working = source->share[LEAT_BUSY] + source->share[LEAT_WAITS_OUTSIDE];
    bool empty = source->share[LEAT_WAITS_INPUT] > MOSTLY;
    bool slow_reading = working > MOSTLY && source->share[LEAT_WAITS_OUTPUT] <= HIGH && has_room(view) &&
                        everybody(view, LEAT_WAITS_INPUT, 1, view->count - 1);
    if (!slow_acknowledgement && !slow_reading && !empty)
        return false;
    verdict->kind = LT_LIMIT_INPUT;
    verdict->capacity = view->seconds > 0 ? view->items / view->seconds : 0;
    if (empty)
        snprintf(verdict->text, sizeof verdict->text, "the source: %s has nothing %.0f %% of the time", source->name,
                 100 * source->share[LEAT_WAITS_INPUT]);
    else if (slow_reading)
        snprintf(verdict->text, sizeof verdict->text,
                 "the source: everything waits for %s, which is %s %.0f %% of the time", source->name,
                 source->share[LEAT_WAITS_OUTSIDE] > source->share[LEAT_BUSY] ? "waiting for the outside" : "reading",
                 100 * working);
    else
        snprintf(verdict->text, sizeof verdict->text, "the source: acknowledging to %s takes %.0f %% of the time",
                 source->name, 100 * view->acknowledging);
    return true;
}

/**
 * All that is on its way may be with the sink: then those in between have no input either. A sink that does not work
 * but waits may do so for what it took while it takes more; so then nobody else may be at work.
 */
static bool all_is_with_the_sink(const struct view *view, double working) {
    size_t last = view->count - 1;
    if (working < SATURATED || view->parts[0].share[LEAT_WAITS_OUTPUT] <= HIGH)
        return false;
    if (view->parts[last].share[LEAT_BUSY] >= SATURATED)
        return true;
    for (size_t s = 1; s < last; s++)
        if (view->parts[s].share[LEAT_WAITS_INPUT] + view->parts[s].share[LEAT_WAITS_OUTPUT] < SATURATED)
            return false;
    return true;
}

static bool limited_by_output(const struct view *view, struct lt_verdict *verdict) {
    size_t last = view->count - 1;
    const struct part *sink = &view->parts[last];
    double working = sink->share[LEAT_BUSY] + sink->share[LEAT_WAITS_OUTSIDE];
    bool backed_up = working > MOSTLY && everybody(view, LEAT_WAITS_OUTPUT, 0, last);
    if (!backed_up && !all_is_with_the_sink(view, working))
        return false;
    verdict->kind = LT_LIMIT_OUTPUT;
    verdict->stage = verdict->next = last;
    verdict->capacity = view->seconds > 0 ? view->items / view->seconds : 0;
    snprintf(verdict->text, sizeof verdict->text, "the sink: everything waits for %s, which is %s %.0f %% of the time",
             sink->name,
             sink->share[LEAT_WAITS_OUTSIDE] > sink->share[LEAT_BUSY] ? "waiting for the outside" : "writing",
             100 * working);
    return true;
}

const char *lt_limit_name(int kind) {
    static const char *const names[] = {
        [LT_LIMIT_NONE] = "none",     [LT_LIMIT_CPU] = "processors",        [LT_LIMIT_THROTTLE] = "rate",
        [LT_LIMIT_STAGE] = "stage",   [LT_LIMIT_INPUT] = "source",          [LT_LIMIT_OUTPUT] = "sink",
        [LT_LIMIT_SERVER] = "server", [LT_LIMIT_CONTENTION] = "contention",
    };
    return names[kind];
}

void lt_verdict(const struct lt_snapshot *from, const struct lt_snapshot *to, unsigned processors,
                struct lt_verdict *verdict) {
    struct view view;
    memset(verdict, 0, sizeof *verdict);
    verdict->kind = LT_LIMIT_NONE;
    verdict->gain = 1;
    look(from, to, processors, &view);
    if (view.count < 2 || view.seconds <= 0 || view.items <= 0) {
        snprintf(verdict->text, sizeof verdict->text, "%s",
                 to->paused ? "the run is paused" : "no items passed, so nothing can be said");
        return;
    }
    if (limited_by_processors(&view, verdict) || limited_by_user(&view, verdict) ||
        limited_by_contention(&view, verdict) || limited_by_stage(&view, verdict) ||
        limited_by_server(&view, verdict) || limited_by_input(&view, verdict) || limited_by_output(&view, verdict))
        return;
    snprintf(verdict->text, sizeof verdict->text, "no single bottleneck");
}

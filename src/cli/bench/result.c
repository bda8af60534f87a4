/* SPDX-License-Identifier: MIT */
/* The table and the report of a bench, and the comparison with one of before. */
#include "cli/bench/result.h"
#include "base/error.h"
#include "cli/words.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/** Of noise that a comparison forgives even when no trial of both sides overlaps. */
static const double NOISE = 0.02;

double lt_bench_elasticity(const struct lt_step *from, const struct lt_step *to) {
    if (from->rate <= 0 || to->rate <= 0 || from->workers == to->workers)
        return 0;
    return log(to->rate / from->rate) / log((double)to->workers / from->workers);
}

const char *lt_bench_scaled(double value, char *text, size_t room) {
    static const char *const prefixes[] = {"", " k", " M", " G", " T"};
    size_t prefix = 0;
    for (; value >= 999.5 && prefix < 4; prefix++)
        value /= 1000;
    snprintf(text, room, "%.3g%s", value, prefixes[prefix]);
    return text;
}

/* ------------------------------------------------------------------- table */

const struct lt_trial *lt_bench_typical(const struct lt_step *step) {
    const struct lt_trial *best = step->trials[0];
    for (size_t t = 1; t < step->count; t++)
        if (fabs(step->trials[t]->rate - step->rate) < fabs(best->rate - step->rate))
            best = step->trials[t];
    return best;
}

static void print_step(FILE *file, const struct lt_bench_result *result, size_t index) {
    const struct lt_step *step = &result->steps[index], *first = &result->steps[0];
    char rate[32], low[32], high[32], elasticity[32] = "";
    lt_bench_scaled(step->rate, rate, sizeof rate);
    lt_bench_scaled(step->low, low, sizeof low);
    lt_bench_scaled(step->high, high, sizeof high);
    if (index)
        snprintf(elasticity, sizeof elasticity, "%.2f", lt_bench_elasticity(&result->steps[index - 1], step));
    bool is_long = step->cpu >= 999.5e-6;
    fprintf(file, "%7u %10s/s %9s–%-9s %6.2f %10s %9.3g %s  %s\n", step->workers, rate, low, high,
            first->rate > 0 ? step->rate / first->rate : 0, elasticity, step->cpu * (is_long ? 1e3 : 1e6),
            is_long ? "ms" : "µs",
            lt_bench_typical(step)->verdict.kind == LT_LIMIT_NONE ? "nothing alone"
                                                                  : lt_bench_typical(step)->verdict.text);
}

static void print_range(FILE *file, const char *name, const struct lt_range *range) {
    fprintf(file, "%s %.3g (%.3g to %.3g)", name, range->value, range->low, range->high);
}

static void print_rates(FILE *file, const char *name, const struct lt_range *range) {
    char value[32], low[32], high[32];
    fprintf(file, "%s %s/s (%s/s to %s/s)", name, lt_bench_scaled(range->value, value, sizeof value),
            lt_bench_scaled(range->low, low, sizeof low), lt_bench_scaled(range->high, high, sizeof high));
}

/* A fit without a peak among the drawn ones has it nowhere. */
static void print_peak(FILE *file, const struct lt_range *peak) {
    if (isfinite(peak->high))
        print_range(file, "; peak at", peak);
    else
        fprintf(file, "; peak at %.3g (%.3g or more)", peak->value, peak->low);
}

static void print_fit(FILE *file, const struct lt_bench_result *result) {
    if (!result->fitted) {
        fprintf(file, "No curve: the law of scaling wants %d numbers of workers and %d trials of each.\n",
                LT_FIT_NUMBERS, LT_FIT_TRIALS);
        return;
    }
    fputs("Law of scaling: ", file);
    print_range(file, "contention σ", &result->fit.sigma);
    print_range(file, ", coherence κ", &result->fit.kappa);
    print_rates(file, ", one worker λ", &result->fit.lambda);
    if (result->fit.has_peak)
        print_peak(file, &result->fit.peak);
    else
        fputs("; no peak within twice what was tried", file);
    fputs(".\n", file);
}

static void print_stages(FILE *file, const struct lt_bench_result *result) {
    for (size_t s = result->sweep; s < result->count; s += 2) {
        const struct lt_step *from = &result->steps[s], *to = &result->steps[s + 1];
        fprintf(file, "Stage %zu, %s, alone from %u to %u workers: elasticity %.2f.\n", from->stage, from->name,
                from->workers, to->workers, lt_bench_elasticity(from, to));
    }
}

static void print_comparison(FILE *file, const struct lt_bench_result *result) {
    for (size_t s = 0; result->compared && s < result->sweep; s++) {
        const struct lt_step *step = &result->steps[s];
        if (step->baseline > 0)
            fprintf(file, "%u workers: %+.1f %% against the baseline%s\n", step->workers,
                    100 * (step->rate / step->baseline - 1), step->slower ? ": SLOWER" : "");
        else
            fprintf(file, "%u workers: not in the baseline\n", step->workers);
    }
}

void lt_bench_print(FILE *file, const struct lt_bench_result *result) {
    const struct lt_step *best = &result->steps[result->best];
    bool whole = best->trials[0]->whole;
    fprintf(file, "%s on %u processor%s\n", result->pipeline, result->processors, result->processors == 1 ? "" : "s");
    fprintf(file, "%7s %12s %19s %6s %10s %12s  %s\n", "workers", "items", "least and most", "times", "elasticity",
            "CPU an item", "what limits");
    for (size_t s = 0; s < result->sweep; s++)
        print_step(file, result, s);
    print_stages(file, result);
    print_fit(file, result);
    if (whole)
        fputs("The input ended within the measured time: its opening and its end are in the numbers.\n", file);
    print_comparison(file, result);
    char rate[32];
    fprintf(file, "Fastest: %u worker%s, %s/s; there: %s\n", best->workers, best->workers == 1 ? "" : "s",
            lt_bench_scaled(best->rate, rate, sizeof rate), lt_bench_typical(best)->verdict.text);
}

/* -------------------------------------------------------------------- JSON */

static void put_trial(FILE *file, const struct lt_trial *trial) {
    fprintf(file,
            "        {\"rate\": %.6g, \"bytes\": %.6g, \"cpu\": %.6g, \"seconds\": %.6f, \"whole\": %s, \"failed\": "
            "%" PRIu64 ", \"kind\": \"%s\", \"bottleneck\": ",
            trial->rate, trial->bytes, trial->cpu, trial->seconds, trial->whole ? "true" : "false", trial->failed,
            lt_limit_name(trial->verdict.kind));
    lt_put_json_string(file, trial->verdict.text);
    fputs(", \"parts\": [", file);
    for (size_t p = 0; p < trial->part_count; p++) {
        fputs(p ? ", {\"name\": " : "{\"name\": ", file);
        lt_put_json_string(file, trial->parts[p].name);
        fprintf(file, ", \"workers\": %u", trial->parts[p].workers);
        for (int state = 0; state < LEAT_STATES; state++)
            fprintf(file, ", \"%s\": %.3f", lt_state_words[state], trial->parts[p].share[state]);
        fputc('}', file);
    }
    fputs("]}", file);
}

static void put_step(FILE *file, const struct lt_step *step) {
    fprintf(file,
            "    {\"workers\": %u, \"stage\": %zu, \"rate\": %.6g, \"low\": %.6g, \"high\": %.6g, \"cpu\": %.6g,\n"
            "      \"trials\": [\n",
            step->workers, step->stage, step->rate, step->low, step->high, step->cpu);
    for (size_t t = 0; t < step->count; t++) {
        put_trial(file, step->trials[t]);
        fputs(t + 1 < step->count ? ",\n" : "\n", file);
    }
    fputs("      ]}", file);
}

static void put_range(FILE *file, const char *name, const struct lt_range *range) {
    fprintf(file, "\"%s\": {\"value\": %.6g, \"low\": %.6g", name, range->value, range->low);
    if (isfinite(range->high))
        fprintf(file, ", \"high\": %.6g}", range->high);
    else
        fputc('}', file);
}

static void put_fit(FILE *file, const struct lt_bench_result *result) {
    if (!result->fitted) {
        fputs("null", file);
        return;
    }
    fputc('{', file);
    put_range(file, "lambda", &result->fit.lambda);
    fputs(", ", file);
    put_range(file, "sigma", &result->fit.sigma);
    fputs(", ", file);
    put_range(file, "kappa", &result->fit.kappa);
    if (result->fit.has_peak) {
        fputs(", ", file);
        put_range(file, "peak", &result->fit.peak);
    }
    fputc('}', file);
}

void lt_bench_json(FILE *file, const struct lt_bench_result *result) {
    fputs("{\n  \"pipeline\": ", file);
    lt_put_json_string(file, result->pipeline);
    fprintf(file, ",\n  \"processors\": %u,\n  \"fit\": ", result->processors);
    put_fit(file, result);
    fputs(",\n  \"steps\": [\n", file);
    for (size_t s = 0; s < result->count; s++) {
        put_step(file, &result->steps[s]);
        fputs(s + 1 < result->count ? ",\n" : "\n", file);
    }
    fputs("  ]\n}\n", file);
}

/* ---------------------------------------------------------------- baseline */

static const json_t *find(const json_t *steps, const struct lt_step *step) {
    size_t i;
    const json_t *other;
    json_array_foreach(steps, i, other) {
        bool same = json_integer_value(json_object_get(other, "workers")) == (json_int_t)step->workers &&
                    json_integer_value(json_object_get(other, "stage")) == (json_int_t)step->stage;
        if (same)
            return other;
    }
    return NULL;
}

static int read_json(json_t **report, FILE *file, const char *path, struct leat_error *error) {
    json_error_t reason;
    *report = json_loadf(file, 0, &reason);
    if (*report || ferror(file))
        return *report ? 0 : leat_fail(error, -EINVAL, "--baseline %s: %s", path, strerror(errno));
    return leat_fail(error, -EINVAL, "--baseline %s: line %d: %s", path, reason.line, reason.text);
}

int lt_bench_load(json_t **report, const char *path, struct leat_error *error) {
    FILE *file = fopen(path, "re");
    if (!file)
        return leat_fail(error, -EINVAL, "--baseline %s: %s", path, strerror(errno));
    int code = read_json(report, file, path, error);
    fclose(file);
    if (code == 0 && !json_is_array(json_object_get(*report, "steps")))
        return leat_fail(error, -EINVAL, "--baseline %s: not a report of leat bench", path);
    return code;
}

void lt_bench_compare(struct lt_bench_result *result, const json_t *report) {
    const json_t *steps = json_object_get(report, "steps");
    for (size_t s = 0; s < result->count; s++) {
        struct lt_step *step = &result->steps[s];
        const json_t *before = find(steps, step);
        if (!before)
            continue;
        step->baseline = json_number_value(json_object_get(before, "rate"));
        double low = json_number_value(json_object_get(before, "low"));
        step->slower = step->high < low && step->rate < step->baseline * (1 - NOISE);
        result->regressed |= step->slower;
    }
    result->compared = true;
}

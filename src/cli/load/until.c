/* SPDX-License-Identifier: MIT */
#include "cli/load/until.h"
#include "base/error.h"
#include "base/number.h"
#include "cli/load/result.h"

#include <errno.h>
#include <string.h>

#define LOOK_EVERY (100 * LEAT_MILLISECOND)
#define ENOUGH_ABOVE 10 /* messages beyond a percentile, without which it says nothing */

int lt_load_until_read(struct lt_load_until *until, const char *text, struct leat_error *error) {
    *until = (struct lt_load_until){0};
    if (!text)
        return 0;
    until->empty = strcmp(text, "empty") == 0;
    const char *sign = strchr(text, '>');
    size_t length = sign ? (size_t)(sign - text) : 0;
    for (const struct lt_percentile *p = lt_percentiles; sign && p->name; p++) {
        if (strlen(p->name) != length || memcmp(p->name, text, length) != 0)
            continue;
        until->name = p->name;
        until->share = p->share;
    }
    if (until->empty || (until->name && lt_number_duration(sign + 1, &until->limit)))
        return 0;
    return leat_fail(error, -EINVAL,
                     "--exit-when takes \"empty\" or a percentile's limit like \"p99>50ms\", not \"%s\"", text);
}

bool lt_load_until_reached(struct lt_load_until *until, const struct lt_measure *measure, leat_time now) {
    if (!until->name || now < until->next)
        return until->reached;
    until->next = now + LOOK_EVERY;
    double above = (1 - until->share) * (double)lt_load(&measure->latency.total, relaxed);
    if (until->share < 1 && above < ENOUGH_ABOVE)
        return false;
    until->reached = lt_histogram_at(&measure->latency, until->share) > until->limit;
    return until->reached;
}

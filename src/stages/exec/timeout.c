/* SPDX-License-Identifier: MIT */
#include "stages/exec/run.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_percent(struct lt_timeout *timeout, const char *text, struct leat_error *error) {
    char *end;
    unsigned long percent = strtoul(text, &end, 10);
    if (strcmp(end, "%") != 0 || *text < '0' || *text > '9' || percent <= 100 || percent > 1000000)
        return leat_fail(error, -EINVAL, "--timeout: \"%s\" is no multiple of the median (write 300%%; above 100%%)",
                         text);
    timeout->percent = (unsigned)percent;
    timeout->times = calloc(1, sizeof *timeout->times);
    if (timeout->times && lt_histogram_open(timeout->times, LT_HISTOGRAM_COARSE) == 0)
        return 0;
    free(timeout->times);
    timeout->times = NULL;
    return leat_fail(error, -ENOMEM, "out of memory");
}

int lt_timeout_open(struct lt_timeout *timeout, const char *text, struct leat_error *error) {
    *timeout = (struct lt_timeout){0};
    pthread_mutex_init(&timeout->mutex, NULL);
    if (!text)
        return 0;
    if (strchr(text, '%'))
        return read_percent(timeout, text, error);
    if (!lt_number_duration(text, &timeout->fixed) || timeout->fixed <= 0)
        return leat_fail(error, -EINVAL, "--timeout: \"%s\" is not a duration (write 500ms, 10s, 5m, or 300%%)", text);
    return 0;
}

void lt_timeout_close(struct lt_timeout *timeout) {
    if (timeout->times)
        lt_histogram_close(timeout->times);
    free(timeout->times);
    pthread_mutex_destroy(&timeout->mutex);
}

void lt_timeout_learn(struct lt_timeout *timeout, leat_time took) {
    if (!timeout->percent)
        return;
    pthread_mutex_lock(&timeout->mutex);
    lt_histogram_add(timeout->times, took);
    pthread_mutex_unlock(&timeout->mutex);
}

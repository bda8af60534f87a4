/* SPDX-License-Identifier: MIT */
/** What the benchmarks share; see bench.h. Knows nothing of leat, so that the threads' side can use it. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int bench_main(int argc, char **argv, const struct bench_row *rows) {
    for (const struct bench_row *row = rows; argc == 2 && row->name; row++) {
        if (strcmp(row->name, argv[1]))
            continue;
        row->measure(row->name);
        return 0;
    }
    fprintf(stderr, "usage: %s ROW, one of:", argv[0]);
    for (const struct bench_row *row = rows; row->name; row++)
        fprintf(stderr, " %s", row->name);
    fprintf(stderr, "\n");
    return 2;
}

void bench_report(const char *name, double value, const char *unit) {
    printf("%s %.6g %s\n", name, value, unit);
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_now(void) {
    return seconds(CLOCK_MONOTONIC);
}

double bench_cpu(void) {
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_resident(void) {
    long pages = -1;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        bench_must(-1, "/proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void bench_must(long result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "bench: %s: %ld (%s)\n", what, result, strerror((int)-result));
    exit(1);
}

/* SPDX-License-Identifier: MIT */
/**
 * What the benchmarks share. A benchmark is a program with rows; called with
 * the name of a row it runs that one and prints "name value unit". One process
 * a row, so that no row profits from the memory or the threads of another.
 * The same rows exist in bench/go/runtime and, where threads can do the work at
 * all, in bench/pthreads: change them together.
 */
#ifndef LEAT_BENCH_H
#define LEAT_BENCH_H

struct bench_row {
    const char *name;
    void (*measure)(const char *name);
};

/** main() of a benchmark: runs the row named in argv[1]. */
int bench_main(int argc, char **argv, const struct bench_row *rows);

/** Print one result. */
void bench_report(const char *name, double value, const char *unit);

/** Seconds of the monotonic clock; of the processor time of this process. */
double bench_now(void);
double bench_cpu(void);

/** Bytes of memory that this process occupies. */
double bench_resident(void);

/** End the program when `result` is negative: a benchmark that fails must not print a number. */
void bench_must(long result, const char *what);

#endif

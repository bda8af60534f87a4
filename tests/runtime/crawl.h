/* SPDX-License-Identifier: MIT */
/** What the tests of the crawl share. */
#ifndef LEAT_TESTS_CRAWL_H
#define LEAT_TESTS_CRAWL_H

#include "runtime/runtime.h"

static inline int crawl(const struct leat_crawl_options *options, const void *root, size_t size) {
    return leat_crawl(options, &(struct leat_bytes){root, size}, 1);
}

/* Every branch had one end. */
static inline void balanced(const struct leat_crawl_report *report) {
    equal(report->visited + report->failed + report->unvisited, report->branches);
}

#endif

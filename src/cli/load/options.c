/* SPDX-License-Identifier: MIT */
#include "cli/load/options.h"

#define LOAD(member) offsetof(struct lt_load_options, member)

const struct leat_option lt_load_options[] = {
    {"fill", 0, LEAT_OPTION_COUNT, LOAD(fill), "N", NULL, "Write N messages, as fast as TO takes them."},
    {"rate", 0, LEAT_OPTION_RATE, LOAD(rate), "RATE", NULL,
     "Write messages by the clock, so many a second: 1000, 500/s, 6k/m. None is left out and none is put off when TO "
     "is "
     "slow: the waiting is part of the latency."},
    {"for", 0, LEAT_OPTION_DURATION, LOAD(duration), "TIME", NULL, "How long, with --rate."},
    {"poisson", 0, LEAT_OPTION_FLAG, LOAD(poisson), NULL, NULL,
     "Random gaps with that rate as their mean, as from many independent senders; by default all gaps are equal."},
    {"exit-when", 0, LEAT_OPTION_STRING, LOAD(exit_when), "WHAT", NULL,
     "empty: after the last message wait until others have taken all out of TO. p99>50ms: end when the latencies so "
     "far are "
     "that bad (p50, p90, p95, p99, p99.9, max)."},
    {"size", 0, LEAT_OPTION_SIZE, LOAD(size), "SIZE", "900", "Bytes of text in a made-up message."},
    {"seed", 0, LEAT_OPTION_COUNT, LOAD(seed), "N", "1", "Another seed makes other messages and other gaps."},
    {"body", 0, LEAT_OPTION_LIST, LOAD(body), "FILE", NULL,
     "Send the lines of this file, over and over, instead of made-up messages; may be given again."},
    {"whole", 0, LEAT_OPTION_FLAG, LOAD(whole), NULL, NULL, "Each FILE is one message, not its lines."},
    {"stamp", 0, LEAT_OPTION_STRING, LOAD(stamp), "NAME", NULL,
     "Add a member NAME to each message: when it was due, in nanoseconds since 1970."},
    {0},
};

/* SPDX-License-Identifier: MIT */
/** Times as Jira writes them: "2024-02-29T12:00:00.000+0100". */
#ifndef LEAT_STAGES_UNANSWERED_MOMENT_H
#define LEAT_STAGES_UNANSWERED_MOMENT_H

#include "leat-pipeline.h"

/** Milliseconds since 1970; the fraction may be missing, the zone may be Z or have a colon. False: it is no time. */
bool lt_moment_read(struct leat_bytes text, int64_t *milliseconds);

#endif

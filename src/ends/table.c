/* SPDX-License-Identifier: MIT */
#include "ends/ends.h"
#include "pipeline/registry.h"

const struct leat_source_type *const lt_source_types[] = {
    &lt_lines_source, &lt_dir_source, &lt_queue_source, &lt_gen_source, NULL,
};

const struct leat_sink_type *const lt_sink_types[] = {
    &lt_lines_sink,
    &lt_queue_sink,
    &lt_null_sink,
    NULL,
};

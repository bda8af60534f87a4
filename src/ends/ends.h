/* SPDX-License-Identifier: MIT */
/** The sources and sinks there are; src/ends/table.c lists them for the registry. */
#ifndef LEAT_ENDS_ENDS_H
#define LEAT_ENDS_ENDS_H

#include "leat-pipeline.h"

extern const struct leat_source_type lt_amqp_source;
extern const struct leat_source_type lt_amqps_source;
extern const struct leat_source_type lt_dir_source;
extern const struct leat_source_type lt_gen_source;
extern const struct leat_source_type lt_jira_source;
extern const struct leat_source_type lt_ldap_source;
extern const struct leat_source_type lt_ldapi_source;
extern const struct leat_source_type lt_ldaps_source;
extern const struct leat_source_type lt_lines_source;
extern const struct leat_source_type lt_queue_source;

extern const struct leat_sink_type lt_amqp_sink;
extern const struct leat_sink_type lt_amqps_sink;
extern const struct leat_sink_type lt_lines_sink;
extern const struct leat_sink_type lt_mailto_sink;
extern const struct leat_sink_type lt_null_sink;
extern const struct leat_sink_type lt_queue_sink;

#endif

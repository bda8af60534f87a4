/* SPDX-License-Identifier: MIT */
#include "ends/ends.h"
#include "pipeline/registry.h"

const struct leat_source_type *const lt_source_types[] = {
    &lt_lines_source, &lt_dir_source,
    &lt_queue_source,
#if defined(LEAT_LDAP)
    &lt_ldap_source,  &lt_ldaps_source,
    &lt_ldapi_source,
#endif
#ifdef LEAT_AMQP
    &lt_amqp_source,  &lt_amqps_source,
#endif
#ifdef LEAT_CURL
    &lt_jira_source,
#endif
    &lt_gen_source,   NULL,
};

const struct leat_sink_type *const lt_sink_types[] = {
    &lt_lines_sink,  &lt_queue_sink,
#ifdef LEAT_AMQP
    &lt_amqp_sink,   &lt_amqps_sink,
#endif
#ifdef LEAT_CURL
    &lt_mailto_sink,
#endif
    &lt_null_sink,   NULL,
};

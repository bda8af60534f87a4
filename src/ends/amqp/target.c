/* SPDX-License-Identifier: MIT */
#include "ends/amqp/amqp.h"
#include "base/error.h"
#include "ends/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 255 };

static int read_type(struct lt_amqp_target *target, const struct leat_segment *segment,
                     const struct lt_amqp_common *common, struct leat_error *error) {
    const char *type = common->declare;
    if (!type && common->dead_letter)
        return leat_fail(error, -EINVAL, "%s: --dead-letter needs --declare", segment->spelling);
    target->type = LT_QUEUE_EXISTS;
    if (!type)
        return 0;
    if (strcmp(type, "quorum") != 0 && strcmp(type, "classic") != 0)
        return leat_fail(error, -EINVAL, "%s: --declare takes quorum or classic, not \"%s\"", segment->spelling, type);
    target->type = *type == 'q' ? LT_QUEUE_QUORUM : LT_QUEUE_CLASSIC;
    return 0;
}

static int read_place(struct lt_amqp_target *target, const struct leat_segment *segment,
                      const struct lt_amqp_common *common, struct leat_error *error) {
    bool whole = strncmp(target->path, "//", 2) == 0;
    target->tls = strncmp(segment->spelling, "amqps:", 6) == 0;
    if (whole && !(target->url = malloc(strlen(target->path) + sizeof "amqps:")))
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    if (whole)
        strcat(strcpy(target->url, target->tls ? "amqps:" : "amqp:"), target->path);
    if (!whole && *target->path && common->queue)
        return leat_fail(error, -EINVAL, "%s: the queue is named twice", segment->spelling);
    target->queue = common->queue ? common->queue : whole ? "" : target->path;
    if (strlen(target->queue) > LONGEST_NAME)
        return leat_fail(error, -EINVAL, "%s: a queue's name has at most 255 bytes", segment->spelling);
    if (common->dead_letter && strlen(common->dead_letter) > LONGEST_NAME)
        return leat_fail(error, -EINVAL, "%s: an exchange's name has at most 255 bytes", segment->spelling);
    return 0;
}

int lt_amqp_target_read(struct lt_amqp_target *target, const struct leat_segment *segment,
                        const struct leat_option *options, void *settings, size_t size, struct leat_error *error) {
    *target = (struct lt_amqp_target){0};
    int code = lt_query_read(segment, options, settings, size, &target->path, error);
    if (code == 0)
        code = read_place(target, segment, settings, error);
    if (code == 0)
        code = read_type(target, segment, settings, error);
    if (code < 0)
        lt_amqp_target_free(target);
    return code;
}

void lt_amqp_target_free(struct lt_amqp_target *target) {
    free(target->path);
    free(target->url);
    *target = (struct lt_amqp_target){0};
}

struct lt_amqp_link_settings lt_amqp_link_settings(const struct lt_amqp_common *common,
                                                   const struct leat_segment *segment) {
    return (struct lt_amqp_link_settings){
        .spelling = segment->spelling,
        .quiet = segment->quiet,
        .cacert = common->cacert,
        .password_file = common->password_file,
        .connect_timeout = common->connect_timeout,
        .heartbeat = common->heartbeat,
        .patience = common->reconnect,
    };
}

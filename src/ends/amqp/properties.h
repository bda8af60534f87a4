/* SPDX-License-Identifier: MIT */
/**
 * What AMQP calls the properties of a message: content type, correlation id,
 * headers and so on; reading them as they came, and making those of a result.
 *
 * A result carries on what belongs to the message and not to its delivery. Left
 * out: user-id (the broker refuses another user's), expiration (a result that
 * expires would be lost), CC and BCC (it would be routed to those once more),
 * x-death and its kin (the broker takes a message that was dead already for one
 * that goes round in circles and drops it) and x-delivery-count (another
 * queue's).
 */
#ifndef LEAT_ENDS_AMQP_PROPERTIES_H
#define LEAT_ENDS_AMQP_PROPERTIES_H

#include "ends/amqp/wire.h"

/** leat_envelope.form of what an amqp source gives. */
extern const char lt_amqp_form[];

enum lt_amqp_property {
    LT_CONTENT_TYPE = 1 << 15,
    LT_CONTENT_ENCODING = 1 << 14,
    LT_HEADERS = 1 << 13,
    LT_DELIVERY_MODE = 1 << 12,
    LT_PRIORITY = 1 << 11,
    LT_CORRELATION_ID = 1 << 10,
    LT_REPLY_TO = 1 << 9,
    LT_EXPIRATION = 1 << 8,
    LT_MESSAGE_ID = 1 << 7,
    LT_TIMESTAMP = 1 << 6,
    LT_TYPE = 1 << 5,
    LT_USER_ID = 1 << 4,
    LT_APP_ID = 1 << 3,
    LT_CLUSTER_ID = 1 << 2,
};

struct lt_amqp_properties {
    uint16_t flags; /**< which there are */
    struct leat_bytes content_type, content_encoding, headers, correlation_id, reply_to, message_id, type, app_id;
    uint8_t delivery_mode, priority;
    uint64_t timestamp;
};

/** Texts point into `wire`. False: it is broken. */
bool lt_amqp_properties_read(struct lt_amqp_properties *properties, struct leat_bytes wire);

/** As on the wire, of what `flags` says, without what only belongs to a delivery. */
void lt_amqp_properties_put(struct lt_amqp_output *output, const struct lt_amqp_properties *properties);

/** How often the message was given out before this, as a quorum queue counts; -1: its queue does not count. */
int64_t lt_amqp_delivery_count(const struct lt_amqp_properties *properties);

#endif

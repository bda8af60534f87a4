/* SPDX-License-Identifier: MIT */
/** For rabbitmq.c: the calls of librabbitmq, which block. Each has the shape of a leat_fn and returns 0 or -errno. */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>

enum { WINDOW = 500 }; /* messages under way, at most */

struct message {
    uint64_t tag;
    char *text; /* NULL: it cannot be processed */
};

struct server {
    const char *queue;
    amqp_connection_state_t connection;
    uint64_t published; /* sequence number of the last message */
    struct message list[WINDOW];
    ptrdiff_t count;
};

static int connect_server(struct server *server, int port) {
    amqp_connection_state_t connection = server->connection = amqp_new_connection();
    if (amqp_socket_open(amqp_tcp_socket_new(connection), "127.0.0.1", port) != AMQP_STATUS_OK)
        return -ECONNREFUSED;
    amqp_login(connection, "/", 1, 131072, 20, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
    amqp_channel_open(connection, 1);
    return amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL ? 0 : -EACCES;
}

static int begin_consuming(void *arg) {
    struct server *server = arg;
    amqp_basic_qos(server->connection, 1, 0, WINDOW, 0);
    amqp_basic_consume(server->connection, 1, amqp_cstring_bytes(server->queue), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    return amqp_get_rpc_reply(server->connection).reply_type == AMQP_RESPONSE_NORMAL ? 0 : -ENOENT;
}

/** The next message, into list[0]; -EAGAIN when none came for a moment. */
static int take_message(void *arg) {
    struct server *server = arg;
    struct timeval moment = {.tv_usec = 50000};
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(server->connection);
    amqp_rpc_reply_t reply = amqp_consume_message(server->connection, &envelope, &moment, 0);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL)
        return reply.library_error == AMQP_STATUS_TIMEOUT ? -EAGAIN : -EIO;
    amqp_bytes_t body = envelope.message.body;
    server->list[0] = (struct message){envelope.delivery_tag, strndup(body.bytes, body.len)};
    amqp_destroy_envelope(&envelope);
    return server->list[0].text ? 0 : -ENOMEM;
}

/** What goes wrong here the next take_message() tells: the connection is lost. */
static void finish_message(struct server *server, const struct message *message) {
    if (message->text)
        amqp_basic_ack(server->connection, 1, message->tag, 0);
    else
        amqp_basic_reject(server->connection, 1, message->tag, 0);
}

static int begin_publishing(void *arg) {
    struct server *server = arg;
    /* Refuse a queue that is not there: a message that no queue takes would be confirmed all the same. */
    amqp_queue_declare(server->connection, 1, amqp_cstring_bytes(server->queue), 1, 0, 0, 0, amqp_empty_table);
    if (amqp_get_rpc_reply(server->connection).reply_type != AMQP_RESPONSE_NORMAL)
        return -ENOENT;
    amqp_confirm_select(server->connection, 1);
    return amqp_get_rpc_reply(server->connection).reply_type == AMQP_RESPONSE_NORMAL ? 0 : -EIO;
}

/** Until the broker has confirmed the last `count` messages: one by one in any order, or several at once. */
static int wait_for_confirms(struct server *server, uint64_t count) {
    bool confirmed[WINDOW] = {false};
    uint64_t first = server->published - count + 1;
    for (uint64_t left = count; left > 0;) {
        amqp_frame_t frame;
        if (amqp_simple_wait_frame(server->connection, &frame) != AMQP_STATUS_OK ||
            frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
            return -EIO; /* refused, or the connection is lost: nothing of the batch will be acknowledged */
        amqp_basic_ack_t ack = *(amqp_basic_ack_t *)frame.payload.method.decoded;
        for (uint64_t tag = ack.multiple ? first : ack.delivery_tag; tag <= ack.delivery_tag; tag++)
            if (!confirmed[tag - first]) {
                confirmed[tag - first] = true;
                left--;
            }
    }
    amqp_maybe_release_buffers(server->connection);
    return 0;
}

/** Publish list[0 … count), persistent, and wait until all of it is confirmed. */
static int publish_messages(void *arg) {
    struct server *server = arg;
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
    uint64_t count = 0;
    for (ptrdiff_t i = 0; i < server->count; i++) {
        const char *text = server->list[i].text;
        if (!text)
            continue;
        if (amqp_basic_publish(server->connection, 1, amqp_empty_bytes, amqp_cstring_bytes(server->queue), 0, 0,
                               &properties, amqp_cstring_bytes(text)) != AMQP_STATUS_OK)
            return -EIO;
        count++;
    }
    server->published += count;
    return wait_for_confirms(server, count);
}

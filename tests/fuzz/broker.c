/* SPDX-License-Identifier: MIT */
/**
 * A RabbitMQ that greets as it should and then lies, at the other end of a whole
 * run: a source of deliveries or a sink with confirmations. Whatever it sends,
 * the run ends, and its counts balance.
 *
 * The first byte chooses (bit 0) the sink, and (bit 1) to wait for its first
 * message before lying; the rest is what the server sends. Then it hangs up.
 */
#include "cli/parse.h"
#include "ends/amqp/method.h"
#include "fuzz.h"
#include "pipeline/run.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FOR_SINK = 1, WHEN_BUSY = 2, HEAD = 7 };

struct server {
    int listener, port, peer;
    unsigned choice;
    const uint8_t *lies;
    size_t size;
    bool lied;
};

static void send_all(struct server *server, const void *data, size_t size) {
    const char *at = data;
    while (size > 0) {
        ssize_t sent = send(server->peer, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        size -= (size_t)sent;
    }
}

static void reply(struct server *server, uint16_t channel, uint32_t id, const char *arguments, size_t size) {
    struct lt_amqp_output output = {0};
    lt_amqp_put(&output, 1, LT_FRAME_METHOD);
    lt_amqp_put(&output, 2, channel);
    lt_amqp_put(&output, 4, 4 + size);
    lt_amqp_put(&output, 4, id);
    lt_amqp_put_bytes(&output, arguments, size);
    lt_amqp_put(&output, 1, LT_FRAME_END);
    send_all(server, output.data, output.size);
    free(output.data);
}

static void lie(struct server *server) {
    if (server->lied)
        return;
    server->lied = true;
    send_all(server, server->lies, server->size);
    shutdown(server->peer, SHUT_WR);
}

/* What a good server says to a method of the client. */
static void answer(struct server *server, uint32_t id) {
    switch (id) {
    case LT_CONNECTION_START_OK:
        reply(server, 0, LT_CONNECTION_TUNE, "\7\377\0\0\20\0\0\0", 8);
        return;
    case LT_CONNECTION_OPEN:
        reply(server, 0, LT_CONNECTION_OPEN_OK, "", 1);
        return;
    case LT_CHANNEL_OPEN:
        reply(server, 1, LT_CHANNEL_OPEN_OK, "\0\0\0", 4);
        return;
    case LT_QUEUE_DECLARE:
        reply(server, 1, LT_QUEUE_DECLARE_OK, "\1q\0\0\0\7\0\0\0", 10);
        return;
    case LT_BASIC_QOS:
        reply(server, 1, LT_BASIC_QOS_OK, "", 0);
        return;
    case LT_BASIC_CONSUME:
        reply(server, 1, LT_BASIC_CONSUME_OK, "\4leat", 5);
        lie(server);
        return;
    case LT_CONFIRM_SELECT:
        reply(server, 1, LT_CONFIRM_SELECT_OK, "", 0);
        if (!(server->choice & WHEN_BUSY))
            lie(server);
        return;
    case LT_BASIC_PUBLISH:
        lie(server);
        return;
    default:
        return;
    }
}

static bool receive(struct server *server, void *data, size_t size) {
    return size == 0 || recv(server->peer, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void *serve(void *arg) {
    struct server *server = arg;
    static uint8_t payload[1 << 20];
    uint8_t head[HEAD + 1];
    server->peer = accept(server->listener, NULL, NULL);
    must(server->peer >= 0);
    if (receive(server, head, 8))
        reply(server, 0, LT_CONNECTION_START, "\0\11\0\0\0\0\0\0\0\5PLAIN\0\0\0\5en_US", 24);
    while (receive(server, head, HEAD)) {
        struct lt_amqp_view view = lt_amqp_view(head, HEAD);
        uint64_t type = lt_amqp_number(&view, 1);
        lt_amqp_number(&view, 2);
        uint64_t size = lt_amqp_number(&view, 4);
        must(size < sizeof payload && receive(server, payload, size + 1) && payload[size] == LT_FRAME_END);
        view = lt_amqp_view(payload, size);
        if (type == LT_FRAME_METHOD)
            answer(server, (uint32_t)lt_amqp_number(&view, 4));
    }
    close(server->peer);
    return NULL;
}

static void listen_somewhere(struct server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(server->listener >= 0 && bind(server->listener, (struct sockaddr *)&address, size) == 0);
    must(listen(server->listener, 1) == 0);
    must(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
}

static void run(const struct server *server) {
    char broker[128];
    snprintf(broker, sizeof broker, "amqp://127.0.0.1:%d/?queue=q&reconnect=0s", server->port);
    char *source[] = {(char *)"leat", broker, (char *)":", (char *)"null:", NULL};
    char *sink[] = {(char *)"leat", (char *)"gen:?count=20&size=50", (char *)":", broker, NULL};
    struct lt_command command;
    struct leat_error error = {0};
    must(lt_parse(4, server->choice & FOR_SINK ? sink : source, &command, &error) == 0);
    command.plan.options.errors = "/dev/null";
    command.plan.options.workers = 1;
    struct lt_pipeline *pipeline = lt_pipeline_new(&command.plan, &error);
    must(pipeline);
    struct lt_report report;
    lt_pipeline_run(pipeline, &report);
    bool refused = report.outcome == LT_NOT_STARTED || report.outcome == LT_BROKEN;
    must(refused ? *report.error.text : report.outcome == LT_FINISHED);
    lt_pipeline_free(pipeline);
    lt_command_free(&command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct server server;
    if (!server.port)
        listen_somewhere(&server);
    struct input input = {data, size};
    server.choice = next_byte(&input);
    server.lies = input.at;
    server.size = input.size;
    server.lied = false;
    pthread_t thread;
    must(pthread_create(&thread, NULL, serve, &server) == 0);
    run(&server);
    must(pthread_join(thread, NULL) == 0);
    return 0;
}

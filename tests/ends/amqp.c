/* SPDX-License-Identifier: MIT */
/**
 * The parts of amqp: that need no server: what is read from bytes cut anywhere,
 * from a server that lies (seeded, AMQP_FUZZ rounds: 5,000), what is written,
 * and the books about deliveries and confirmations against plain models.
 */
#include "base/hash.h"
#include "ends/amqp/address.h"
#include "ends/amqp/key.h"
#include "ends/amqp/properties.h"
#include "ends/amqp/reader.h"
#include "ends/amqp/tags.h"
#include "ends/amqp/window.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 20240229;

static uint64_t draw(uint64_t below) {
    seed += 0x9e3779b97f4a7c15u;
    return lt_hash_mix(seed) % below;
}

static struct leat_bytes text(const char *string) {
    return (struct leat_bytes){string, strlen(string)};
}

/* ------------------------------------------------------- what was read */

struct log {
    char *data;
    size_t size;
    FILE *file;
};

static int log_method(void *arg, const struct lt_amqp_method *method, struct leat_error *error) {
    struct log *log = arg;
    (void)error;
    fprintf(log->file, "method %u %x tag %llu %d code %u \"%.*s\" messages %u\n", method->channel, method->id,
            (unsigned long long)method->tag, method->multiple, method->code, (int)method->text.size, method->text.data,
            method->messages);
    return 0;
}

static int log_message(void *arg, const struct lt_amqp_method *method, struct lt_amqp_message *message,
                       struct leat_error *error) {
    struct log *log = arg;
    struct leat_bytes body = lt_amqp_message_body(message), properties = lt_amqp_message_properties(message);
    (void)error;
    fprintf(log->file, "message %x tag %llu again %d key \"%.*s\" properties %zu %llx body %zu %llx\n", method->id,
            (unsigned long long)message->tag, message->redelivered, (int)method->key.size, method->key.data,
            properties.size, (unsigned long long)lt_hash(properties.data, properties.size), body.size,
            (unsigned long long)lt_hash(body.data, body.size));
    free(message);
    return 0;
}

static const struct lt_amqp_handler handler = {log_method, log_message};

/* Feed the bytes in pieces that `next` sizes; returns what happened. The log's text is the caller's. */
static int feed(const struct lt_amqp_output *bytes, uint32_t frame_max, size_t (*next)(size_t at), char **told) {
    struct log log = {0};
    struct lt_amqp_reader reader;
    struct leat_error error = {0};
    log.file = open_memstream(&log.data, &log.size);
    assert_int_equal(lt_amqp_reader_open(&reader, &handler, &log), 0);
    assert_int_equal(lt_amqp_reader_tune(&reader, frame_max), 0);
    int code = 0;
    for (size_t at = 0; at < bytes->size && code == 0;) {
        size_t room, size = next(at);
        uint8_t *place = lt_amqp_reader_room(&reader, &room);
        assert_true(room > 0);
        if (size > room)
            size = room;
        if (size > bytes->size - at)
            size = bytes->size - at;
        memcpy(place, bytes->data + at, size);
        at += size;
        code = lt_amqp_reader_take(&reader, size, &error);
    }
    if (code < 0)
        assert_true(strlen(error.text) > 0);
    lt_amqp_reader_close(&reader);
    fclose(log.file);
    *told = log.data;
    return code;
}

static size_t cut_at;

static size_t at_once(size_t at) {
    (void)at;
    return SIZE_MAX;
}

static size_t in_two(size_t at) {
    return at < cut_at ? cut_at - at : SIZE_MAX;
}

static size_t byte_by_byte(size_t at) {
    (void)at;
    return 1;
}

static size_t anyhow(size_t at) {
    (void)at;
    return 1 + draw(60);
}

/* ---------------------------------------------------- what a server sends */

static size_t begin(struct lt_amqp_output *output, uint8_t type, uint16_t channel) {
    size_t start = output->size;
    lt_amqp_put(output, 1, type);
    lt_amqp_put(output, 2, channel);
    lt_amqp_put(output, 4, 0);
    return start;
}

static void finish(struct lt_amqp_output *output, size_t start) {
    lt_amqp_put(output, 1, LT_FRAME_END);
    lt_amqp_store(output->data + start + 3, 4, output->size - start - 8);
}

static void put_content(struct lt_amqp_output *output, size_t size, uint32_t frame_max) {
    size_t frame = begin(output, LT_FRAME_HEADER, 1);
    lt_amqp_put(output, 4, 60 << 16);
    lt_amqp_put(output, 8, size);
    lt_amqp_put(output, 2, LT_DELIVERY_MODE);
    lt_amqp_put(output, 1, 2);
    finish(output, frame);
    for (size_t at = 0, part; at < size; at += part) {
        part = size - at < frame_max - 8 ? size - at : frame_max - 8;
        frame = begin(output, LT_FRAME_BODY, 1);
        for (size_t i = 0; i < part; i++)
            lt_amqp_put(output, 1, (at + i) * 7 & 255);
        finish(output, frame);
    }
}

static void put_delivery(struct lt_amqp_output *output, uint64_t tag, size_t size, uint32_t frame_max) {
    size_t frame = begin(output, LT_FRAME_METHOD, 1);
    lt_amqp_put(output, 4, LT_BASIC_DELIVER);
    lt_amqp_put_short_text(output, text("leat"));
    lt_amqp_put(output, 8, tag);
    lt_amqp_put(output, 1, tag & 1);
    lt_amqp_put_short_text(output, text("exchange"));
    lt_amqp_put_short_text(output, text("a.key"));
    finish(output, frame);
    put_content(output, size, frame_max);
}

static void put_return(struct lt_amqp_output *output, size_t size, uint32_t frame_max) {
    size_t frame = begin(output, LT_FRAME_METHOD, 1);
    lt_amqp_put(output, 4, LT_BASIC_RETURN);
    lt_amqp_put(output, 2, 312);
    lt_amqp_put_short_text(output, text("NO_ROUTE"));
    lt_amqp_put_short_text(output, text(""));
    lt_amqp_put_short_text(output, text("nowhere"));
    finish(output, frame);
    put_content(output, size, frame_max);
}

static void put_close(struct lt_amqp_output *output, uint32_t id) {
    size_t frame = begin(output, LT_FRAME_METHOD, id >> 16 == 20);
    lt_amqp_put(output, 4, id);
    lt_amqp_put(output, 2, 404);
    lt_amqp_put_short_text(output, text("NOT_FOUND"));
    lt_amqp_put(output, 4, LT_QUEUE_DECLARE);
    finish(output, frame);
}

/* A bit of everything. */
static struct lt_amqp_output make_stream(void) {
    enum { FRAME = 4096 };
    struct lt_amqp_output output = {0};
    put_delivery(&output, 1, 11, FRAME);
    lt_amqp_put_ack(&output, 7, true);
    lt_amqp_put_heartbeat(&output);
    put_delivery(&output, 2, 0, FRAME);
    put_delivery(&output, 3, FRAME - 8, FRAME);
    put_return(&output, 20, FRAME);
    put_delivery(&output, 4, FRAME - 7, FRAME);
    lt_amqp_put_nack(&output, 8, false, false);
    lt_amqp_put_heartbeat(&output);
    put_close(&output, LT_CHANNEL_CLOSE);
    put_close(&output, LT_CONNECTION_CLOSE);
    return output;
}

static void pieces(void **state) {
    (void)state;
    struct lt_amqp_output stream = make_stream();
    char *whole, *told;
    assert_int_equal(feed(&stream, 4096, at_once, &whole), 0);
    size_t lines = 0;
    for (const char *at = whole; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 9);
    assert_non_null(strstr(whole, "message 3c0032 tag 0 again 0 key \"nowhere\" properties 3"));
    for (cut_at = 1; cut_at < stream.size; cut_at++) {
        assert_int_equal(feed(&stream, 4096, in_two, &told), 0);
        assert_string_equal(told, whole);
        free(told);
    }
    for (int round = 0; round < 100; round++) {
        assert_int_equal(feed(&stream, 4096, round ? anyhow : byte_by_byte, &told), 0);
        assert_string_equal(told, whole);
        free(told);
    }
    free(whole);
    free(stream.data);
}

/* What the writer makes the reader reads back: a publication looks like a delivery but for its method. */
static void written(void **state) {
    (void)state;
    enum { FRAME = 4096 };
    static const size_t sizes[] = {0, 1, FRAME - 9, FRAME - 8, FRAME - 7, 2 * (FRAME - 8), 2 * (FRAME - 8) + 1, 50000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct lt_amqp_output ours = {0}, server = {0};
        char *body = malloc(sizes[s] + 1), properties[] = {0x10, 0, 2};
        for (size_t i = 0; i < sizes[s]; i++)
            body[i] = (char)(i * 7 & 255);
        struct lt_amqp_publication publication = {.exchange = text("exchange"),
                                                  .key = text("a.key"),
                                                  .mandatory = true,
                                                  .properties = {properties, 3},
                                                  .body = {body, sizes[s]}};
        lt_amqp_put_publication(&ours, &publication, FRAME);
        put_content(&server, sizes[s], FRAME);
        size_t method = 7 + 4 + 2 + 9 + 6 + 1 + 1;
        assert_int_equal(ours.size, server.size + method);
        assert_memory_equal(ours.data + method, server.data, server.size);
        assert_memory_equal(ours.data, "\1\0\1\0\0\0\26\0\x3c\0\x28\0\0\10exchange\5a.key\1\xce", method);
        free(body);
        free(ours.data);
        free(server.data);
    }
}

/* -------------------------------------------------------- hostile servers */

static void mutate(struct lt_amqp_output *stream) {
    static const uint8_t edges[] = {0, 1, 2, 3, 8, 0x7f, 0x80, 0xce, 0xff};
    for (uint64_t changes = 1 + draw(4); changes > 0; changes--) {
        size_t at = draw(stream->size);
        switch (draw(5)) {
        case 0:
            stream->data[at] = (uint8_t)draw(256);
            break;
        case 1:
            stream->data[at] = edges[draw(sizeof edges)];
            break;
        case 2: /* cut out */
        {
            size_t size = 1 + draw(40);
            if (size > stream->size - at)
                size = stream->size - at;
            memmove(stream->data + at, stream->data + at + size, stream->size - at - size);
            stream->size -= size;
            break;
        }
        case 3: /* double */
        {
            size_t size = 1 + draw(40);
            if (size > stream->size - at)
                size = stream->size - at;
            lt_amqp_extend(stream, size);
            memmove(stream->data + at + size, stream->data + at, stream->size - at - size);
            break;
        }
        default: /* a size or a number */
            for (size_t i = at; i < stream->size && i < at + 4; i++)
                stream->data[i] = edges[draw(sizeof edges)];
        }
        if (stream->size == 0)
            lt_amqp_put(stream, 1, 0);
    }
}

/* Whatever comes: an error or not, the same in one piece and in many, and nothing read or written out of bounds. */
static void hostile(void **state) {
    (void)state;
    const char *wish = getenv("AMQP_FUZZ");
    struct lt_amqp_output original = make_stream(), stream = {0};
    size_t refused = 0;
    long rounds = wish ? atol(wish) : 5000;
    for (long round = 0; round < rounds; round++) {
        stream.size = 0;
        size_t size = draw(4) ? 400 + draw(600) : original.size;
        lt_amqp_put_bytes(&stream, original.data, size);
        mutate(&stream);
        char *whole, *parts;
        int code = feed(&stream, 4096, at_once, &whole);
        assert_int_equal(feed(&stream, 4096, anyhow, &parts), code);
        assert_string_equal(whole, parts);
        refused += code < 0;
        free(whole);
        free(parts);
    }
    assert_true(refused > (size_t)rounds / 10);
    free(original.data);
    free(stream.data);
}

static void refuse(const char *bytes, size_t size, const char *said) {
    struct log log = {0};
    struct lt_amqp_reader reader;
    struct leat_error error = {0};
    size_t room;
    log.file = open_memstream(&log.data, &log.size);
    lt_amqp_reader_open(&reader, &handler, &log);
    memcpy(lt_amqp_reader_room(&reader, &room), bytes, size);
    assert_int_equal(lt_amqp_reader_take(&reader, size, &error), -EPROTO);
    if (!strstr(error.text, said))
        fail_msg("\"%s\" says nothing of \"%s\"", error.text, said);
    lt_amqp_reader_close(&reader);
    fclose(log.file);
    free(log.data);
}

static void refused(void **state) {
    (void)state;
    refuse("AMQP\0\1\0\0", 8, "speaks AMQP 1-0-0");
    refuse("\4\0\1\0\0\0\0\xce", 8, "unknown type 4");
    refuse("\1\0\2\0\0\0\4\0\12\0\12\xce", 12, "channel 2");
    refuse("\1\0\1\0\0\0\2\0\12\xce", 10, "cut short");
    refuse("\1\0\1\0\0\0\4\0\x3c\0\x3c\0", 12, "without its end");
    refuse("\1\0\1\x7f\0\0\0\0", 8, "a frame of");
    refuse("\3\0\1\0\0\0\1x\xce", 9, "without a header");
    refuse("\2\0\1\0\0\0\0\xce", 8, "without a method");
}

/* ------------------------------------------------------------- properties */

static void put_field(struct lt_amqp_output *output, const char *name, const char *value) {
    lt_amqp_put_short_text(output, text(name));
    lt_amqp_put(output, 1, 'S');
    lt_amqp_put_long_text(output, text(value));
}

static void properties(void **state) {
    (void)state;
    struct lt_amqp_output headers = {0}, wire = {0}, out = {0};
    put_field(&headers, "a", "1");
    put_field(&headers, "x-death", "x");
    lt_amqp_put_bytes(&headers, "\20x-delivery-countl\0\0\0\0\0\0\0\5", 26);
    put_field(&headers, "BCC", "x");
    put_field(&headers, "b", "2");
    lt_amqp_put(&wire, 2, LT_HEADERS | LT_CORRELATION_ID | LT_EXPIRATION | LT_USER_ID | LT_APP_ID);
    lt_amqp_put_long_text(&wire, (struct leat_bytes){(char *)headers.data, headers.size});
    lt_amqp_put_short_text(&wire, text("id"));
    lt_amqp_put_short_text(&wire, text("1000"));
    lt_amqp_put_short_text(&wire, text("guest"));
    lt_amqp_put_short_text(&wire, text("app"));
    struct lt_amqp_properties found;
    assert_true(lt_amqp_properties_read(&found, (struct leat_bytes){(char *)wire.data, wire.size}));
    assert_int_equal(lt_amqp_delivery_count(&found), 5);
    lt_amqp_properties_put(&out, &found);
    struct lt_amqp_output expected = {0};
    lt_amqp_put(&expected, 2, LT_HEADERS | LT_CORRELATION_ID | LT_APP_ID);
    lt_amqp_put(&expected, 4, 16);
    put_field(&expected, "a", "1");
    put_field(&expected, "b", "2");
    lt_amqp_put_short_text(&expected, text("id"));
    lt_amqp_put_short_text(&expected, text("app"));
    assert_int_equal(out.size, expected.size);
    assert_memory_equal(out.data, expected.data, out.size);
    for (size_t size = 0; size < wire.size; size++)
        assert_false(lt_amqp_properties_read(&found, (struct leat_bytes){(char *)wire.data, size}));
    for (int round = 0; round < 20000; round++) {
        struct lt_amqp_output broken = {0};
        lt_amqp_put_bytes(&broken, wire.data, wire.size);
        for (uint64_t changes = 1 + draw(5); changes > 0; changes--)
            broken.data[draw(broken.size)] = (uint8_t)draw(256);
        uint8_t *exact = malloc(broken.size); /* so that a sanitizer sees its end */
        memcpy(exact, broken.data, broken.size);
        out.size = 0;
        if (lt_amqp_properties_read(&found, (struct leat_bytes){(char *)exact, broken.size})) {
            lt_amqp_delivery_count(&found);
            lt_amqp_properties_put(&out, &found);
        }
        free(exact);
        free(broken.data);
    }
    free(headers.data);
    free(wire.data);
    free(out.data);
    free(expected.data);
}

/* ------------------------------------------------------------------ books */

enum { DELIVERIES = 3000 };

/* Everything finished is told exactly once, nothing else ever is. */
static void tags(void **state) {
    (void)state;
    struct lt_amqp_tags tags;
    lt_amqp_tags_init(&tags);
    for (int channel = 0; channel < 20; channel++) {
        static uint8_t wanted[DELIVERIES + 1], told[DELIVERIES + 1];
        memset(wanted, 0, sizeof wanted);
        memset(told, 0, sizeof told);
        lt_amqp_tags_reset(&tags);
        assert_int_equal(lt_amqp_tags_add(&tags, 2), -EPROTO);
        uint64_t given = 0, below = 1, open = 0;
        while (given < DELIVERIES || open) {
            for (uint64_t more = draw(60); more > 0 && given < DELIVERIES; more--, open++)
                assert_int_equal(lt_amqp_tags_add(&tags, ++given), 0);
            for (uint64_t some = draw(60); some > 0 && open; some--) {
                uint64_t tag = below + draw(given - below + 1);
                if (wanted[tag])
                    tag = below;
                wanted[tag] = draw(10) ? 1 : 2;
                if (wanted[tag] == 1)
                    lt_amqp_tags_finish(&tags, tag);
                else
                    lt_amqp_tags_forget(&tags, tag);
                open--;
                while (below <= given && wanted[below])
                    below++;
            }
            uint64_t prefix = lt_amqp_tags_prefix(&tags), from = 0, tag;
            assert_true(prefix < below);
            for (tag = 1; tag <= prefix; tag++)
                told[tag] = 1;
            if (prefix)
                assert_int_equal(wanted[prefix], 1);
            while (draw(3) == 0 && (tag = lt_amqp_tags_single(&tags, &from))) {
                assert_int_equal(wanted[tag], 1);
                assert_false(told[tag]);
                told[tag] = 1;
            }
        }
        assert_int_equal(lt_amqp_tags_prefix(&tags) ? tags.open : tags.open, 0);
        assert_int_equal(tags.held, 0);
        for (uint64_t tag = 1; tag <= DELIVERIES; tag++)
            assert_true(wanted[tag] == 2 || told[tag] || tag < tags.first);
    }
    lt_amqp_tags_free(&tags);
}

/* Each letter is settled once, by the first confirmation that covers it. */
static void window(void **state) {
    (void)state;
    struct lt_amqp_window window;
    for (size_t limit = 1; limit <= 100; limit += limit < 5 ? 1 : 19) {
        assert_int_equal(lt_amqp_window_open(&window, limit), 0);
        static bool settled[5000];
        memset(settled, 0, sizeof settled);
        uint64_t sent = 0;
        while (sent < 4000 || window.open) {
            while (lt_amqp_window_room(&window) && sent < 4000 && draw(8)) {
                sent++;
                struct lt_amqp_letter letter = {.held = (void *)1, .item = (struct leat_item *)(uintptr_t)(sent * 8)};
                assert_int_equal(window.next, sent);
                lt_amqp_window_add(&window, &letter);
            }
            if (!sent)
                continue;
            bool multiple = draw(3) == 0;
            uint64_t number = window.first + draw(window.next - window.first + 1), from = 0,
                     lowest = multiple ? 1 : number;
            if (number >= window.next)
                number = window.next - 1;
            if (!multiple)
                lowest = number;
            struct lt_amqp_letter letter;
            while (lt_amqp_window_settle(&window, number, multiple, &from, &letter)) {
                uint64_t which = (uintptr_t)letter.item / 8;
                assert_in_range(which, lowest, number);
                assert_false(settled[which]);
                settled[which] = true;
            }
            for (uint64_t which = lowest; which <= number; which++)
                assert_true(settled[which]);
        }
        lt_amqp_window_close(&window);
    }
}

/* -------------------------------------------------------------- addresses */

static void address_is(const char *url, bool tls, const char *host, const char *port, const char *user,
                       const char *password, const char *vhost) {
    struct lt_amqp_address address;
    struct leat_error error;
    assert_int_equal(lt_amqp_address_read(&address, url, tls, NULL, &error), 0);
    assert_string_equal(address.host, host);
    assert_string_equal(address.port, port);
    assert_string_equal(address.user, user);
    assert_string_equal(address.password, password);
    assert_string_equal(address.vhost, vhost);
    lt_amqp_address_free(&address);
}

static void addresses(void **state) {
    (void)state;
    unsetenv("AMQP_PASSWORD");
    unsetenv("AMQP_PASSWORD_FILE");
    address_is("amqp://", false, "localhost", "5672", "guest", "guest", "/");
    address_is("amqps://h", false, "h", "5671", "guest", "guest", "/");
    address_is("amqp://u:p@h:1/", true, "h", "1", "u", "p", "/");
    address_is("amqp://h", true, "h", "5671", "guest", "guest", "/");
    address_is("amqp://u%40x:p%3a%2F@h:1/%2f", false, "h", "1", "u@x", "p:/", "/");
    address_is("amqp://u:p@[::1]:9/v/w", false, "::1", "9", "u", "p", "v/w");
    static const char *const wrong[] = {"http://u:geheim@h",    "amqp://u:geheim@h:0",   "amqp://u:geheim@h:65536",
                                        "amqp://u:geheim%zz@h", "amqp://u:geheim@[::1",  "amqp://u:geheim@[::1]x",
                                        "amqp://u:geheim/x@h",  "amqp://u:geheim?x@h",   "amqp://u:geheim#x@h",
                                        "amqp://u:x@geheim/@h", "amqp://u:geheim@h?x=1", "amqp://u:geheim@h#x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct lt_amqp_address address;
        struct leat_error error;
        assert_int_equal(lt_amqp_address_read(&address, wrong[i], false, NULL, &error), -EINVAL);
        assert_null(strstr(error.text, "geheim"));
    }
}

static void keys(void **state) {
    (void)state;
    struct leat_error error;
    static const char *const right[] = {"", "a.b", "{x}", "a.{x}.{y}", "{{x}}", "{.a.b[0]}"};
    static const char *const wrong[] = {"{", "{}", "a{x", "a}", "{x}}"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_int_equal(lt_amqp_key_check(right[i], &error), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(lt_amqp_key_check(wrong[i], &error), -EINVAL);
    assert_int_equal(lt_amqp_key_check("a.{}", &error), -EINVAL);
    assert_string_equal(error.text, "--key \"a.{}\" has a field without a name");
    char *longest = calloc(1, LT_AMQP_LONGEST_KEY + 5);
    strcat(memset(longest, 'x', LT_AMQP_LONGEST_KEY), "{y}");
    assert_int_equal(lt_amqp_key_check(longest, &error), 0);
    strcpy(longest + LT_AMQP_LONGEST_KEY, "{{");
    assert_int_equal(lt_amqp_key_check(longest, &error), -EINVAL);
    free(longest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        {"bytes cut anywhere are read as the same", pieces, NULL, NULL, NULL},
        {"messages of all sizes are written as the protocol asks", written, NULL, NULL, NULL},
        {"a server that lies is an error or not, never more", hostile, NULL, NULL, NULL},
        {"each way to break the protocol has its words", refused, NULL, NULL, NULL},
        {"properties travel, those of a delivery do not", properties, NULL, NULL, NULL},
        {"what is finished is told once", tags, NULL, NULL, NULL},
        {"what is confirmed is settled once", window, NULL, NULL, NULL},
        {"addresses", addresses, NULL, NULL, NULL},
        {"routing keys", keys, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

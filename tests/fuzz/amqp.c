/* SPDX-License-Identifier: MIT */
/**
 * What a lying RabbitMQ sends. The same comes out however the bytes are cut; what
 * comes out of a message's properties can be read again; and the books on what
 * was delivered and published go on whatever is confirmed.
 *
 * The first two bytes say how the stream is cut, the rest is the stream.
 */
#include "base/hash.h"
#include "ends/amqp/properties.h"
#include "ends/amqp/reader.h"
#include "ends/amqp/tags.h"
#include "ends/amqp/window.h"
#include "fuzz.h"

enum { FRAME = 4096, LETTERS = 16 };

struct log {
    uint64_t hash;
    size_t count;
    struct lt_amqp_tags tags;
    struct lt_amqp_window window;
};

static void note(struct log *log, uint64_t value) {
    log->hash = lt_hash_mix(log->hash + value);
    log->count++;
}

static void note_bytes(struct log *log, struct leat_bytes bytes) {
    note(log, lt_hash(bytes.data, bytes.size) + bytes.size);
}

/* Letters go out until the window is full; confirmations take them out again. */
static void confirm(struct log *log, uint64_t number, bool multiple) {
    while (lt_amqp_window_room(&log->window))
        lt_amqp_window_add(&log->window, &(struct lt_amqp_letter){.held = (void *)log});
    struct lt_amqp_letter letter;
    size_t before = log->window.open, settled = 0;
    for (uint64_t from = 0; lt_amqp_window_settle(&log->window, number, multiple, &from, &letter);)
        settled++;
    must(settled <= LETTERS && log->window.open + settled == before);
    must(!lt_amqp_window_find(&log->window, number));
    note(log, settled);
}

static void deliver(struct log *log, uint64_t tag) {
    note(log, (uint64_t)lt_amqp_tags_add(&log->tags, tag));
    if (tag % 3)
        lt_amqp_tags_finish(&log->tags, tag);
    else
        lt_amqp_tags_forget(&log->tags, tag);
    note(log, lt_amqp_tags_prefix(&log->tags));
    for (uint64_t from = 0, single; (single = lt_amqp_tags_single(&log->tags, &from));)
        note(log, single);
}

static void carry_on(struct log *log, struct leat_bytes wire) {
    struct lt_amqp_properties properties, again;
    struct lt_amqp_output output = {0};
    char *exact = exact_copy(wire.data, wire.size);
    bool read = lt_amqp_properties_read(&properties, (struct leat_bytes){exact, wire.size});
    note(log, read);
    if (read) {
        note(log, (uint64_t)lt_amqp_delivery_count(&properties));
        lt_amqp_properties_put(&output, &properties);
        must(!output.broken);
        must(lt_amqp_properties_read(&again, (struct leat_bytes){(char *)output.data, output.size}));
        must(lt_amqp_delivery_count(&again) < 0 || !(properties.flags & LT_HEADERS));
        note_bytes(log, (struct leat_bytes){(char *)output.data, output.size});
    }
    free(output.data);
    free(exact);
}

static int on_method(void *arg, const struct lt_amqp_method *method, struct leat_error *error) {
    struct log *log = arg;
    (void)error;
    note(log, (uint64_t)method->channel << 32 | method->id);
    note_bytes(log, method->text);
    if (method->id == LT_BASIC_ACK || method->id == LT_BASIC_NACK)
        confirm(log, method->tag, method->multiple);
    must(lt_amqp_method_name(method->id));
    return 0;
}

static int on_message(void *arg, const struct lt_amqp_method *method, struct lt_amqp_message *message,
                      struct leat_error *error) {
    struct log *log = arg;
    (void)error;
    note_bytes(log, method->key);
    note_bytes(log, lt_amqp_message_body(message));
    if (method->id == LT_BASIC_DELIVER)
        deliver(log, message->tag);
    carry_on(log, lt_amqp_message_properties(message));
    free(message);
    return 0;
}

static const struct lt_amqp_handler handler = {on_method, on_message};

/* The stream in pieces of `first` bytes, then of `rest`. */
static int feed(struct leat_bytes stream, size_t first, size_t rest, struct log *log) {
    struct lt_amqp_reader reader;
    struct leat_error error = {0};
    int code = 0;
    lt_amqp_tags_init(&log->tags);
    must(lt_amqp_window_open(&log->window, LETTERS) == 0);
    must(lt_amqp_reader_open(&reader, &handler, log) == 0 && lt_amqp_reader_tune(&reader, FRAME) == 0);
    for (size_t at = 0, piece = first, room; at < stream.size && code == 0; at += piece, piece = rest) {
        uint8_t *place = lt_amqp_reader_room(&reader, &room);
        must(room > 0);
        piece = piece < room ? piece : room;
        piece = piece < stream.size - at ? piece : stream.size - at;
        memcpy(place, stream.data + at, piece);
        code = lt_amqp_reader_take(&reader, piece, &error);
    }
    must(code == 0 || (code < 0 && *error.text));
    lt_amqp_reader_close(&reader);
    lt_amqp_window_close(&log->window);
    lt_amqp_tags_free(&log->tags);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    size_t first = 1 + next_byte(&input), rest = 1 + next_byte(&input);
    struct leat_bytes stream = {(const char *)input.at, input.size};
    struct log whole = {0}, pieces = {0};
    int code = feed(stream, SIZE_MAX, SIZE_MAX, &whole);
    must(feed(stream, first, rest, &pieces) == code);
    must(whole.hash == pieces.hash && whole.count == pieces.count);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/**
 * mailto: items as digests: one mail for each recipient, at the end of the run,
 * or with --forever some time after the first item came.
 *
 * Batches are kept (leat_sink_type.holds), and all texts of their items in their
 * memory, until the mails are accepted; only then are they confirmed. So an item
 * is acknowledged to its source when the mail that it is in was accepted for all
 * who get it. When there are too many to keep, mails go out earlier.
 *
 * What comes and what is sent is under one mutex: with --forever a task of the
 * sink's own sends while nothing comes.
 *
 * When the server cannot go on, what was accepted is delivered, and the rest goes
 * back to the source item by item, although they share batches.
 */
#include "ends/ends.h"
#include "ends/mail/address.h"
#include "ends/mail/digest.h"
#include "ends/mail/encode.h"
#include "ends/mail/journal.h"
#include "ends/mail/smtp.h"
#include "ends/mail/target.h"
#include "ends/mail/template.h"
#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { HOLDS = 1024, LONGEST_TITLE = 500, DAY = 24 * 60 * 60 };

struct settings {
    const char *from, *title, *link, *text, *group_by, *sent, *key, *cacert;
    leat_time again, every, timeout, patience;
    bool plain;
};

static const struct leat_option options[] = {
    {"from", 0, LEAT_OPTION_STRING, offsetof(struct settings, from), "ADDRESS", NULL,
     "Who sends: ann@example.org or 'Ann <ann@example.org>'; by default who logs in, if that is an address."},
    {"title", 0, LEAT_OPTION_STRING, offsetof(struct settings, title), "TEXT", NULL,
     "The headline of an item, with fields of it: '{.key}: {.fields.summary}'; by default the item itself."},
    {"link", 0, LEAT_OPTION_STRING, offsetof(struct settings, link), "TEXT", NULL,
     "Where its headline leads: 'https://jira.example.org/browse/{.key}'."},
    {"text", 0, LEAT_OPTION_STRING, offsetof(struct settings, text), "TEXT", NULL, "What stands below its headline."},
    {"group-by", 0, LEAT_OPTION_STRING, offsetof(struct settings, group_by), "FIELD", NULL,
     "Items with the same value stand together under it."},
    {"sent", 0, LEAT_OPTION_STRING, offsetof(struct settings, sent), "FILE", NULL,
     "Keep here what was sent to whom, and send it only once, also when the process is killed and started again."},
    {"key", 0, LEAT_OPTION_STRING, offsetof(struct settings, key), "TEXT", NULL,
     "With --sent: items are the same when this is, '{.key} {.mention.where}'; by default when their ids are."},
    {"again", 0, LEAT_OPTION_DURATION, offsetof(struct settings, again), "TIME", NULL,
     "With --sent: send it again after so long; by default never."},
    {"every", 0, LEAT_OPTION_DURATION, offsetof(struct settings, every), "TIME", "1m",
     "With --forever: send so long after the first item came, what came by then."},
    {"timeout", 0, LEAT_OPTION_DURATION, offsetof(struct settings, timeout), "TIME", "5m",
     "For handing over one mail."},
    {"patience", 0, LEAT_OPTION_DURATION, offsetof(struct settings, patience), "TIME", "2m",
     "With a server that has gone away or asks to wait: how long to try."},
    {"cacert", 0, LEAT_OPTION_STRING, offsetof(struct settings, cacert), "FILE", NULL,
     "The certificates to trust, instead of the system's."},
    {"plain", 0, LEAT_OPTION_FLAG, offsetof(struct settings, plain), NULL, NULL,
     "Send without encryption, also to another machine, if it offers none."},
    {NULL},
};

struct sink {
    struct settings settings;
    struct lt_mail_target target;
    char *group; /* a template */
    struct lt_mail_sender sender;
    struct lt_smtp smtp;
    struct lt_journal journal;
    struct lt_text scratch;

    struct leat_mutex mutex; /* of what follows, and of sending */
    struct leat_cond changed;
    struct lt_mail_digest *digests;
    size_t digest_count;
    struct leat_batch *held[HOLDS];
    size_t held_count, held_bytes, most_held, number;
    leat_time due; /* --forever: of what is held */
    bool forever, closing, running;
    struct leat_error broken; /* code 0: it is not */
    struct leat_wg ended;     /* 1 while the task runs */

    _Atomic uint64_t mails, already, waiting;
};

/* ------------------------------------------------------------------ digests */

static void free_digest(struct lt_mail_digest *digest) {
    free(digest->to);
    free(digest->cc);
    free(digest->bcc);
    free(digest->subject);
    free(digest->body);
    free(digest->message);
    free(digest->entries);
}

static bool is_for(const struct lt_mail_digest *digest, const struct lt_mail_digest *wanted) {
    return strcmp(digest->to, wanted->to) == 0 && strcmp(digest->cc, wanted->cc) == 0 &&
           strcmp(digest->bcc, wanted->bcc) == 0 && strcmp(digest->subject, wanted->subject) == 0 &&
           strcmp(digest->message, wanted->message) == 0;
}

/* The digest for the same people with the same subject; `wanted` becomes part of it or is freed. */
static struct lt_mail_digest *find_digest(struct sink *sink, struct lt_mail_digest *wanted) {
    for (size_t i = 0; i < sink->digest_count; i++)
        if (is_for(&sink->digests[i], wanted)) {
            free_digest(wanted);
            return &sink->digests[i];
        }
    struct lt_mail_digest *digests = realloc(sink->digests, (sink->digest_count + 1) * sizeof *digests);
    if (!digests) {
        free_digest(wanted);
        return NULL;
    }
    sink->digests = digests;
    digests[sink->digest_count] = *wanted;
    return &digests[sink->digest_count++];
}

static bool is_same(struct leat_bytes left, struct leat_bytes right) {
    return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

static int add_entry(struct sink *sink, struct lt_mail_digest *wanted, struct lt_mail_entry entry,
                     struct leat_error *error) {
    struct lt_mail_digest *digest = find_digest(sink, wanted);
    if (digest && digest->count == digest->room) {
        size_t room = digest->room * 2 + 8;
        struct lt_mail_entry *entries = realloc(digest->entries, room * sizeof *entries);
        if (!entries)
            return leat_fail(error, -ENOMEM, "out of memory");
        digest->entries = entries;
        digest->room = room;
    }
    if (!digest)
        return leat_fail(error, -ENOMEM, "out of memory");
    for (size_t i = 0; sink->journal.path && i < digest->count; i++)
        digest->entries[i].hidden |= is_same(digest->entries[i].key, entry.key);
    entry.number = sink->number++;
    digest->entries[digest->count++] = entry;
    return 0;
}

/* -------------------------------------------------------- an item's texts */

/* A template's text, clean, in the batch's memory; NULL is nothing. */
static int write_text(struct sink *sink, const char *pattern, const struct lt_mail_entry *entry, bool lines,
                      struct leat_bytes *text, struct leat_error *error) {
    struct lt_text clean = {0};
    *text = (struct leat_bytes){"", 0};
    if (!pattern)
        return 0;
    lt_text_clear(&sink->scratch);
    int code = lt_template_write(pattern, entry->batch, entry->item, false, &sink->scratch, error);
    if (code)
        return code;
    lt_mail_clean(&clean, lt_text_bytes(&sink->scratch), lines);
    char *kept = clean.failed ? NULL : leat_batch_alloc(entry->batch, clean.size + 1);
    if (kept && clean.size)
        memcpy(kept, clean.data, clean.size);
    *text = (struct leat_bytes){kept, clean.size};
    free(clean.data);
    return kept ? 0 : leat_fail(error, -ENOMEM, "out of memory");
}

/* The item itself, as it would leave; not all of a long one. */
static int write_item(const struct lt_mail_entry *entry, struct leat_bytes *title, struct leat_error *error) {
    struct leat_bytes out;
    struct lt_text clean = {0};
    int code = leat_item_render(entry->batch, entry->item, &out, error);
    if (code)
        return code;
    lt_mail_clean(&clean, (struct leat_bytes){out.data, out.size < LONGEST_TITLE ? out.size : LONGEST_TITLE}, false);
    lt_text_put(&clean, out.size < LONGEST_TITLE ? "" : " …");
    char *kept = clean.failed ? NULL : leat_batch_alloc(entry->batch, clean.size + 1);
    if (kept && clean.size)
        memcpy(kept, clean.data, clean.size);
    *title = (struct leat_bytes){kept, clean.size};
    free(clean.data);
    return kept ? 0 : leat_fail(error, -ENOMEM, "out of memory");
}

static int write_key(struct sink *sink, struct lt_mail_entry *entry, struct leat_error *error) {
    if (sink->settings.key)
        return write_text(sink, sink->settings.key, entry, false, &entry->key, error);
    char *key = leat_batch_alloc(entry->batch, 17);
    if (!key)
        return leat_fail(error, -ENOMEM, "out of memory");
    snprintf(key, 17, "%016" PRIx64, entry->item->id);
    entry->key = (struct leat_bytes){key, 16};
    return 0;
}

static int write_texts(struct sink *sink, struct lt_mail_entry *entry, struct leat_error *error) {
    const struct settings *settings = &sink->settings;
    int code = settings->title ? write_text(sink, settings->title, entry, false, &entry->title, error)
                               : write_item(entry, &entry->title, error);
    if (code == 0)
        code = write_text(sink, settings->link, entry, false, &entry->link, error);
    if (code == 0)
        code = write_text(sink, settings->text, entry, true, &entry->text, error);
    if (code == 0)
        code = write_text(sink, sink->group, entry, false, &entry->group, error);
    return code;
}

/* Each address of the list with its fields filled in; each must become one address. */
static int write_addresses(struct sink *sink, const struct leat_list *list, const struct lt_mail_entry *entry,
                           char **addresses, struct leat_error *error) {
    struct lt_text joined = {0};
    int code = 0;
    for (size_t i = 0; i < list->count && code == 0; i++) {
        lt_text_clear(&sink->scratch);
        code = lt_template_write(list->items[i], entry->batch, entry->item, true, &sink->scratch, error);
        struct leat_bytes address = lt_text_bytes(&sink->scratch);
        if (code == 0 && !lt_address_is_plain(address))
            code = leat_fail(error, -EINVAL, "\"%.*s\" is no mail address",
                             (int)(address.size < 100 ? address.size : 100), address.size ? address.data : "");
        lt_text_put(&joined, i ? ", " : "");
        lt_text_put_bytes(&joined, address);
    }
    *addresses = joined.size ? joined.data : strdup("");
    if (*addresses != joined.data)
        free(joined.data);
    return code ? code : joined.failed || !*addresses ? leat_fail(error, -ENOMEM, "out of memory") : 0;
}

static int write_line(struct sink *sink, const char *pattern, const struct lt_mail_entry *entry, bool lines,
                      char **line, struct leat_error *error) {
    struct leat_bytes text;
    int code = write_text(sink, pattern, entry, lines, &text, error);
    *line = code ? NULL : strndup(text.data, text.size);
    return code ? code : *line ? 0 : leat_fail(error, -ENOMEM, "out of memory");
}

static int write_head(struct sink *sink, const struct lt_mail_entry *entry, struct lt_mail_digest *digest,
                      struct leat_error *error) {
    const struct lt_mail_target *target = &sink->target;
    int code = write_addresses(sink, &target->to, entry, &digest->to, error);
    if (code == 0)
        code = write_addresses(sink, &target->cc, entry, &digest->cc, error);
    if (code == 0)
        code = write_addresses(sink, &target->bcc, entry, &digest->bcc, error);
    if (code == 0)
        code = write_line(sink, target->subject ? target->subject : "Digest", entry, false, &digest->subject, error);
    if (code == 0)
        code = write_line(sink, target->body, entry, true, &digest->body, error);
    return code;
}

/* Whether it was sent already, and not too long ago; otherwise `*digest` gets the Message-ID it must have, if any. */
static bool was_sent(struct sink *sink, struct lt_mail_entry *entry, struct lt_mail_digest *digest) {
    struct lt_journal_state state = lt_journal_look(&sink->journal, digest->to, entry->key);
    uint64_t now = (uint64_t)time(NULL), again = (uint64_t)(sink->settings.again / LEAT_SECOND);
    entry->before = state.sent;
    digest->message = strdup(state.message ? state.message : "");
    return !state.message && state.sent && (!again || now < state.sent + again);
}

/* Into the digest where it belongs. An error is the item's. */
static int gather(struct sink *sink, struct lt_mail_entry *entry, struct leat_error *error) {
    struct lt_mail_digest digest = {0};
    int code = write_head(sink, entry, &digest, error);
    if (code == 0)
        code = write_key(sink, entry, error);
    if (code == 0 && was_sent(sink, entry, &digest)) {
        entry->item->fate = LEAT_DELIVERED;
        lt_fetch_add(&sink->already, 1, relaxed);
        free_digest(&digest);
        return 0;
    }
    if (code == 0)
        code = write_texts(sink, entry, error);
    if (code == 0 && !digest.message)
        code = leat_fail(error, -ENOMEM, "out of memory");
    if (code == 0)
        return add_entry(sink, &digest, *entry, error);
    free_digest(&digest);
    return code;
}

/* ------------------------------------------------------------------ sending */

static bool add_recipients(struct curl_slist **list, const char *addresses) {
    while (*addresses) {
        char address[300];
        size_t length = strcspn(addresses, ",");
        snprintf(address, sizeof address, "<%.*s>", (int)length, addresses);
        struct curl_slist *longer = lt_libcurl->slist_append(*list, address);
        if (!longer)
            return false;
        *list = longer;
        addresses += length;
        addresses += strspn(addresses, ", ");
    }
    return true;
}

struct noting {
    struct sink *sink;
    const struct lt_mail_digest *digest;
    const char *message;
    struct leat_error *error;
};

static int note_sending(void *arg) {
    const struct noting *noting = arg;
    const struct lt_mail_digest *digest = noting->digest;
    struct lt_text keys = {0};
    for (size_t i = 0; i < digest->count; i++) {
        if (digest->entries[i].hidden)
            continue;
        lt_text_put(&keys, keys.size ? "," : "");
        lt_text_put_json(&keys, digest->entries[i].key);
    }
    int code = lt_journal_sending(&noting->sink->journal, noting->message, digest->to, &keys, noting->error);
    free(keys.data);
    return code;
}

static int note_sent(void *arg) {
    const struct noting *noting = arg;
    return lt_journal_sent(&noting->sink->journal, noting->message, noting->error);
}

static int hand_over(struct sink *sink, struct lt_mail_digest *digest, const char *message, struct leat_error *error) {
    struct curl_slist *recipients = NULL;
    struct lt_text mail = {0};
    int code = leat_fail(error, -ENOMEM, "out of memory");
    lt_mail_compose(digest, &sink->sender, message, &mail);
    if (!mail.failed && add_recipients(&recipients, digest->to) && add_recipients(&recipients, digest->cc) &&
        add_recipients(&recipients, digest->bcc))
        code = lt_smtp_send(&sink->smtp, sink->sender.address, recipients, lt_text_bytes(&mail), error);
    lt_libcurl->slist_free_all(recipients);
    free(mail.data);
    return code;
}

static void decide(struct lt_mail_digest *digest, enum leat_fate fate) {
    for (size_t i = 0; i < digest->count; i++)
        digest->entries[i].item->fate = (uint8_t)fate;
}

static void refuse(struct lt_mail_digest *digest, const struct leat_error *error) {
    for (size_t i = 0; i < digest->count; i++)
        leat_item_fail(digest->entries[i].batch, digest->entries[i].item, error->code, "%s: %s", digest->to,
                       error->text);
}

/* Each of its items gets its fate. An error is the server's or the journal's. */
static int send_digest(struct sink *sink, struct lt_mail_digest *digest, struct leat_error *error) {
    char id[320];
    struct noting noting = {sink, digest, *digest->message ? digest->message : id, error};
    lt_mail_message_id(digest, &sink->sender, sink->journal.path ? 0 : (uint64_t)time(NULL) / DAY, id);
    int code = sink->journal.path ? leat_block(note_sending, &noting) : 0;
    if (code == 0)
        code = hand_over(sink, digest, noting.message, error);
    if (code == -EREMOTE) {
        refuse(digest, error);
        return 0;
    }
    decide(digest, code ? LEAT_RETURNED : LEAT_DELIVERED);
    if (code)
        return code;
    lt_fetch_add(&sink->mails, 1, relaxed);
    return sink->journal.path ? leat_block(note_sent, &noting) : 0;
}

/* All mails, one after the other; then every batch is confirmed, with what became of each item. `alone`: nobody waits
 * for the result, so the engine must be told. */
static int send_all(struct sink *sink, bool alone, struct leat_error *error) {
    int code = sink->broken.code;
    for (size_t i = 0; i < sink->digest_count; i++) {
        struct leat_error reason;
        if (code)
            decide(&sink->digests[i], LEAT_RETURNED);
        else if ((code = send_digest(sink, &sink->digests[i], &reason)))
            sink->broken = reason;
        free_digest(&sink->digests[i]);
    }
    sink->broken.code = code;
    if (code && alone && sink->held_count)
        leat_batch_abandon(sink->held[0], &sink->broken);
    for (size_t i = 0; i < sink->held_count; i++)
        leat_batch_confirm(sink->held[i]);
    sink->digest_count = sink->held_count = sink->held_bytes = 0;
    lt_store(&sink->waiting, 0, relaxed);
    if (code)
        *error = sink->broken;
    return code;
}

/* --forever: send what is due, also when nothing comes any more. */
static int send_in_time(void *arg) {
    struct sink *sink = arg;
    struct leat_error error;
    int code = leat_lock(&sink->mutex);
    bool locked = code == 0;
    while (code == 0 && !sink->closing) {
        code = sink->held_count ? leat_cond_wait_until(&sink->changed, &sink->mutex, sink->due)
                                : leat_cond_wait(&sink->changed, &sink->mutex);
        if (code == -ETIMEDOUT && !leat_cancelled())
            code = 0;
        if (code == 0 && !sink->closing && sink->held_count && lt_now() >= sink->due)
            send_all(sink, true, &error);
    }
    if (locked)
        leat_unlock(&sink->mutex);
    leat_wg_done(&sink->ended);
    return 0;
}

/* ------------------------------------------------------------------ writing */

static void take_batch(struct sink *sink, struct leat_batch *batch) {
    size_t before = sink->number;
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_error reason;
        struct lt_mail_entry entry = {.batch = batch, .item = &batch->items[i]};
        if (entry.item->fate != LEAT_LIVE)
            continue;
        int code = gather(sink, &entry, &reason);
        if (code)
            leat_item_fail(batch, entry.item, code, "%s", reason.text);
    }
    if (sink->number == before) {
        leat_batch_confirm(batch);
        return;
    }
    if (!sink->held_count)
        sink->due = lt_after(sink->settings.every);
    sink->held[sink->held_count++] = batch;
    sink->held_bytes += batch->bytes;
    lt_fetch_add(&sink->waiting, sink->number - before, relaxed);
}

static int write_sink(void *arg, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct sink *sink = arg;
    int code = leat_lock(&sink->mutex);
    if (code)
        return leat_fail(error, code, "%s", strerror(-code));
    if (sink->broken.code) {
        *error = sink->broken;
        code = error->code;
    }
    for (size_t b = 0; b < count && code == 0; b++) {
        take_batch(sink, batches[b]);
        if (sink->held_count >= HOLDS || sink->held_bytes >= sink->most_held)
            code = send_all(sink, false, error);
    }
    leat_cond_signal(&sink->changed);
    leat_unlock(&sink->mutex);
    return code;
}

static int flush_sink(void *arg, struct leat_error *error) {
    struct sink *sink = arg;
    int code = leat_lock(&sink->mutex);
    if (code)
        return leat_fail(error, code, "%s", strerror(-code));
    code = send_all(sink, false, error);
    leat_unlock(&sink->mutex);
    return code;
}

/* ------------------------------------------------------- opening and closing */

static int stop_task(void *arg) {
    struct sink *sink = arg;
    leat_lock(&sink->mutex);
    sink->closing = true;
    leat_cond_broadcast(&sink->changed);
    leat_unlock(&sink->mutex);
    return leat_wg_wait(&sink->ended);
}

static void close_sink(void *arg) {
    struct sink *sink = arg;
    if (sink->running)
        leat_shield(stop_task, sink);
    for (size_t i = 0; i < sink->digest_count; i++)
        free_digest(&sink->digests[i]);
    free(sink->digests);
    free(sink->scratch.data);
    free(sink->group);
    lt_journal_close(&sink->journal);
    lt_smtp_close(&sink->smtp);
    lt_mail_target_free(&sink->target);
    free(sink);
}

static int check(struct sink *sink, struct leat_error *error) {
    const struct settings *settings = &sink->settings;
    const char *const templates[] = {settings->title, settings->link, settings->text, settings->key, sink->group};
    int code = 0;
    for (size_t i = 0; i < sizeof templates / sizeof *templates && code == 0; i++)
        code = templates[i] ? lt_template_check(templates[i], error) : 0;
    if (code)
        return code;
    if (!settings->sent && (settings->key || settings->again))
        return leat_fail(error, -EINVAL, "--key and --again need --sent FILE");
    return settings->every < 0 || settings->again < 0 ? leat_fail(error, -EINVAL, "a time is not negative") : 0;
}

static int choose_sender(struct sink *sink, struct leat_error *error) {
    const char *from = sink->settings.from ? sink->settings.from : sink->smtp.place.user;
    if (from && lt_address_split(from, &sink->sender.name, &sink->sender.address))
        return 0;
    if (sink->settings.from)
        return leat_fail(error, -EINVAL, "--from: \"%s\" is no mail address", from);
    return leat_fail(error, -EINVAL, "who sends? --from ADDRESS");
}

struct opening {
    struct sink *sink;
    struct leat_error *error;
};

static int open_journal(void *arg) {
    const struct opening *opening = arg;
    return lt_journal_open(&opening->sink->journal, opening->sink->settings.sent, opening->error);
}

/* Group and target are the caller's in either case. */
static int read_words(struct sink *sink, const struct leat_segment *segment, struct leat_error *error) {
    int code = lt_mail_target_read(&sink->target, segment->target, error);
    if (code == 0 && sink->settings.group_by && asprintf(&sink->group, "{%s}", sink->settings.group_by) < 0)
        code = leat_fail(error, -ENOMEM, "out of memory");
    return code ? code : check(sink, error);
}

static int check_segment(const struct leat_segment *segment, struct leat_error *error) {
    struct sink sink = {.settings = *(const struct settings *)segment->settings};
    int code = read_words(&sink, segment, error);
    free(sink.group);
    lt_mail_target_free(&sink.target);
    return code;
}

static int open_all(struct sink *sink, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = &sink->settings;
    const struct lt_smtp_settings smtp = {settings->cacert, settings->timeout, settings->patience, settings->plain};
    struct opening opening = {sink, error};
    int code = read_words(sink, segment, error);
    if (code == 0)
        code = leat_block(open_journal, &opening);
    if (code == 0)
        code = lt_smtp_open(&sink->smtp, &smtp, error);
    return code ? code : choose_sender(sink, error);
}

static int start_task(struct sink *sink, struct leat_error *error) {
    leat_wg_add(&sink->ended, 1);
    struct leat_task_options task = {.name = "mailto", .stack = LEAT_STACK_LARGE};
    int code = leat_go_with(NULL, send_in_time, sink, &task);
    sink->running = code == 0;
    return code ? leat_fail(error, code, "its task cannot begin: %s", strerror(-code)) : 0;
}

static int open_sink(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return leat_fail(error, -ENOMEM, "out of memory");
    sink->settings = *(const struct settings *)segment->settings;
    sink->forever = segment->forever;
    sink->most_held = segment->most_held;
    sink->journal.fd = -1;
    sink->smtp.curl.epoll = -1;
    int code = open_all(sink, segment, error);
    if (code == 0 && sink->forever)
        code = start_task(sink, error);
    if (code)
        close_sink(sink);
    else
        *opened = sink;
    return code;
}

static size_t count_sink(void *arg, struct leat_counter counters[LEAT_COUNTERS]) {
    struct sink *sink = arg;
    counters[0] = (struct leat_counter){"mails", lt_load(&sink->mails, relaxed), false};
    counters[1] = (struct leat_counter){"already_sent", lt_load(&sink->already, relaxed), false};
    counters[2] = (struct leat_counter){"waiting", lt_load(&sink->waiting, relaxed), true};
    counters[3] = (struct leat_counter){"repeated", lt_load(&sink->smtp.retries, relaxed), false};
    return 4;
}

const struct leat_sink_type lt_mailto_sink = {
    .scheme = "mailto",
    .syntax = "mailto:ADDRESS[,…][?subject=TEXT&cc=…&bcc=…&body=TEXT]",
    .server = "the mail server",
    .summary = "One mail about all items for each recipient; confirmed when the server has accepted it.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .holds = HOLDS,
    .check = check_segment,
    .open = open_sink,
    .write = write_sink,
    .flush = flush_sink,
    .counters = count_sink,
    .close = close_sink,
};

/* SPDX-License-Identifier: MIT */
/**
 * A digest: one mail about many items, for one recipient (or several together).
 * It is written twice, as plain text and as HTML, each in groups; a reader's
 * program shows one of them (multipart/alternative).
 */
#ifndef LEAT_ENDS_MAIL_DIGEST_H
#define LEAT_ENDS_MAIL_DIGEST_H

#include "base/text.h"

/** One item in a digest; all texts are clean (see lt_mail_clean), and live as long as its batch. */
struct lt_mail_entry {
    struct leat_batch *batch;
    struct leat_item *item;
    struct leat_bytes group, title, link, text;
    struct leat_bytes key; /**< what makes it the same for this recipient */
    uint64_t before;       /**< when it was sent last; 0: never */
    size_t number;         /**< order of arrival */
    bool hidden;           /**< a newer one is the same: it shares the mail's fate and is not in it */
};

struct lt_mail_digest {
    char *to, *cc, *bcc; /**< addresses with ", " between them; "" when there are none */
    char *subject, *body;
    char *message; /**< the Message-ID that it must have; "": one that follows from what is in it */
    struct lt_mail_entry *entries;
    size_t count, room;
};

struct lt_mail_sender {
    struct leat_bytes name, address;
};

/** The Message-ID: the same for the same items, recipients and subject, and the times when the items were sent before
 * (or `day`). Brackets included. */
void lt_mail_message_id(const struct lt_mail_digest *digest, const struct lt_mail_sender *sender, uint64_t day,
                        char id[320]);

/** Write the whole mail, lines ending with CRLF; puts the entries in order. `mail->failed`: memory was short. */
void lt_mail_compose(struct lt_mail_digest *digest, const struct lt_mail_sender *sender, const char *message,
                     struct lt_text *mail);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Handing mails to an SMTP server (RFC 5321), with TLS unless the server is this
 * machine.
 *
 * A mail is accepted when the server has said so after its last byte. What the
 * server refuses for good (5xx) is the mail's fault and said of it; all other
 * trouble is tried again until `patience` is over, and then the server's. When a
 * connection is lost between the last byte and the answer nobody knows whether
 * the mail was accepted: it is sent again, with the same Message-ID.
 */
#ifndef LEAT_ENDS_MAIL_SMTP_H
#define LEAT_ENDS_MAIL_SMTP_H

#include "base/atomic.h"
#include "ends/curl/place.h"
#include "ends/curl/transfer.h"

struct lt_smtp_settings {
    const char *cacert;
    leat_time timeout, patience;
    bool plain; /**< unencrypted, also to another machine */
};

struct lt_smtp {
    struct lt_smtp_settings settings;
    struct lt_place place;
    struct lt_curl curl;
    struct leat_bytes unsent; /* of the mail under way */
    char reply[200];          /* the server's last refusal */
    _Atomic uint64_t retries;
};

/** The server of $SMTP_URL (or the file $SMTP_URL_FILE): connect, secure, log in, once, to see that it can be done.
 * After a failure, too, close. */
int lt_smtp_open(struct lt_smtp *smtp, const struct lt_smtp_settings *settings, struct leat_error *error);
void lt_smtp_close(struct lt_smtp *smtp);

/** 0: accepted. -EREMOTE: refused for good. Another error: the server, or the wait, ended it. */
int lt_smtp_send(struct lt_smtp *smtp, struct leat_bytes sender, const struct curl_slist *recipients,
                 struct leat_bytes mail, struct leat_error *error);

#endif

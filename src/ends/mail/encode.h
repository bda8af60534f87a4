/* SPDX-License-Identifier: MIT */
/** Text in the forms that mail can carry: headers (RFC 2047, RFC 5322) and bodies (quoted-printable, RFC 2045). */
#ifndef LEAT_ENDS_MAIL_ENCODE_H
#define LEAT_ENDS_MAIL_ENCODE_H

#include "base/text.h"

/** Append `bytes` as UTF-8 without control characters: those become spaces, a newline stays if `lines`, what is no
 * UTF-8 becomes U+FFFD. */
void lt_mail_clean(struct lt_text *text, struct leat_bytes bytes, bool lines);

/** Append "Name: value" and CRLF, in lines of at most 76 bytes; `value` is clean. */
void lt_mail_header(struct lt_text *mail, const char *name, struct leat_bytes value);

/** The same for a value with an address behind a name. */
void lt_mail_header_address(struct lt_text *mail, const char *name, struct leat_bytes person,
                            struct leat_bytes address);

/** The same for addresses with ", " between them, which need no encoding. */
void lt_mail_header_list(struct lt_text *mail, const char *name, struct leat_bytes addresses);

/** Append a body quoted-printable: lines end with CRLF and have at most 76 bytes. `text` ends its lines with "\n". */
void lt_mail_quoted(struct lt_text *mail, struct leat_bytes text);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * A sheet: entries as JSON, written by the task that read them from the
 * directory, and handed over to the source's task as a whole, whose items point
 * into it. Reference-counted: each batch with such items holds it.
 *
 * An entry is one object, {"dn": "…", "cn": ["…"], …}. Each attribute is an
 * array of its values, always: whether an attribute has one value or more is a
 * matter of the data, not of its type, and a field must not change its kind from
 * item to item. With lt_sheet.first it is its first value, as a string. A value
 * that is text (UTF-8) is a string; one that is not, and every value of an
 * attribute that is known to be binary, is {"base64": "…"}.
 */
#ifndef LEAT_ENDS_LDAP_SHEET_H
#define LEAT_ENDS_LDAP_SHEET_H

#include "leat-pipeline.h"

typedef struct ldap LDAP;
typedef struct ldapmsg LDAPMessage;

struct lt_sheet_item {
    size_t begin, size; /* of its JSON in the bytes */
    uint64_t id;
    int code;      /* negative: what it says is missing */
    size_t reason; /* of a failed one: where its terminated text begins in the bytes */
};

struct lt_sheet {
    char *bytes;
    size_t size, room;
    struct lt_sheet_item *items;
    size_t count, item_room;
    _Atomic uint32_t holders;
};

/** What to leave out or to change. */
struct lt_sheet_style {
    bool first;                /* only the first value of each attribute, not in an array */
    const char *const *hidden; /* attributes that were asked for leat's own sake; NULL-terminated */
};

/** What is of use to others in an entry; points into its message. */
struct lt_sheet_facts {
    struct leat_bytes dn;
    struct leat_bytes uuid; /* entryUUID; empty: there is none */
    bool leaf;              /* it says that nothing is below it */
};

struct lt_sheet *lt_sheet_new(void);
void lt_sheet_hold(struct lt_sheet *sheet);
/** Of type void *, to be a batch's release function. NULL is nothing. */
void lt_sheet_release(void *sheet);

/** Add an entry, and say what it says of itself. 0, -ENOMEM or -EBADMSG (then nothing was added). */
int lt_sheet_add(struct lt_sheet *sheet, LDAP *handle, LDAPMessage *entry, const struct lt_sheet_style *style,
                 struct lt_sheet_facts *facts);

/** Take the last item back. */
void lt_sheet_undo(struct lt_sheet *sheet);

/** Add a failed item {"dn": …}: what is wrong with it, or with what is below it. 0 or -ENOMEM. */
int lt_sheet_fail(struct lt_sheet *sheet, struct leat_bytes dn, int code, const char *reason);

/** Add a failed item {"below": […]}; `members` are JSON. */
int lt_sheet_fail_below(struct lt_sheet *sheet, const char *members, int code, const char *reason);

#endif

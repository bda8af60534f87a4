/* SPDX-License-Identifier: MIT */
#include "ends/mail/target.h"
#include "ends/mail/address.h"
#include "ends/mail/template.h"
#include "ends/query.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static int check_address(const char *text, struct leat_error *error) {
    if (strchr(text, '{'))
        return 0;
    return lt_address_is_plain(lt_string(text)) ? 0 : leat_fail(error, -EINVAL, "\"%s\" is no mail address", text);
}

static int read_template(char *text, struct leat_error *error) {
    if (!lt_query_decode(text))
        return leat_fail(error, -EINVAL, "a percent sign needs two hexadecimal digits after it");
    return lt_template_check(text, error);
}

static int add_addresses(struct leat_list *list, char *text, struct leat_error *error) {
    int code = 0;
    while (text && code == 0) {
        char *address = strsep(&text, ",");
        if (!*address)
            continue;
        const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
        if (!items)
            return leat_fail(error, -ENOMEM, "out of memory");
        list->items = items;
        list->items[list->count++] = address;
        code = read_template(address, error);
        if (code == 0)
            code = check_address(address, error);
    }
    return code;
}

static int read_header(struct lt_mail_target *target, char *header, struct leat_error *error) {
    char *value = strchr(header, '=');
    if (!value)
        return leat_fail(error, -EINVAL, "\"%s\" has no value", header);
    *value++ = '\0';
    struct leat_list *list = strcasecmp(header, "to") == 0    ? &target->to
                             : strcasecmp(header, "cc") == 0  ? &target->cc
                             : strcasecmp(header, "bcc") == 0 ? &target->bcc
                                                              : NULL;
    if (list)
        return add_addresses(list, value, error);
    const char **text = strcasecmp(header, "subject") == 0 ? &target->subject
                        : strcasecmp(header, "body") == 0  ? &target->body
                                                           : NULL;
    if (!text)
        return leat_fail(error, -EINVAL, "there is no \"%s\"; there are to, cc, bcc, subject and body", header);
    *text = value;
    return read_template(value, error);
}

int lt_mail_target_read(struct lt_mail_target *target, const char *text, struct leat_error *error) {
    *target = (struct lt_mail_target){.text = strdup(text)};
    if (!target->text)
        return leat_fail(error, -ENOMEM, "out of memory");
    char *headers = target->text, *to = strsep(&headers, "?");
    int code = add_addresses(&target->to, to, error);
    while (headers && code == 0) {
        char *header = strsep(&headers, "&");
        code = *header ? read_header(target, header, error) : 0;
    }
    if (code == 0 && !target->to.count)
        return leat_fail(error, -EINVAL, "whom to? mailto:ann@example.org");
    return code;
}

void lt_mail_target_free(struct lt_mail_target *target) {
    free(target->to.items);
    free(target->cc.items);
    free(target->bcc.items);
    free(target->text);
    *target = (struct lt_mail_target){0};
}

/* SPDX-License-Identifier: MIT */
/** libldap with liblber, on which it is built; loaded when an end that needs it is opened (base/library.h says why). */
#ifndef LEAT_ENDS_LDAP_LIBRARY_H
#define LEAT_ENDS_LDAP_LIBRARY_H

#include "leat-pipeline.h"

#include <ldap.h>

/* Each becomes a member of the table, and its name is looked up: one list, so that they cannot differ. */
#define LT_LIBLDAP(F)                                                                                                  \
    F(ber_free)                                                                                                        \
    F(ber_memfree)                                                                                                     \
    F(ber_memvfree)                                                                                                    \
    F(ber_sockbuf_add_io)                                                                                              \
    F(ber_sockbuf_ctrl)                                                                                                \
    F(ber_sockbuf_io_readahead)                                                                                        \
    F(ldap_control_find)                                                                                               \
    F(ldap_control_free)                                                                                               \
    F(ldap_controls_free)                                                                                              \
    F(ldap_create_page_control)                                                                                        \
    F(ldap_dnfree)                                                                                                     \
    F(ldap_err2string)                                                                                                 \
    F(ldap_free_urldesc)                                                                                               \
    F(ldap_get_attribute_ber)                                                                                          \
    F(ldap_get_dn_ber)                                                                                                 \
    F(ldap_get_option)                                                                                                 \
    F(ldap_initialize)                                                                                                 \
    F(ldap_memfree)                                                                                                    \
    F(ldap_msgfree)                                                                                                    \
    F(ldap_msgtype)                                                                                                    \
    F(ldap_parse_pageresponse_control)                                                                                 \
    F(ldap_parse_reference)                                                                                            \
    F(ldap_parse_result)                                                                                               \
    F(ldap_result)                                                                                                     \
    F(ldap_sasl_bind)                                                                                                  \
    F(ldap_search_ext)                                                                                                 \
    F(ldap_set_option)                                                                                                 \
    F(ldap_start_tls_s)                                                                                                \
    F(ldap_str2dn)                                                                                                     \
    F(ldap_unbind_ext)                                                                                                 \
    F(ldap_url_desc2str)                                                                                               \
    F(ldap_url_parse)

struct lt_libldap {
#define MEMBER(name) __typeof__(name) *name;
    LT_LIBLDAP(MEMBER)
#undef MEMBER
};

/** Load it unless it is; a task does so in leat_block(). 0 or what lt_library_load() says. */
int lt_libldap_load(struct leat_error *error);

/** What it has, NULL until it was loaded. */
extern const struct lt_libldap *const lt_libldap;

#endif

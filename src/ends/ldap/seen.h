/* SPDX-License-Identifier: MIT */
/**
 * The entries that were found so far, by any of the workers. Exact: keys are kept
 * and compared, since one that is taken for another would be lost.
 */
#ifndef LEAT_ENDS_LDAP_SEEN_H
#define LEAT_ENDS_LDAP_SEEN_H

#include "leat-pipeline.h"

struct lt_ldap_seen;

struct lt_ldap_seen *lt_ldap_seen_new(void);
void lt_ldap_seen_free(struct lt_ldap_seen *seen);

/** Any thread. 1: the key is new; 0: it is not; -ENOMEM. */
int lt_ldap_seen_add(struct lt_ldap_seen *seen, struct leat_bytes key);

#endif

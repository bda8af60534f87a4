/* SPDX-License-Identifier: MIT */
/** What `leat queue` does. */
#ifndef LEAT_ENDS_QUEUE_ADMIN_H
#define LEAT_ENDS_QUEUE_ADMIN_H

#include <stddef.h>

/** How it is called, line by line. */
extern const char lt_queue_admin_usage[];

/** Run the words after "leat queue". Returns the exit code: 0; 2: usage; 3: it could not be done. */
int lt_queue_admin(size_t count, char **words);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Whether a file is in use by another part of this process. A run that reads what
 * it writes, or writes a file in two ways, destroys it or never ends. Nothing is
 * remembered for this, the system is asked; where it cannot tell, the answer is no.
 */
#ifndef LEAT_BASE_SAME_H
#define LEAT_BASE_SAME_H

enum { LT_OPEN_TO_READ = 1, LT_OPEN_TO_WRITE = 2 };

/** How the regular file of `fd` is open by other descriptors from `lowest` up: a set of the above. */
unsigned lt_open_elsewhere(int fd, int lowest);

#endif

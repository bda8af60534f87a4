/* SPDX-License-Identifier: MIT */
/* The sources as they are; a planted bug comes with a definition of its own. */
#include "model/checker.h"

const char *const model_planted = NULL;

/* SPDX-License-Identifier: Apache-2.0 */
/* uuid.h - random UUIDs (RFC 9562, version 4) as text. */
#ifndef COMMON_UUID_H
#define COMMON_UUID_H

#include "common/base.h"

enum { UUID_MAX = 37 };              /* bytes with the final NUL */
char *uuid_make(char out[UUID_MAX]); /* returns out; any thread */

#endif

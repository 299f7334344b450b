/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - bytes as base64 (RFC 4648), with padding. */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/buf.h"

/* Appends; at most 1 GiB. */
void base64_add(struct buf *out, struct str bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* signature.h - signs a webhook as Standard Webhooks 1.0.0 says: HMAC-SHA256
 * over "id.timestamp.body", secrets "whsec_" + base64. */
#ifndef COMMON_PULSE_SIGNATURE_H
#define COMMON_PULSE_SIGNATURE_H

#include "common/buf.h"
#include "common/err.h"

/* Appends the value of webhook-signature: "v1,<base64>" for each secret,
 * separated by spaces (two secrets while one is being rotated out). id must
 * hold no '.'. False and *err (ERR_INPUT) if there is no secret, or one is not
 * base64 of 16 to 128 bytes; nothing is said of its content. */
bool signature_add(struct buf *out, struct str id, int64_t timestamp_s,
                   struct str body, const struct str *secrets, size_t count,
                   struct err *err) MUST_USE;

#endif

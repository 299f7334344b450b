/* SPDX-License-Identifier: Apache-2.0 */
/* fingerprint.h - the identity of a series in 32 hex digits: the same as
 * encode(store.series_key(tenant, name, labels), 'hex') in the database. */
#ifndef COMMON_PULSE_FINGERPRINT_H
#define COMMON_PULSE_FINGERPRINT_H

#include "common/pulse/record.h"

enum { FINGERPRINT_MAX = 33 }; /* bytes with the final NUL */

/* labels are sorted by name. Returns out. */
char *fingerprint_make(struct str tenant_id, struct str name,
                       const struct label *labels, size_t label_count,
                       char out[FINGERPRINT_MAX]);

#endif

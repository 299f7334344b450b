/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/target.h"

enum { ADDRESS_MAX = 200 }; /* bytes; a DNS name has at most 253 */

static bool target_parse(struct str entry, struct target *out, struct err *err)
{
    struct str host, port;
    if (!str_cut(entry, '=', &out->service, &out->address) ||
        out->service.n == 0 || !str_cut(out->address, ':', &host, &port) ||
        host.n == 0 || port.n == 0 || out->address.n > ADDRESS_MAX) {
        err_set(err, ERR_INPUT,
                "\"%.*s\" is no target: write service=host:port",
                STR_ARG(entry));
        return false;
    }
    return true;
}

bool targets_parse(struct str text, struct targets *out, struct err *err)
{
    out->count = 0;
    for (struct str entry; str_next(&text, ',', &entry);) {
        entry = str_trim(entry);
        if (entry.n == 0)
            continue;
        if (out->count == TARGETS_MAX) {
            err_set(err, ERR_INPUT, "more than %d targets", TARGETS_MAX);
            return false;
        }
        if (!target_parse(entry, &out->at[out->count], err))
            return false;
        out->count++;
    }
    return true;
}

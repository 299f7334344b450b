/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/dialect.h"

#include <assert.h>

static const struct dialect *const dialects[] = {
    &json_dialect, &influx_dialect, &otlp_dialect, &prometheus_dialect};

const struct dialect *dialect_of(const struct protocol *protocol)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (dialects[i]->protocol == protocol)
            return dialects[i];
    assert(false && "a protocol without its dialect");
    return NULL;
}

void intake_refusal(const struct intake *in, const char **code,
                    struct buf *text)
{
    const struct fault *fault = &in->rejects.items[0].fault;

    *code = fault_name(fault->code);
    if (in->units == 1) {
        if (fault->field.p)
            buf_addf(text, "%.*s ", STR_ARG(fault->field));
        buf_add_str(text, fault->message);
        return;
    }
    *code = in->rejects.count < in->units ? "strict_rejected"
                                          : "no_record_accepted";
    buf_addf(text, "%zu of %zu records are bad; none was accepted",
             in->rejects.count, in->units);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/metric_build.h"

#include <assert.h>
#include <math.h>

void metric_begin(struct metric_build *b, struct check *c, size_t labels_max)
{
    *b = (struct metric_build){
        .check = c,
        .labels = arena_alloc(c->arena, (labels_max + 1) * sizeof *b->labels),
    };
}

static bool text_good(struct metric_build *b, struct str field, struct str s)
{
    return b->utf8 || check_utf8(b->check, field, s);
}

bool metric_label(struct metric_build *b, struct str name, struct str value)
{
    struct label *label = &b->labels[b->count];

    assert(!b->sealed);
    *label = (struct label){name, value};
    /* Lengths first: many records may share one label of a megabyte. */
    if (!check_label(b->check, label) || !text_good(b, STR("labels"), name) ||
        !text_good(b, STR("labels"), value))
        return false;
    b->count++;
    return true;
}

static bool labels_seal(struct metric_build *b)
{
    if (!b->sealed && !check_labels(b->check, b->labels, &b->count))
        return false;
    b->sealed = true;
    return true;
}

bool metric_finish(struct metric_build *b, struct str name, double value,
                   int64_t time_us, struct record *out)
{
    struct check *c = b->check;

    if (!check_name(c, STR("name"), name) || !text_good(b, STR("name"), name) ||
        !check_finite(c, STR("value"), value) ||
        !check_window(c, STR("timestamp"), time_us) || !labels_seal(b))
        return false;
    *out = (struct record){.kind = RECORD_METRIC,
                           .metric = {
                               .tenant_id = c->caller->tenant_id,
                               .name = name,
                               .labels = b->labels,
                               .label_count = b->count,
                               .value = value,
                               .time_us = time_us,
                               .received_at_us = c->received_us,
                           }};
    return true;
}

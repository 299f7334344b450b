/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/record.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

bool labels_sort(struct label *labels, size_t count)
{
    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++) {
        sorted = str_cmp(labels[i - 1].name, labels[i].name) < 0;
    }
    if (sorted) {
        return true;
    }
    qsort(labels, count, sizeof *labels, by_name);
    for (size_t i = 1; i < count; i++) {
        if (str_eq(labels[i - 1].name, labels[i].name)) {
            return false;
        }
    }
    return true;
}

/* Where label "source" would stand: true if it has to be put there. */
static bool source_place(const struct metric_record *m, size_t *place)
{
    size_t i = 0;
    if (m->source.p == NULL) {
        return false;
    }
    while (i < m->label_count &&
           str_cmp(m->labels[i].name, STR("source")) < 0) {
        i++;
    }
    *place = i;
    return i == m->label_count || !str_is(m->labels[i].name, "source");
}

const struct label *metric_labels(const struct metric_record *m,
                                  struct arena *a, size_t *count)
{
    size_t place;
    *count = m->label_count;
    if (!source_place(m, &place)) {
        return m->labels;
    }
    struct label *labels = arena_alloc(a, (*count + 1) * sizeof *labels);
    for (size_t i = 0; i < *count; i++) {
        labels[i < place ? i : i + 1] = m->labels[i];
    }
    labels[place] = (struct label){STR("source"), m->source};
    ++*count;
    return labels;
}

/* With its length before it: "ab","c" is not "a","bc". */
static void hash_text(XXH64_state_t *hash, struct str s)
{
    unsigned char n[4];
    for (size_t i = 0; i < sizeof n; i++) {
        n[i] = (unsigned char)(s.n >> (8 * i) & 0xff);
    }
    XXH64_update(hash, n, sizeof n);
    if (s.n > 0) {
        XXH64_update(hash, s.p, s.n);
    }
}

static void hash_label(XXH64_state_t *hash, struct str name, struct str value)
{
    hash_text(hash, name);
    hash_text(hash, value);
}

/* Over the series' labels (metric_labels), without making them. */
static uint64_t series_hash(const struct metric_record *m)
{
    XXH64_state_t hash;
    size_t place = 0;
    bool add = source_place(m, &place);
    XXH64_reset(&hash, 0);
    hash_text(&hash, m->name);
    for (size_t i = 0; i < m->label_count; i++) {
        if (add && i == place) {
            hash_label(&hash, STR("source"), m->source);
        }
        hash_label(&hash, m->labels[i].name, m->labels[i].value);
    }
    if (add && place == m->label_count) {
        hash_label(&hash, STR("source"), m->source);
    }
    return XXH64_digest(&hash);
}

static void add_hex(struct buf *out, uint64_t n)
{
    char hex[16];
    for (int i = 0; i < 16; i++) {
        hex[i] = "0123456789abcdef"[n >> (60 - 4 * i) & 0xf];
    }
    buf_add(out, hex, sizeof hex);
}

static void add_pair(struct buf *out, struct str tenant, struct str what)
{
    buf_add_str(out, tenant);
    buf_add_char(out, ':');
    buf_add_str(out, what);
}

void record_key(const struct record *r, struct buf *out)
{
    switch (r->kind) {
    case RECORD_METRIC:
        add_pair(out, r->metric.tenant_id, STR(""));
        add_hex(out, series_hash(&r->metric));
        break;
    case RECORD_TELEMETRY:
        add_pair(out, r->telemetry.tenant_id, r->telemetry.device_id);
        break;
    case RECORD_EVENT:
        add_pair(out, r->event.tenant_id, r->event.service);
        break;
    case RECORD_DEAD_LETTER:
        buf_add_str(out, r->dead_letter.tenant_id);
        break;
    }
}

enum topic record_topic(enum record_kind kind)
{
    static const enum topic topics[] = {
        [RECORD_METRIC] = AT_METRICS,
        [RECORD_TELEMETRY] = AT_TELEMETRY,
        [RECORD_EVENT] = AT_EVENTS,
        [RECORD_DEAD_LETTER] = AT_DEADLETTER,
    };
    return topics[kind];
}

struct str record_tenant(const struct record *r)
{
    switch (r->kind) {
    case RECORD_METRIC:
        return r->metric.tenant_id;
    case RECORD_TELEMETRY:
        return r->telemetry.tenant_id;
    case RECORD_EVENT:
        return r->event.tenant_id;
    case RECORD_DEAD_LETTER:
        break;
    }
    return r->dead_letter.tenant_id;
}

int64_t *record_time(struct record *r)
{
    switch (r->kind) {
    case RECORD_METRIC:
        return &r->metric.time_us;
    case RECORD_TELEMETRY:
        return &r->telemetry.time_us;
    case RECORD_EVENT:
        return &r->event.time_us;
    case RECORD_DEAD_LETTER:
        break;
    }
    return &r->dead_letter.received_at_us;
}

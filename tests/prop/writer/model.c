/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/prop/writer/model.h"

#include <inttypes.h>
#include <string.h>

#include "services/writer/batch.h"
#include "tests/prop/random.h"

enum { WHO = 5 };

void model_init(struct model *m)
{
    *m = (struct model){.codec = record_codec_new(NULL)};
}

static void log_clear(struct part_log *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i].bytes);
    free(l->entries);
    l->entries = NULL;
    l->count = l->done = 0;
}

void model_release(struct model *m)
{
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            log_clear(&m->logs[t][p]);
    record_codec_free(m->codec);
    buf_release(&m->want);
}

void model_begin(struct model *m, int64_t episode)
{
    snprintf(m->tenant, sizeof m->tenant, "prop%" PRId64, episode);
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            log_clear(&m->logs[t][p]);
}

/* ---- messages ---- */

static struct str text(char *to, size_t n, const char *what, int64_t number)
{
    snprintf(to, n, "%s%" PRId64, what, number);
    return str_of(to);
}

static struct str attributes(const struct spec *s, char *to, size_t n)
{
    snprintf(to, n, "{\"c\":%" PRId64 "}", s->content);
    return s->trouble == UNSTORABLE ? STR("{\"n\":\"\\u0000\"}") : str_of(to);
}

static void encode(struct model *m, const struct spec *s, struct buf *out)
{
    char who[32], id[64], json[64];
    struct str tenant = str_of(m->tenant);
    const struct field fields[] = {
        {.name = STR("x"), .type = FIELD_REAL, .real = (double)s->content / 8},
        {.name = STR("n"), .type = FIELD_INTEGER, .integer = s->content},
        {.name = STR("ok"), .type = FIELD_BOOLEAN, .boolean = true}};
    const struct label labels[] = {{STR("host"), text(who, 32, "h", s->who)}};
    struct record r = {.kind = RECORD_METRIC};
    enum topic as = s->trouble == STRAY
                        ? (s->topic == AT_METRICS ? AT_EVENTS : AT_METRICS)
                        : s->topic;
    switch (as) {
    case AT_METRICS:
        r.metric = (struct metric_record){.tenant_id = tenant,
                                          .name = STR("m"),
                                          .labels = labels,
                                          .label_count = 1,
                                          .value = (double)s->content / 8,
                                          .time_us = s->time_us,
                                          .received_at_us = s->time_us};
        break;
    case AT_TELEMETRY:
        r.kind = RECORD_TELEMETRY;
        r.telemetry = (struct telemetry_record){.tenant_id = tenant,
                                                .device_id = labels[0].value,
                                                .msg_type = STR("telemetry"),
                                                .seq = s->content,
                                                .time_us = s->time_us,
                                                .received_at_us = s->time_us,
                                                .metrics = fields,
                                                .metric_count = 3};
        break;
    case AT_EVENTS:
        r.kind = RECORD_EVENT;
        r.event = (struct event_record){.tenant_id = tenant,
                                        .id = text(id, sizeof id, "e", s->who),
                                        .kind = EVENT_LOG,
                                        .attributes =
                                            attributes(s, json, sizeof json),
                                        .time_us = s->time_us,
                                        .received_at_us = s->time_us};
        break;
    case AT_DEADLETTER:
    case TOPIC_COUNT:
        r.kind = RECORD_DEAD_LETTER;
        r.dead_letter = (struct dead_letter_record){
            .tenant_id = tenant,
            .stage = STR("ingest"),
            .reason = text(id, sizeof id, "r", s->content),
            .detail = STR(""),
            .content_type = STR(""),
            .payload = STR("p"),
            .received_at_us = s->time_us,
            .failed_at_us = s->time_us};
        break;
    }
    if (s->trouble == GARBAGE)
        buf_add_str(out, STR("\303\001 no record"));
    else if (!record_encode(m->codec, &r, out, NULL))
        abort();
}

static void append(struct model *m, const struct spec *s)
{
    struct part_log *l = &m->logs[s->topic][s->who % PARTS];
    if (chance(4)) {
        int64_t gap = 1 + below(3);
        l->end += gap;
        l->gap += gap;
    }
    AUTO_RELEASE(buf) out = {0};
    encode(m, s, &out);
    l->entries = xreallocarray(l->entries, l->count + 1, sizeof *l->entries);
    struct entry *e = &l->entries[l->count++];
    *e = (struct entry){.spec = *s, .offset = l->end++, .n = out.n};
    e->bytes = xmalloc(out.n + 1);
    memcpy(e->bytes, out.p, out.n);
}

static struct spec fresh(int64_t now_us)
{
    static const enum topic topics[] = {AT_METRICS,   AT_METRICS,
                                        AT_TELEMETRY, AT_TELEMETRY,
                                        AT_EVENTS,    AT_DEADLETTER};
    struct spec s = {.topic = topics[below(ARRAY_LEN(topics))],
                     .who = (int)below(WHO),
                     .time_us = now_us - below(2000) * 1000,
                     .content = below(1000)};
    int64_t dice = below(100);
    s.trouble = dice < 4 ? GARBAGE : dice < 8 ? STRAY : GOOD;
    if (s.topic == AT_EVENTS && dice >= 8 && dice < 18)
        s.trouble = UNSTORABLE;
    if (s.topic != AT_DEADLETTER && dice >= 18 && dice < 22) {
        s.trouble = LATE;
        s.time_us -= INT64_C(10) * 86400 * 1000000;
    }
    return s;
}

void model_extend(struct model *m, int64_t count, int64_t now_us)
{
    struct spec sent[256];
    size_t have = 0;
    for (int64_t i = 0; i < count; i++) {
        struct spec s = fresh(now_us + i * 1000);
        if (have > 0 && chance(25)) {
            s = sent[below((int64_t)have)];
            s.content += chance(30); /* a contradiction, else a repeat */
        }
        append(m, &s);
        sent[have < ARRAY_LEN(sent) ? have++ : (size_t)below(256)] = s;
    }
}

/* ---- what becomes of them ---- */

static enum verdict verdict(struct map *rows, const struct entry *e,
                            const char **reason)
{
    static const char *const reasons[] = {[GARBAGE] = "undecodable",
                                          [STRAY] = "wrong_record",
                                          [UNSTORABLE] = "unstorable",
                                          [LATE] = "too_late"};
    const struct spec *s = &e->spec;
    *reason = reasons[s->trouble];
    if (s->trouble == UNSTORABLE && s->topic != AT_EVENTS)
        abort();
    if (s->trouble != GOOD)
        return VERDICT_DEAD;
    if (s->topic == AT_DEADLETTER)
        return VERDICT_STORED;
    char key[96];
    snprintf(key, sizeof key, "%d %d %" PRId64, (int)s->topic, s->who,
             s->time_us);
    intptr_t content = (intptr_t)map_get(rows, str_of(key));
    if (content == 0) {
        map_put(rows, str_of(key), (void *)(intptr_t)(s->content + 1));
        return VERDICT_STORED;
    }
    *reason = "conflict";
    return content == s->content + 1 ? VERDICT_DUPLICATE : VERDICT_DEAD;
}

static void row_lines(const struct spec *s, struct buf *out)
{
    char x[32];
    snprintf(x, sizeof x, "%.3f", (double)s->content / 8);
    switch (s->topic) {
    case AT_METRICS:
        buf_addf(out, "sample m h%d %" PRId64 " %s\n", s->who, s->time_us, x);
        break;
    case AT_TELEMETRY:
        buf_addf(out, "telemetry h%d %" PRId64 " %" PRId64 "\n", s->who,
                 s->time_us, s->content);
        buf_addf(out, "sample x h%d %" PRId64 " %s\n", s->who, s->time_us, x);
        buf_addf(out, "sample n h%d %" PRId64 " %" PRId64 ".000\n", s->who,
                 s->time_us, s->content);
        break;
    case AT_EVENTS:
        buf_addf(out, "event e%d %" PRId64 " %" PRId64 "\n", s->who, s->time_us,
                 s->content);
        break;
    case AT_DEADLETTER:
        buf_addf(out, "kept r%" PRId64 "\n", s->content);
        break;
    case TOPIC_COUNT:
        break;
    }
}

static void part_lines(struct model *m, size_t t, int p, struct map *rows)
{
    struct part_log *l = &m->logs[t][p];
    for (size_t i = 0; i < l->count; i++) {
        const struct entry *e = &l->entries[i];
        const char *reason;
        enum verdict v = verdict(rows, e, &reason);
        if (i >= l->done)
            l->verdicts[v]++;
        if (v == VERDICT_STORED)
            row_lines(&e->spec, &m->want);
        else if (v == VERDICT_DEAD)
            buf_addf(&m->want, "letter %s %d %" PRId64 " %s\n", topic_names[t],
                     p, e->offset, reason);
    }
    l->done = l->count;
    if (l->end > 0)
        buf_addf(&m->want,
                 "books %s %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
                 " %" PRId64 "\n",
                 topic_names[t], p, l->end, l->verdicts[VERDICT_STORED],
                 l->verdicts[VERDICT_DUPLICATE], l->verdicts[VERDICT_DEAD],
                 l->gap);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct buf *text_lines)
{
    size_t count = 0;
    buf_add_char(text_lines, '\0');
    char *copy = xstrdup(text_lines->p), *rest = copy, *line;
    char **lines = xcalloc(strlen(copy) + 1, sizeof *lines);
    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0')
            lines[count++] = line;
    qsort(lines, count, sizeof *lines, by_text);
    buf_reset(text_lines);
    for (size_t i = 0; i < count; i++)
        buf_addf(text_lines, "%s\n", lines[i]);
    free(lines);
    free(copy);
}

struct str model_lines(struct model *m)
{
    AUTO(map) rows = map_new(0, NULL);
    buf_reset(&m->want);
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            part_lines(m, t, p, rows);
    sort_lines(&m->want);
    return buf_str(&m->want);
}

#define MICROS "(extract(epoch FROM time) * 1000000)::int8"
const char model_sql[] =
    "SELECT string_agg(line || E'\\n', '' ORDER BY line COLLATE \"C\") FROM ("
    " SELECT format('sample %s %s %s %s', name, host, " MICROS ","
    " to_char(value, 'FM9999990.000')) AS line"
    " FROM store.samples JOIN store.series USING (series_id)"
    " WHERE tenant_id = $1"
    " UNION ALL SELECT format('telemetry %s %s %s', device_id, " MICROS ", seq)"
    " FROM store.telemetry WHERE tenant_id = $1"
    " AND metrics = jsonb_build_object('x', seq / 8.0, 'n', seq, 'ok', true)"
    " UNION ALL SELECT format('event %s %s %s', id, " MICROS ","
    " data->'attributes'->>'c') FROM store.raw_events WHERE tenant_id = $1"
    " UNION ALL SELECT 'kept ' || reason FROM dead_letters"
    " WHERE stage = 'ingest' AND tenant_id = $1"
    " UNION ALL SELECT format('letter %s %s %s %s', topic, part, off, reason)"
    " FROM dead_letters WHERE stage = 'writer' AND id > $2"
    " UNION ALL SELECT format('books %s %s %s %s %s %s %s', topic, part,"
    " next_off, stored, duplicate, dead, gap) FROM store.ledger"
    " WHERE next_off > 0) l";

/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/letters.h"

#include "common/clock.h"
#include "common/log.h"
#include "services/writer/table.h"

/* The table has row-level security, which refuses COPY: hence unnest. */
struct columns {
    struct str *tenant, *stage, *endpoint, *key, *device, *reason, *detail,
        *type, *payload, *topic;
    int32_t *part;
    int64_t *off, *received, *failed;
    struct message **of; /* the message it is of */
    size_t count;
};

static const char insert_sql[] =
    "INSERT INTO public.dead_letters (tenant_id, stage, endpoint, key_id,"
    " device_id, reason, detail, content_type, payload, topic, part, off,"
    " received_at, failed_at)"
    " SELECT tenant, stage, endpoint, key, device, reason, detail, type,"
    " payload, topic, CASE WHEN topic IS NOT NULL THEN part END,"
    " CASE WHEN topic IS NOT NULL THEN off END,"
    " nullif(received, 'epoch'), failed"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],"
    " $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[],"
    " $11::int4[], $12::int8[], $13::timestamptz[], $14::timestamptz[])"
    " AS l(tenant, stage, endpoint, key, device, reason, detail, type, payload,"
    " topic, part, off, received, failed)";

static void columns_init(struct columns *c, struct arena *a, size_t max)
{
    struct str **texts[] = {&c->tenant,  &c->stage,  &c->endpoint, &c->key,
                            &c->device,  &c->reason, &c->detail,   &c->type,
                            &c->payload, &c->topic};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = arena_zalloc(a, max, sizeof(struct str));
    c->part = arena_zalloc(a, max, sizeof *c->part);
    c->off = arena_zalloc(a, max, sizeof *c->off);
    c->received = arena_zalloc(a, max, sizeof *c->received);
    c->failed = arena_zalloc(a, max, sizeof *c->failed);
    c->of = arena_zalloc(a, max, sizeof *c->of);
    c->count = 0;
}

static struct str or_empty(struct str s)
{
    return s.p == NULL ? STR("") : s;
}

static void columns_set(struct columns *c, size_t i,
                        const struct dead_letter_record *d)
{
    c->tenant[i] = d->tenant_id;
    c->stage[i] = d->stage;
    c->endpoint[i] = d->endpoint;
    c->key[i] = d->key_id;
    c->device[i] = d->device_id;
    c->reason[i] = or_empty(d->reason);
    c->detail[i] = or_empty(d->detail);
    c->type[i] = or_empty(d->content_type);
    c->payload[i] = or_empty(d->payload);
    c->topic[i] = d->topic;
    c->part[i] = d->part;
    c->off[i] = d->offset;
    c->received[i] = d->received_at_us;
    c->failed[i] = d->failed_at_us;
}

static void columns_add(struct columns *c, const struct dead_letter_record *d,
                        struct message *of)
{
    columns_set(c, c->count, d);
    c->of[c->count++] = of;
}

/* Details may quote a message's bytes, and are cut anywhere. */
static struct str printable(struct arena *a, struct str s)
{
    if (str_utf8_valid(s) && !str_has_nul(s))
        return s;
    char *to = arena_alloc(a, s.n);
    for (size_t i = 0; i < s.n; i++)
        to[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
    return (struct str){to, s.n};
}

static struct dead_letter_record letter_of(const struct batch *b,
                                           const struct message *m,
                                           int64_t now_us)
{
    const struct slice *s = &b->slices[m->slice];
    return (struct dead_letter_record){
        .tenant_id = m->tenant_id,
        .stage = STR("writer"),
        .device_id = m->device_id,
        .reason = str_of(m->reason),
        .detail = printable(b->arena, m->detail),
        .content_type = s->topic < TOPIC_COUNT
                            ? STR("application/avro")
                            : STR("application/octet-stream"),
        .payload = m->payload,
        .topic = str_of(batch_topic(b, s)),
        .part = s->part,
        .offset = m->offset,
        .received_at_us = m->received_at_us,
        .failed_at_us = now_us,
    };
}

static bool is_held(const struct batch *b, const struct message *m)
{
    return b->slices[m->slice].held;
}

static void collect(struct batch *b, struct columns *c)
{
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < b->letter_count; i++) {
        struct message *m = &b->messages[b->letter_messages[i]];
        if (m->poison || !is_held(b, m))
            continue;
        columns_add(c, &b->letters[i], m);
        m->verdict = VERDICT_STORED;
    }
    for (size_t i = 0; i < b->message_count; i++) {
        struct message *m = &b->messages[i];
        if (m->verdict != VERDICT_DEAD || !is_held(b, m))
            continue;
        struct dead_letter_record letter = letter_of(b, m, now_us);
        columns_add(c, &letter, m);
    }
}

static size_t letters_at_most(const struct batch *b)
{
    size_t n = b->letter_count;
    for (size_t i = 0; i < b->message_count; i++)
        n += b->messages[i].verdict == VERDICT_DEAD;
    return n;
}

/* Those in [from, to). */
static bool insert(const struct columns *c, size_t from, size_t to,
                   struct pg *pg, struct err *err)
{
    struct str *const texts[] = {c->tenant, c->stage,  c->endpoint, c->key,
                                 c->device, c->reason, c->detail,   c->type};
    struct pg_params p = {.count = 0};
    size_t n = to - from;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        pg_text_array(&p, texts[i] + from, n);
    pg_bytea_array(&p, c->payload + from, n);
    pg_text_array(&p, c->topic + from, n);
    pg_i32_array(&p, c->part + from, n);
    pg_i64_array(&p, c->off + from, n);
    pg_time_array(&p, c->received + from, n);
    pg_time_array(&p, c->failed + from, n);
    return pg_do(pg, insert_sql, &p, NULL, err);
}

/* ---- letters the database cannot hold ---- */

/* The message's bytes and place must do: of what it says of itself something
 * is refused. A letter of pulse.deadletter becomes one of the writer. */
static void strip(struct batch *b, struct columns *c, size_t i,
                  const struct err *err)
{
    struct message *m = c->of[i];
    if (m->verdict != VERDICT_DEAD)
        batch_poison(b, m, "unstorable", err->text);
    m->tenant_id = m->device_id = (struct str){NULL, 0};
    m->received_at_us = 0;
    struct dead_letter_record letter = letter_of(b, m, clock_wall_us());
    columns_set(c, i, &letter);
}

/* Should the database refuse a letter, it is found by halving, and all others
 * go in as they are: nothing may halt the partition for ever. */
static bool insert_all(struct batch *b, struct columns *c, size_t from,
                       size_t to, struct pg *pg, struct err *err)
{
    if (!pg_script(pg, "SAVEPOINT letters", err))
        return false;
    if (insert(c, from, to, pg, err))
        return pg_script(pg, "RELEASE letters", err);
    if (err->kind != ERR_INPUT || !table_is_row_fault(pg) ||
        !pg_script(pg, "ROLLBACK TO letters; RELEASE letters", err))
        return false;
    if (to - from == 1) {
        strip(b, c, from, err);
        return insert(c, from, to, pg, err);
    }
    size_t middle = from + (to - from) / 2;
    return insert_all(b, c, from, middle, pg, err) &&
           insert_all(b, c, middle, to, pg, err);
}

bool letters_write(struct batch *b, struct pg *pg, struct err *err)
{
    size_t max = letters_at_most(b);
    if (max == 0)
        return true;
    struct columns c;
    columns_init(&c, b->arena, max);
    collect(b, &c);
    if (c.count == 0 || insert_all(b, &c, 0, c.count, pg, err))
        return true;
    err_in(err, "dead_letters");
    return false;
}

void letters_committed(const struct batch *b, struct stats *stats)
{
    for (size_t i = 0; i < b->letter_count; i++) {
        const struct message *m = &b->messages[b->letter_messages[i]];
        counter_add(stats->letters, !m->poison && is_held(b, m));
    }
    for (size_t i = 0; i < b->message_count; i++) {
        const struct message *m = &b->messages[i];
        if (m->verdict != VERDICT_DEAD || !is_held(b, m))
            continue;
        const struct slice *s = &b->slices[m->slice];
        stats_dead(stats, m->reason);
        log_warn("dead_letter", LOG_S("reason", m->reason),
                 LOG_S("topic", batch_topic(b, s)), LOG_I("part", s->part),
                 LOG_I("offset", m->offset));
    }
}

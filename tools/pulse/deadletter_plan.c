/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/deadletter_plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/pulse/endpoint.h"
#include "common/timestamp.h"

/*
 * Times of records that came without one. The edge gave the good neighbours of
 * a rejected record received_at and up to 10 ms more; a redriven one gets a
 * place beyond that, its own by the letter's id and the same each time: so it
 * meets no neighbour, and a second redrive is a repeat.
 */
enum { UNTIMED_FROM_US = 10000, UNTIMED_WIDTH_US = 990000 };

static bool refuse(const struct planner *p, struct plan *plan, const char *code,
                   const char *format, ...) PRINTF_LIKE(4, 5);
static bool refuse(const struct planner *p, struct plan *plan, const char *code,
                   const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    plan->code = code;
    plan->why = arena_str(p->arena, str_of(text));
    plan->count = 0;
    return false;
}

static bool too_late(const struct planner *p, struct plan *plan,
                     struct record *r)
{
    char time[TIMESTAMP_MAX], oldest[TIMESTAMP_MAX];
    if (r->kind == RECORD_DEAD_LETTER || *record_time(r) >= p->oldest_us)
        return false;
    refuse(p, plan, "too_late",
           "its time %s is before %s, the oldest the store takes",
           timestamp_format(*record_time(r), time),
           timestamp_format(p->oldest_us, oldest));
    return true;
}

/* "labels.host: must be text"; of several records, which one (from 1). */
static bool refuse_fault(const struct planner *p, struct plan *plan,
                         size_t record, const struct fault *f)
{
    AUTO_RELEASE(buf) where = {0};
    if (record > 0)
        buf_addf(&where, "record %zu: ", record);
    if (f->field.p)
        buf_addf(&where, "%.*s: ", STR_ARG(f->field));
    return refuse(p, plan, fault_name(f->code), "%s%.*s",
                  where.n ? where.p : "", STR_ARG(f->message));
}

static bool record_add(const struct planner *p, struct plan *plan,
                       const struct record *r)
{
    struct err err = {0};
    AUTO_RELEASE(buf) key = {0};
    AUTO_RELEASE(buf) message = {0};
    record_key(r, &key);
    if (!record_encode(p->codec, r, &message, &err))
        return refuse(p, plan, "unstorable", "%s", err.text);
    if (message.n > p->message_bytes_max)
        return refuse(p, plan, fault_name(FAULT_RECORD_TOO_LARGE),
                      "is %zu bytes as a message, at most %zu", message.n,
                      p->message_bytes_max);
    plan->records[plan->count++] = (struct kafka_record){
        .key = arena_str(p->arena, buf_str(&key)),
        .payload = arena_str(p->arena, buf_str(&message)),
    };
    return true;
}

/* When the edge got it; what has no such time was refused at once. */
static int64_t letter_received(const struct deadletter *l)
{
    return l->received_us ? l->received_us : l->failed_us;
}

static int64_t untimed(const struct deadletter *l, size_t index)
{
    return letter_received(l) + UNTIMED_FROM_US + l->id % UNTIMED_WIDTH_US +
           (int64_t)index;
}

/* The record arrives now; only the window was judged by when it came first. */
static void received_set(struct record *r, int64_t now_us)
{
    if (r->kind == RECORD_METRIC)
        r->metric.received_at_us = now_us;
    else if (r->kind == RECORD_TELEMETRY)
        r->telemetry.received_at_us = now_us;
    else if (r->kind == RECORD_EVENT)
        r->event.received_at_us = now_us;
}

static struct str event_id(const struct planner *p, const struct deadletter *l,
                           size_t record)
{
    if (record == 0)
        return arena_printf(p->arena, "letter-%" PRId64, l->id);
    return arena_printf(p->arena, "letter-%" PRId64 "-%zu", l->id, record);
}

static bool unit_take(const struct planner *p, const struct deadletter *l,
                      const struct body *body, struct unit *u,
                      struct plan *plan)
{
    if (!u->good)
        return refuse_fault(p, plan, body->records_max > 1 ? u->index + 1 : 0,
                            &body->check->fault);
    if (*record_time(&u->record) == CHECK_NO_TIME)
        *record_time(&u->record) = untimed(l, plan->count);
    received_set(&u->record, p->now_us);
    struct str topic = str_of(topic_names[record_topic(u->record.kind)]);
    if (plan->count > 0 && !str_eq(plan->topic, topic))
        return refuse(p, plan, "mixed_records",
                      "record %zu is of another kind than those before it",
                      u->index + 1);
    plan->topic = topic;
    return !too_late(p, plan, &u->record) && record_add(p, plan, &u->record);
}

/* What a letter may hold that its endpoint would not take: one record of
 * several; instead of a line, an edited text of several lines. */
static struct endpoint_kind kept_kind(const struct planner *p,
                                      const struct deadletter *l,
                                      const struct endpoint_kind *kind)
{
    struct endpoint_kind kept = *kind;
    struct err err = {0};
    kept.forms |= JSON_ONE;
    if (json_parse(p->arena, l->payload, &err))
        kept.forms &= ~(unsigned)JSON_LINES;
    return kept;
}

static bool records_take(const struct planner *p, const struct deadletter *l,
                         struct body *body, struct plan *plan)
{
    struct unit u;
    plan->records =
        arena_zalloc(p->arena, body->records_max, sizeof *plan->records);
    for (;;) {
        body->check->event_id = event_id(p, l, plan->count);
        if (!body_next(body, &u))
            break;
        if (!unit_take(p, l, body, &u, plan))
            return false;
    }
    return plan->count > 0 ||
           refuse(p, plan, "no_record", "it holds no record");
}

static const struct check_rules *rules_of(const struct planner *p,
                                          struct str tenant)
{
    const struct check_rules *own =
        p->tenants ? map_peek(p->tenants, tenant) : NULL;
    return own ? own : &p->rules;
}

static bool ingest_plan(const struct planner *p, const struct deadletter *l,
                        struct plan *plan)
{
    const struct endpoint_kind *kind = endpoint_find(l->endpoint);
    const struct caller caller = {.tenant_id = l->tenant,
                                  .key_id = l->key_id,
                                  .device_id = l->key_device};
    struct check check = {.arena = p->arena,
                          .rules = rules_of(p, l->tenant),
                          .caller = &caller,
                          .received_us = letter_received(l)};
    struct body body;
    if (!kind)
        return refuse(p, plan, "unknown_endpoint",
                      "\"%.*s\" is no endpoint of this version",
                      STR_ARG(l->endpoint));
    if (!l->tenant.p)
        return refuse(p, plan, "unknown_tenant", "it belongs to no tenant");
    const struct endpoint_kind kept = kept_kind(p, l, kind);
    const struct posted posted = {.text = l->payload,
                                  .content_type = l->content_type};
    if (!body_open(&body, &kept, &check, &posted))
        return refuse_fault(p, plan, 0, &check.fault);
    return records_take(p, l, &body, plan);
}

bool plan_kind(struct str topic, enum record_kind *kind)
{
    static const enum record_kind kinds[] = {
        [AT_METRICS] = RECORD_METRIC,
        [AT_TELEMETRY] = RECORD_TELEMETRY,
        [AT_EVENTS] = RECORD_EVENT,
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_is(topic, topic_names[i])) {
            *kind = kinds[i];
            return true;
        }
    return false;
}

/* The key is not in the letter: a record's follows from it; bytes that are no
 * record go anywhere, they had no order to keep. */
static bool writer_plan(const struct planner *p, const struct deadletter *l,
                        struct plan *plan)
{
    AUTO_RELEASE(buf) key = {0};
    struct record r;
    struct err err = {0};
    if (!l->topic.p)
        return refuse(p, plan, "unknown_topic", "it came from no topic");
    if (l->payload.n == 0)
        return refuse(p, plan, "no_record", "it holds no bytes");
    plan->topic = l->topic;
    plan->records = arena_zalloc(p->arena, 1, sizeof *plan->records);
    if (record_decode(p->codec, l->payload, p->arena, &r, &err)) {
        if (too_late(p, plan, &r))
            return false;
        record_key(&r, &key);
    }
    plan->records[0].key = arena_str(p->arena, buf_str(&key));
    plan->records[0].payload = l->payload;
    plan->count = 1;
    return true;
}

bool plan_make(const struct planner *p, const struct deadletter *l,
               struct plan *plan)
{
    *plan = (struct plan){0};
    return str_is(l->stage, "ingest") ? ingest_plan(p, l, plan)
                                      : writer_plan(p, l, plan);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"
#include "tools/pulse/table.h"

bool status_good(const struct status *s)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (!s->services[i].ready)
            return false;
    return s->postgres.kind == ERR_NONE && s->kafka.kind == ERR_NONE;
}

static void services_text(const struct status *s, struct buf *out)
{
    AUTO_RELEASE(table) t;
    table_init(&t, "SERVICE|STATE|WHERE");
    for (size_t i = 0; i < s->service_count; i++) {
        const struct status_service *service = &s->services[i];
        table_cell(&t, service->target->service);
        if (service->ready)
            table_cellf(&t, "ready");
        else
            table_cellf(&t, "DOWN: %s", service->detail);
        table_cell(&t, service->target->address);
    }
    table_cellf(&t, "kafka");
    table_cellf(&t, "%s%s", s->kafka.kind ? "DOWN: " : "ready", s->kafka.text);
    table_cell(&t, STR(""));
    table_cellf(&t, "postgres");
    table_cellf(&t, "%s%s", s->postgres.kind ? "DOWN: " : "ready",
                s->postgres.text);
    table_cell(&t, STR(""));
    table_write(&t, "", out);
}

static void lag_cell(struct table *t, int64_t lag)
{
    if (lag < 0)
        table_cellf(t, "?");
    else
        table_cellf(t, "%" PRId64, lag);
}

static void flows_text(const struct status *s, struct buf *out)
{
    AUTO_RELEASE(table) t;
    table_init(&t, "TOPIC|STORED/S>|WRITER LAG>|EVALUATOR LAG>");
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        const struct status_flow *f = &s->flows[i];
        table_cellf(&t, "%s", topic_names[i]);
        lag_cell(&t, f->stored_per_s);
        lag_cell(&t, f->writer_lag);
        if (i >= EVALUATOR_TOPICS)
            table_cellf(&t, "-");
        else
            lag_cell(&t, f->evaluator_lag);
    }
    buf_add_char(out, '\n');
    table_write(&t, "", out);
}

static void counts_text(const struct status_counts *c, struct buf *out)
{
    for (size_t i = 0; i < c->count; i++)
        buf_addf(out, "%s%s %" PRId64, i ? ", " : "", c->at[i].name,
                 c->at[i].count);
    buf_add_text(out, c->count ? "\n" : "none\n");
}

static void database_text(const struct status *s, struct buf *out)
{
    buf_addf(out, "\nOpen incidents      %" PRId64 "\n", s->incidents_open);
    for (size_t i = 0; i < s->incident_count; i++)
        buf_addf(out, "                    %s, for %" PRId64 " s\n",
                 s->incidents[i].name, s->incidents[i].count);
    buf_addf(out, "Dead letters (24 h) %" PRId64 " new", s->dead_letters_sum);
    if (s->dead_letters_sum) {
        buf_add_text(out, ": ");
        counts_text(&s->dead_letters, out);
    } else {
        buf_add_char(out, '\n');
    }
    buf_add_text(out, "Webhooks (24 h)     ");
    counts_text(&s->deliveries, out);
    if (s->gaps_open)
        buf_addf(out,
                 "GAPS                %" PRId64
                 " not accepted: see pulse offsets gaps\n",
                 s->gaps_open);
}

void status_text(const struct status *s, struct buf *out)
{
    services_text(s, out);
    if (s->postgres.kind != ERR_NONE)
        return;
    flows_text(s, out);
    database_text(s, out);
    status_jobs_text(s, out);
}

static void json_text(struct buf *out, const char *key, const char *text)
{
    buf_addf(out, "\"%s\":", key);
    json_add_str(out, str_of(text));
}

static void services_json(const struct status *s, struct buf *out)
{
    buf_add_text(out, "\"services\":[");
    for (size_t i = 0; i < s->service_count; i++) {
        const struct status_service *service = &s->services[i];
        buf_addf(out, "%s{\"service\":", i ? "," : "");
        json_add_str(out, service->target->service);
        buf_add_text(out, ",\"address\":");
        json_add_str(out, service->target->address);
        buf_addf(out, ",\"ready\":%s", service->ready ? "true," : "false,");
        json_text(out, "detail", service->detail);
        buf_add_char(out, '}');
    }
    buf_addf(out, "],\"kafka\":{\"ready\":%s,",
             s->kafka.kind ? "false" : "true");
    json_text(out, "detail", s->kafka.text);
    buf_addf(out, "},\"postgres\":{\"ready\":%s,",
             s->postgres.kind ? "false" : "true");
    json_text(out, "detail", s->postgres.text);
    buf_add_char(out, '}');
}

static void number_json(struct buf *out, const char *key, int64_t n)
{
    if (n < 0)
        buf_addf(out, ",\"%s\":null", key);
    else
        buf_addf(out, ",\"%s\":%" PRId64, key, n);
}

static void flows_json(const struct status *s, struct buf *out)
{
    buf_add_text(out, ",\"topics\":[");
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        const struct status_flow *f = &s->flows[i];
        buf_addf(out, "%s{\"topic\":\"%s\"", i ? "," : "", topic_names[i]);
        number_json(out, "stored_per_s", f->stored_per_s);
        number_json(out, "writer_lag", f->writer_lag);
        number_json(out, "evaluator_lag", f->evaluator_lag);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void counts_json(struct buf *out, const char *key,
                        const struct status_counts *c)
{
    buf_addf(out, ",\"%s\":{", key);
    for (size_t i = 0; i < c->count; i++) {
        buf_add_text(out, i ? "," : "");
        json_add_str(out, str_of(c->at[i].name));
        buf_addf(out, ":%" PRId64, c->at[i].count);
    }
    buf_add_char(out, '}');
}

void status_json(const struct status *s, struct buf *out)
{
    buf_addf(out, "{\"good\":%s,", status_good(s) ? "true" : "false");
    services_json(s, out);
    if (s->postgres.kind == ERR_NONE) {
        flows_json(s, out);
        number_json(out, "incidents_open", s->incidents_open);
        number_json(out, "dead_letters_new_last_day", s->dead_letters_sum);
        counts_json(out, "dead_letters_by_reason", &s->dead_letters);
        counts_json(out, "webhooks_last_day", &s->deliveries);
        status_jobs_json(s, out);
        number_json(out, "offset_gaps_open", s->gaps_open);
    }
    buf_add_text(out, "}\n");
}

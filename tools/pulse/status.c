/* SPDX-License-Identifier: Apache-2.0 */
/* status: services, lag, rows per second, incidents, dead letters, webhooks,
 * maintenance. */
#include "tools/pulse/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "tools/pulse/commands.h"

enum { PROBE_MS = 2000, PROBE_BYTES_MAX = 64 << 10, MEASURE_US = 2000000 };

/* The first line of what a service says, or why it said nothing. */
static void detail_note(char out[STATUS_TEXT_MAX], const struct fetch *f)
{
    struct str rest = buf_str(&f->body), line = {0};
    if (f->status == 0)
        snprintf(out, STATUS_TEXT_MAX, "%s", f->error);
    else if (f->status != 200 && str_next(&rest, '\n', &line))
        snprintf(out, STATUS_TEXT_MAX, "%.*s", STR_ARG(str_trim(line)));
}

static void services_probe(struct status *s, const struct targets *targets)
{
    struct fetch *fetches = xcalloc(targets->count + 1, sizeof *fetches);
    for (size_t i = 0; i < targets->count; i++)
        snprintf(fetches[i].url, sizeof fetches[i].url, "http://%.*s/readyz",
                 STR_ARG(targets->at[i].address));
    fetch_all(fetches, targets->count, PROBE_MS, PROBE_BYTES_MAX);
    s->service_count = targets->count;
    for (size_t i = 0; i < targets->count; i++) {
        s->services[i].target = &targets->at[i];
        s->services[i].ready = fetches[i].status == 200;
        detail_note(s->services[i].detail, &fetches[i]);
        buf_release(&fetches[i].body);
    }
    free(fetches);
}

static bool counts_read(struct pg *pg, const char *sql,
                        struct status_counts *out, int64_t *sum,
                        struct err *err)
{
    AUTO(pg_result) r = pg_run(pg, sql, NULL, err);
    if (!r)
        return false;
    *sum = 0;
    for (int i = 0; i < pg_rows(r); i++) {
        int64_t count = pg_get_i64(r, i, 1);
        *sum += count;
        if (out->count == STATUS_COUNTS_MAX)
            continue;
        struct status_count *c = &out->at[out->count++];
        snprintf(c->name, sizeof c->name, "%.*s", STR_ARG(pg_get_str(r, i, 0)));
        c->count = count;
    }
    return true;
}

static bool incidents_read(struct status *s, struct pg *pg, struct err *err)
{
    AUTO(pg_result) r = pg_run(
        pg,
        "select tenant_id || ': ' || title || ' (' || severity || ')',"
        " extract(epoch from now() - started_at)::bigint, count(*) over ()"
        " from incidents where status in ('open', 'investigating')"
        " order by created_at desc limit 5",
        NULL, err);
    if (!r)
        return false;
    s->incidents_open = pg_rows(r) ? pg_get_i64(r, 0, 2) : 0;
    for (int i = 0; i < pg_rows(r) && i < STATUS_INCIDENTS_MAX; i++) {
        struct status_count *c = &s->incidents[s->incident_count++];
        snprintf(c->name, sizeof c->name, "%.*s", STR_ARG(pg_get_str(r, i, 0)));
        c->count = pg_get_i64(r, i, 1);
    }
    return true;
}

static bool gaps_read(struct status *s, struct pg *pg, struct err *err)
{
    AUTO(pg_result) r = pg_run(pg,
                               "select count(*) from store.offset_gaps"
                               " where accepted_at is null",
                               NULL, err);
    if (r)
        s->gaps_open = pg_get_i64(r, 0, 0);
    return r != NULL;
}

static bool tables_read(struct status *s, struct pg *pg, struct err *err)
{
    int64_t unused;
    return incidents_read(s, pg, err) && gaps_read(s, pg, err) &&
           counts_read(pg,
                       "select reason, count(*) from dead_letters"
                       " where created_at > now() - interval '1 day'"
                       " and status = 'new'"
                       " group by reason order by 2 desc",
                       &s->dead_letters, &s->dead_letters_sum, err) &&
           counts_read(pg,
                       "select status, count(*) from alert_notifications"
                       " where created_at > now() - interval '1 day'"
                       " group by status order by 2 desc",
                       &s->deliveries, &unused, err) &&
           status_jobs_read(s, pg, err);
}

/* Evaluator: Kafka's end, as the writer's ledger has it, less its offset. */
static bool evaluator_read(struct status *s, struct pg *pg,
                           const struct ledger *l, struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg,
               "select topic, part, next_off from store.consumer_offset"
               " where consumer = '" GROUP_EVALUATOR "'",
               NULL, err);
    if (!r)
        return false;
    for (size_t n = 0; n < l->count; n++) {
        const struct ledger_line *line = &l->lines[n];
        for (int i = 0; i < pg_rows(r); i++) {
            if (!str_is(pg_get_str(r, i, 0), line->name) ||
                pg_get_i64(r, i, 1) != line->part || line->end < 0 ||
                line->topic == TOPIC_COUNT)
                continue;
            int64_t lag = line->end - pg_get_i64(r, i, 2);
            int64_t *sum = &s->flows[line->topic].evaluator_lag;
            *sum = (*sum < 0 ? 0 : *sum) + (lag > 0 ? lag : 0);
        }
    }
    return true;
}

static void stored_sums(const struct ledger *l, int64_t sums[TOPIC_COUNT])
{
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        sums[i] = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->lines[i].topic < TOPIC_COUNT)
            sums[l->lines[i].topic] += l->lines[i].stored;
}

/* Two looks at the ledger, MEASURE_US apart. */
static bool flows_measure(struct status *s, struct world *w, int64_t from_us,
                          const int64_t before[TOPIC_COUNT], struct err *err)
{
    AUTO_RELEASE(ledger) l = {0};
    int64_t sums[TOPIC_COUNT];
    int64_t left_us = from_us + MEASURE_US - clock_mono_us();
    if (left_us > 0)
        nanosleep(&(struct timespec){.tv_sec = left_us / 1000000,
                                     .tv_nsec = left_us % 1000000 * 1000},
                  NULL);
    int64_t took_us = clock_mono_us() - from_us;
    if (!ledger_read(&l, w, err))
        return false;
    stored_sums(&l, sums);
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        s->flows[i].stored_per_s = (sums[i] - before[i]) * 1000000 / took_us;
    if (!ledger_read_ends(&l, w, &s->kafka))
        return true;
    for (size_t i = 0; i < l.count; i++) {
        if (l.lines[i].topic == TOPIC_COUNT)
            continue;
        int64_t *lag = &s->flows[l.lines[i].topic].writer_lag;
        *lag = (*lag < 0 ? 0 : *lag) + l.lines[i].lag;
    }
    return evaluator_read(s, world_pg(w, err), &l, err);
}

static void status_gather(struct status *s, struct world *w)
{
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        s->flows[i] = (struct status_flow){-1, -1, -1};
    AUTO_RELEASE(ledger) l = {0};
    int64_t before[TOPIC_COUNT];
    bool good = ledger_read(&l, w, &s->postgres);
    int64_t from_us = clock_mono_us();
    stored_sums(&l, before);
    services_probe(s, &w->targets);
    good = good && tables_read(s, w->pg, &s->postgres) &&
           flows_measure(s, w, from_us, before, &s->postgres);
    /* Without a database there is still Kafka to be asked. */
    if (!good)
        good = ledger_read_ends(&l, w, &s->kafka);
}

static int status(const struct call *c)
{
    AUTO_RELEASE(buf) out = {0};
    struct status *s = xcalloc(1, sizeof *s);
    status_gather(s, c->world);
    if (call_flag(c, "--json"))
        status_json(s, &out);
    else
        status_text(s, &out);
    print(&out);
    bool good = status_good(s);
    free(s);
    return good ? 0 : 1;
}

static const struct option options[] = {
    {"--json", NULL, "one JSON object", false},
};
const struct command status_command = {
    .name = "status",
    .summary = "Show services, lag, rows per second, incidents, webhooks",
    .details =
        "Asks every admin port of PULSE_TARGETS, Kafka and PostgreSQL, and "
        "measures for two seconds\nwhat the writer stores. Lag is in messages. "
        "Exit status 1 if something is down.\n",
    .examples = "  pulse status\n"
                "  pulse status --json | jq .topics\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = status,
};

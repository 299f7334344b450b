/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/notifier.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pulse/signature.h"
#include "services/evaluator/outbox.h"
#include "services/evaluator/sender.h"

enum { TICK_MS = 500, LEASE_MARGIN_MS = 15000, ERROR_MAX = 400 };

/* One claimed notification, until its result is in the database. */
struct task {
    struct arena *memory; /* of all its texts */
    struct job job;
    int64_t claimed_us;
    struct job_result result;
    bool ended; /* result is set and has to be written */
    struct task *next;
};

struct notifier {
    const struct evaluator_settings *set;
    struct loop_timer *timer;
    struct pg *pg;
    struct sender *sender;
    struct task *tasks;
    size_t task_count;
    struct backoff backoff;
    void (*drained)(void *arg);
    void *drained_arg;
    struct metrics *metrics;
    struct gauge *busy;
    struct histogram *delivery_seconds, *attempt_seconds;
};

/* ---- what came of an attempt ---- */

static const char *delivery_status(enum delivery delivery)
{
    switch (delivery) {
    case DELIVERY_DONE:
        return "delivered";
    case DELIVERY_RETRY:
        return "pending";
    case DELIVERY_DEAD:
        return "dead";
    case DELIVERY_FAILED:
    case DELIVERY_GONE:
        return "failed";
    }
    return "failed";
}

static void count(const struct notifier *n, const struct task *t,
                  enum delivery delivery)
{
    const char *status =
        delivery == DELIVERY_RETRY ? "retried" : t->result.status;
    counter_add(metrics_counter(n->metrics, "pulse_notifier_attempts_total",
                                "Attempts to deliver, by what became of the "
                                "notification.",
                                "status", status, NULL),
                1);
    histogram_observe(n->attempt_seconds, (double)t->result.duration_ms / 1e3);
    if (delivery == DELIVERY_DONE) {
        int64_t age_ms =
            t->job.age_ms + (clock_mono_us() - t->claimed_us) / 1000;
        histogram_observe(n->delivery_seconds, (double)age_ms / 1e3);
    }
}

static void log_end(const struct task *t, enum delivery delivery)
{
    const struct job_result *r = &t->result;
    enum log_level level = delivery == DELIVERY_DONE ? LOG_INFO : LOG_WARN;
    LOG_AT(level, "notification", LOG_STR("id", r->id),
           LOG_STR("tenant", t->job.tenant_id),
           LOG_STR("channel", t->job.channel), LOG_STR("kind", t->job.kind),
           LOG_I("attempt", r->attempt), LOG_S("result", r->status),
           LOG_I("http", r->http_status), LOG_I("ms", r->duration_ms),
           LOG_STR("err", r->error));
}

/* Given up is said where people look, not only in the log. */
static struct str timeline_note(const struct task *t, enum delivery delivery)
{
    if (delivery != DELIVERY_DEAD && delivery != DELIVERY_FAILED &&
        delivery != DELIVERY_GONE)
        return STR("");
    return arena_printf(t->memory,
                        "delivery of \"%.*s\" to %.*s given up after attempt"
                        " %d: %.*s",
                        STR_ARG(t->job.kind), STR_ARG(t->job.channel),
                        t->job.attempt, STR_ARG(t->result.error));
}

static void end_task(const struct notifier *n, struct task *t,
                     const struct sent *sent, bool permanent)
{
    const struct evaluator_settings *set = n->set;
    struct job_result *r = &t->result;
    const struct attempt_result a = {
        .attempt = t->job.attempt,
        .status = sent->status,
        .retry_after_ms = sent->retry_after_ms,
        .permanent = permanent,
        .firing = str_is(t->job.kind, "firing"),
        .incident_open = t->job.incident_open,
        .age_ms = t->job.age_ms + sent->duration_ms,
        .open_gap_ms = set->webhook_open_gap_ms,
        .expiry_ms = set->webhook_expiry_ms,
        .jitter = random_unit(),
    };
    enum delivery delivery = schedule_next(&set->schedule, &a, &r->wait_ms);
    r->id = t->job.id;
    r->attempt = t->job.attempt;
    r->status = delivery_status(delivery);
    r->http_status = sent->status;
    r->duration_ms = sent->duration_ms;
    if (sent->error)
        r->error = arena_printf(t->memory, "%.*s", ERROR_MAX, sent->error);
    else if (delivery != DELIVERY_DONE)
        r->error =
            arena_printf(t->memory, "the receiver answered %d%s", sent->status,
                         delivery == DELIVERY_GONE ? " Gone" : "");
    if (sent->response.p)
        r->response = arena_str(t->memory, sent->response);
    r->note = timeline_note(t, delivery);
    r->disable = delivery == DELIVERY_GONE;
    r->tenant_id = t->job.tenant_id;
    r->channel = t->job.channel;
    t->ended = true;
    log_end(t, delivery);
    count(n, t, delivery);
}

static void refuse(const struct notifier *n, struct task *t, bool permanent,
                   const char *why)
{
    const struct sent sent = {.error = why};
    end_task(n, t, &sent, permanent);
}

static void on_sent(void *arg, void *tag, const struct sent *sent)
{
    struct notifier *n = arg;
    end_task(n, tag, sent, false);
    loop_timer_set(n->timer, 0, TICK_MS);
}

/* ---- attempts ---- */

/* The id stays the same over all attempts; time and signature are the
 * attempt's. */
static void post_webhook(const struct notifier *n, struct task *t)
{
    const struct job *job = &t->job;
    int64_t now_s = clock_wall_us() / 1000000;
    AUTO_RELEASE(buf) signature = {0};
    struct err err;
    buf_add_text(&signature, "webhook-signature: ");
    if (!signature_add(&signature, job->id, now_s, job->body, job->secrets,
                       job->secret_count, &err)) {
        refuse(n, t, false, err.text);
        return;
    }
    char id[80], timestamp[64];
    snprintf(id, sizeof id, "webhook-id: %.*s", STR_ARG(job->id));
    snprintf(timestamp, sizeof timestamp, "webhook-timestamp: %lld",
             (long long)now_s);
    const char *headers[] = {id, timestamp, signature.p, NULL};
    char *url = str_dup(job->url);
    sender_post(n->sender, &(struct post){.url = url,
                                          .body = job->body,
                                          .headers = headers,
                                          .tag = t});
    free(url);
}

static void begin_task(struct notifier *n, struct task *t)
{
    const struct job *job = &t->job;
    if (!job->channel_exists)
        refuse(n, t, true, "the channel does not exist any more");
    else if (!job->channel_enabled)
        refuse(n, t, true, "the channel is disabled");
    else if (!str_is(job->channel_kind, "webhook"))
        refuse(n, t, true, "this version delivers to webhooks only");
    else
        post_webhook(n, t);
}

/* ---- the queue ---- */

static void task_free(struct task *t)
{
    arena_free(t->memory);
    free(t);
}

/* Writes the results there are; false: the database failed. A result that it
 * refuses is dropped: the lease runs out and the attempt is made again. */
static bool settle(struct notifier *n, struct err *err)
{
    struct task **at = &n->tasks;
    while (*at) {
        struct task *t = *at;
        if (!t->ended) {
            at = &t->next;
            continue;
        }
        if (!outbox_settle(n->pg, &t->result, err)) {
            if (err->kind != ERR_INPUT)
                return false;
            log_error("result_refused", LOG_STR("id", t->job.id), LOG_ERR(err));
        }
        *at = t->next;
        task_free(t);
        n->task_count--;
    }
    return true;
}

static size_t list_busy(const struct notifier *n, struct busy_channel *out)
{
    size_t count = 0;
    for (const struct task *t = n->tasks; t; t = t->next) {
        size_t i = 0;
        while (i < count && !(str_eq(out[i].tenant_id, t->job.tenant_id) &&
                              str_eq(out[i].channel, t->job.channel)))
            i++;
        if (i == count)
            out[count++] =
                (struct busy_channel){t->job.tenant_id, t->job.channel, 0};
        out[i].attempts++;
    }
    return count;
}

static struct str own(struct arena *a, struct str s)
{
    return arena_str(a, s);
}

static struct task *task_new(const struct job *job)
{
    struct task *t = xcalloc(1, sizeof *t);
    struct arena *a = t->memory = arena_new(4096);
    t->job = *job;
    t->job.id = own(a, job->id);
    t->job.tenant_id = own(a, job->tenant_id);
    t->job.channel = own(a, job->channel);
    t->job.kind = own(a, job->kind);
    t->job.body = own(a, job->body);
    t->job.channel_kind = own(a, job->channel_kind);
    t->job.url = own(a, job->url);
    for (size_t i = 0; i < job->secret_count; i++)
        t->job.secrets[i] = own(a, job->secrets[i]);
    t->claimed_us = clock_mono_us();
    return t;
}

static int claim(struct notifier *n, struct err *err)
{
    AUTO(arena) scratch = arena_new(64 * 1024);
    struct busy_channel *busy =
        arena_zalloc(scratch, n->task_count + 1, sizeof *busy);
    const struct outbox_limits limits = {
        .lease_ms = n->set->webhook_timeout_ms + LEASE_MARGIN_MS,
        .jobs = n->set->webhook_concurrency - (int64_t)n->task_count,
        .per_channel = n->set->webhook_per_channel,
        .busy = busy,
        .busy_count = list_busy(n, busy),
    };
    struct job *jobs;
    int count = outbox_claim(n->pg, scratch, &limits, &jobs, err);
    for (int i = 0; i < count; i++) {
        struct task *t = task_new(&jobs[i]);
        t->next = n->tasks;
        n->tasks = t;
        n->task_count++;
        begin_task(n, t);
    }
    return count;
}

static bool work(struct notifier *n, struct err *err)
{
    if (!pg_connect(n->pg, err) || !settle(n, err))
        return false;
    if (n->drained || (int64_t)n->task_count >= n->set->webhook_concurrency)
        return true;
    int claimed = claim(n, err);
    if (claimed < 0)
        return false;
    /* Refused at once, and perhaps more is due. */
    if (claimed > 0 && sender_busy(n->sender) < n->task_count)
        loop_timer_set(n->timer, 0, TICK_MS);
    return true;
}

static void on_timer(void *arg)
{
    struct notifier *n = arg;
    struct err err;
    if (work(n, &err)) {
        backoff_reset(&n->backoff);
    } else {
        log_warn("outbox_away", LOG_ERR(&err));
        if (err.kind != ERR_INPUT)
            pg_disconnect(n->pg);
        loop_timer_set(n->timer, backoff_next_ms(&n->backoff), TICK_MS);
    }
    gauge_set(n->busy, (double)sender_busy(n->sender));
    if (n->drained && n->task_count == 0) {
        loop_timer_cancel(n->timer);
        n->drained(n->drained_arg);
    }
}

void notifier_wake(void *arg)
{
    struct notifier *n = arg;
    if (n->backoff.attempt == 0)
        loop_timer_set(n->timer, 0, TICK_MS);
}

void notifier_drain(struct notifier *n, void (*done)(void *arg), void *arg)
{
    n->drained = done;
    n->drained_arg = arg;
    loop_timer_set(n->timer, 0, TICK_MS);
}

static void stats_init(struct notifier *n)
{
    struct metrics *m = n->metrics;
    n->busy =
        metrics_gauge(m, "pulse_notifier_busy", "Attempts under way.", NULL);
    n->delivery_seconds = metrics_histogram(
        m, "pulse_notifier_delivery_seconds",
        "From the decision to the receiver's 2xx.", 0.01, 100000, NULL);
    n->attempt_seconds =
        metrics_histogram(m, "pulse_notifier_attempt_seconds",
                          "Time an attempt takes.", 0.001, 100, NULL);
}

struct notifier *notifier_new(const struct evaluator_settings *settings,
                              struct service *service)
{
    struct notifier *n = xcalloc(1, sizeof *n);
    n->set = settings;
    n->metrics = service_metrics(service);
    n->backoff = (struct backoff){.first_ms = 100, .max_ms = 5000};
    stats_init(n);
    n->pg = pg_new(&(struct pg_options){
        .url = settings->shared.postgres_url,
        .application = "pulse-notifier",
        .connect_timeout_ms = settings->consumer.connect_timeout_ms,
        .statement_timeout_ms = settings->consumer.statement_timeout_ms,
        .writes = true});
    n->sender = sender_new(
        service_loop(service),
        &(struct sender_options){.guard = &settings->guard,
                                 .connect_timeout_ms =
                                     settings->webhook_connect_timeout_ms,
                                 .timeout_ms = settings->webhook_timeout_ms,
                                 .ca_file = settings->webhook_ca_file,
                                 .done = on_sent,
                                 .arg = n});
    n->timer = loop_timer_new(service_loop(service), on_timer, n);
    loop_timer_set(n->timer, 0, TICK_MS);
    return n;
}

void notifier_free(struct notifier *n)
{
    if (!n)
        return;
    sender_free(n->sender);
    while (n->tasks) {
        struct task *t = n->tasks;
        n->tasks = t->next;
        task_free(t);
    }
    loop_timer_free(n->timer);
    pg_free(n->pg);
    free(n);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/gate.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "services/ingest/failures.h"
#include "services/ingest/pending.h"

enum { ADDRESSES_MAX = 16384 };

static const enum limit quota_limits[QUOTA_COUNT] = {
    [QUOTA_RECORDS] = LIMIT_RECORDS_PER_SECOND,
    [QUOTA_BYTES] = LIMIT_BYTES_PER_SECOND,
};

struct gate {
    struct keys *keys;
    struct failures *failures;
    struct counter *limited[LIMIT_COUNT]; /* NULL: none of the gate's */
};

struct gate *gate_new(const struct gate_options *options)
{
    static const enum limit ours[] = {
        LIMIT_RECORDS_PER_SECOND, LIMIT_BYTES_PER_SECOND,
        LIMIT_RECORDS_PER_REQUEST, LIMIT_BODY_BYTES};
    struct gate *g = xcalloc(1, sizeof *g);

    g->keys = options->keys;
    g->failures = failures_new(&(struct failures_options){
        .most = options->failures_max,
        .addresses_max = ADDRESSES_MAX,
        .metrics = options->metrics,
    });
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        g->limited[ours[i]] = metrics_counter(
            options->metrics, "pulse_ingest_limited_total",
            "Requests refused because of a limit of their tenant.", "limit",
            limit_kinds[ours[i]].name, NULL);
    return g;
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    failures_free(g->failures);
    free(g);
}

static void retry_after(struct http_request *r, int64_t seconds)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)seconds);
    http_reply_header(r, "Retry-After", text);
}

/* --- the key ------------------------------------------------------------- */

/* The key was looked at all the same: behind one address (NAT) others may have
 * good ones, and a hash costs a microsecond. */
static void refuse_wrong(struct gate *g, struct http_request *r)
{
    int64_t retry_s = 0;

    if (failures_add(g->failures, http_client_address(r), clock_mono_us(),
                     &retry_s)) {
        retry_after(r, retry_s);
        http_reply_error(r, 429, "too_many_failures",
                         "This key is unknown, revoked or expired, like too "
                         "many before it from this address.");
        return;
    }
    http_reply_header(r, "WWW-Authenticate", "Bearer");
    http_reply_error(r, 401, "unknown_key",
                     "The key is unknown, revoked or expired.");
}

static void refuse_no_key(struct http_request *r)
{
    http_reply_header(r, "WWW-Authenticate", "Bearer");
    http_reply_error(r, 401, "no_key", "Send Authorization: Bearer <key>.");
}

static bool enter_key(struct gate *g, struct http_request *r,
                      struct str presented, struct pass *pass)
{
    switch (keys_find(g->keys, presented, http_arena(r), pass)) {
    case KEYS_NOT_READY:
        answer_unavailable(r, "not_ready", "The API keys are not read yet.");
        return false;
    case KEYS_UNKNOWN:
        if (presented.n == 0)
            refuse_no_key(r);
        else
            refuse_wrong(g, r);
        return false;
    case KEYS_FOUND:
        break;
    }
    if (!(pass->scopes & SCOPE_WRITE))
        http_reply_error(r, 403, "scope_missing",
                         "The key has not the scope write.");
    return pass->scopes & SCOPE_WRITE;
}

/* --- limits -------------------------------------------------------------- */

static void refuse_rate(struct gate *g, struct http_request *r,
                        const struct pass *pass,
                        const struct quota_refusal *why)
{
    enum limit limit = quota_limits[why->kind];
    const char *name = limit_kinds[limit].name;
    char text[128];

    counter_add(g->limited[limit], 1);
    if (why->news)
        log_warn("tenant_limited", LOG_STR("tenant", pass->caller.tenant_id),
                 LOG_S("limit", name), LOG_F("seen", why->seen),
                 LOG_F("allowed", why->allowed));
    snprintf(text, sizeof text, "%s: %.0f/s seen, %.6g/s allowed", name,
             why->seen, why->allowed);
    retry_after(r, why->retry_s);
    http_reply_error(r, 429, "rate_limited", text);
}

static bool enter_rate(struct gate *g, struct http_request *r,
                       const struct pass *pass)
{
    struct str length = http_header(r, "Content-Length");
    struct quota_refusal refusal;
    int64_t bytes;

    if (!str_to_i64(str_trim(length), &bytes) || bytes < 0)
        bytes = 0; /* it comes in chunks */
    if (quota_admit(pass->quota, (size_t)bytes, clock_mono_us(), &refusal))
        return true;
    refuse_rate(g, r, pass, &refusal);
    return false;
}

struct pass *gate_enter(struct gate *g, struct http_request *r,
                        struct str presented)
{
    struct pass *pass = arena_zalloc(http_arena(r), 1, sizeof *pass);

    if (!enter_key(g, r, presented, pass) || !enter_rate(g, r, pass))
        return NULL;
    if (http_body_limit(r, pass->body_bytes_max, "body_bytes of this tenant"))
        return pass;
    counter_add(g->limited[LIMIT_BODY_BYTES], 1);
    return NULL;
}

void gate_pay(const struct pass *pass, size_t records, size_t bytes)
{
    quota_take(pass->quota, records, bytes, clock_mono_us());
}

void gate_too_many(struct gate *g, struct http_request *r,
                   const struct pass *pass)
{
    char text[96];

    counter_add(g->limited[LIMIT_RECORDS_PER_REQUEST], 1);
    snprintf(text, sizeof text,
             "records_per_request: at most %zu records in one request",
             pass->records_max);
    http_reply_error(r, 413, "too_many_records", text);
}

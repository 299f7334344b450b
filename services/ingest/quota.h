/* SPDX-License-Identifier: Apache-2.0 */
/* quota.h - how much a tenant sends per second, and how much it may: token
 * buckets. A request is let in unless a bucket is in debt, and pays when its
 * records are counted: so one larger than the burst passes too, and the next
 * one waits the longer. */
#ifndef INGEST_QUOTA_H
#define INGEST_QUOTA_H

#include "common/str.h"

struct quotas; /* of all tenants */
struct quota;  /* one tenant's; any thread */

enum quota_kind { QUOTA_RECORDS, QUOTA_BYTES, QUOTA_COUNT };
struct quota_rate {
    double per_second; /* 0: no limit */
    double burst;      /* 0: ten seconds of it */
};

struct quotas *quotas_new(void) MUST_USE;
void quotas_free(struct quotas *q);
DEFINE_AUTO(quotas)
/* The tenant's, made with full buckets at first; later only the rates change,
 * what is in the buckets stays. Lives as long as q. One thread. */
struct quota *quotas_set(struct quotas *q, struct str tenant,
                         const struct quota_rate rates[QUOTA_COUNT],
                         int64_t now_us);

/* Why not, for people. */
struct quota_refusal {
    enum quota_kind kind;
    double seen, allowed; /* per second; seen counts what was refused, too:
                             since the bucket was full */
    int64_t retry_s;      /* from then on a request is let in; at least 1 */
    bool news;            /* the first for some seconds: worth a log line */
};
/* May a request come in? bytes: what it announces; 0 where it does not.
 * now_us is the monotonic clock, everywhere. */
bool quota_admit(struct quota *q, size_t bytes, int64_t now_us,
                 struct quota_refusal *refusal) MUST_USE;
/* It came, and this is what was in it. */
void quota_take(struct quota *q, size_t records, size_t bytes, int64_t now_us);

#endif

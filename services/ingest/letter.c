/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/letter.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/map.h"

enum {
    TENANTS_MAX = 4096,   /* budgets kept; the least used is forgotten */
    ENVELOPE_BYTES = 256, /* counted per letter beside its payload */
    SUMMARY_EVERY_US = 1000000,
};

struct letters {
    int64_t rate_bytes, burst_bytes;
    pthread_mutex_t lock; /* guards tenants */
    struct map *tenants;  /* tenant_id -> struct bucket */
    struct counter *kept, *summed, *counted;
};

struct bucket {
    int64_t bytes; /* may be spent now */
    int64_t filled_us, summary_us;
};

/* The records of one request that did not fit the budget. */
struct overflow {
    size_t count, bytes;
    const struct reject *first;
    EVP_MD_CTX *sha256;
};

struct letters *letters_new(const struct letters_options *options)
{
    struct letters *l = xcalloc(1, sizeof *l);
    const char *name = "pulse_ingest_dead_letters_total";
    const char *help = "Rejected records by what became of them: kept whole, "
                       "summed up in one letter, or only counted.";

    l->rate_bytes = options->rate_bytes;
    l->burst_bytes = options->burst_bytes;
    pthread_mutex_init(&l->lock, NULL);
    l->tenants = map_new(TENANTS_MAX, free);
    l->kept =
        metrics_counter(options->metrics, name, help, "fate", "kept", NULL);
    l->summed =
        metrics_counter(options->metrics, name, help, "fate", "summed", NULL);
    l->counted =
        metrics_counter(options->metrics, name, help, "fate", "counted", NULL);
    return l;
}

void letters_free(struct letters *l)
{
    if (!l)
        return;
    map_free(l->tenants);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* The tenant's bucket, filled up to now. With the lock held. */
static struct bucket *bucket_of(struct letters *l, struct str tenant,
                                int64_t now_us)
{
    struct bucket *b = map_get(l->tenants, tenant);

    if (!b) {
        b = xcalloc(1, sizeof *b);
        b->bytes = l->burst_bytes;
        b->filled_us = now_us;
        b->summary_us = now_us - SUMMARY_EVERY_US;
        map_put(l->tenants, tenant, b);
    }
    double due = (double)(now_us - b->filled_us) / 1e6 * (double)l->rate_bytes;
    if (due >= 1) {
        due += (double)b->bytes;
        b->bytes = due < (double)l->burst_bytes ? (int64_t)due : l->burst_bytes;
        b->filled_us = now_us;
    }
    return b;
}

static bool budget_take(struct letters *l, struct str tenant, size_t bytes)
{
    pthread_mutex_lock(&l->lock);
    struct bucket *b = bucket_of(l, tenant, clock_mono_us());
    bool enough = b->bytes >= (int64_t)bytes;
    if (enough)
        b->bytes -= (int64_t)bytes;
    pthread_mutex_unlock(&l->lock);
    return enough;
}

static bool summary_take(struct letters *l, struct str tenant)
{
    int64_t now_us = clock_mono_us();

    pthread_mutex_lock(&l->lock);
    struct bucket *b = bucket_of(l, tenant, now_us);
    bool due = now_us - b->summary_us >= SUMMARY_EVERY_US;
    if (due)
        b->summary_us = now_us;
    pthread_mutex_unlock(&l->lock);
    return due;
}

static void letter_add(const struct letter_origin *o, const struct reject *r,
                       struct str detail, struct str payload,
                       struct record_codec *codec, struct parcel *p)
{
    struct err err = {0};
    struct record letter = {.kind = RECORD_DEAD_LETTER,
                            .dead_letter = {
                                .tenant_id = o->caller->tenant_id,
                                .stage = STR("ingest"),
                                .endpoint = o->endpoint,
                                .key_id = o->caller->key_id,
                                .device_id = r->device_id,
                                .reason = str_of(fault_name(r->fault.code)),
                                .detail = detail,
                                .content_type = o->content_type,
                                .payload = payload,
                                .received_at_us = o->received_us,
                                .failed_at_us = clock_wall_us(),
                            }};

    parcel_key(p, &letter);
    if (!parcel_add(p, codec, &letter, SIZE_MAX, &err))
        log_error("letter_not_encoded", LOG_ERR(&err)); /* our bug */
}

/* "labels.host: must be text" */
static struct str detail_text(const struct reject *r, struct buf *out)
{
    buf_reset(out);
    if (r->fault.field.p) {
        buf_add_str(out, r->fault.field);
        buf_add_text(out, ": ");
    }
    buf_add_str(out, r->fault.message);
    return buf_str(out);
}

static void overflow_add(struct overflow *o, const struct reject *r)
{
    if (!o->sha256) {
        o->sha256 = EVP_MD_CTX_new();
        EVP_DigestInit_ex(o->sha256, EVP_sha256(), NULL);
        o->first = r;
    }
    o->count++;
    o->bytes += r->payload.n;
    EVP_DigestUpdate(o->sha256, r->payload.p, r->payload.n);
}

static struct str summary_text(const struct overflow *o, struct buf *out)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_bytes = 0;

    detail_text(o->first, out);
    EVP_DigestFinal_ex(o->sha256, hash, &hash_bytes);
    buf_addf(out,
             " (the first of %zu records of %zu bytes that are not kept "
             "whole; SHA-256 of their bytes ",
             o->count, o->bytes);
    for (unsigned i = 0; i < hash_bytes; i++)
        buf_addf(out, "%02x", hash[i]);
    buf_add_char(out, ')');
    return buf_str(out);
}

static void overflow_end(struct letters *l, const struct letter_origin *origin,
                         struct overflow *o, struct record_codec *codec,
                         struct parcel *p, struct buf *text)
{
    if (o->count == 0)
        return;
    if (summary_take(l, origin->caller->tenant_id)) {
        struct str excerpt = o->first->payload;
        if (excerpt.n > LETTER_EXCERPT)
            excerpt.n = LETTER_EXCERPT;
        letter_add(origin, o->first, summary_text(o, text), excerpt, codec, p);
        counter_add(l->summed, o->count);
    } else {
        counter_add(l->counted, o->count);
    }
    EVP_MD_CTX_free(o->sha256);
}

void letters_write(struct letters *l, const struct letter_origin *origin,
                   const struct rejects *rejects, struct record_codec *codec,
                   struct parcel *p)
{
    AUTO_RELEASE(buf) text = {0};
    struct overflow overflow = {0};

    for (size_t i = 0; i < rejects->count; i++) {
        const struct reject *r = &rejects->items[i];
        if (r->payload.n > LETTER_PAYLOAD_MAX ||
            !budget_take(l, origin->caller->tenant_id,
                         r->payload.n + ENVELOPE_BYTES)) {
            overflow_add(&overflow, r);
            continue;
        }
        letter_add(origin, r, detail_text(r, &text), r->payload, codec, p);
        counter_add(l->kept, 1);
    }
    overflow_end(l, origin, &overflow, codec, p, &text);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/snapshot.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"

#define MAGIC "pulse keys\n"
enum {
    VERSION = 1,
    MAGIC_BYTES = sizeof MAGIC - 1,
    /* Behind it what is the same as long as the database is. */
    HEAD_BYTES = MAGIC_BYTES + 4 + 8,
    ARENA_BLOCK = 16 * 1024,
};

/* --- writing ------------------------------------------------------------- */

static void number_put(char *at, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)(v >> (8 * i));
}

static void number_add(struct buf *out, uint64_t v, size_t bytes)
{
    char text[8];

    number_put(text, v, bytes);
    buf_add(out, text, bytes);
}

static void text_add(struct buf *out, struct str s)
{
    number_add(out, s.n, 4);
    buf_add_str(out, s);
}

static void list_begin(struct snapshot_writer *w)
{
    w->count_at = w->out->n;
    w->count = 0;
    number_add(w->out, 0, 4);
}

static void list_end(struct snapshot_writer *w)
{
    number_put(w->out->p + w->count_at, w->count, 4);
}

void snapshot_begin(struct snapshot_writer *w, struct buf *out,
                    int64_t read_at_us, int64_t late_limit_us)
{
    *w = (struct snapshot_writer){.out = out};
    assert(out->n == 0);
    buf_add_str(out, STR(MAGIC));
    number_add(out, VERSION, 4);
    number_add(out, (uint64_t)read_at_us, 8);
    number_add(out, (uint64_t)late_limit_us, 8);
    list_begin(w);
}

void snapshot_tenant(struct snapshot_writer *w, struct str tenant_id,
                     struct str limits)
{
    text_add(w->out, tenant_id);
    text_add(w->out, limits);
    w->count++;
}

void snapshot_keys(struct snapshot_writer *w)
{
    list_end(w);
    list_begin(w);
}

void snapshot_key(struct snapshot_writer *w, const struct key *key)
{
    text_add(w->out, key->key_id);
    text_add(w->out, key->tenant_id);
    text_add(w->out, key->device_id);
    number_add(w->out, key->scopes, 4);
    number_add(w->out, (uint64_t)key->expires_at_us, 8);
    buf_add(w->out, key->secret_hash, sizeof key->secret_hash);
    w->count++;
}

void snapshot_end(struct snapshot_writer *w)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];

    list_end(w);
    SHA256((const unsigned char *)w->out->p, w->out->n, sum);
    buf_add(w->out, sum, sizeof sum);
}

static struct str content(struct str s)
{
    assert(s.n >= HEAD_BYTES + SHA256_DIGEST_LENGTH);
    return (struct str){s.p + HEAD_BYTES,
                        s.n - HEAD_BYTES - SHA256_DIGEST_LENGTH};
}

bool snapshot_same(struct str a, struct str b)
{
    return str_eq(content(a), content(b));
}

/* --- reading ------------------------------------------------------------- */

/* Takes from the front; when too little is left, good turns false and all that
 * follows reads as empty. */
struct reader {
    struct str rest;
    bool good;
};

static struct str bytes_take(struct reader *r, size_t n)
{
    struct str taken = {r->rest.p, n};

    r->good = r->good && n <= r->rest.n;
    if (!r->good)
        return (struct str){"", 0};
    r->rest.p += n;
    r->rest.n -= n;
    return taken;
}

static uint64_t number_take(struct reader *r, size_t bytes)
{
    struct str s = bytes_take(r, bytes);
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++)
        v |= (uint64_t)(unsigned char)s.p[i] << (8 * i);
    return v;
}

static struct str text_take(struct reader *r)
{
    return bytes_take(r, number_take(r, 4));
}

struct snapshot {
    struct keyring *ring;
    struct map *tenants; /* tenant_id -> struct tenant */
    int64_t read_at_us, late_limit_us;
};

static double share(int64_t rate, const struct snapshot_options *o)
{
    return (double)rate / (double)o->replicas;
}

static struct tenant *tenant_new(const struct snapshot *s,
                                 const struct snapshot_options *o,
                                 struct str id, const struct tenant_limits *l)
{
    const struct quota_rate rates[QUOTA_COUNT] = {
        [QUOTA_RECORDS] = {share(l->of[LIMIT_RECORDS_PER_SECOND], o),
                           share(l->of[LIMIT_RECORDS_BURST], o)},
        [QUOTA_BYTES] = {share(l->of[LIMIT_BYTES_PER_SECOND], o),
                         share(l->of[LIMIT_BYTES_BURST], o)},
    };
    struct tenant *t = xcalloc(1, sizeof *t);

    *t = (struct tenant){
        .rules = limits_rules(l),
        .records_max = (size_t)l->of[LIMIT_RECORDS_PER_REQUEST],
        .body_bytes_max = (size_t)l->of[LIMIT_BODY_BYTES],
        .quota = quotas_set(o->quotas, id, rates, o->now_us),
    };
    /* Never what the store would not take. */
    if (t->rules.past_us > s->late_limit_us)
        t->rules.past_us = s->late_limit_us;
    return t;
}

static void tenants_take(struct snapshot *s, struct reader *r,
                         const struct snapshot_options *o)
{
    AUTO(arena) scratch = arena_new(ARENA_BLOCK);

    for (uint64_t n = number_take(r, 4); r->good && n > 0; n--) {
        struct tenant_limits limits = o->defaults;
        struct str id = text_take(r);
        arena_reset(scratch);
        limits_override(&limits, text_take(r), scratch);
        if (r->good) /* nothing of a damaged one reaches the quotas */
            map_put(s->tenants, id, tenant_new(s, o, id, &limits));
    }
}

static void keys_take(struct snapshot *s, struct reader *r)
{
    for (uint64_t n = number_take(r, 4); r->good && n > 0; n--) {
        struct key key = {.key_id = text_take(r)};
        key.tenant_id = text_take(r); /* one after the other */
        key.device_id = text_take(r);
        if (key.device_id.n == 0)
            key.device_id.p = NULL;
        key.scopes = (unsigned)number_take(r, 4);
        key.expires_at_us = (int64_t)number_take(r, 8);
        struct str hash = bytes_take(r, sizeof key.secret_hash);
        if (!r->good)
            return;
        memcpy(key.secret_hash, hash.p, hash.n);
        if (map_peek(s->tenants, key.tenant_id))
            keyring_add(s->ring, &key);
    }
}

/* Before anything is believed. */
static bool is_whole(struct str bytes, struct err *err)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];

    if (bytes.n < HEAD_BYTES + sizeof sum || !str_starts(bytes, STR(MAGIC))) {
        err_set(err, ERR_INPUT, "is no snapshot of keys, or cut off");
        return false;
    }
    struct reader head = {{bytes.p + MAGIC_BYTES, 4}, true};
    uint64_t version = number_take(&head, 4);
    SHA256((const unsigned char *)bytes.p, bytes.n - sizeof sum, sum);
    if (memcmp(sum, bytes.p + bytes.n - sizeof sum, sizeof sum) != 0) {
        err_set(err, ERR_INPUT, "is damaged: its checksum is wrong");
        return false;
    }
    if (version != VERSION)
        err_set(err, ERR_INPUT, "is of version %u, known is %u",
                (unsigned)version, (unsigned)VERSION);
    return version == VERSION;
}

struct snapshot *snapshot_new(struct str bytes,
                              const struct snapshot_options *options,
                              struct err *err)
{
    if (!is_whole(bytes, err))
        return NULL;
    struct reader r = {bytes, true};
    AUTO(snapshot) s = xcalloc(1, sizeof *s);
    s->ring = keyring_new();
    s->tenants = map_new(0, free);
    r.rest.n -= SHA256_DIGEST_LENGTH;
    (void)bytes_take(&r, MAGIC_BYTES + 4);
    s->read_at_us = (int64_t)number_take(&r, 8);
    s->late_limit_us = (int64_t)number_take(&r, 8);
    tenants_take(s, &r, options);
    keys_take(s, &r);
    if (!r.good || r.rest.n > 0) {
        err_set(err, ERR_INPUT, "is damaged, though its checksum is right");
        return NULL;
    }
    return MOVE(s);
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    keyring_free(s->ring);
    map_free(s->tenants);
    free(s);
}

const struct keyring *snapshot_ring(const struct snapshot *s)
{
    return s->ring;
}

const struct tenant *snapshot_find(const struct snapshot *s,
                                   struct str tenant_id)
{
    return map_peek(s->tenants, tenant_id);
}

int64_t snapshot_read_at(const struct snapshot *s)
{
    return s->read_at_us;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/series.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/map.h"

/* A refused series is asked for again after a while: the limit may rise. */
enum { REFUSED_MAX = 100000, REFUSED_US = 10 * 1000 * 1000 };

struct ticket {
    struct str key, tenant_id, name, labels; /* labels: JSON */
    int64_t number;                          /* 0: refused */
};

struct series {
    struct map *numbers; /* key → number, as a pointer's bits */
    struct map *refused; /* key → not NULL */
    int64_t refused_until_us;
    struct map *open; /* key → index of its ticket + 1 */
    struct ticket *tickets;
    size_t count, cap;
    struct buf key, json;
    struct stats *stats;
};

struct series *series_new(size_t max_entries, struct stats *stats)
{
    struct series *s = xcalloc(1, sizeof *s);
    s->numbers = map_new(max_entries, NULL);
    s->refused = map_new(REFUSED_MAX, NULL);
    s->open = map_new(0, NULL);
    s->stats = stats;
    return s;
}

void series_free(struct series *s)
{
    if (s == NULL)
        return;
    map_free(s->numbers);
    map_free(s->refused);
    map_free(s->open);
    free(s->tickets);
    buf_release(&s->key);
    buf_release(&s->json);
    free(s);
}

static void key_part(struct buf *key, struct str s)
{
    uint32_t n = (uint32_t)s.n;
    buf_add(key, &n, sizeof n);
    buf_add_str(key, s);
}

static struct str key_of(struct series *s, struct str tenant_id,
                         struct str name, const struct label *labels,
                         size_t count)
{
    buf_reset(&s->key);
    key_part(&s->key, tenant_id);
    key_part(&s->key, name);
    for (size_t i = 0; i < count; i++) {
        key_part(&s->key, labels[i].name);
        key_part(&s->key, labels[i].value);
    }
    return buf_str(&s->key);
}

static void *as_pointer(int64_t n)
{
    return (void *)(intptr_t)n;
}

static int64_t ticket_new(struct series *s, struct arena *a, struct str key,
                          struct ticket t, const struct label *labels,
                          size_t count)
{
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 64 : s->cap * 2;
        s->tickets = xreallocarray(s->tickets, s->cap, sizeof *s->tickets);
    }
    buf_reset(&s->json);
    labels_json(labels, count, &s->json);
    t.key = arena_str(a, key);
    t.labels = arena_str(a, buf_str(&s->json));
    s->tickets[s->count++] = t;
    map_put(s->open, key, as_pointer((int64_t)s->count));
    return -(int64_t)s->count;
}

/* Forgets by itself: there may never be another new series to ask for. */
static bool is_refused(struct series *s, struct str key)
{
    if (map_count(s->refused) == 0)
        return false;
    if (clock_mono_us() >= s->refused_until_us)
        map_clear(s->refused);
    return map_peek(s->refused, key) != NULL;
}

int64_t series_find(struct series *s, struct arena *a, struct str tenant_id,
                    struct str name, const struct label *labels, size_t count)
{
    struct str key = key_of(s, tenant_id, name, labels, count);
    int64_t number = (intptr_t)map_get(s->numbers, key);
    if (number > 0) {
        counter_add(s->stats->series_hits, 1);
        return number;
    }
    if (is_refused(s, key))
        return 0;
    int64_t ticket = (intptr_t)map_peek(s->open, key);
    if (ticket > 0)
        return -ticket;
    counter_add(s->stats->series_misses, 1);
    struct ticket t = {.tenant_id = tenant_id, .name = name};
    return ticket_new(s, a, key, t, labels, count);
}

int64_t series_number(const struct series *s, int64_t found)
{
    if (found >= 0)
        return found;
    assert((size_t)-found <= s->count);
    return s->tickets[-found - 1].number;
}

size_t series_pending(const struct series *s)
{
    return s->count;
}

void series_forget(struct series *s)
{
    s->count = 0;
    map_clear(s->open);
}

/* ---- asking the database ---- */

struct question {
    struct str *tenants, *names, *labels;
};

static void question_release(struct question *q)
{
    free(q->tenants); /* the three share one block */
}
DEFINE_AUTO_RELEASE(question)

static struct question question_of(const struct ticket *t, size_t count)
{
    struct question q = {.tenants = xcalloc(count * 3, sizeof *q.tenants)};
    q.names = q.tenants + count;
    q.labels = q.names + count;
    for (size_t i = 0; i < count; i++) {
        q.tenants[i] = t[i].tenant_id;
        q.names[i] = t[i].name;
        q.labels[i] = t[i].labels;
    }
    return q;
}

static bool ask(struct pg *pg, struct ticket *t, size_t count, struct err *err)
{
    AUTO_RELEASE(question) q = question_of(t, count);
    struct pg_params p = {.count = 0};
    pg_text_array(&p, q.tenants, count);
    pg_text_array(&p, q.names, count);
    pg_jsonb_array(&p, q.labels, count);
    AUTO(pg_result) r = pg_run(pg,
                               "SELECT series_id FROM"
                               " store.series_ids($1, $2, $3) ORDER BY ord",
                               &p, err);
    if (r == NULL)
        return false;
    assert((size_t)pg_rows(r) == count);
    for (size_t i = 0; i < count; i++)
        t[i].number = pg_get_i64(r, (int)i, 0); /* NULL is 0: refused */
    return true;
}

/* Of a name or label: the value, or too long for an index. */
static bool is_refusal(const struct pg *pg, const struct err *err)
{
    const char *state = pg_sqlstate(pg);
    return err->kind == ERR_INPUT &&
           (strncmp(state, "22", 2) == 0 || strncmp(state, "54", 2) == 0);
}

/* The database takes no offence at what the decoder let through, as far as we
 * know; should it, only the culprit is refused. */
static bool ask_singly(struct series *s, struct pg *pg, struct err *err)
{
    for (size_t i = 0; i < s->count; i++) {
        if (ask(pg, &s->tickets[i], 1, err))
            continue;
        if (!is_refusal(pg, err))
            return false;
        log_warn("series_refused", LOG_ERR(err));
        s->tickets[i].number = 0;
    }
    return true;
}

static void learn(struct series *s)
{
    int64_t now = clock_mono_us();
    if (now >= s->refused_until_us) {
        map_clear(s->refused);
        s->refused_until_us = now + REFUSED_US;
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct ticket *t = &s->tickets[i];
        if (t->number > 0)
            map_put(s->numbers, t->key, as_pointer(t->number));
        else
            map_put(s->refused, t->key, s);
    }
    gauge_set(s->stats->series_cached, (double)map_count(s->numbers));
}

bool series_resolve(struct series *s, struct pg *pg, struct err *err)
{
    if (s->count == 0)
        return true;
    bool ok = ask(pg, s->tickets, s->count, err);
    if (!ok && is_refusal(pg, err))
        ok = ask_singly(s, pg, err);
    if (ok)
        learn(s);
    return ok;
}

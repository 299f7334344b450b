/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/tickets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/map.h"

void tickets_init(struct tickets *t, struct arena *a)
{
    *t = (struct tickets){.arena = a, .open = map_new(0, NULL)};
}

void tickets_release(struct tickets *t)
{
    map_free(t->open);
    free(t->all);
    buf_release(&t->json);
    *t = (struct tickets){.arena = NULL};
}

void tickets_reset(struct tickets *t)
{
    t->count = 0;
    t->resolved = false;
    map_clear(t->open);
}

int64_t tickets_take(struct tickets *t, struct str key, struct str tenant_id,
                     struct str name, const struct label *labels, size_t count)
{
    intptr_t known = (intptr_t)map_peek(t->open, key);
    if (known > 0)
        return -known;
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->all = xreallocarray(t->all, t->cap, sizeof *t->all);
    }
    buf_reset(&t->json);
    labels_json(labels, count, &t->json);
    t->all[t->count++] =
        (struct ticket){.key = arena_str(t->arena, key),
                        .tenant_id = tenant_id,
                        .name = name,
                        .labels = arena_str(t->arena, buf_str(&t->json))};
    map_put(t->open, key, (void *)(intptr_t)t->count);
    return -(int64_t)t->count;
}

void tickets_want(struct tickets *t, int64_t found)
{
    if (found < 0)
        t->all[-found - 1].wanted = true;
}

/* ---- asking the database ---- */

struct question {
    struct str *tenants, *names, *labels;
    size_t count;
};

static void question_release(struct question *q)
{
    free(q->tenants); /* the three share one block */
}
DEFINE_AUTO_RELEASE(question)

/* Of the wanted ones. */
static struct question question_of(const struct ticket *t, size_t count)
{
    struct question q = {.tenants = xcalloc(count * 3, sizeof *q.tenants)};
    q.names = q.tenants + count;
    q.labels = q.names + count;
    for (size_t i = 0; i < count; i++) {
        if (!t[i].wanted)
            continue;
        q.tenants[q.count] = t[i].tenant_id;
        q.names[q.count] = t[i].name;
        q.labels[q.count++] = t[i].labels;
    }
    return q;
}

static bool ask(struct pg *pg, struct ticket *t, size_t count, struct err *err)
{
    AUTO_RELEASE(question) q = question_of(t, count);
    if (q.count == 0)
        return true;
    struct pg_params p = {.count = 0};
    pg_text_array(&p, q.tenants, q.count);
    pg_text_array(&p, q.names, q.count);
    pg_jsonb_array(&p, q.labels, q.count);
    AUTO(pg_result) r = pg_run(pg,
                               "SELECT series_id FROM"
                               " store.series_ids($1, $2, $3) ORDER BY ord",
                               &p, err);
    if (r == NULL)
        return false;
    assert((size_t)pg_rows(r) == q.count);
    int row = 0;
    for (size_t i = 0; i < count; i++)
        if (t[i].wanted)
            t[i].number = pg_get_i64(r, row++, 0); /* NULL is 0: refused */
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
static bool ask_singly(struct tickets *t, struct pg *pg, struct err *err)
{
    for (size_t i = 0; i < t->count; i++) {
        if (ask(pg, &t->all[i], 1, err))
            continue;
        if (!is_refusal(pg, err))
            return false;
        log_warn("series_refused", LOG_ERR(err));
        t->all[i].number = 0;
    }
    return true;
}

bool tickets_resolve(struct tickets *t, struct pg *pg, struct err *err)
{
    if (t->count == 0 || t->resolved)
        return true;
    t->resolved = ask(pg, t->all, t->count, err) ||
                  (is_refusal(pg, err) && ask_singly(t, pg, err));
    return t->resolved;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/series_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"

struct series_book {
    PGconn *pg;
    struct map *numbers;
    struct buf key, json;
};

/* All series there are, with their keys as number_of makes them. */
static const char all_sql[] =
    "SELECT series_id, tenant_id || E'\\x01' || name || coalesce(("
    " SELECT string_agg(E'\\x01' || key || E'\\x01' || value, ''"
    " ORDER BY key COLLATE \"C\") FROM jsonb_each_text(labels)), '')"
    " FROM store.series";

static void load(struct series_book *b)
{
    PGresult *r = PQexec(b->pg, all_sql);
    for (int i = 0; i < PQntuples(r); i++) {
        intptr_t number = strtoll(PQgetvalue(r, i, 0), NULL, 10);
        struct str key = {PQgetvalue(r, i, 1), (size_t)PQgetlength(r, i, 1)};
        map_put(b->numbers, key, (void *)number);
    }
    PQclear(r);
}

struct series_book *series_book_new(PGconn *pg)
{
    struct series_book *b = xcalloc(1, sizeof *b);
    b->pg = pg;
    b->numbers = map_new(0, NULL);
    load(b);
    return b;
}

void series_book_free(struct series_book *b)
{
    map_free(b->numbers);
    buf_release(&b->key);
    buf_release(&b->json);
    free(b);
}

static int64_t ask(struct series_book *b, struct str tenant, struct str name,
                   const struct label *labels, size_t count)
{
    char t[256], n[256];
    snprintf(t, sizeof t, "%.*s", STR_ARG(tenant));
    snprintf(n, sizeof n, "%.*s", STR_ARG(name));
    buf_reset(&b->json);
    labels_json(labels, count, &b->json);
    const char *values[] = {t, n, b->json.p};
    PGresult *r = PQexecParams(b->pg,
                               "SELECT series_id FROM store.series_ids("
                               "ARRAY[$1::text], ARRAY[$2::text],"
                               " ARRAY[$3::jsonb])",
                               3, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQgetisnull(r, 0, 0)) {
        fprintf(stderr, "series_book: %s\n", PQerrorMessage(b->pg));
        exit(1);
    }
    int64_t number = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return number;
}

static int64_t number_of(struct series_book *b, struct str tenant,
                         struct str name, const struct label *labels,
                         size_t count)
{
    buf_reset(&b->key);
    buf_add_str(&b->key, tenant);
    buf_add_char(&b->key, '\1');
    buf_add_str(&b->key, name);
    for (size_t i = 0; i < count; i++) {
        buf_add_char(&b->key, '\1');
        buf_add_str(&b->key, labels[i].name);
        buf_add_char(&b->key, '\1');
        buf_add_str(&b->key, labels[i].value);
    }
    int64_t number = (intptr_t)map_get(b->numbers, buf_str(&b->key));
    if (number == 0) {
        number = ask(b, tenant, name, labels, count);
        map_put(b->numbers, buf_str(&b->key), (void *)(intptr_t)number);
    }
    return number;
}

size_t series_book_samples(struct series_book *b, const struct record *r,
                           struct sample out[SAMPLES_MAX])
{
    const struct metric_record *m = &r->metric;
    const struct telemetry_record *t = &r->telemetry;
    if (r->kind == RECORD_METRIC) {
        out[0] = (struct sample){
            number_of(b, m->tenant_id, m->name, m->labels, m->label_count),
            m->time_us, m->value};
        return 1;
    }
    const struct label labels[] = {{STR("device_id"), t->device_id},
                                   {STR("site_id"), t->site_id}};
    size_t n = 0;
    for (size_t i = 0; i < t->metric_count && n < SAMPLES_MAX; i++)
        out[n++] = (struct sample){
            number_of(b, t->tenant_id, t->metrics[i].name, labels, 2),
            t->time_us, t->metrics[i].real};
    return n;
}

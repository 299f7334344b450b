/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/series.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t text_bytes(const struct series_id *id)
{
    size_t n = id->tenant_id.n + id->name.n;
    for (size_t i = 0; i < id->label_count; i++)
        n += id->labels[i].name.n + id->labels[i].value.n;
    return n;
}

static struct str copy(char **to, struct str s)
{
    char *p = *to;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *to += s.n;
    return (struct str){p, s.n};
}

/* Struct, labels and texts are one allocation: there are many of these. */
struct series *series_new(const struct series_id *id)
{
    size_t labels_bytes = id->label_count * sizeof(struct label);
    struct series *s = xmalloc(sizeof *s + labels_bytes + text_bytes(id) + 1);
    struct label *labels = (struct label *)(s + 1);
    char *text = (char *)(labels + id->label_count);
    *s = (struct series){.id = {.tenant_id = copy(&text, id->tenant_id),
                                .name = copy(&text, id->name),
                                .labels = labels,
                                .label_count = id->label_count}};
    for (size_t i = 0; i < id->label_count; i++) {
        labels[i].name = copy(&text, id->labels[i].name);
        labels[i].value = copy(&text, id->labels[i].value);
    }
    fingerprint_make(id->tenant_id, id->name, id->labels, id->label_count,
                     s->fingerprint);
    return s;
}

static void watch_free(struct watch *w)
{
    instance_release(&w->instance);
    free(w);
}

void series_free(struct series *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        watch_free(s->watches[i]);
    free(s->watches);
    free(s);
}

struct watch *series_watch(struct series *s, const struct rule *rule)
{
    struct watch *w = xcalloc(1, sizeof *w);
    instance_init(&w->instance);
    w->rule = rule;
    w->series = s;
    w->written_max_us = INT64_MIN;
    s->watches = xreallocarray(s->watches, s->count + 1, sizeof *s->watches);
    s->watches[s->count++] = w;
    return w;
}

void series_unwatch(struct series *s, struct watch *w)
{
    size_t i = 0;
    while (i < s->count && s->watches[i] != w)
        i++;
    assert(i < s->count); /* it is a watch of this series */
    s->watches[i] = s->watches[--s->count];
    watch_free(w);
}

struct watch *series_find(const struct series *s, struct str rule_id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq(s->watches[i]->rule->id, rule_id))
            return s->watches[i];
    }
    return NULL;
}

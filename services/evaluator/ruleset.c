/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/ruleset.h"

#include <assert.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/map.h"

struct ruleset {
    size_t references;
    struct rule **rules;
    size_t count;
    struct map *by_id;
    struct map *by_metric; /* tenant NUL metric to struct rule_list */
    struct buf key;        /* scratch */
};

static void list_drop(void *value)
{
    struct rule_list *list = value;
    free(list->p);
    free(list);
}

struct ruleset *ruleset_new(void)
{
    struct ruleset *s = xcalloc(1, sizeof *s);
    s->references = 1;
    s->by_id = map_new(0, NULL);
    s->by_metric = map_new(0, list_drop);
    return s;
}

struct ruleset *ruleset_ref(struct ruleset *s)
{
    s->references++;
    return s;
}

void ruleset_unref(struct ruleset *s)
{
    if (!s || --s->references > 0)
        return;
    map_free(s->by_id);
    map_free(s->by_metric);
    for (size_t i = 0; i < s->count; i++)
        rule_free(s->rules[i]);
    free(s->rules);
    buf_release(&s->key);
    free(s);
}

/* Neither part can hold a NUL. */
static struct str metric_key(struct buf *key, struct str tenant_id,
                             struct str metric)
{
    buf_reset(key);
    buf_add_str(key, tenant_id);
    buf_add_char(key, '\0');
    buf_add_str(key, metric);
    return buf_str(key);
}

void ruleset_add(struct ruleset *s, struct rule *r)
{
    assert(s->references == 1);
    s->rules = xreallocarray(s->rules, s->count + 1, sizeof(struct rule *));
    s->rules[s->count++] = r;
    map_put(s->by_id, r->id, r);
    struct str key = metric_key(&s->key, r->tenant_id, r->metric);
    struct rule_list *list = map_get(s->by_metric, key);
    if (!list) {
        list = xcalloc(1, sizeof *list);
        map_put(s->by_metric, key, list);
    }
    list->p = xreallocarray(list->p, list->n + 1, sizeof(struct rule *));
    list->p[list->n++] = r;
}

size_t ruleset_count(const struct ruleset *s)
{
    return s->count;
}

const struct rule *ruleset_at(const struct ruleset *s, size_t i)
{
    return s->rules[i];
}

const struct rule *ruleset_get(const struct ruleset *s, struct str id)
{
    return map_peek(s->by_id, id);
}

const struct rule_list *ruleset_find(const struct ruleset *s,
                                     struct str tenant_id, struct str metric)
{
    /* The key is scratch, not part of what the set says. */
    struct buf *key = &((struct ruleset *)(uintptr_t)s)->key;
    return map_peek(s->by_metric, metric_key(key, tenant_id, metric));
}

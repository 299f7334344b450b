/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/sleepers.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/map.h"

struct sleepers {
    struct map *map; /* rule_id and fingerprint to struct sleeper */
    struct buf key;  /* scratch */
};

struct sleepers *sleepers_new(void)
{
    struct sleepers *s = xcalloc(1, sizeof *s);
    s->map = map_new(0, free);
    return s;
}

void sleepers_free(struct sleepers *s)
{
    if (!s)
        return;
    map_free(s->map);
    buf_release(&s->key);
    free(s);
}

size_t sleepers_count(const struct sleepers *s)
{
    return map_count(s->map);
}

/* A fingerprint has a fixed length, so the pair is unambiguous. */
static struct str key_of(struct sleepers *s, struct str rule_id,
                         struct str fingerprint)
{
    buf_reset(&s->key);
    buf_add_str(&s->key, rule_id);
    buf_add_str(&s->key, fingerprint);
    return buf_str(&s->key);
}

static struct str copy(char **to, struct str s)
{
    struct str result = {memcpy(*to, s.p, s.n), s.n};
    *to += s.n;
    return result;
}

void sleepers_put(struct sleepers *s, const struct sleeper *sleeper)
{
    size_t bytes =
        sleeper->rule_id.n + sleeper->tenant_id.n + sleeper->fingerprint.n;
    struct sleeper *own = xmalloc(sizeof *own + bytes + 1);
    char *text = (char *)(own + 1);
    *own = *sleeper;
    own->rule_id = copy(&text, sleeper->rule_id);
    own->tenant_id = copy(&text, sleeper->tenant_id);
    own->fingerprint = copy(&text, sleeper->fingerprint);
    map_put(s->map, key_of(s, own->rule_id, own->fingerprint), own);
}

bool sleepers_wake(struct sleepers *s, struct str rule_id,
                   struct str fingerprint, struct sleeper *out)
{
    struct str key = key_of(s, rule_id, fingerprint);
    const struct sleeper *found = map_peek(s->map, key);
    if (!found)
        return false;
    *out = *found;
    out->rule_id = out->tenant_id = out->fingerprint = (struct str){NULL, 0};
    return map_remove(s->map, key);
}

struct visit {
    bool (*fn)(struct sleeper *s, void *arg);
    void *arg;
};

static bool visit_one(struct str key, void *value, void *arg)
{
    (void)key;
    const struct visit *v = arg;
    return v->fn(value, v->arg);
}

void sleepers_each(struct sleepers *s, bool (*fn)(struct sleeper *s, void *arg),
                   void *arg)
{
    struct visit v = {fn, arg};
    map_each(s->map, visit_one, &v);
}

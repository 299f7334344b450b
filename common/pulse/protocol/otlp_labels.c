/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_labels.h"

#include <string.h>

/* One list of attributes. A name twice in it stays so, to be refused; one that
 * stood in an earlier list, before inherited, is replaced. */
struct list {
    struct otlp_labels *labels;
    struct check *check;
    struct proto_arena *memory;
    size_t inherited;
};

static struct list list_begin(struct otlp_labels *l, struct check *c,
                              struct proto_arena *memory)
{
    return (struct list){l, c, memory, l->count};
}

static void label_put(struct list *list, struct str name, struct str value)
{
    struct otlp_labels *l = list->labels;

    for (size_t i = 0; i < list->inherited; i++)
        if (str_eq(l->items[i].name, name)) {
            l->items[i].value = value;
            return;
        }
    if (l->count == OTLP_LABELS_MAX)
        l->overfull = true;
    else
        l->items[l->count++] = (struct label){name, value};
}

/* Pulse's own name of what OpenTelemetry calls device.id. */
static struct str label_name(struct str key)
{
    return str_is(key, "device.id") ? STR("device_id") : key;
}

/* An attribute without a value, or with an empty one, is no label. */
static bool attribute_put(struct list *list, struct str name,
                          const Pulse__Otlp__AnyValue *v)
{
    struct str value;

    if (list->labels->overfull)
        return true;
    if (!otlp_value_text(list->check, list->memory, v, &value))
        return false;
    if (value.n > 0)
        label_put(list, name, value);
    return true;
}

static bool is_wanted(struct str wanted, struct str key)
{
    struct str name;

    if (str_is(key, "device.id") || str_is(key, "device_id") ||
        str_is(wanted, "*"))
        return true;
    while (str_next(&wanted, ',', &name))
        if (str_eq(str_trim(name), key))
            return true;
    return false;
}

static bool resource_put(struct list *list, struct str wanted,
                         const Pulse__Otlp__Resource *r)
{
    for (size_t i = 0; r && i < r->n_attributes; i++) {
        struct str key = otlp_str(r->attributes[i]->key);
        if (is_wanted(wanted, key) &&
            !attribute_put(list, label_name(key), r->attributes[i]->value))
            return false;
    }
    return true;
}

/* "otel_scope_" before it; what is longer than a label's name is cut, it is
 * refused anyway. */
static struct str scope_name(struct arena *a, struct str key)
{
    const struct str prefix = STR("otel_scope_");
    size_t n = key.n < CHECK_LABEL_NAME_MAX ? key.n : CHECK_LABEL_NAME_MAX;
    char *p = arena_alloc(a, prefix.n + n);

    memcpy(p, prefix.p, prefix.n);
    if (n > 0)
        memcpy(p + prefix.n, key.p, n);
    return (struct str){p, prefix.n + n};
}

static bool scope_put(struct list *list,
                      const Pulse__Otlp__InstrumentationScope *s)
{
    if (!s)
        return true;
    if (s->name.len > 0)
        label_put(list, STR("otel_scope_name"), otlp_str(s->name));
    if (s->version.len > 0)
        label_put(list, STR("otel_scope_version"), otlp_str(s->version));
    list->labels->overfull |= s->n_attributes > OTLP_LABELS_MAX;
    for (size_t i = 0; i < s->n_attributes; i++) {
        struct str key = otlp_str(s->attributes[i]->key);
        if (!attribute_put(list, scope_name(list->check->arena, key),
                           s->attributes[i]->value))
            return false;
    }
    return true;
}

bool otlp_labels_begin(struct otlp_labels *l, struct check *c,
                       struct proto_arena *memory, struct str wanted,
                       const struct otlp_point *p)
{
    l->count = 0;
    l->overfull = false;
    struct list resource = list_begin(l, c, memory);
    if (!resource_put(&resource, wanted, p->resource->resource))
        return false;
    struct list scope = list_begin(l, c, memory);
    return scope_put(&scope, p->scope->scope);
}

bool otlp_labels_point(struct otlp_labels *l, struct check *c,
                       struct proto_arena *memory, const struct otlp_point *p)
{
    struct list own = list_begin(l, c, memory);

    l->overfull |= p->attribute_count > OTLP_LABELS_MAX;
    for (size_t i = 0; i < p->attribute_count; i++)
        if (!attribute_put(&own, label_name(otlp_str(p->attributes[i]->key)),
                           p->attributes[i]->value))
            return false;
    if (p->delta) { /* ours, whatever the sender calls so */
        struct list ours = list_begin(l, c, memory);
        label_put(&ours, STR("temporality"), STR("delta"));
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/event_json.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "common/names.h"

enum {
    ID,
    KIND,
    LEVEL,
    SERVICE,
    MESSAGE,
    TIME,
    TIMESTAMP,
    ATTRIBUTES,
    MEMBER_COUNT
};

static const struct str members[MEMBER_COUNT] = {
    [ID] = {"id", 2},
    [KIND] = {"kind", 4},
    [LEVEL] = {"level", 5},
    [SERVICE] = {"service", 7},
    [MESSAGE] = {"message", 7},
    [TIME] = {"time", 4},
    [TIMESTAMP] = {"timestamp", 9},
    [ATTRIBUTES] = {"attributes", 10},
};

/* 128 random bits as hex. */
static struct str id_make(struct arena *a)
{
    uint64_t bits[2];

    ssize_t n = getrandom(bits, sizeof bits, 0);
    assert(n == sizeof bits); /* never short up to 256 bytes */
    return arena_printf(a, "%016llx%016llx", (unsigned long long)bits[0],
                        (unsigned long long)bits[1]);
}

static bool kind_take(struct check *c, yyjson_val *v, bool has_level,
                      enum event_kind *out)
{
    struct str kind;

    *out = has_level ? EVENT_LOG : EVENT_EVENT;
    if (!v)
        return true;
    if (!check_text(c, STR("kind"), v, CHECK_ID_MAX, &kind))
        return false;
    *out = str_is(kind, "log") ? EVENT_LOG : EVENT_EVENT;
    return str_is(kind, "log") || str_is(kind, "event") ||
           fault_set(&c->fault, c->arena, FAULT_UNKNOWN_KIND, STR("kind"),
                     "must be \"log\" or \"event\"");
}

static struct str lowered(struct arena *a, struct str s)
{
    if (!s.p)
        return s;
    char *p = arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
    return (struct str){p, s.n};
}

static bool is_member(struct str name)
{
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (str_eq(name, members[i]))
            return true;
    return false;
}

struct attributes {
    struct buf json;
    yyjson_val *outer, *inner; /* the event and its "attributes", or NULL */
};
static void attributes_release(struct attributes *a)
{
    buf_release(&a->json);
}
DEFINE_AUTO_RELEASE(attributes)

static void attribute_add(struct attributes *a, struct str name)
{
    buf_add_char(&a->json, a->json.n == 0 ? '{' : ',');
    json_add_str(&a->json, name);
    buf_add_char(&a->json, ':');
}

/* Members of one object; of the event itself only those without a meaning. */
static void attributes_add(struct attributes *a, yyjson_val *object)
{
    size_t i, n;
    yyjson_val *key, *value;

    if (!object)
        return;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        if (object == a->outer && is_member(json_str(key)))
            continue;
        attribute_add(a, json_str(key));
        json_add_val(&a->json, value);
    }
}

static yyjson_val *attribute_find(const struct attributes *a, struct str name)
{
    yyjson_val *v = yyjson_obj_getn(a->inner, name.p, name.n);

    return v || is_member(name) ? v : yyjson_obj_getn(a->outer, name.p, name.n);
}

/* Appends the names of an object but for those with a meaning. */
static size_t names_list(yyjson_val *object, struct str *out)
{
    size_t i, n, count = 0;
    yyjson_val *key, *value;

    yyjson_obj_foreach(object, i, n, key, value)
    {
        out[count] = json_str(key);
        count += !is_member(out[count]);
    }
    return count;
}

/* A name both in the event and in its "attributes": which was meant? Neither
 * has one twice by itself. */
static bool attributes_agree(struct check *c, const struct attributes *a)
{
    size_t most = yyjson_obj_size(a->outer) + yyjson_obj_size(a->inner);

    if (!a->inner)
        return true;
    struct str *list = arena_alloc(c->arena, most * sizeof *list);
    size_t count = names_list(a->outer, list);
    count += names_list(a->inner, list + count);
    AUTO_RELEASE(names) names;
    names_init(&names, list, sizeof *list, count);
    for (size_t i = 0; i < count; i++)
        if (names_add(&names, i) != i)
            return fault_set(&c->fault, c->arena, FAULT_DUPLICATE_KEY,
                             check_path(c, "attributes", list[i]),
                             "stands beside attributes too");
    return true;
}

static bool device_add(struct check *c, struct attributes *a)
{
    yyjson_val *v = attribute_find(a, STR("device_id"));
    struct str given = {0}, id;

    if (!c->caller->device_id.p)
        return true;
    if (!check_text_opt(c, STR("device_id"), v, CHECK_ID_MAX, &given) ||
        !check_device(c, STR("device_id"), given, &id))
        return false;
    if (!given.p) {
        attribute_add(a, STR("device_id"));
        json_add_str(&a->json, id);
    }
    return true;
}

static bool attributes_take(struct check *c, yyjson_val *event,
                            yyjson_val *inner, struct str *out)
{
    AUTO_RELEASE(attributes) a = {.outer = event, .inner = inner};

    if (inner && !yyjson_is_obj(inner))
        return fault_set(&c->fault, c->arena, FAULT_WRONG_TYPE,
                         STR("attributes"), "must be a JSON object");
    if (!check_tree(c, (struct str){0}, event) || !attributes_agree(c, &a) ||
        !device_add(c, &a))
        return false;
    attributes_add(&a, event);
    attributes_add(&a, inner);
    buf_add_text(&a.json, a.json.n == 0 ? "{}" : "}");
    *out = arena_str(c->arena, buf_str(&a.json));
    return true;
}

bool event_json_parse(struct check *c, yyjson_val *v, struct record *out)
{
    yyjson_val *found[MEMBER_COUNT];

    *out = (struct record){.kind = RECORD_EVENT};
    struct event_record *e = &out->event;
    e->tenant_id = c->caller->tenant_id;
    e->received_at_us = c->received_us;
    if (!check_object(c, (struct str){0}, v))
        return false;
    check_members(v, members, MEMBER_COUNT, found);
    if (!check_text_opt(c, STR("id"), found[ID], CHECK_ID_MAX, &e->id) ||
        !check_text_opt(c, STR("level"), found[LEVEL], CHECK_LEVEL_MAX,
                        &e->level) ||
        !kind_take(c, found[KIND], e->level.p, &e->kind) ||
        !check_text_opt(c, STR("service"), found[SERVICE], CHECK_ID_MAX,
                        &e->service) ||
        !check_text_opt(c, STR("message"), found[MESSAGE], CHECK_MESSAGE_MAX,
                        &e->message) ||
        !check_time(c, STR("time"), found[TIME], found[TIMESTAMP],
                    &e->time_us) ||
        !attributes_take(c, v, found[ATTRIBUTES], &e->attributes))
        return false;
    e->level = lowered(c->arena, e->level);
    if (!e->id.p)
        e->id = c->event_id.p ? c->event_id : id_make(c->arena);
    return true;
}

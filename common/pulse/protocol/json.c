/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/json.h"

#include "common/pulse/endpoint.h"
#include "common/pulse/protocol/json_body.h"

struct state {
    struct json_body body;
    struct json_item item; /* the one at hand */
};

bool json_lines(struct str content_type)
{
    struct str type = content_type, parameters;

    str_cut(type, ';', &type, &parameters);
    type = str_trim(type);
    return str_eq_nocase(type, STR("application/x-ndjson")) ||
           str_eq_nocase(type, STR("application/ndjson")) ||
           str_eq_nocase(type, STR("application/jsonl"));
}

static bool json_open(struct body *b)
{
    struct state *s = arena_zalloc(b->check->arena, 1, sizeof *s);
    bool lines =
        (b->kind->forms & JSON_LINES) && json_lines(b->posted.content_type);

    b->state = s;
    if (!json_body_open(&s->body, b->check->arena, b->posted.text, lines,
                        b->kind->forms, &b->check->fault))
        return false;
    b->records_max = s->body.count;
    return true;
}

/* The device a rejected record speaks for, as far as it can be read. */
static struct str device_of(yyjson_val *v)
{
    struct str id = json_str(yyjson_obj_get(v, "device_id"));

    if (id.n > CHECK_ID_MAX || str_has_nul(id))
        return (struct str){0};
    return id;
}

static bool json_next(struct body *b, struct unit *u)
{
    struct state *s = b->state;

    if (!json_body_next(&s->body, &s->item))
        return false;
    b->check->fault = s->item.fault;
    u->index = s->item.index;
    u->value = &s->item;
    u->good =
        s->item.value && b->kind->parse(b->check, s->item.value, &u->record);
    if (!u->good)
        u->device_id = device_of(s->item.value);
    return true;
}

static struct str json_text(const struct body *b, const struct unit *u)
{
    return json_item_text(&((const struct state *)b->state)->body, u->value);
}

static struct str json_text_type(const struct body *b)
{
    return b->posted.content_type.n > 0 ? b->posted.content_type
                                        : STR("application/json");
}

const struct protocol json_protocol = {
    .name = "json",
    .open = json_open,
    .next = json_next,
    .text = json_text,
    .text_type = json_text_type,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter edit: another payload for a letter; the first one is kept. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pulse/topology.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/deadletter_planner.h"
#include "tools/pulse/deadletter_text.h"
#include "tools/pulse/tenant.h"

enum { READ_BYTES = 64 << 10 };

static bool stream_read(FILE *from, size_t max, struct buf *out,
                        struct err *err)
{
    size_t n;
    do {
        n = fread(buf_reserve(out, READ_BYTES), 1, READ_BYTES, from);
        out->n += n;
    } while (n > 0 && out->n <= max);
    if (ferror(from))
        err_set(err, ERR_INPUT, "%s", strerror(errno));
    else if (out->n > max)
        err_set(err, ERR_INPUT, "more than %zu bytes, no record may be so long",
                max);
    return err->kind == ERR_NONE;
}

static bool payload_read(const char *path, size_t max, struct buf *out,
                         struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *from = standard ? stdin : fopen(path, "rb");
    if (from == NULL)
        err_set(err, ERR_INPUT, "%s", strerror(errno));
    bool good = from && stream_read(from, max, out, err);
    if (from && !standard)
        fclose(from);
    if (!good)
        err_in(err, "--payload %s", path);
    return good;
}

/* The record's JSON becomes its message. An operator may not move it to
 * another tenant by mistake. */
static bool record_encoded(struct pg *pg, const struct planner *p,
                           const struct deadletter *l, struct str json,
                           struct buf *out, struct err *err)
{
    enum record_kind kind;
    struct record r;
    if (!plan_kind(l->topic, &kind)) {
        if (!str_is(l->topic, TOPIC_DEADLETTER)) {
            buf_add_str(out, json); /* others' topics: bytes are bytes */
            return true;
        }
        err_set(err, ERR_INPUT,
                "letters of topic " TOPIC_DEADLETTER " cannot be edited");
        return false;
    }
    if (!record_from_json(kind, json, p->arena, &r, err))
        return false;
    struct str tenant = record_tenant(&r);
    if (l->tenant.p && !str_eq(tenant, l->tenant)) {
        err_set(err, ERR_INPUT, "tenant_id is \"%.*s\", the letter is of %.*s",
                STR_ARG(tenant), STR_ARG(l->tenant));
        return false;
    }
    return tenant_check(pg, tenant, err) &&
           record_encode(p->codec, &r, out, err);
}

static bool is_new(const struct deadletter *l, struct err *err)
{
    if (str_is(l->status, "new"))
        return true;
    err_set(err, ERR_INPUT,
            "letter %" PRId64 " was %.*s: only new ones are "
            "edited",
            l->id, STR_ARG(l->status));
    return false;
}

static bool payload_store(struct pg *pg, int64_t id, struct str payload,
                          struct str who, struct err *err)
{
    struct pg_params p = {0};
    pg_i64(&p, id);
    pg_bytea(&p, payload);
    pg_text_opt(&p, who);
    return pg_do(pg,
                 "UPDATE dead_letters SET payload = $2,"
                 " edited_by = coalesce($3, session_user), last_error = NULL"
                 " WHERE id = $1",
                 &p, NULL, err) &&
           pg_commit(pg, err);
}

static void fate_print(const struct planner *p, struct deadletter *l,
                       struct str payload)
{
    struct plan plan;
    AUTO_RELEASE(buf) text = {0};
    l->payload = payload;
    bool sends = plan_make(p, l, &plan);
    (void)sends; /* the plan says so itself */
    plan_text(&plan, &text);
    printf("Edited %" PRId64 ". A redrive %s.\n", l->id, text.p);
}

static bool letter_edit(const struct planner *p, struct pg *pg, int64_t id,
                        struct str given, struct str who, struct err *err)
{
    struct deadletter l;
    AUTO_RELEASE(buf) message = {0};
    if (!pg_begin(pg, err))
        return false;
    AUTO(pg_result) r = deadletter_find(pg, id, true, &l, err);
    if (!r || !is_new(&l, err))
        return false;
    if (str_is(l.stage, "writer")) {
        if (!record_encoded(pg, p, &l, given, &message, err))
            return false;
        given = buf_str(&message);
    }
    if (!payload_store(pg, id, given, who, err))
        return false;
    fate_print(p, &l, given);
    return true;
}

static int edit(const struct call *c)
{
    struct err err = {0};
    int64_t id;
    AUTO_RELEASE(buf) given = {0};
    const char *who = call_value(c, "--by");
    if (!deadletter_id_parse(c->positional[0], &id, &err))
        return usage_error(c, &err);
    AUTO(planner) planner = planner_new(c->world, &err);
    struct pg *pg = planner ? world_pg(c->world, &err) : NULL;
    if (!pg || !payload_read(call_value(c, "--payload"),
                             planner->message_bytes_max, &given, &err))
        return failure(&err);
    if (letter_edit(planner, pg, id, buf_str(&given),
                    str_of(who ? who : getenv("USER")), &err))
        return 0;
    pg_rollback(pg);
    return failure(&err);
}

static const struct option options[] = {
    {"--payload", "FILE", "the new payload; - is standard input", true},
    {"--by", "NAME", "who edits ($USER)", false},
};
const struct command deadletter_edit_command = {
    .name = "deadletter edit",
    .positional = "ID",
    .positional_count = 1,
    .summary = "Give a new dead letter another payload",
    .details =
        "A letter of the edge takes what could be posted to its endpoint; one "
        "of the writer takes the\nrecord as JSON, as `show --payload` prints "
        "it. The bytes before the first edit are kept. Says\nwhat a redrive "
        "would do now.\n",
    .examples = "  pulse deadletter show 1234 --payload >letter.json\n"
                "  pulse deadletter edit 1234 --payload letter.json\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = edit,
};

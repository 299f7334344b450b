/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/effects.h"

#include "common/pulse/topology.h"
#include "services/evaluator/incidents.h"

/* The key of rule_state and rule_activations, as columns. */
struct keys {
    struct str *topics, *rules;
    int32_t *parts;
    size_t n;
};

static struct keys keys_new(struct arena *a, size_t room)
{
    return (struct keys){
        .topics = arena_zalloc(a, room + 1, sizeof(struct str)),
        .rules = arena_zalloc(a, room + 1, sizeof(struct str)),
        .parts = arena_zalloc(a, room + 1, sizeof(int32_t)),
    };
}

static void keys_add(struct keys *k, struct place place, struct str rule_id)
{
    k->topics[k->n] = str_of(topic_names[place.topic]);
    k->parts[k->n] = place.part;
    k->rules[k->n++] = rule_id;
}

static void keys_bind(struct pg_params *p, const struct keys *k)
{
    pg_text_array(p, k->topics, k->n);
    pg_i32_array(p, k->parts, k->n);
    pg_text_array(p, k->rules, k->n);
}

/* ---- activations ---- */

static const char sql_withdraw_states[] =
    "DELETE FROM store.rule_state s USING"
    " unnest($1::text[], $2::int4[], $3::text[]::uuid[])"
    " AS v(topic, part, rule_id) WHERE s.topic = v.topic"
    " AND s.part = v.part AND s.rule_id = v.rule_id";

/* Also before an activation: only the last one is of use. */
static const char sql_withdraw_activations[] =
    "DELETE FROM store.rule_activations s USING"
    " unnest($1::text[], $2::int4[], $3::text[]::uuid[])"
    " AS v(topic, part, rule_id) WHERE s.topic = v.topic"
    " AND s.part = v.part AND s.rule_id = v.rule_id";

static const char sql_activate[] =
    "INSERT INTO store.rule_activations"
    " (topic, part, rule_id, version, off, tenant_id)"
    " SELECT * FROM unnest($1::text[], $2::int4[], $3::text[]::uuid[],"
    " $4::int8[], $5::int8[], $6::text[]) ON CONFLICT DO NOTHING";

static bool withdraw(const struct batch *b, struct pg *pg, struct err *err)
{
    struct keys gone = keys_new(b->memory, b->activation_count);
    struct keys all = keys_new(b->memory, b->activation_count);
    for (size_t i = 0; i < b->activation_count; i++) {
        const struct activation_write *w = &b->activations[i];
        if (!batch_holds(b, w->place))
            continue;
        keys_add(&all, w->place, w->rule_id);
        if (w->withdrawn)
            keys_add(&gone, w->place, w->rule_id);
    }
    struct pg_params p = {.count = 0};
    if (gone.n > 0) {
        keys_bind(&p, &gone);
        if (!pg_do(pg, sql_withdraw_states, &p, NULL, err))
            return false;
    }
    if (all.n == 0)
        return true;
    keys_bind(&p, &all);
    return pg_do(pg, sql_withdraw_activations, &p, NULL, err);
}

static bool activate(const struct batch *b, struct pg *pg, struct err *err)
{
    size_t n = b->activation_count;
    struct keys keys = keys_new(b->memory, n);
    struct str *tenants = arena_zalloc(b->memory, n + 1, sizeof *tenants);
    int64_t *versions = arena_zalloc(b->memory, n + 1, sizeof *versions);
    int64_t *offs = arena_zalloc(b->memory, n + 1, sizeof *offs);
    for (size_t i = 0; i < n; i++) {
        const struct activation_write *w = &b->activations[i];
        if (w->withdrawn || !batch_holds(b, w->place))
            continue;
        tenants[keys.n] = w->tenant_id;
        versions[keys.n] = w->version;
        offs[keys.n] = w->off;
        keys_add(&keys, w->place, w->rule_id);
    }
    if (keys.n == 0)
        return true;
    struct pg_params p = {.count = 0};
    keys_bind(&p, &keys);
    pg_i64_array(&p, versions, keys.n);
    pg_i64_array(&p, offs, keys.n);
    pg_text_array(&p, tenants, keys.n);
    return pg_do(pg, sql_activate, &p, NULL, err);
}

/* ---- states ---- */

static const char sql_forget[] =
    "DELETE FROM store.rule_state s USING"
    " unnest($1::text[], $2::int4[], $3::text[]::uuid[], $4::text[])"
    " AS v(topic, part, rule_id, fingerprint) WHERE s.topic = v.topic"
    " AND s.part = v.part AND s.rule_id = v.rule_id"
    " AND s.fingerprint = v.fingerprint";

static const char sql_remember[] =
    "INSERT INTO store.rule_state (topic, part, rule_id, fingerprint,"
    " tenant_id, version, phase, since, event_max, last_received, cause_off)"
    " SELECT * FROM unnest($1::text[], $2::int4[], $3::text[]::uuid[],"
    " $4::text[], $5::text[], $6::int8[], $7::text[], $8::timestamptz[],"
    " $9::timestamptz[], $10::timestamptz[], $11::int8[])"
    " ON CONFLICT (topic, part, rule_id, fingerprint) DO UPDATE"
    " SET version = excluded.version, phase = excluded.phase,"
    " since = excluded.since, event_max = excluded.event_max,"
    " last_received = excluded.last_received, cause_off = excluded.cause_off";

static bool forget(const struct batch *b, struct pg *pg, struct err *err)
{
    struct keys keys = keys_new(b->memory, b->state_count);
    struct str *fingerprints =
        arena_zalloc(b->memory, b->state_count + 1, sizeof *fingerprints);
    for (size_t i = 0; i < b->state_count; i++) {
        const struct state_write *w = &b->states[i];
        if (!w->forget || !batch_holds(b, w->place))
            continue;
        fingerprints[keys.n] = w->fingerprint;
        keys_add(&keys, w->place, w->rule_id);
    }
    if (keys.n == 0)
        return true;
    struct pg_params p = {.count = 0};
    keys_bind(&p, &keys);
    pg_text_array(&p, fingerprints, keys.n);
    return pg_do(pg, sql_forget, &p, NULL, err);
}

struct state_columns {
    struct keys keys;
    struct str *fingerprints, *tenants, *phases;
    int64_t *versions, *since, *event_max, *last_received, *causes;
};

static struct state_columns state_columns_new(struct arena *a, size_t room)
{
    size_t n = room + 1;
    return (struct state_columns){
        .keys = keys_new(a, room),
        .fingerprints = arena_zalloc(a, n, sizeof(struct str)),
        .tenants = arena_zalloc(a, n, sizeof(struct str)),
        .phases = arena_zalloc(a, n, sizeof(struct str)),
        .versions = arena_zalloc(a, n, sizeof(int64_t)),
        .since = arena_zalloc(a, n, sizeof(int64_t)),
        .event_max = arena_zalloc(a, n, sizeof(int64_t)),
        .last_received = arena_zalloc(a, n, sizeof(int64_t)),
        .causes = arena_zalloc(a, n, sizeof(int64_t)),
    };
}

static void state_columns_add(struct state_columns *c,
                              const struct state_write *w)
{
    size_t n = c->keys.n;
    keys_add(&c->keys, w->place, w->rule_id);
    c->fingerprints[n] = w->fingerprint;
    c->tenants[n] = w->tenant_id;
    c->phases[n] = str_of(instance_phase_text(w->state.phase));
    c->versions[n] = w->version;
    c->since[n] = w->state.since_us;
    c->event_max[n] = w->state.event_max_us;
    c->last_received[n] = w->state.last_received_us;
    c->causes[n] = w->state.cause_offset;
}

static bool remember(const struct batch *b, struct pg *pg, struct err *err)
{
    struct state_columns c = state_columns_new(b->memory, b->state_count);
    for (size_t i = 0; i < b->state_count; i++) {
        if (!b->states[i].forget && batch_holds(b, b->states[i].place))
            state_columns_add(&c, &b->states[i]);
    }
    size_t n = c.keys.n;
    if (n == 0)
        return true;
    struct pg_params p = {.count = 0};
    keys_bind(&p, &c.keys);
    pg_text_array(&p, c.fingerprints, n);
    pg_text_array(&p, c.tenants, n);
    pg_i64_array(&p, c.versions, n);
    pg_text_array(&p, c.phases, n);
    pg_time_array(&p, c.since, n);
    pg_time_array(&p, c.event_max, n);
    pg_time_array(&p, c.last_received, n);
    pg_i64_array(&p, c.causes, n);
    return pg_do(pg, sql_remember, &p, NULL, err);
}

/* ---- transitions ---- */

static bool write_run(const struct batch *b, struct pg *pg,
                      const struct transition_write **run, size_t n,
                      struct err *err)
{
    if (n == 0)
        return true;
    return run[0]->transition.kind == TRANSITION_FIRE
               ? incidents_open(pg, b->memory, run, n, err)
               : incidents_resolve(pg, b->memory, run, n, err);
}

/* In order, neighbours of one kind together: an instance alternates, so it is
 * in each such run at most once. */
static bool transit(const struct batch *b, struct pg *pg, struct err *err)
{
    const struct transition_write **run = arena_zalloc(
        b->memory, b->transition_count + 1, sizeof(struct transition_write *));
    size_t n = 0;
    for (size_t i = 0; i < b->transition_count; i++) {
        const struct transition_write *t = &b->transitions[i];
        if (!batch_holds(b, t->place))
            continue;
        if (n > 0 && run[0]->transition.kind != t->transition.kind) {
            if (!write_run(b, pg, run, n, err))
                return false;
            n = 0;
        }
        run[n++] = t;
    }
    return write_run(b, pg, run, n, err);
}

/* ---- gaps ---- */

static bool note_gaps(const struct batch *b, struct pg *pg,
                      struct claims *claims, struct err *err)
{
    for (size_t i = 0; i < b->gap_count; i++) {
        const struct gap_write *g = &b->gaps[i];
        if (batch_holds(b, g->place) &&
            !claims_note_gap(claims, pg, g->place.topic, g->place.part, g->from,
                             g->to, err))
            return false;
    }
    return true;
}

static bool write_all(struct batch *b, struct pg *pg, struct claims *claims,
                      struct err *err)
{
    return claims_advance(claims, pg, b->moves, b->move_count, err) &&
           withdraw(b, pg, err) && activate(b, pg, err) && forget(b, pg, err) &&
           remember(b, pg, err) && transit(b, pg, err) &&
           note_gaps(b, pg, claims, err);
}

bool effects_commit(struct batch *b, struct pg *pg, struct claims *claims,
                    struct err *err)
{
    if (!pg_begin(pg, err))
        return false;
    if (!write_all(b, pg, claims, err)) {
        pg_rollback(pg);
        return false;
    }
    if (!pg_commit(pg, err))
        return false;
    claims_committed(claims, b->moves, b->move_count);
    return true;
}

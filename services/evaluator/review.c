/* SPDX-License-Identifier: Apache-2.0 */
/* review.c - partition_activate: what another set of rules means for the
 * instances of a partition. */
#include <assert.h>

#include "services/evaluator/partition_state.h"

struct change {
    struct partition *p;
    struct ruleset *rules;
    struct batch *b;
};

static const char withdrawn[] = "the rule was changed, disabled or deleted "
                                "and watches this series no more";

static struct transition closing(const struct instance_state *state)
{
    return (struct transition){
        .kind = TRANSITION_RESOLVE,
        .started_at_us = state->event_max_us,
        .at_us = state->event_max_us,
        .cause_offset = state->cause_offset,
    };
}

static bool is_open(const struct instance_state *state)
{
    return state->phase == INSTANCE_FIRING || state->phase == INSTANCE_CLEARING;
}

/* The watch ends; its incident, if one is open, too. */
static void withdraw(const struct change *c, struct watch *w, bool rule_lives)
{
    struct instance_state *state = &w->instance.state;
    if (is_open(state)) {
        struct transition t = closing(state);
        w->instance.count = 0; /* nothing it saw decided this */
        partition_write_transition(c->p, w, &t, c->b)->reason = withdrawn;
    }
    if (rule_lives && state->phase != INSTANCE_OK) {
        state->phase = INSTANCE_OK;
        partition_write_state(c->p, w, c->b);
    }
    partition_unwatch(c->p, w);
}

static void review_watch(const struct change *c, struct series *s, size_t i)
{
    struct watch *w = s->watches[i];
    const struct rule *now = ruleset_get(c->rules, w->rule->id);
    if (!now || !str_eq(now->metric, s->id.name) ||
        !rule_matches(now, s->id.labels, s->id.label_count)) {
        withdraw(c, w, now != NULL);
        return;
    }
    if (now->version != w->rule->version) {
        (void)instance_adopt(&w->instance);
        w->from = c->p->read;
    }
    w->rule = now;
}

/* Rules that begin to watch a series already known start on it with the next
 * sample, like any other. */
static void begin_watches(const struct change *c, struct series *s)
{
    const struct rule_list *rules =
        ruleset_find(c->rules, s->id.tenant_id, s->id.name);
    for (size_t i = 0; rules && i < rules->n; i++) {
        const struct rule *r = rules->p[i];
        if (series_find(s, r->id) ||
            !rule_matches(r, s->id.labels, s->id.label_count))
            continue;
        if (c->p->o.budget->used < c->p->o.budget->max)
            (void)partition_watch(c->p, s, r, c->p->read);
        else
            counter_add(c->p->o.stats->refused, 1);
    }
}

static bool review_series(struct str key, void *value, void *arg)
{
    (void)key;
    const struct change *c = arg;
    struct series *s = value;
    for (size_t i = s->count; i-- > 0;)
        review_watch(c, s, i);
    begin_watches(c, s);
    return s->count > 0;
}

/* Of a sleeper only the identity is known, not the labels: it is reviewed by
 * its rule alone. */
static bool review_sleeper(struct sleeper *s, void *arg)
{
    const struct change *c = arg;
    const struct rule *now = ruleset_get(c->rules, s->rule_id);
    if (now) {
        struct instance i = {.state = s->state};
        if (now->version != s->version)
            (void)instance_adopt(&i);
        s->state = i.state;
        s->version = now->version;
        return true;
    }
    if (is_open(&s->state)) {
        struct transition_write *row = batch_add_transition(c->b);
        row->place = c->p->o.place;
        row->transition = closing(&s->state);
        row->rule_id = arena_str(c->b->memory, s->rule_id);
        row->tenant_id = arena_str(c->b->memory, s->tenant_id);
        row->fingerprint = arena_str(c->b->memory, s->fingerprint);
        row->log_time_us = c->p->log_time_us;
        row->reason = withdrawn;
        counter_add(c->p->o.stats->resolved, 1);
    }
    c->p->o.budget->used--;
    return false;
}

static bool review_activation(struct str rule_id, void *value, void *arg)
{
    (void)value;
    const struct change *c = arg;
    if (ruleset_get(c->rules, rule_id))
        return true;
    struct activation_write *row = batch_add_activation(c->b);
    row->place = c->p->o.place;
    row->rule_id = arena_str(c->b->memory, rule_id);
    row->withdrawn = true;
    return false;
}

static void activate_rule(const struct change *c, const struct rule *r)
{
    struct partition *p = c->p;
    const struct activation *known = map_peek(p->activations, r->id);
    if (known && known->version == r->version)
        return;
    int64_t off = p->read > p->live_from ? p->read : p->live_from;
    partition_load_activation(p, r->id, r->version, off);
    struct activation_write *row = batch_add_activation(c->b);
    row->place = p->o.place;
    row->rule_id = arena_str(c->b->memory, r->id);
    row->tenant_id = arena_str(c->b->memory, r->tenant_id);
    row->version = r->version;
    row->off = off;
}

void partition_activate(struct partition *p, struct ruleset *rules,
                        struct batch *b)
{
    assert(p->dirty_count == 0);
    const struct change c = {p, rules, b};
    for (size_t i = 0; i < ruleset_count(rules); i++)
        activate_rule(&c, ruleset_at(rules, i));
    sleepers_each(p->sleepers, review_sleeper, (void *)(uintptr_t)&c);
    map_each(p->series, review_series, (void *)(uintptr_t)&c);
    map_each(p->activations, review_activation, (void *)(uintptr_t)&c);
    batch_keep_rules(b, p->rules);
    ruleset_unref(p->rules);
    p->rules = ruleset_ref(rules);
}

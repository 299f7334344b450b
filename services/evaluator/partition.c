/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restart_note. What a restart knows is the rows of rule_state as of next and
 * the messages from replay_from on. A process that never stopped may know no
 * more, or its decisions would differ. So a sample leaves the history when its
 * offset falls below replay_from, and an instance whose newest sample does so
 * writes its row and goes to sleep.
 */

#include <assert.h>
#include <stdlib.h>

#include "common/log.h"
#include "services/evaluator/partition_state.h"

/* A sample may be ahead of the edge's clock by what the edge accepts, 10
 * minutes by default; a repeat of it has to be known until its time has come.
 * Tenants with wider limits get no more than this. */
static const int64_t ahead_kept_us = INT64_C(15) * 60 * 1000000;

static void series_drop(void *value)
{
    series_free(value);
}

struct partition *partition_new(const struct partition_options *options)
{
    struct partition *p = xcalloc(1, sizeof *p);
    p->o = *options;
    p->live_from = options->next;
    p->replay_from = p->read = options->replay_from;
    p->log_time_us = p->forgot_us = p->ahead_us = INT64_MIN;
    p->watched = options->replay_from < options->next;
    p->rules = ruleset_new();
    p->activations = map_new(0, free);
    p->series = map_new(0, series_drop);
    p->sleepers = sleepers_new();
    return p;
}

static bool count_watches(struct str key, void *value, void *arg)
{
    (void)key;
    const struct series *s = value;
    *(int64_t *)arg += (int64_t)s->count;
    return true;
}

void partition_free(struct partition *p)
{
    if (!p)
        return;
    int64_t held = (int64_t)sleepers_count(p->sleepers);
    map_each(p->series, count_watches, &held);
    p->o.budget->used -= held;
    map_free(p->series);
    map_free(p->activations);
    sleepers_free(p->sleepers);
    ruleset_unref(p->rules);
    horizon_release(&p->horizon);
    buf_release(&p->key);
    free(p->dirty);
    free(p);
}

struct place partition_place(const struct partition *p)
{
    return p->o.place;
}

int64_t partition_next(const struct partition *p)
{
    return p->read;
}

bool partition_live(const struct partition *p)
{
    return p->read >= p->live_from;
}

const struct ruleset *partition_rules(const struct partition *p)
{
    return p->rules;
}

size_t partition_sleeping(const struct partition *p)
{
    return sleepers_count(p->sleepers);
}

void partition_load_state(struct partition *p, const struct sleeper *s)
{
    sleepers_put(p->sleepers, s);
    p->o.budget->used++;
}

void partition_load_activation(struct partition *p, struct str rule_id,
                               int64_t version, int64_t off)
{
    struct activation *a = xmalloc(sizeof *a);
    *a = (struct activation){version, off};
    map_put(p->activations, rule_id, a);
}

/* ---- instances: the order of their last offsets, and dirty ones ---- */

static void unlink_watch(struct partition *p, struct watch *w)
{
    *(w->previous ? &w->previous->next : &p->oldest) = w->next;
    *(w->next ? &w->next->previous : &p->newest) = w->previous;
    w->previous = w->next = NULL;
}

static void append_watch(struct partition *p, struct watch *w, int64_t offset)
{
    w->last_offset = offset;
    w->previous = p->newest;
    *(p->newest ? &p->newest->next : &p->oldest) = w;
    p->newest = w;
}

static void mark_dirty(struct partition *p, struct watch *w)
{
    if (w->dirty)
        return;
    if (p->dirty_count == p->dirty_room) {
        p->dirty_room = p->dirty_room ? p->dirty_room * 2 : 64;
        p->dirty = xreallocarray(p->dirty, p->dirty_room, sizeof *p->dirty);
    }
    w->dirty = true;
    p->dirty[p->dirty_count++] = w;
}

static struct str fingerprint_of(const struct series *s)
{
    return (struct str){s->fingerprint, FINGERPRINT_MAX - 1};
}

struct watch *partition_watch(struct partition *p, struct series *s,
                              const struct rule *r, int64_t offset)
{
    struct watch *w = series_watch(s, r);
    struct sleeper known;
    if (sleepers_wake(p->sleepers, r->id, fingerprint_of(s), &known)) {
        w->instance.state = known.state;
        w->written_max_us = known.written_max_us;
    } else {
        p->o.budget->used++;
    }
    const struct activation *a = map_peek(p->activations, r->id);
    assert(a && a->version == r->version);
    w->from = a->off;
    append_watch(p, w, offset);
    return w;
}

void partition_unwatch(struct partition *p, struct watch *w)
{
    assert(!w->dirty);
    unlink_watch(p, w);
    p->o.budget->used--;
    series_unwatch(w->series, w);
}

/* ---- what goes into the batch ---- */

void partition_write_state(struct partition *p, struct watch *w,
                           struct batch *b)
{
    struct state_write *row = batch_add_state(b);
    row->place = p->o.place;
    row->rule_id = arena_str(b->memory, w->rule->id);
    row->tenant_id = arena_str(b->memory, w->rule->tenant_id);
    row->fingerprint = arena_str(b->memory, fingerprint_of(w->series));
    row->version = w->rule->version;
    row->state = w->instance.state;
    w->written_max_us = w->instance.state.event_max_us;
}

static const struct label *copy_labels(struct arena *a,
                                       const struct series_id *id)
{
    struct label *labels = arena_zalloc(a, id->label_count + 1, sizeof *labels);
    for (size_t i = 0; i < id->label_count; i++) {
        labels[i].name = arena_str(a, id->labels[i].name);
        labels[i].value = arena_str(a, id->labels[i].value);
    }
    return labels;
}

/* The newest kept samples of the run that decided. */
static void copy_evidence(struct transition_write *t, const struct instance *i)
{
    size_t end = i->count, begin = end;
    while (begin > 0 && end - begin < EVIDENCE_SAMPLES &&
           i->kept[begin - 1].at_us >= t->transition.started_at_us)
        begin--;
    for (size_t k = begin; k < end; k++)
        t->samples[t->sample_count++] = i->kept[k];
}

struct transition_write *partition_write_transition(struct partition *p,
                                                    const struct watch *w,
                                                    const struct transition *t,
                                                    struct batch *b)
{
    counter_add(t->kind == TRANSITION_FIRE ? p->o.stats->fired
                                           : p->o.stats->resolved,
                1);
    const struct series_id *id = &w->series->id;
    struct transition_write *row = batch_add_transition(b);
    row->place = p->o.place;
    row->transition = *t;
    row->rule = w->rule;
    row->rule_id = w->rule->id;
    row->tenant_id = w->rule->tenant_id;
    row->metric = w->rule->metric;
    row->fingerprint = arena_str(b->memory, fingerprint_of(w->series));
    row->labels = copy_labels(b->memory, id);
    row->label_count = id->label_count;
    row->log_time_us = t->sample.received_at_us > p->log_time_us
                           ? t->sample.received_at_us
                           : p->log_time_us;
    copy_evidence(row, &w->instance);
    batch_keep_rules(b, p->rules);
    return row;
}

/* ---- samples ---- */

static void count_fate(struct stats *stats, enum sample_fate fate)
{
    switch (fate) {
    case SAMPLE_TAKEN:
        counter_add(stats->taken, 1);
        break;
    case SAMPLE_STALE:
        counter_add(stats->stale, 1);
        break;
    case SAMPLE_REPEATED:
        counter_add(stats->repeated, 1);
        break;
    case SAMPLE_LATE:
        counter_add(stats->late, 1);
        break;
    }
}

static void feed(struct partition *p, struct watch *w, const struct sample *s,
                 struct batch *b)
{
    const struct instance_limits limits = {
        .kept_max = p->o.kept_max,
        .staleness_us = p->o.staleness_us,
        .replay_from = w->from > p->replay_from ? w->from : p->replay_from,
    };
    unlink_watch(p, w);
    append_watch(p, w, s->offset);
    if (s->offset < p->live_from) {
        instance_replay(&w->instance, w->rule, &limits, s);
        return;
    }
    const struct instance_state *state = &w->instance.state;
    struct instance_state before = *state;
    struct transition t;
    count_fate(p->o.stats,
               instance_feed(&w->instance, w->rule, &limits, s, &t));
    /* A restart finds the maximum in the log as long as its sample is the last
     * one there; if another came behind it, in the row. */
    bool hidden = state->event_max_us == before.event_max_us &&
                  state->event_max_us > w->written_max_us;
    if (hidden || state->phase != before.phase ||
        state->since_us != before.since_us)
        mark_dirty(p, w);
    if (t.kind != TRANSITION_NONE)
        (void)partition_write_transition(p, w, &t, b);
}

/* No part of an identity can hold a NUL. */
static struct str key_of(struct partition *p, const struct series_id *id)
{
    struct buf *key = &p->key;
    buf_reset(key);
    buf_add_str(key, id->tenant_id);
    buf_add_char(key, '\0');
    buf_add_str(key, id->name);
    for (size_t i = 0; i < id->label_count; i++) {
        buf_add_char(key, '\0');
        buf_add_str(key, id->labels[i].name);
        buf_add_char(key, '\0');
        buf_add_str(key, id->labels[i].value);
    }
    return buf_str(key);
}

static size_t count_matches(const struct rule_list *rules,
                            const struct series_id *id)
{
    size_t n = 0;
    for (size_t i = 0; i < rules->n; i++)
        n += rule_matches(rules->p[i], id->labels, id->label_count);
    return n;
}

/* NULL where no rule watches it, or there is no room for another. */
static struct series *series_for(struct partition *p,
                                 const struct series_id *id, int64_t offset)
{
    const struct rule_list *rules =
        ruleset_find(p->rules, id->tenant_id, id->name);
    if (!rules)
        return NULL;
    struct series *s = map_get(p->series, key_of(p, id));
    if (s)
        return s;
    size_t matches = count_matches(rules, id);
    if (matches == 0)
        return NULL;
    if (p->o.budget->used + (int64_t)matches > p->o.budget->max) {
        counter_add(p->o.stats->refused, matches);
        log_warn("instances_full", LOG_I("max", p->o.budget->max));
        return NULL;
    }
    s = series_new(id);
    for (size_t i = 0; i < rules->n; i++) {
        if (rule_matches(rules->p[i], id->labels, id->label_count))
            (void)partition_watch(p, s, rules->p[i], offset);
    }
    map_put(p->series, key_of(p, id), s);
    return s;
}

void partition_sample(struct partition *p, const struct series_id *id,
                      const struct sample *s, struct batch *b)
{
    struct series *series = series_for(p, id, s->offset);
    if (!series)
        return;
    p->watched = true;
    if (s->time_us > p->ahead_us)
        p->ahead_us = s->time_us;
    for (size_t i = 0; i < series->count; i++)
        feed(p, series->watches[i], s, b);
}

/* Log time up to which the message, or a repeat of it, still means something.
 */
static int64_t needed_until_us(const struct partition *p, int64_t received_us)
{
    int64_t most = received_us + ahead_kept_us;
    int64_t ahead = p->ahead_us < most ? p->ahead_us : most;
    return (ahead > received_us ? ahead : received_us) + p->o.keep_us;
}

/* From the first watched sample on every message is noted, since every one
 * moves log time: see horizon.h. */
void partition_message(struct partition *p, int64_t offset,
                       int64_t received_at_us)
{
    assert(offset >= p->read);
    p->read = offset + 1;
    if (p->watched && received_at_us != INT64_MIN) {
        if (received_at_us > p->log_time_us)
            p->log_time_us = received_at_us;
        horizon_note(&p->horizon, offset, needed_until_us(p, received_at_us));
    }
    p->ahead_us = INT64_MIN;
    p->replay_from = horizon_from(&p->horizon, p->log_time_us, p->read);
    p->watched = p->replay_from < p->read;
    if (!p->watched)
        p->log_time_us = INT64_MIN; /* nor would a restart know it */
}

void partition_skip(struct partition *p, int64_t offset, struct batch *b)
{
    assert(offset >= p->read);
    int64_t from = p->read > p->live_from ? p->read : p->live_from;
    if (from < offset) {
        struct gap_write *gap = batch_add_gap(b);
        gap->place = p->o.place;
        gap->from = from;
        gap->to = offset;
    }
    p->read = offset;
}

/* ---- closing a batch ---- */

static void put_to_sleep(struct partition *p, struct watch *w, struct batch *b)
{
    struct series *s = w->series;
    if (w->instance.state.event_max_us > w->written_max_us)
        partition_write_state(p, w, b);
    const struct sleeper sleeper = {
        .state = w->instance.state,
        .version = w->rule->version,
        .written_max_us = w->written_max_us,
        .rule_id = w->rule->id,
        .tenant_id = w->rule->tenant_id,
        .fingerprint = fingerprint_of(s),
    };
    sleepers_put(p->sleepers, &sleeper);
    p->o.budget->used++;
    partition_unwatch(p, w);
    if (s->count == 0)
        map_remove(p->series, key_of(p, &s->id));
}

struct forgetting {
    struct partition *p;
    struct batch *b;
};

/* The edge refuses what is older than this, so nothing can come that the
 * forgotten maximum would have shown to be late. */
static bool keep_sleeper(struct sleeper *s, void *arg)
{
    const struct forgetting *f = arg;
    struct partition *p = f->p;
    if (s->state.phase != INSTANCE_OK ||
        s->state.last_received_us >= p->log_time_us - p->o.forget_us)
        return true;
    struct state_write *row = batch_add_state(f->b);
    row->place = p->o.place;
    row->rule_id = arena_str(f->b->memory, s->rule_id);
    row->tenant_id = arena_str(f->b->memory, s->tenant_id);
    row->fingerprint = arena_str(f->b->memory, s->fingerprint);
    row->forget = true;
    p->o.budget->used--;
    return false;
}

static void forget(struct partition *p, struct batch *b)
{
    int64_t pause_us = p->o.forget_us / 16;
    if (p->log_time_us == INT64_MIN ||
        (p->forgot_us != INT64_MIN && p->log_time_us - p->forgot_us < pause_us))
        return;
    p->forgot_us = p->log_time_us;
    struct forgetting f = {p, b};
    sleepers_each(p->sleepers, keep_sleeper, &f);
}

void partition_close(struct partition *p, struct batch *b)
{
    for (size_t i = 0; i < p->dirty_count; i++) {
        p->dirty[i]->dirty = false;
        partition_write_state(p, p->dirty[i], b);
    }
    p->dirty_count = 0;
    if (partition_live(p)) {
        while (p->oldest && p->oldest->last_offset < p->replay_from)
            put_to_sleep(p, p->oldest, b);
        forget(p, b);
    }
    struct claim_move *move = batch_add_move(b);
    move->topic = p->o.place.topic;
    move->part = p->o.place.part;
    bool live = partition_live(p);
    move->next = live ? p->read : p->live_from;
    move->replay_from = live ? p->replay_from : p->o.replay_from;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs_note. All that decides is the *run* at the newest end of the samples
 * sorted by rule time: how long the condition has been violated without a
 * break (while no incident is open), or has been clear (while one is). A
 * sample that arrives late enters its place in the history and can lengthen
 * or break that run; it is never itself the newest end. Decisions made stay
 * made: only FIRE opens and only RESOLVE closes.
 *
 * The state alone says where the run begins, even when that is older than
 * every kept sample. So a restart, which has the state from its row and the
 * history from Kafka, goes on exactly like a process that never stopped.
 *
 * repeats_note. Of a sample and its repeats a restart may still find only the
 * last in the log, and takes that for the first. So a repeat takes the place
 * of the one before: it keeps its value and decides nothing, but has the
 * repeat's offset and, where the clock runs ahead, the repeat's rule time.
 */
#include "common/pulse/instance.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const int64_t ahead_max_us = 5 * 1000000;

static const char *const phase_texts[] = {
    [INSTANCE_OK] = "ok",
    [INSTANCE_PENDING] = "pending",
    [INSTANCE_FIRING] = "firing",
    [INSTANCE_CLEARING] = "clearing",
};

const char *instance_phase_text(enum instance_phase phase)
{
    return phase_texts[phase];
}

bool instance_phase_parse(struct str text, enum instance_phase *out)
{
    for (size_t i = 0; i < ARRAY_LEN(phase_texts); i++) {
        if (str_is(text, phase_texts[i])) {
            *out = (enum instance_phase)i;
            return true;
        }
    }
    return false;
}

int64_t sample_rule_time_us(const struct sample *s)
{
    int64_t most = s->received_at_us + ahead_max_us;
    return s->time_us < most ? s->time_us : most;
}

void instance_init(struct instance *i)
{
    *i = (struct instance){
        .state = {.event_max_us = INT64_MIN},
        .oldest_offset = INT64_MAX,
        .floor_us = INT64_MIN,
    };
}

void instance_release(struct instance *i)
{
    free(i->kept);
    free(i->ahead);
    instance_init(i);
}

size_t instance_bytes(const struct instance *i)
{
    return i->capacity * sizeof *i->kept + i->ahead_capacity * sizeof *i->ahead;
}

static bool is_ahead(const struct sample *s)
{
    return sample_rule_time_us(s) != s->time_us;
}

/* Index of the first kept sample at or behind (at, time). */
static size_t kept_place(const struct instance *i, int64_t at, int64_t time)
{
    size_t low = 0, high = i->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct kept_sample *k = &i->kept[middle];
        if (k->at_us < at || (k->at_us == at && k->sample.time_us < time))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t ahead_place(const struct instance *i, int64_t time)
{
    size_t place = i->ahead_count;
    while (place > 0 && i->ahead[place - 1].time_us >= time)
        place--;
    return place;
}

static void drop_kept(struct instance *i, size_t n)
{
    i->count -= n;
    memmove(i->kept, i->kept + n, i->count * sizeof *i->kept);
}

static void drop_ahead(struct instance *i, size_t n)
{
    i->ahead_count -= n;
    memmove(i->ahead, i->ahead + n, i->ahead_count * sizeof *i->ahead);
}

static void note_offset(struct instance *i, int64_t offset)
{
    if (offset < i->oldest_offset)
        i->oldest_offset = offset;
}

/* What lies below replay_from would not be there after a restart, so it goes
 * here too. */
static void leave_by_offset(struct instance *i, int64_t replay_from)
{
    if (i->oldest_offset >= replay_from)
        return;
    i->oldest_offset = INT64_MAX;
    size_t n = 0;
    for (size_t k = 0; k < i->count; k++) {
        if (i->kept[k].sample.offset >= replay_from) {
            note_offset(i, i->kept[k].sample.offset);
            i->kept[n++] = i->kept[k];
        }
    }
    i->count = n;
    n = 0;
    for (size_t k = 0; k < i->ahead_count; k++) {
        if (i->ahead[k].offset >= replay_from) {
            note_offset(i, i->ahead[k].offset);
            i->ahead[n++] = i->ahead[k];
        }
    }
    i->ahead_count = n;
    if (i->count == 0)
        i->floor_us = INT64_MIN;
}

static void leave_by_time(struct instance *i, const struct rule *r,
                          size_t kept_max)
{
    int64_t oldest = i->state.event_max_us - r->lateness_us;
    size_t n = 0;
    while (n < i->count && i->kept[n].at_us < oldest)
        n++;
    for (; i->count - n > kept_max; n++)
        i->floor_us = i->kept[n].at_us;
    if (n > 0)
        drop_kept(i, n);
    n = 0;
    while (n < i->ahead_count &&
           (i->ahead[n].time_us < oldest || i->ahead_count - n > kept_max))
        n++;
    if (n > 0)
        drop_ahead(i, n);
}

/* Index of the kept sample of this time; count where there is none. */
static size_t kept_find(const struct instance *i, int64_t time, bool ahead)
{
    size_t place = kept_place(i, time, time);
    if (place < i->count && i->kept[place].at_us == time &&
        i->kept[place].sample.time_us == time)
        return place;
    place = ahead ? 0 : i->count;
    while (place < i->count && i->kept[place].sample.time_us != time)
        place++;
    return place;
}

/* Takes the sample of this time out of the history, for its repeat to take its
 * place (repeats_note); false: there is none. */
static bool withdraw(struct instance *i, int64_t time, double *value)
{
    size_t place = ahead_place(i, time);
    bool ahead = place < i->ahead_count && i->ahead[place].time_us == time;
    if (ahead) {
        i->ahead_count--;
        memmove(i->ahead + place, i->ahead + place + 1,
                (i->ahead_count - place) * sizeof *i->ahead);
    }
    place = kept_find(i, time, ahead);
    if (place == i->count)
        return ahead;
    *value = i->kept[place].sample.value;
    i->count--;
    memmove(i->kept + place, i->kept + place + 1,
            (i->count - place) * sizeof *i->kept);
    return true;
}

static bool is_late(const struct instance *i, const struct rule *r, int64_t at)
{
    int64_t newest = i->state.event_max_us;
    return at <= i->floor_us ||
           (newest != INT64_MIN && at < newest - r->lateness_us);
}

static size_t grown(size_t capacity)
{
    return capacity ? capacity * 2 : 4;
}

/* Puts s into the history; returns its index. */
static size_t keep(struct instance *i, int64_t at, const struct sample *s)
{
    if (i->count == i->capacity) {
        i->capacity = grown(i->capacity);
        i->kept = xreallocarray(i->kept, i->capacity, sizeof *i->kept);
    }
    size_t place = kept_place(i, at, s->time_us);
    memmove(i->kept + place + 1, i->kept + place,
            (i->count - place) * sizeof *i->kept);
    i->kept[place] = (struct kept_sample){at, *s};
    i->count++;
    note_offset(i, s->offset);
    return place;
}

static void keep_ahead(struct instance *i, const struct sample *s)
{
    if (i->ahead_count == i->ahead_capacity) {
        i->ahead_capacity = grown(i->ahead_capacity);
        i->ahead = xreallocarray(i->ahead, i->ahead_capacity, sizeof *i->ahead);
    }
    size_t place = ahead_place(i, s->time_us);
    memmove(i->ahead + place + 1, i->ahead + place,
            (i->ahead_count - place) * sizeof *i->ahead);
    i->ahead[place] = (struct ahead_sample){s->time_us, s->offset};
    i->ahead_count++;
    note_offset(i, s->offset);
}

static void phase_set(struct instance_state *st, enum instance_phase phase,
                      int64_t since, int64_t offset)
{
    st->phase = phase;
    st->since_us = since;
    st->cause_offset = offset;
}

/* The newest sample: it goes on with the run, breaks it or begins one. */
static void step(struct instance_state *st, enum rule_verdict verdict,
                 int64_t at, int64_t offset)
{
    switch (st->phase) {
    case INSTANCE_OK:
        if (verdict == RULE_VIOLATED)
            phase_set(st, INSTANCE_PENDING, at, offset);
        break;
    case INSTANCE_PENDING:
        if (verdict != RULE_VIOLATED)
            phase_set(st, INSTANCE_OK, at, offset);
        break;
    case INSTANCE_FIRING:
        if (verdict == RULE_CLEAR)
            phase_set(st, INSTANCE_CLEARING, at, offset);
        break;
    case INSTANCE_CLEARING:
        if (verdict != RULE_CLEAR)
            phase_set(st, INSTANCE_FIRING, at, offset);
        break;
    }
}

/* True if the samples kept from place on that bear the run's first rule time
 * all belong to the run: then one of them is its first. */
static bool run_begins_at(const struct instance *i, const struct rule *r,
                          enum rule_verdict run, size_t place)
{
    size_t k = place;
    while (k < i->count && i->kept[k].at_us == i->state.since_us &&
           rule_judge(r, i->kept[k].sample.value) == run)
        k++;
    return k > place &&
           (k == i->count || i->kept[k].at_us != i->state.since_us);
}

/* A sample behind the newest one, kept at place: see runs_note. */
static void step_back(struct instance *i, const struct rule *r,
                      enum rule_verdict verdict, size_t place)
{
    struct instance_state *st = &i->state;
    const struct kept_sample *self = &i->kept[place];
    if (st->phase != INSTANCE_PENDING && st->phase != INSTANCE_CLEARING)
        return; /* the newest sample is in no run: nothing to change */
    enum rule_verdict run =
        st->phase == INSTANCE_PENDING ? RULE_VIOLATED : RULE_CLEAR;
    bool before = self->at_us < st->since_us;
    if (verdict == run && before && run_begins_at(i, r, run, place + 1)) {
        phase_set(st, st->phase, self->at_us, self->sample.offset);
    } else if (verdict != run && !before) {
        bool last = place + 1 == i->count; /* the newest itself is not kept */
        phase_set(st, st->phase, last ? st->event_max_us : self[1].at_us,
                  last ? self->sample.offset : self[1].sample.offset);
    }
}

static void decide(struct instance_state *st, const struct rule *r, bool stale,
                   const struct sample *s, struct transition *t)
{
    int64_t held = st->event_max_us - st->since_us;
    if (st->phase == INSTANCE_PENDING && held >= r->for_us && !stale)
        t->kind = TRANSITION_FIRE;
    else if (st->phase == INSTANCE_CLEARING && held >= r->clear_us)
        t->kind = TRANSITION_RESOLVE;
    else
        return;
    t->started_at_us = st->since_us;
    t->at_us = st->event_max_us;
    t->cause_offset = st->cause_offset;
    t->sample = *s;
    st->phase = t->kind == TRANSITION_FIRE ? INSTANCE_FIRING : INSTANCE_OK;
}

/* Into history, maximum and repeat set. */
static size_t take(struct instance *i, int64_t at, const struct sample *s)
{
    struct instance_state *st = &i->state;
    if (is_ahead(s))
        keep_ahead(i, s);
    if (at > st->event_max_us)
        st->event_max_us = at;
    if (s->received_at_us > st->last_received_us)
        st->last_received_us = s->received_at_us;
    return keep(i, at, s);
}

/* A sample that runs ahead is known as long as its own time is to come, also
 * when its place in the history is not kept any more: in a replay, where the
 * maximum is that of the end, it may look late. */
static void remember_late(struct instance *i, const struct rule *r,
                          const struct sample *s)
{
    if (!is_ahead(s) || s->time_us < i->state.event_max_us - r->lateness_us)
        return;
    size_t place = ahead_place(i, s->time_us);
    if (place < i->ahead_count && i->ahead[place].time_us == s->time_us)
        i->ahead[place].offset = s->offset;
    else
        keep_ahead(i, s);
}

static bool take_repeat(struct instance *i, const struct rule *r,
                        const struct instance_limits *limits, int64_t at,
                        const struct sample *s)
{
    struct sample again = *s;
    if (!withdraw(i, s->time_us, &again.value))
        return false;
    (void)take(i, at, &again);
    leave_by_offset(i, limits->replay_from);
    leave_by_time(i, r, limits->kept_max);
    return true;
}

enum sample_fate instance_feed(struct instance *i, const struct rule *r,
                               const struct instance_limits *limits,
                               const struct sample *s, struct transition *t)
{
    *t = (struct transition){.kind = TRANSITION_NONE};
    leave_by_offset(i, limits->replay_from);
    int64_t at = sample_rule_time_us(s);
    if (is_late(i, r, at)) {
        remember_late(i, r, s);
        return SAMPLE_LATE;
    }
    if (take_repeat(i, r, limits, at, s))
        return SAMPLE_REPEATED;
    int64_t newest = i->state.event_max_us;
    size_t place = take(i, at, s);
    enum rule_verdict verdict = rule_judge(r, s->value);
    if (at >= newest && place + 1 == i->count)
        step(&i->state, verdict, at, s->offset);
    else
        step_back(i, r, verdict, place);
    bool stale = s->received_at_us - at > limits->staleness_us;
    decide(&i->state, r, stale, s, t);
    leave_by_time(i, r, limits->kept_max);
    return stale ? SAMPLE_STALE : SAMPLE_TAKEN;
}

void instance_replay(struct instance *i, const struct rule *r,
                     const struct instance_limits *limits,
                     const struct sample *s)
{
    int64_t at = sample_rule_time_us(s);
    if (is_late(i, r, at))
        remember_late(i, r, s);
    else if (!take_repeat(i, r, limits, at, s))
        (void)take(i, at, s);
    leave_by_offset(i, limits->replay_from);
    leave_by_time(i, r, limits->kept_max);
}

bool instance_adopt(struct instance *i)
{
    struct instance_state *st = &i->state;
    enum instance_phase before = st->phase;
    i->count = i->ahead_count = 0;
    i->oldest_offset = INT64_MAX;
    i->floor_us = INT64_MIN;
    if (st->phase == INSTANCE_PENDING)
        st->phase = INSTANCE_OK;
    else if (st->phase == INSTANCE_CLEARING)
        st->phase = INSTANCE_FIRING;
    return st->phase != before;
}

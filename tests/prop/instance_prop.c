/* SPDX-License-Identifier: Apache-2.0 */
/* Random streams through the state machine and through a model that keeps
 * every sample and looks at all of them each time. PULSE_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/pulse/instance.h"
#include "tests/prop/random.h"

static const int64_t second = 1000000;
enum { STREAMS = 3000, SAMPLES = 120 };

static struct rule *random_rule(void)
{
    char condition[160];
    snprintf(condition, sizeof condition,
             "{\"for\":%d,\"clear\":{\"for\":%d,\"threshold\":%d}}",
             (int)below(40), (int)below(40), 80 - (int)below(3) * 5);
    const struct rule_row row = {
        .id = STR("r"),
        .tenant_id = STR("t"),
        .name = STR("n"),
        .severity = STR("low"),
        .metric = STR("m"),
        .threshold = 80,
        .has_threshold = true,
        .condition = str_of(condition),
    };
    return rule_new(&row, 30 * second, NULL);
}

/* ---- the model ---- */

struct model {
    struct kept_sample all[SAMPLES]; /* sorted by (at, time) */
    size_t count;
    int64_t newest;
    bool open;
};

static size_t model_insert(struct model *m, int64_t at, const struct sample *s)
{
    size_t place = m->count++;
    while (place > 0 && (m->all[place - 1].at_us > at ||
                         (m->all[place - 1].at_us == at &&
                          m->all[place - 1].sample.time_us > s->time_us))) {
        m->all[place] = m->all[place - 1];
        place--;
    }
    m->all[place] = (struct kept_sample){at, *s};
    return place;
}

/* Where the run of this verdict at the newest end begins; false: no run. */
static bool model_run(const struct model *m, const struct rule *r,
                      enum rule_verdict verdict, int64_t *since)
{
    size_t n = m->count;
    while (n > 0 && rule_judge(r, m->all[n - 1].sample.value) == verdict)
        n--;
    if (n == m->count)
        return false;
    *since = m->all[n].at_us;
    return true;
}

static enum transition_kind model_feed(struct model *m, const struct rule *r,
                                       const struct sample *s, int64_t *started,
                                       bool *taken)
{
    int64_t at = sample_rule_time_us(s), since;
    *taken = false;
    if (m->count > 0 && at < m->newest - r->lateness_us)
        return TRANSITION_NONE;
    for (size_t i = 0; i < m->count; i++) {
        if (m->all[i].sample.time_us == s->time_us)
            return TRANSITION_NONE;
    }
    *taken = true;
    if (m->count == 0 || at > m->newest)
        m->newest = at;
    (void)model_insert(m, at, s);
    bool stale = s->received_at_us - at > 300 * second;
    if (!m->open && !stale && model_run(m, r, RULE_VIOLATED, &since) &&
        m->newest - since >= r->for_us) {
        m->open = true;
        *started = since;
        return TRANSITION_FIRE;
    }
    if (m->open && model_run(m, r, RULE_CLEAR, &since) &&
        m->newest - since >= r->clear_us) {
        m->open = false;
        *started = since;
        return TRANSITION_RESOLVE;
    }
    return TRANSITION_NONE;
}

/* ---- streams ---- */

/* A clock that runs on, with steps back, repeats, samples ahead and stale
 * ones: everything a fleet does. (Repeats of samples ahead are the affair of
 * partition_test: they change the history, which the model does not know.) */
static struct sample random_sample(const struct sample *before, size_t n,
                                   int64_t *clock)
{
    *clock += below(12) * second + below(2);
    struct sample s = {
        .time_us = *clock,
        .received_at_us = *clock + second,
        .offset = (int64_t)n,
        .value = 70 + (double)below(15),
    };
    int64_t dice = below(20);
    if (dice < 4)
        s.time_us -= below(40) * second;
    else if (dice == 4)
        s.time_us += 10 * second + below(500 * second);
    else if (dice == 5)
        s.received_at_us += 400 * second;
    if (dice == 6 && n > 0) {
        const struct sample *first = &before[below((int64_t)n)];
        if (sample_rule_time_us(first) == first->time_us)
            s.time_us = first->time_us;
    }
    return s;
}

static void the_model_agrees(void **state)
{
    (void)state;
    random_begin("the_model_agrees");
    const struct instance_limits limits = {
        .kept_max = SAMPLES, .staleness_us = 300 * second, .replay_from = 0};
    for (int stream = 0; stream < STREAMS; stream++) {
        uint64_t begun = random_state;
        AUTO(rule) r = random_rule();
        struct instance i;
        instance_init(&i);
        struct model m = {.count = 0};
        struct sample samples[SAMPLES] = {0};
        int64_t clock = 1000 * second;
        for (size_t n = 0; n < SAMPLES; n++) {
            samples[n] = random_sample(samples, n, &clock);
            struct transition t;
            enum sample_fate fate =
                instance_feed(&i, r, &limits, &samples[n], &t);
            int64_t started = 0;
            bool taken;
            enum transition_kind kind =
                model_feed(&m, r, &samples[n], &started, &taken);
            bool fed = fate == SAMPLE_TAKEN || fate == SAMPLE_STALE;
            if (kind != t.kind || taken != fed ||
                (kind != TRANSITION_NONE && started != t.started_at_us))
                fail_msg("PULSE_SEED=%llu sample %zu: %d, model %d",
                         (unsigned long long)begun, n, t.kind, kind);
        }
        instance_release(&i);
    }
}

static void shuffle(struct sample *samples, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)below((int64_t)i);
        struct sample swapped = samples[i - 1];
        samples[i - 1] = samples[k];
        samples[k] = swapped;
    }
}

/* Within the lateness, and while nothing was decided, the order in which
 * samples arrive leaves no trace. */
static void order_leaves_no_trace(void **state)
{
    (void)state;
    random_begin("order_leaves_no_trace");
    const struct instance_limits limits = {
        .kept_max = 64, .staleness_us = 300 * second, .replay_from = 0};
    for (int stream = 0; stream < STREAMS; stream++) {
        uint64_t begun = random_state;
        AUTO(rule) r = random_rule();
        r->for_us = 1000 * second;
        struct sample samples[20];
        for (size_t n = 0; n < ARRAY_LEN(samples); n++) {
            int64_t time = 1000 * second + (int64_t)n * (1500000 - below(2));
            samples[n] = (struct sample){time, time + second, (int64_t)n,
                                         70 + (double)below(15)};
        }
        struct instance_state ends[2] = {0};
        for (size_t run = 0; run < 2; run++) {
            struct instance i;
            instance_init(&i);
            for (size_t n = 0; n < ARRAY_LEN(samples); n++) {
                struct transition t;
                (void)instance_feed(&i, r, &limits, &samples[n], &t);
                assert_int_equal(t.kind, TRANSITION_NONE);
            }
            ends[run] = i.state;
            instance_release(&i);
            shuffle(samples, ARRAY_LEN(samples));
        }
        if (ends[0].phase != ends[1].phase ||
            ends[0].event_max_us != ends[1].event_max_us ||
            (ends[0].phase == INSTANCE_PENDING &&
             ends[0].since_us != ends[1].since_us))
            fail_msg("PULSE_SEED=%llu", (unsigned long long)begun);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_agrees),
        cmocka_unit_test(order_leaves_no_trace),
    };
    return cmocka_run_group_tests_name("instance_prop", tests, NULL, NULL);
}

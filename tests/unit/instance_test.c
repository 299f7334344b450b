/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/pulse/instance.h"

static const int64_t second = 1000000;

static struct rule *rule_of(const char *condition)
{
    const struct rule_row row = {
        .id = STR("r"),
        .tenant_id = STR("acme"),
        .name = STR("Hot"),
        .severity = STR("high"),
        .metric = STR("temperature"),
        .version = 1,
        .threshold = 80,
        .has_threshold = true,
        .condition = str_of(condition),
    };
    struct err err = {0};
    struct rule *r = rule_new(&row, 30 * second, &err);
    assert_string_equal(err.text, "");
    return r;
}

/* One sample, all times in seconds; received 0: one second after its time. */
struct step {
    int64_t time, received;
    double value;
    enum sample_fate fate;
    enum transition_kind kind;
    int64_t started, at; /* of the transition */
};

#define TAKEN SAMPLE_TAKEN
#define STALE SAMPLE_STALE
#define REPEATED SAMPLE_REPEATED
#define LATE SAMPLE_LATE
#define NOTHING TRANSITION_NONE
#define FIRE TRANSITION_FIRE
#define RESOLVE TRANSITION_RESOLVE

enum { STEPS_MAX = 12 };
static const struct scenario {
    const char *name, *condition;
    enum instance_phase phase; /* in the end */
    struct step steps[STEPS_MAX];
} scenarios[] = {
    {"fires at once without for",
     "{}",
     INSTANCE_FIRING,
     {{100, 0, 79, TAKEN, NOTHING, 0, 0}, {101, 0, 81, TAKEN, FIRE, 101, 101}}},
    {"resolves at once without clear",
     "{}",
     INSTANCE_OK,
     {{100, 0, 81, TAKEN, FIRE, 100, 100},
      {110, 0, 80, TAKEN, RESOLVE, 110, 110}}},
    {"for counts event time from the first violating sample",
     "{\"for\":\"30s\"}",
     INSTANCE_FIRING,
     {{100, 0, 81, TAKEN, NOTHING, 0, 0},
      {129, 0, 81, TAKEN, NOTHING, 0, 0},
      {130, 0, 81, TAKEN, FIRE, 100, 130},
      {140, 0, 81, TAKEN, NOTHING, 0, 0}}},
    {"one good sample begins for anew",
     "{\"for\":\"30s\"}",
     INSTANCE_FIRING,
     {{100, 0, 81, TAKEN, NOTHING, 0, 0},
      {120, 0, 70, TAKEN, NOTHING, 0, 0},
      {125, 0, 81, TAKEN, NOTHING, 0, 0},
      {140, 0, 81, TAKEN, NOTHING, 0, 0},
      {155, 0, 81, TAKEN, FIRE, 125, 155}}},
    {"clear has to hold",
     "{\"clear\":\"30s\"}",
     INSTANCE_OK,
     {{100, 0, 81, TAKEN, FIRE, 100, 100},
      {110, 0, 70, TAKEN, NOTHING, 0, 0},
      {130, 0, 81, TAKEN, NOTHING, 0, 0},
      {140, 0, 70, TAKEN, NOTHING, 0, 0},
      {169, 0, 70, TAKEN, NOTHING, 0, 0},
      {170, 0, 70, TAKEN, RESOLVE, 140, 170}}},
    {"between the thresholds nothing changes",
     "{\"clear\":{\"threshold\":70,\"for\":\"10s\"}}",
     INSTANCE_OK,
     {{100, 0, 75, TAKEN, NOTHING, 0, 0},
      {101, 0, 81, TAKEN, FIRE, 101, 101},
      {110, 0, 75, TAKEN, NOTHING, 0, 0},
      {130, 0, 69, TAKEN, NOTHING, 0, 0},
      {135, 0, 75, TAKEN, NOTHING, 0, 0},
      {136, 0, 69, TAKEN, NOTHING, 0, 0},
      {146, 0, 69, TAKEN, RESOLVE, 136, 146}}},
    {"a repeat is dropped, the first one wins",
     "{}",
     INSTANCE_OK,
     {{100, 0, 70, TAKEN, NOTHING, 0, 0},
      {100, 0, 99, REPEATED, NOTHING, 0, 0},
      {101, 0, 70, TAKEN, NOTHING, 0, 0},
      {100, 0, 99, REPEATED, NOTHING, 0, 0}}},
    {"late beyond the lateness is never news",
     "{}",
     INSTANCE_OK,
     {{200, 0, 70, TAKEN, NOTHING, 0, 0},
      {169, 0, 99, LATE, NOTHING, 0, 0},
      {170, 0, 70, TAKEN, NOTHING, 0, 0},
      {201, 0, 70, TAKEN, NOTHING, 0, 0}}},
    {"a late good sample breaks the run",
     "{\"for\":\"20s\"}",
     INSTANCE_FIRING,
     {{100, 0, 81, TAKEN, NOTHING, 0, 0},
      {110, 0, 81, TAKEN, NOTHING, 0, 0},
      {105, 0, 70, TAKEN, NOTHING, 0, 0},
      {120, 0, 81, TAKEN, NOTHING, 0, 0},
      {129, 0, 81, TAKEN, NOTHING, 0, 0},
      {130, 0, 81, TAKEN, FIRE, 110, 130}}},
    {"a late violating sample lengthens the run and may fire",
     "{\"for\":\"20s\"}",
     INSTANCE_FIRING,
     {{100, 0, 70, TAKEN, NOTHING, 0, 0},
      {115, 0, 81, TAKEN, NOTHING, 0, 0},
      {125, 0, 81, TAKEN, NOTHING, 0, 0},
      {105, 0, 81, TAKEN, FIRE, 105, 125}}},
    {"a late sample before the break changes nothing",
     "{\"for\":\"20s\"}",
     INSTANCE_PENDING,
     {{100, 0, 81, TAKEN, NOTHING, 0, 0},
      {115, 0, 70, TAKEN, NOTHING, 0, 0},
      {120, 0, 81, TAKEN, NOTHING, 0, 0},
      {110, 0, 81, TAKEN, NOTHING, 0, 0},
      {125, 0, 81, TAKEN, NOTHING, 0, 0}}},
    {"late within an open incident: clear is recomputed",
     "{\"clear\":\"20s\"}",
     INSTANCE_CLEARING,
     {{100, 0, 81, TAKEN, FIRE, 100, 100},
      {110, 0, 70, TAKEN, NOTHING, 0, 0},
      {125, 0, 70, TAKEN, NOTHING, 0, 0},
      {115, 0, 81, TAKEN, NOTHING, 0, 0},
      {135, 0, 70, TAKEN, NOTHING, 0, 0},
      {144, 0, 70, TAKEN, NOTHING, 0, 0}}},
    {"stale on arrival: pages when caught up, if it still holds",
     "{\"for\":\"60s\"}",
     INSTANCE_FIRING,
     {{1000, 2000, 81, STALE, NOTHING, 0, 0},
      {1100, 2000, 81, STALE, NOTHING, 0, 0},
      {1690, 2000, 81, STALE, NOTHING, 0, 0},
      {1700, 2000, 81, TAKEN, FIRE, 1000, 1700}}},
    {"stale on arrival: no page if it is over when caught up",
     "{}",
     INSTANCE_OK,
     {{1000, 2000, 81, STALE, NOTHING, 0, 0},
      {1100, 2000, 81, STALE, NOTHING, 0, 0},
      {1800, 2000, 70, TAKEN, NOTHING, 0, 0}}},
    {"stale on arrival still resolves",
     "{}",
     INSTANCE_OK,
     {{1000, 1001, 81, TAKEN, FIRE, 1000, 1000},
      {1100, 2000, 70, STALE, RESOLVE, 1100, 1100}}},
    {"a fast clock counts by the edge's clock plus 5 s",
     "{\"for\":\"30s\"}",
     INSTANCE_FIRING,
     {{640, 100, 81, TAKEN, NOTHING, 0, 0},
      {669, 129, 81, TAKEN, NOTHING, 0, 0},
      {670, 130, 81, TAKEN, FIRE, 105, 135}}},
    {"a repeat of a fast clock's sample is known by its own time",
     "{}",
     INSTANCE_OK,
     {{640, 100, 70, TAKEN, NOTHING, 0, 0},
      {700, 160, 70, TAKEN, NOTHING, 0, 0},
      {640, 170, 99, REPEATED, NOTHING, 0, 0},
      {760, 220, 70, TAKEN, NOTHING, 0, 0},
      {640, 230, 99, REPEATED, NOTHING, 0, 0}}},
    {"a clock that was set right goes on at once",
     "{}",
     INSTANCE_FIRING,
     {{640, 100, 70, TAKEN, NOTHING, 0, 0},
      {111, 111, 81, TAKEN, FIRE, 111, 111}}},
    {"a clock that was fast by a few seconds is taken as it is",
     "{}",
     INSTANCE_FIRING,
     {{105, 100, 81, TAKEN, FIRE, 105, 105}}},
};

static struct sample sample_of(const struct step *step, size_t offset)
{
    int64_t received = step->received ? step->received : step->time + 1;
    return (struct sample){step->time * second, received * second,
                           (int64_t)offset, step->value};
}

static void run(const struct scenario *sc)
{
    const struct instance_limits limits = {
        .kept_max = 100, .staleness_us = 300 * second, .replay_from = 0};
    AUTO(rule) r = rule_of(sc->condition);
    struct instance i;
    instance_init(&i);
    for (size_t n = 0; n < STEPS_MAX && sc->steps[n].time; n++) {
        const struct step *step = &sc->steps[n];
        struct sample s = sample_of(step, n);
        struct transition t;
        enum sample_fate fate = instance_feed(&i, r, &limits, &s, &t);
        if (fate != step->fate || t.kind != step->kind ||
            t.started_at_us != step->started * second ||
            t.at_us != step->at * second)
            fail_msg("%s: step %zu: fate %d, transition %d from %lld at %lld",
                     sc->name, n, fate, t.kind,
                     (long long)(t.started_at_us / second),
                     (long long)(t.at_us / second));
    }
    if (i.state.phase != sc->phase)
        fail_msg("%s: ends %s", sc->name, instance_phase_text(i.state.phase));
    instance_release(&i);
}

static void scenarios_end_as_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        run(&scenarios[i]);
}

static void feed(struct instance *i, const struct rule *r, size_t kept_max,
                 int64_t time, double value, enum sample_fate expected)
{
    const struct instance_limits limits = {
        .kept_max = kept_max, .staleness_us = 300 * second, .replay_from = 0};
    const struct sample s = {time * second, (time + 1) * second, time, value};
    struct transition t;
    assert_int_equal(instance_feed(i, r, &limits, &s, &t), expected);
}

/* At the bound history becomes shorter, and with it the lateness. */
static void history_is_bounded(void **state)
{
    (void)state;
    AUTO(rule) r = rule_of("{}");
    struct instance i;
    instance_init(&i);
    for (int64_t time = 100; time < 120; time++)
        feed(&i, r, 8, time, 1, SAMPLE_TAKEN);
    assert_int_equal(i.count, 8);
    feed(&i, r, 8, 105, 99, SAMPLE_LATE);
    feed(&i, r, 8, 115, 99, SAMPLE_REPEATED);
    assert_true(instance_bytes(&i) <= 16 * sizeof(struct kept_sample));
    instance_release(&i);
}

static void history_is_only_of_the_lateness(void **state)
{
    (void)state;
    AUTO(rule) r = rule_of("{}");
    struct instance i;
    instance_init(&i);
    for (int64_t time = 100; time < 1000; time += 10)
        feed(&i, r, 1000, time, 1, SAMPLE_TAKEN);
    assert_int_equal(i.count, 4); /* 960, 970, 980, 990 */
    instance_release(&i);
}

static void a_new_version_keeps_only_what_is_open(void **state)
{
    (void)state;
    static const enum instance_phase before[] = {
        INSTANCE_OK, INSTANCE_PENDING, INSTANCE_FIRING, INSTANCE_CLEARING};
    static const enum instance_phase after[] = {
        INSTANCE_OK, INSTANCE_OK, INSTANCE_FIRING, INSTANCE_FIRING};
    for (size_t n = 0; n < ARRAY_LEN(before); n++) {
        struct instance i;
        instance_init(&i);
        i.state.phase = before[n];
        i.state.event_max_us = 7;
        assert_int_equal(instance_adopt(&i), before[n] != after[n]);
        assert_int_equal(i.state.phase, after[n]);
        assert_true(i.state.event_max_us == 7);
        instance_release(&i);
    }
}

static void phases_have_names(void **state)
{
    (void)state;
    for (int n = INSTANCE_OK; n <= INSTANCE_CLEARING; n++) {
        enum instance_phase phase;
        assert_true(instance_phase_parse(
            str_of(instance_phase_text((enum instance_phase)n)), &phase));
        assert_int_equal(phase, n);
    }
    enum instance_phase phase;
    assert_false(instance_phase_parse(STR("burning"), &phase));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenarios_end_as_told),
        cmocka_unit_test(history_is_bounded),
        cmocka_unit_test(history_is_only_of_the_lateness),
        cmocka_unit_test(a_new_version_keeps_only_what_is_open),
        cmocka_unit_test(phases_have_names),
    };
    return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}

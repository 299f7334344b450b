/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "services/evaluator/payload.h"

static const int64_t second = 1000000;

static struct rule *rule_of(struct str name)
{
    const struct rule_row row = {
        .id = STR("11111111-2222-3333-4444-555555555555"),
        .tenant_id = STR("acme"),
        .name = name,
        .severity = STR("high"),
        .metric = STR("temperature"),
        .version = 3,
        .threshold = 80,
        .has_threshold = true,
        .condition = STR("{\"for\":\"30s\"}"),
    };
    return rule_new(&row, 0, NULL);
}

static struct transition_write fired(const struct rule *r,
                                     const struct label *labels, size_t n)
{
    struct transition_write t = {
        .place = {1, 4},
        .transition = {.kind = TRANSITION_FIRE,
                       .started_at_us = 100 * second,
                       .at_us = 130 * second,
                       .cause_offset = 7,
                       .sample = {130 * second, 131 * second, 9, 95.5}},
        .rule = r,
        .rule_id = r->id,
        .tenant_id = r->tenant_id,
        .metric = r->metric,
        .fingerprint = STR("00112233445566778899aabbccddeeff"),
        .labels = labels,
        .label_count = n,
        .log_time_us = 131 * second,
    };
    for (size_t i = 0; i < EVIDENCE_SAMPLES; i++)
        t.samples[t.sample_count++] =
            (struct kept_sample){130 * second, t.transition.sample};
    return t;
}

static struct message message_of(const struct transition_write *t,
                                 const struct buf *title,
                                 const struct buf *labels,
                                 const struct buf *evidence)
{
    return (struct message){
        .kind = t->transition.kind,
        .decided_at_us = 132 * second,
        .incident_id = STR("aaaaaaaa-2222-4333-8444-555555555555"),
        .title = buf_str(title),
        .severity = STR("high"),
        .started_at_us = 100 * second,
        .resolved_at_us = INT64_MIN,
        .rule_id = t->rule_id,
        .rule_name = t->rule->name,
        .rule_version = 3,
        .threshold = 80,
        .operator_text = STR(">"),
        .tenant_id = t->tenant_id,
        .metric = t->metric,
        .fingerprint = t->fingerprint,
        .labels = buf_str(labels),
        .decision = t,
        .evidence = buf_str(evidence),
    };
}

static void a_message_reads_as_documented(void **state)
{
    (void)state;
    static const struct label labels[] = {{STR("device_id"), STR("d\"1")}};
    AUTO(rule) r = rule_of(STR("Overheating"));
    struct transition_write t = fired(r, labels, 1);
    t.sample_count = 1;
    AUTO_RELEASE(buf) title = {0}, text = {0}, evidence = {0}, out = {0};
    payload_title(&t, &title);
    labels_json(labels, 1, &text);
    payload_evidence(&t, &evidence);
    struct message m = message_of(&t, &title, &text, &evidence);
    payload_message(&m, &out);
    assert_string_equal(
        out.p,
        "{\"type\":\"incident.firing\","
        "\"timestamp\":\"1970-01-01T00:02:12.000000Z\",\"data\":{"
        "\"incident\":{\"id\":\"aaaaaaaa-2222-4333-8444-555555555555\","
        "\"title\":\"Overheating: temperature is 95.5 (> 80) on d\\\"1\","
        "\"severity\":\"high\",\"status\":\"open\","
        "\"started_at\":\"1970-01-01T00:01:40.000000Z\","
        "\"resolved_at\":null},"
        "\"rule\":{\"id\":\"11111111-2222-3333-4444-555555555555\","
        "\"name\":\"Overheating\",\"version\":3,\"threshold\":80,"
        "\"operator\":\">\"},"
        "\"series\":{\"tenant_id\":\"acme\",\"name\":\"temperature\","
        "\"labels\":{\"device_id\":\"d\\\"1\"},"
        "\"fingerprint\":\"00112233445566778899aabbccddeeff\"},"
        "\"value\":95.5,\"event_time\":\"1970-01-01T00:02:10.000000Z\","
        "\"evidence\":{\"samples\":[{\"topic\":\"pulse.telemetry\","
        "\"partition\":4,\"offset\":9,"
        "\"time\":\"1970-01-01T00:02:10.000000Z\","
        "\"received_at\":\"1970-01-01T00:02:11.000000Z\",\"value\":95.5}],"
        "\"decided_by\":{\"topic\":\"pulse.telemetry\",\"partition\":4,"
        "\"offset\":9,\"time\":\"1970-01-01T00:02:10.000000Z\","
        "\"received_at\":\"1970-01-01T00:02:11.000000Z\",\"value\":95.5},"
        "\"since\":\"1970-01-01T00:01:40.000000Z\",\"since_offset\":7,"
        "\"log_time\":\"1970-01-01T00:02:11.000000Z\",\"rule_version\":3,"
        "\"threshold\":80,\"clear_threshold\":80,\"operator\":\">\","
        "\"for_seconds\":30,\"clear_seconds\":0}}}");
}

static void a_withdrawn_rule_has_no_value(void **state)
{
    (void)state;
    AUTO(rule) r = rule_of(STR("Overheating"));
    struct transition_write t = fired(r, NULL, 0);
    t.transition.kind = TRANSITION_RESOLVE;
    t.reason = "the rule was deleted";
    t.sample_count = 0;
    t.rule = NULL;
    AUTO_RELEASE(buf) evidence = {0};
    payload_evidence(&t, &evidence);
    assert_non_null(strstr(evidence.p, "\"reason\":\"the rule was deleted\""));
    assert_null(strstr(evidence.p, "decided_by"));
    assert_null(strstr(evidence.p, "threshold"));
}

/* Standard Webhooks: under 20 kB, whatever a tenant calls things. */
static void the_size_is_bounded(void **state)
{
    (void)state;
    enum { LONG = 50000, LABELS = 32 };
    char *text = xmalloc(LONG);
    memset(text, '\x01', LONG); /* six bytes each in JSON */
    struct label labels[LABELS];
    for (size_t i = 0; i < LABELS; i++)
        labels[i] = (struct label){{text, 100 + i}, {text, 1000}};
    AUTO(rule) r = rule_of((struct str){text, LONG});
    struct transition_write t = fired(r, labels, LABELS);
    t.metric = (struct str){text, LONG};
    AUTO_RELEASE(buf) title = {0}, json = {0}, evidence = {0}, out = {0};
    payload_title(&t, &title);
    labels_json(labels, LABELS, &json);
    payload_evidence(&t, &evidence);
    struct message m = message_of(&t, &title, &json, &evidence);
    payload_message(&m, &out);
    assert_true(out.n < 20000);
    AUTO(arena) a = arena_new(4096);
    assert_non_null(json_parse(a, buf_str(&out), NULL));
    assert_non_null(strstr(out.p, "\"labels_omitted\""));
    free(text);
}

/* Texts are cut between characters, so the message stays UTF-8. */
static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    char text[401] = "x";
    for (size_t i = 1; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    for (size_t skip = 0; skip < 2; skip++) {
        AUTO(rule) r = rule_of((struct str){text + skip, 401 - skip});
        struct transition_write t = fired(r, NULL, 0);
        AUTO_RELEASE(buf) title = {0};
        payload_title(&t, &title);
        assert_true(title.n < 400);
        assert_true(str_utf8_valid(buf_str(&title)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_reads_as_documented),
        cmocka_unit_test(a_withdrawn_rule_has_no_value),
        cmocka_unit_test(the_size_is_bounded),
        cmocka_unit_test(texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}

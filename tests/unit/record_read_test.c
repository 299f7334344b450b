/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "common/pulse/record.h"

#define TIMES                                   \
    "\"time\":\"2026-01-01T00:00:00.123456Z\"," \
    "\"received_at\":\"2026-01-01T00:00:01.000000Z\""
#define METRIC "{\"tenant_id\":\"acme\",\"name\":\"cpu\","

static bool same(struct str a, const struct buf *b)
{
    return str_eq(a, buf_str(b));
}

/* What record_json writes is read back, field by field. */
static void comes_back(void **state)
{
    static const struct {
        enum record_kind kind;
        const char *json;
    } cases[] = {
        {RECORD_METRIC, METRIC "\"labels\":{\"host\":\"a\",\"zone\":\"\"},"
                               "\"value\":-0.5," TIMES "}"},
        {RECORD_METRIC,
         METRIC "\"labels\":{},\"value\":7," TIMES ",\"source\":\"s\"}"},
        {RECORD_TELEMETRY,
         "{\"tenant_id\":\"acme\",\"device_id\":\"d\",\"site_id\":\"s\","
         "\"msg_type\":\"telemetry\",\"seq\":-3," TIMES
         ",\"metrics\":{\"r\":2.5,\"i\":9223372036854775807,\"b\":true,"
         "\"t\":\"on\"}}"},
        {RECORD_TELEMETRY,
         "{\"tenant_id\":\"acme\",\"device_id\":\"d\",\"msg_type\":\"\","
         "\"seq\":0," TIMES ",\"metrics\":{}}"},
        {RECORD_EVENT,
         "{\"tenant_id\":\"acme\",\"id\":\"e\",\"kind\":\"log\","
         "\"level\":\"warn\",\"service\":\"web\",\"message\":\"hé\","
         "\"attributes\":{\"a\":{\"b\":[1,null]}}," TIMES "}"},
        {RECORD_EVENT, "{\"tenant_id\":\"acme\",\"id\":\"e\","
                       "\"kind\":\"event\",\"attributes\":{}," TIMES "}"},
    };
    AUTO(arena) a = arena_new(4096);
    AUTO(record_codec) codec = record_codec_new(NULL);
    AUTO_RELEASE(buf) json = {0};
    AUTO_RELEASE(buf) message = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct record r;
        if (!record_from_json(cases[i].kind, str_of(cases[i].json), a, &r,
                              &err))
            fail_msg("%s: %s", cases[i].json, err.text);
        assert_int_equal(r.kind, cases[i].kind);
        buf_reset(&json);
        record_json(&r, &json);
        if (!same(str_of(cases[i].json), &json))
            fail_msg("%s became %s", cases[i].json, json.p);
        buf_reset(&message);
        assert_true(record_encode(codec, &r, &message, &err));
    }
}

static void mistakes_are_named(void **state)
{
    static const struct {
        enum record_kind kind;
        const char *json, *says;
    } cases[] = {
        {RECORD_METRIC, "{", "not JSON"},
        {RECORD_METRIC, "[]", "must be a JSON object"},
        {RECORD_METRIC, METRIC "\"labels\":{},\"value\":1}", "time is missing"},
        {RECORD_METRIC, METRIC "\"labels\":{}," TIMES "}", "value is missing"},
        {RECORD_METRIC, METRIC "\"labels\":{},\"value\":null," TIMES "}",
         "value is missing"},
        {RECORD_METRIC, METRIC "\"labels\":{},\"value\":\"1\"," TIMES "}",
         "value must be a number"},
        {RECORD_METRIC, METRIC "\"labels\":[],\"value\":1," TIMES "}",
         "labels must be a JSON object"},
        {RECORD_METRIC, METRIC "\"labels\":{\"a\":1},\"value\":1," TIMES "}",
         "a must be text"},
        {RECORD_METRIC,
         METRIC "\"labels\":{\"a\":\"\",\"a\":\"\"},\"value\":1," TIMES "}",
         "a appears twice"},
        {RECORD_METRIC, METRIC "\"valeu\":1," TIMES "}",
         "valeu is no field of this record"},
        {RECORD_METRIC,
         METRIC "\"name\":\"x\",\"labels\":{},\"value\":1," TIMES "}",
         "name appears twice"},
        {RECORD_METRIC,
         "{\"tenant_id\":\"\",\"name\":\"x\",\"labels\":{},\"value\":1," TIMES
         "}",
         "tenant_id is empty"},
        {RECORD_METRIC,
         "{\"tenant_id\":\"a\",\"name\":\"x\\u0000\",\"labels\":{},"
         "\"value\":1," TIMES "}",
         "name holds a NUL"},
        {RECORD_METRIC,
         METRIC "\"labels\":{},\"value\":1,\"time\":1767225600,"
                "\"received_at\":\"2026-01-01T00:00:00Z\"}",
         "time must be RFC 3339"},
        {RECORD_TELEMETRY,
         "{\"tenant_id\":\"a\",\"device_id\":\"d\",\"msg_type\":\"\","
         "\"seq\":1.5," TIMES ",\"metrics\":{}}",
         "seq must be a whole number"},
        {RECORD_TELEMETRY,
         "{\"tenant_id\":\"a\",\"device_id\":\"d\",\"msg_type\":\"\","
         "\"seq\":1," TIMES ",\"metrics\":{\"m\":null}}",
         "m must be a number, true, false or text"},
        {RECORD_EVENT, "{\"tenant_id\":\"a\",\"id\":\"e\",\"kind\":\"trace\"}",
         "kind must be"},
        {RECORD_EVENT, "{\"attributes\":\"{}\"}",
         "attributes must be a JSON object"},
    };
    AUTO(arena) a = arena_new(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct record r;
        if (record_from_json(cases[i].kind, str_of(cases[i].json), a, &r, &err))
            fail_msg("%s is no record", cases[i].json);
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].json, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

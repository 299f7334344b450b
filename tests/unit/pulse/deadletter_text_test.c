/* SPDX-License-Identifier: Apache-2.0 */
#include "common/json.h"
#include "tools/pulse/deadletter_text.h"

#include "tests/unit/judge.h"

/* What a letter holds must not drive the operator's terminal. */
static void payloads(void **state)
{
    static const struct {
        struct str bytes;
        const char *text, *json;
    } cases[] = {
        {{"{\"a\":1}", 7}, "{\"a\":1}\n", "\"{\\\"a\\\":1}\""},
        {{"h\xc3\xa9\t\r\n", 6}, "h\xc3\xa9\t\r\n\n", "\"h\xc3\xa9\\t\\r\\n\""},
        {{"", 0}, "\n", "\"\""},
        {{"\x1b[2J", 4}, "1b5b324a\n", "\"\\u001b[2J\""},
        {{"a\0b", 3}, "610062\n", "\"a\\u0000b\""},
        {{"\x7f", 1}, "7f\n", "\"\x7f\""},
        {{"\xc2\x9b", 2}, "c29b\n", "\"\xc2\x9b\""},
        {{"\xff\xfe", 2}, "fffe\n", "{\"base64\":\"//4=\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(buf) text = {0};
        AUTO_RELEASE(buf) json = {0};
        payload_text(cases[i].bytes, &text);
        json_add_bytes(&json, cases[i].bytes);
        assert_str(buf_str(&text), cases[i].text);
        assert_str(buf_str(&json), cases[i].json);
    }
}

static void long_bytes_are_cut(void **state)
{
    static char bytes[1025];
    AUTO_RELEASE(buf) text = {0};

    (void)state;
    payload_text((struct str){bytes, sizeof bytes}, &text);
    /* 32 lines of 64 digits, and how many there are */
    assert_int_equal(text.n, 32 * 65 + strlen("… 1025 bytes in all\n"));
    assert_true(str_ends(buf_str(&text), STR("\n… 1025 bytes in all\n")));
}

static void whole_letter(void **state)
{
    const struct deadletter l = {
        .id = 7,
        .tenant = STR("acme"),
        .stage = STR("writer"),
        .reason = STR("conflict"),
        .detail = STR(""),
        .content_type = STR("application/avro"),
        .payload = STR("x"),
        .topic = STR("pulse.metrics"),
        .part = 3,
        .offset = 9,
        .failed_us = NOW_US,
        .status = STR("new"),
        .edited_us = NOW_US,
        .edited_by = STR("ann"),
        .original = STR("\xff"),
    };
    AUTO_RELEASE(buf) json = {0};

    (void)state;
    deadletter_json(&l, NULL, NULL, &json);
    assert_str(
        buf_str(&json),
        "{\"id\":7,\"tenant_id\":\"acme\",\"stage\":\"writer\","
        "\"endpoint\":null,\"key_id\":null,\"device_id\":null,"
        "\"reason\":\"conflict\",\"detail\":\"\","
        "\"content_type\":\"application/avro\",\"topic\":\"pulse.metrics\","
        "\"part\":3,\"offset\":9,\"received_at\":null,"
        "\"failed_at\":\"2026-01-01T00:00:00.000000Z\",\"status\":\"new\","
        "\"redrives\":0,\"redriven_at\":null,\"last_error\":null,"
        "\"edited_at\":\"2026-01-01T00:00:00.000000Z\",\"edited_by\":\"ann\","
        "\"original_payload\":{\"base64\":\"/w==\"},\"payload\":\"x\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads),
        cmocka_unit_test(long_bytes_are_cut),
        cmocka_unit_test(whole_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/reject.h"

#include "tests/unit/judge.h"

static void list_as_json(void **state)
{
    AUTO(arena) a = arena_new(4096);
    const struct str none = {0};
    AUTO_RELEASE(rejects) list = {0};
    AUTO_RELEASE(buf) out = {0};

    (void)state;
    rejects_json(&list, &out);
    assert_str(buf_str(&out), "[]");
    for (size_t i = 0; i < 20; i++) {
        struct reject r = {.index = i * 2};
        fault_set(&r.fault, a, FAULT_MISSING_FIELD, i == 0 ? none : STR("a\"b"),
                  "is %s", "gone");
        rejects_add(&list, &r);
    }
    buf_reset(&out);
    list.count = 2;
    rejects_json(&list, &out);
    assert_str(buf_str(&out),
               "[{\"index\":0,\"code\":\"missing_field\",\"field\":null,"
               "\"message\":\"is gone\"},"
               "{\"index\":2,\"code\":\"missing_field\",\"field\":\"a\\\"b\","
               "\"message\":\"is gone\"}]");
}

/* Every code a client may get has its heading in docs/errors.md. Tests run
 * in the root of the checkout. */
static void codes_are_documented(void **state)
{
    AUTO_RELEASE(buf) text = {0};
    FILE *file = fopen("docs/errors.md", "r");

    (void)state;
    assert_non_null(file);
    size_t n = fread(buf_reserve(&text, 1 << 16), 1, 1 << 16, file);
    text.n = n;
    text.p[n < (1 << 16) ? n : (1 << 16) - 1] = '\0';
    fclose(file);
    for (int code = FAULT_NONE + 1; code < FAULT_COUNT; code++) {
        char heading[64];
        snprintf(heading, sizeof heading, "### %s\n",
                 fault_name((enum fault_code)code));
        if (!strstr(text.p, heading))
            fail_msg("docs/errors.md lacks %s", heading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_as_json),
        cmocka_unit_test(codes_are_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

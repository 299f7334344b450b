/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/pulse/signature.h"

static const struct str id = {"msg_p5jXN8AQM9LWM0D4loKWxJek", 28};
static const struct str body = {"{\"test\": 2432232314}", 20};
#define SPEC_SECRET "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SPEC_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

/* The vector of the Standard Webhooks reference implementations. */
static void the_published_vector(void **state)
{
    (void)state;
    const struct str secrets[] = {STR("whsec_" SPEC_SECRET), STR(SPEC_SECRET)};
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        AUTO_RELEASE(buf) out = {0};
        struct err err;
        assert_true(
            signature_add(&out, id, 1614265330, body, &secrets[i], 1, &err));
        assert_string_equal(out.p, SPEC_SIGNATURE);
    }
}

static void one_signature_for_each_secret(void **state)
{
    (void)state;
    const struct str secrets[] = {
        STR("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        STR("whsec_" SPEC_SECRET)};
    AUTO_RELEASE(buf) out = {0};
    struct err err;
    assert_true(signature_add(&out, id, 1614265330, body, secrets, 2, &err));
    struct str first, second;
    assert_true(str_cut(buf_str(&out), ' ', &first, &second));
    assert_true(str_starts(first, STR("v1,")));
    assert_false(str_eq(first, second));
    assert_true(str_is(second, SPEC_SIGNATURE));
}

static void every_part_is_signed(void **state)
{
    (void)state;
    const struct str secret = STR("whsec_" SPEC_SECRET);
    static const struct {
        struct str id, body;
        int64_t time;
    } others[] = {
        {STR("msg_other"), STR("{\"test\": 2432232314}"), 1614265330},
        {STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), STR("{}"), 1614265330},
        {STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), STR("{\"test\": 2432232314}"),
         1614265331},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        AUTO_RELEASE(buf) out = {0};
        assert_true(signature_add(&out, others[i].id, others[i].time,
                                  others[i].body, &secret, 1, NULL));
        assert_string_not_equal(out.p, SPEC_SIGNATURE);
    }
}

static void bad_secrets_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "whsec_",
        "whsec_short",
        "whsec_AAAAAAAAAAAA",                        /* 9 bytes */
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* no whole groups */
        "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_RELEASE(buf) out = {0};
        struct str secret = str_of(bad[i]);
        struct err err = {0};
        assert_false(signature_add(&out, id, 1, body, &secret, 1, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(strstr(err.text, "AAAA")); /* tells no secret */
        assert_null(strstr(err.text, "!!!!"));
    }
    struct err err = {0};
    AUTO_RELEASE(buf) out = {0};
    assert_false(signature_add(&out, id, 1, body, NULL, 0, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vector),
        cmocka_unit_test(one_signature_for_each_secret),
        cmocka_unit_test(every_part_is_signed),
        cmocka_unit_test(bad_secrets_are_refused),
    };
    return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}

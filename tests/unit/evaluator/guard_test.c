/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "services/evaluator/guard.h"

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&out, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&out, &v6, sizeof v6);
    else
        fail_msg("%s is no address", text);
    return out;
}

static bool allows(const char *list, const char *text, bool https)
{
    struct guard g;
    struct err err = {0};
    assert_true(guard_parse(&g, str_of(list), &err));
    struct sockaddr_storage to = address(text);
    return guard_allows(&g, (const struct sockaddr *)&to, https);
}

static void inside_is_refused(void **state)
{
    (void)state;
    static const char *const inside[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.8.9.10",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::10.0.0.1",
        /* A /48 of NAT64 has the address in bytes 6, 7, 9 and 10. */
        "64:ff9b:1:a9fe:a9:fe00:808:808",
        "::ffff:0:127.0.0.1",      /* IPv4-translated, RFC 2765 */
        "2002:a9fe:a9fe::808:808", /* 6to4, another address behind it */
        "2001:0:53aa:64c::1",      /* Teredo */
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    };
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        if (allows("", inside[i], true))
            fail_msg("%s is let through", inside[i]);
    }
}

static void outside_is_allowed_by_https(void **state)
{
    (void)state;
    static const char *const outside[] = {
        "1.1.1.1",         "8.8.8.8",         "9.255.255.255",
        "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
        "126.255.255.255", "172.15.255.255",  "172.32.0.0",
        "192.167.255.255", "198.17.255.255",  "198.20.0.0",
        "223.255.255.255", "::ffff:8.8.8.8",  "64:ff9b::808:808",
        "2002:808:808::1", "2606:4700::1111", "2a00:1450::1",
    };
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        if (!allows("", outside[i], true))
            fail_msg("%s is refused", outside[i]);
        if (allows("", outside[i], false))
            fail_msg("%s is let through without TLS", outside[i]);
    }
}

static void the_list_allows(void **state)
{
    (void)state;
    static const struct {
        const char *list, *address;
        bool allowed;
    } cases[] = {
        {"127.0.0.0/8", "127.0.0.1", true},
        {"127.0.0.0/8", "::ffff:127.0.0.1", true},
        {"127.0.0.0/8", "64:ff9b::7f00:1", true},
        {"127.0.0.0/8", "10.0.0.1", false},
        {"127.0.0.0/8", "::1", false},
        {"::1", "::1", true},
        {" 10.1.2.0/23 , ::1 ", "10.1.3.255", true},
        {"10.1.2.0/23", "10.1.4.0", false},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.4", false},
        {"fd00::/8", "fdab::1", true},
        {"fd00::/8", "fc00::1", false},
        {"0.0.0.0/0", "10.9.8.7", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "10.9.8.7", true},
        {"64:ff9b:1::/48", "64:ff9b:1::a00:1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int https = 0; https < 2; https++) {
            if (allows(cases[i].list, cases[i].address, https) !=
                cases[i].allowed)
                fail_msg("%s, %s", cases[i].list, cases[i].address);
        }
    }
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "localhost", "10.0.0.0/33", "10.0.0.0/-1", "::/129",       "10.0.0.0/",
        "/8",        "10.0.0.0/8x", "1.2.3",       "10.0.0.1,foo",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct guard g;
        struct err err = {0};
        if (guard_parse(&g, str_of(bad[i]), &err))
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.text, "PULSE_WEBHOOK_ALLOW"));
    }
}

static void other_families_are_refused(void **state)
{
    (void)state;
    struct guard g;
    assert_true(guard_parse(&g, STR("0.0.0.0/0,::/0"), NULL));
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_false(guard_allows(&g, (const struct sockaddr *)&local, true));
    char text[GUARD_TEXT_MAX];
    assert_string_equal(guard_text((const struct sockaddr *)&local, text),
                        "address family 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inside_is_refused),
        cmocka_unit_test(outside_is_allowed_by_https),
        cmocka_unit_test(the_list_allows),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(other_families_are_refused),
    };
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}

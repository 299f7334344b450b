/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "services/evaluator/guard.h"

static bool allowed(const struct guard *g, const char *text, bool https)
{
    struct sockaddr_storage to = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
    if (inet_pton(AF_INET, text, &v4->sin_addr) != 1) {
        to.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    }
    return guard_allows(g, (struct sockaddr *)&to, https);
}

static void inside_is_refused(void **state)
{
    static const char *const inside[] = {
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254",
        "172.31.255.255", "192.168.1.1", "224.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "::127.0.0.1", /* IPv4-compatible */
        "::ffff:0:127.0.0.1",                    /* IPv4-translated, RFC 2765 */
        "2002:7f00:1::",                         /* 6to4 */
        "2002:a9fe:a9fe::808:808", /* 6to4 with another address behind it */
        "64:ff9b::10.0.0.1",       /* NAT64 */
        "64:ff9b:1::10.0.0.1",
        /* A /48 of NAT64 has the address in bytes 6, 7, 9 and 10. */
        "64:ff9b:1:a9fe:a9:fe00:808:808", "2001:0:53aa:64c::1", /* Teredo */
    };
    const struct guard none = {.count = 0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        if (allowed(&none, inside[i], true))
            fail_msg("%s is allowed", inside[i]);
    }
}

static void outside_is_allowed_by_https(void **state)
{
    static const char *const outside[] = {
        "8.8.8.8",        "172.32.0.1",     "100.128.0.1",   "2606:4700::1",
        "::ffff:8.8.8.8", "2002:808:808::", "223.255.255.1", "64:ff9b::8.8.8.8",
    };
    const struct guard none = {.count = 0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        if (!allowed(&none, outside[i], true))
            fail_msg("%s is refused", outside[i]);
        assert_false(allowed(&none, outside[i], false));
    }
}

static void the_list_opens(void **state)
{
    struct guard g;
    (void)state;
    assert_true(guard_parse(&g, STR("127.0.0.0/8, ::1,64:ff9b:1::/48"), NULL));
    assert_true(allowed(&g, "127.9.9.9", false));
    assert_true(allowed(&g, "::ffff:127.0.0.1", false));
    assert_true(allowed(&g, "::1", false));
    assert_true(allowed(&g, "64:ff9b:1::a00:1", true));
    assert_false(allowed(&g, "10.0.0.1", true));
    assert_false(allowed(&g, "::2", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inside_is_refused),
        cmocka_unit_test(outside_is_allowed_by_https),
        cmocka_unit_test(the_list_opens),
    };
    return cmocka_run_group_tests_name("evaluator/guard", tests, NULL, NULL);
}

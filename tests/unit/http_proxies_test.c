/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "common/http_proxies.h"

static struct in6_addr address(const char *text)
{
    struct in6_addr a;

    assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
    return a;
}

static void lists(void **state)
{
    static const struct {
        const char *list;
        bool good;
    } cases[] = {
        {"", true},
        {" ", true},
        {"10.0.0.0/8", true},
        {"10.0.0.0/8, 192.0.2.7 ,fd00::/8,::1", true},
        {"0.0.0.0/0", true},
        {"10.0.0.0/33", false},
        {"fd00::/129", false},
        {"10.0.0.0/-1", false},
        {"10.0.0.0/", false},
        {"10.0.0", false},
        {"proxy.example", false},
        {"10.0.0.1,,10.0.0.2", false},
        {"10.0.0.0/8/8", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        AUTO(http_proxies) p = http_proxies_new(str_of(cases[i].list), &err);
        if ((p != NULL) != cases[i].good)
            fail_msg("\"%s\": %s", cases[i].list, err.text);
    }
}

static void clients(void **state)
{
    static const struct {
        const char *from, *forwarded, *client;
    } cases[] = {
        /* Who is not trusted says nothing. */
        {"::ffff:198.51.100.1", "203.0.113.9", "::ffff:198.51.100.1"},
        {"::ffff:10.1.2.3", "203.0.113.9", "::ffff:203.0.113.9"},
        {"::ffff:10.1.2.3", "", "::ffff:10.1.2.3"},
        /* What a client makes up stands on the left. */
        {"::ffff:10.1.2.3", "1.1.1.1, 203.0.113.9", "::ffff:203.0.113.9"},
        {"::ffff:10.1.2.3", "203.0.113.9, 10.9.9.9, fd00::5",
         "::ffff:203.0.113.9"},
        {"::ffff:10.1.2.3", "10.0.0.1, 10.0.0.2", "::ffff:10.0.0.1"},
        {"::ffff:10.1.2.3", "203.0.113.9:4711", "::ffff:203.0.113.9"},
        {"::ffff:10.1.2.3", "[2001:db8::7]:443", "2001:db8::7"},
        {"fd00::1", " 2001:db8::7 ", "2001:db8::7"},
        /* Nonsense ends the search. */
        {"::ffff:10.1.2.3", "203.0.113.9, unknown", "::ffff:10.1.2.3"},
        {"::ffff:10.1.2.3", "unknown, 10.0.0.7", "::ffff:10.0.0.7"},
        {"::ffff:10.1.2.3", "203.0.113.9,", "::ffff:10.1.2.3"},
        {"::ffff:10.1.2.3", ",,,", "::ffff:10.1.2.3"},
        {"::ffff:10.1.2.3", "[2001:db8::7", "::ffff:10.1.2.3"},
        {"::ffff:11.1.2.3", "203.0.113.9", "::ffff:11.1.2.3"},
    };
    struct err err = {0};
    AUTO(http_proxies) p = http_proxies_new(STR("10.0.0.0/8, fd00::/8"), &err);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct in6_addr from = address(cases[i].from);
        struct in6_addr want = address(cases[i].client);
        struct in6_addr found =
            http_proxies_client(p, &from, str_of(cases[i].forwarded));
        if (memcmp(&found, &want, sizeof found) != 0)
            fail_msg("%s \"%s\"", cases[i].from, cases[i].forwarded);
    }
}

static void networks_of_odd_lengths(void **state)
{
    struct err err = {0};
    AUTO(http_proxies) p =
        http_proxies_new(STR("192.0.2.128/25,2001:db8::/33"), &err);
    struct in6_addr in[] = {address("::ffff:192.0.2.128"),
                            address("::ffff:192.0.2.255"),
                            address("2001:db8:7fff::1")};
    struct in6_addr out[] = {address("::ffff:192.0.2.127"),
                             address("2001:db8:8000::1"), address("::1")};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(http_proxies_trust(p, &in[i]));
        assert_false(http_proxies_trust(p, &out[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(clients),
        cmocka_unit_test(networks_of_odd_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "common/http_inside.h"

static struct in6_addr address(const char *text)
{
    struct in6_addr a;
    assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
    return a;
}

static struct http_proxies *trusted(const char *list)
{
    struct err err = {0};
    struct http_proxies *p = http_proxies_new(str_of(list), &err);
    assert_non_null(p);
    return p;
}

static bool add(struct http_peers *p, const char *text)
{
    const struct in6_addr a = address(text);
    return http_peers_add(p, &a);
}

static void drop(struct http_peers *p, const char *text)
{
    const struct in6_addr a = address(text);
    http_peers_remove(p, &a);
}

static void each_address_counts_for_itself(void **state)
{
    (void)state;
    AUTO(http_proxies) nobody = trusted("");
    struct http_peers *p = http_peers_new(2, nobody);
    assert_true(add(p, "::ffff:10.0.0.1"));
    assert_true(add(p, "::ffff:10.0.0.1"));
    assert_false(add(p, "::ffff:10.0.0.1"));
    assert_true(add(p, "::ffff:10.0.0.2"));
    drop(p, "::ffff:10.0.0.1");
    assert_true(add(p, "::ffff:10.0.0.1"));
    assert_false(add(p, "::ffff:10.0.0.1"));
    drop(p, "::ffff:10.0.0.1");
    drop(p, "::ffff:10.0.0.1");
    assert_true(add(p, "::ffff:10.0.0.1"));
    http_peers_free(p);
}

static void a_network_of_version_6_counts_as_one(void **state)
{
    (void)state;
    AUTO(http_proxies) nobody = trusted("");
    struct http_peers *p = http_peers_new(2, nobody);
    assert_true(add(p, "2001:db8:1:2::1"));
    assert_true(add(p, "2001:db8:1:2:ffff::2"));
    assert_false(add(p, "2001:db8:1:2::3"));
    assert_true(add(p, "2001:db8:1:3::1"));
    drop(p, "2001:db8:1:2::9"); /* whichever of it goes */
    assert_true(add(p, "2001:db8:1:2::3"));
    http_peers_free(p);
}

static void proxies_are_not_counted(void **state)
{
    (void)state;
    AUTO(http_proxies) proxies = trusted("10.0.0.0/24");
    struct http_peers *p = http_peers_new(1, proxies);
    for (int i = 0; i < 9; i++)
        assert_true(add(p, "::ffff:10.0.0.1"));
    for (int i = 0; i < 9; i++)
        drop(p, "::ffff:10.0.0.1");
    assert_true(add(p, "::ffff:10.0.1.1"));
    assert_false(add(p, "::ffff:10.0.1.1"));
    http_peers_free(p);
}

static void no_limit_no_count(void **state)
{
    (void)state;
    AUTO(http_proxies) nobody = trusted("");
    struct http_peers *p = http_peers_new(0, nobody);
    for (int i = 0; i < 1000; i++)
        assert_true(add(p, "::1"));
    drop(p, "::1");
    drop(p, "::2");
    http_peers_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_counts_for_itself),
        cmocka_unit_test(a_network_of_version_6_counts_as_one),
        cmocka_unit_test(proxies_are_not_counted),
        cmocka_unit_test(no_limit_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

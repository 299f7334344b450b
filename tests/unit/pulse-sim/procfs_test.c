/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/pulse-sim/procfs.h"

static void texts(void **state)
{
    struct procfs p = {0};

    (void)state;
    procfs_stat_parse(STR("cpu  10 1 5 80 4 0 2 1 9 9\ncpu0 1 1 1 1\n"), &p);
    assert_int_equal(p.cpu_all, 103); /* guest time is in user already */
    assert_int_equal(p.cpu_busy, 19);
    procfs_meminfo_parse(STR("MemTotal:       1000 kB\nMemFree: 1 kB\n"
                             "MemAvailable:    250 kB\n"),
                         &p);
    assert_true(p.memory_used == 0.75);
    procfs_net_parse(STR("Inter-|   Receive |  Transmit\n"
                         " face |bytes packets|bytes\n"
                         "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
                         "  eth0: 100 1 0 0 0 0 0 0 50 1 0 0 0 0 0 0\n"
                         "  eth1:10 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"),
                     &p);
    assert_int_equal(p.received, 110);
    assert_int_equal(p.sent, 55);
}

static void nothing_readable(void **state)
{
    struct procfs p = {0};

    (void)state;
    procfs_stat_parse(STR(""), &p);
    procfs_meminfo_parse(STR("MemTotal:\n"), &p);
    procfs_net_parse(STR("eth0: 1 2 3\n"), &p);
    assert_int_equal(p.cpu_all, 0);
    assert_true(p.memory_used == 0);
    assert_int_equal(p.received, 0);
}

static void this_machine(void **state)
{
    struct procfs p;

    (void)state;
    procfs_read(&p);
    assert_true(p.cpu_all > 0 && p.cpu_busy <= p.cpu_all);
    assert_true(p.memory_used > 0 && p.memory_used < 1);
    assert_true(p.disk_used >= 0 && p.disk_used <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(nothing_readable),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

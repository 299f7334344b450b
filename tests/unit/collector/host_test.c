/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/collector/host.h"

static void cpu(void **state)
{
    (void)state;
    struct cpu_times a, b;
    assert_true(cpu_times_parse(
        STR("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n"), &a));
    assert_int_equal(a.busy, 200);
    assert_int_equal(a.total, 1000);
    assert_true(cpu_times_parse(STR("cpu  150 0 150 800 100 0 0 0 9 9\n"), &b));
    assert_true(cpu_percent(a, b) == 50);
    assert_true(cpu_percent(a, a) < 0);
    assert_true(cpu_percent(b, a) < 0);
    assert_false(cpu_times_parse(STR(""), &a));
    assert_false(cpu_times_parse(STR("cpu0 1 2 3 4\n"), &a));
    assert_false(cpu_times_parse(STR("cpu  1 x 3 4\n"), &a));
}

static void memory(void **state)
{
    (void)state;
    static const char text[] = "MemTotal:       24685000 kB\n"
                               "MemFree:         1 kB\n"
                               "HugePages_Total:       5\n"
                               "Broken: x kB\n";
    int64_t n = 0;
    assert_true(meminfo_bytes(str_of(text), STR("MemTotal"), &n));
    assert_int_equal(n, INT64_C(24685000) * 1024);
    assert_false(meminfo_bytes(str_of(text), STR("Mem"), &n));
    assert_false(meminfo_bytes(str_of(text), STR("HugePages_Total"), &n));
    assert_false(meminfo_bytes(str_of(text), STR("Broken"), &n));
}

static void this_machine(void **state)
{
    (void)state;
    struct samples s;
    struct host h;
    samples_init(&s, 50);
    host_init(&h, "/, /no/such/path");
    host_measure(&h, &s);
    /* memory twice, load, one disk twice; no CPU in the first round */
    assert_int_equal(s.count, 5);
    for (size_t i = 0; i < s.count; i++)
        assert_true(s.at[i].value >= 0);
    samples_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu),
        cmocka_unit_test(memory),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

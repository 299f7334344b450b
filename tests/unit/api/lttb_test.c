/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "services/api/lttb.h"

/* The algorithm as the thesis words it, without regard for speed or memory. */
static size_t by_the_book(const struct point *p, size_t n, size_t most,
                          struct point *out)
{
    double every = (double)(n - 2) / (double)(most - 2);
    size_t a = 0, left = 0;
    out[left++] = p[0];
    for (size_t i = 0; i < most - 2; i++) {
        size_t from = (size_t)((double)(i + 1) * every) + 1;
        size_t to = (size_t)((double)(i + 2) * every) + 1;
        if (to > n)
            to = n;
        double x = 0, y = 0;
        for (size_t k = from; k < to; k++) {
            x += (double)p[k].time_us / (double)(to - from);
            y += p[k].value / (double)(to - from);
        }
        double most_area = -1;
        size_t best = 0;
        for (size_t k = (size_t)((double)i * every) + 1; k < from; k++) {
            double area =
                fabs(((double)p[a].time_us - x) * (p[k].value - p[a].value) -
                     ((double)p[a].time_us - (double)p[k].time_us) *
                         (y - p[a].value));
            if (area > most_area) {
                most_area = area;
                best = k;
            }
        }
        out[left++] = p[best];
        a = best;
    }
    out[left++] = p[n - 1];
    return left;
}

static struct point *wave(size_t n)
{
    struct point *p = xcalloc(n + 1, sizeof *p);
    unsigned seed = 7;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        p[i].time_us = (int64_t)i * 1000 + (int64_t)(seed % 900);
        p[i].value = sin((double)i / 40) * 50 + (double)(seed % 100);
    }
    return p;
}

static void few_points_stay(void **state)
{
    (void)state;
    struct point p[] = {{1, 1}, {2, 2}, {3, 3}};
    assert_int_equal(lttb(p, 0, 2), 0);
    assert_int_equal(lttb(p, 1, 2), 1);
    assert_int_equal(lttb(p, 3, 3), 3);
    assert_int_equal(lttb(p, 3, 100), 3);
    assert_int_equal(p[2].time_us, 3);
}

static void two_are_first_and_last(void **state)
{
    (void)state;
    struct point p[] = {{1, 1}, {2, 9}, {3, 9}, {4, 4}};
    assert_int_equal(lttb(p, 4, 2), 2);
    assert_int_equal(p[0].time_us, 1);
    assert_int_equal(p[1].time_us, 4);
}

static void a_spike_survives(void **state)
{
    (void)state;
    enum { N = 10000 };
    struct point *p = xcalloc(N, sizeof *p);
    for (int i = 0; i < N; i++)
        p[i] = (struct point){i, 0};
    p[4321].value = 100;
    size_t left = lttb(p, N, 50), spikes = 0;
    assert_int_equal(left, 50);
    for (size_t i = 0; i < left; i++)
        spikes += p[i].time_us == 4321 && p[i].value == 100;
    assert_int_equal(spikes, 1);
    free(p);
}

static void same_as_by_the_book(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{4, 3},      {5, 3},      {5, 4},
                                      {100, 99},   {1000, 50},  {1001, 333},
                                      {3600, 800}, {4000, 3999}};
    for (size_t c = 0; c < sizeof sizes / sizeof sizes[0]; c++) {
        size_t n = sizes[c][0], most = sizes[c][1];
        struct point *p = wave(n), *want = wave(n);
        size_t wanted = by_the_book(p, n, most, want);
        size_t left = lttb(p, n, most);
        assert_int_equal(left, most);
        assert_int_equal(left, wanted);
        for (size_t i = 0; i < left; i++)
            assert_int_equal(p[i].time_us, want[i].time_us);
        free(p);
        free(want);
    }
}

static void times_of_today_keep_their_order(void **state)
{
    (void)state;
    const int64_t today = INT64_C(1790000000000000);
    struct point *p = wave(5000);
    for (size_t i = 0; i < 5000; i++)
        p[i].time_us += today;
    size_t left = lttb(p, 5000, 200);
    for (size_t i = 1; i < left; i++)
        assert_true(p[i].time_us > p[i - 1].time_us);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_points_stay),
        cmocka_unit_test(two_are_first_and_last),
        cmocka_unit_test(a_spike_survives),
        cmocka_unit_test(same_as_by_the_book),
        cmocka_unit_test(times_of_today_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

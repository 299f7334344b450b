/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/metrics.h"

static struct metrics *m;

static int begin(void **state)
{
    (void)state;
    m = metrics_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    metrics_free(m);
    return 0;
}

/* Is this among the lines? */
static void expect(const char *lines)
{
    AUTO_RELEASE(buf) text = {0};
    buf_add_char(&text, '\n');
    metrics_write(m, &text);
    AUTO_RELEASE(buf) want = {0};
    buf_addf(&want, "\n%s\n", lines);
    if (strstr(text.p, want.p) == NULL)
        fail_msg("no\n%s\nin\n%s", lines, text.p);
}

static void families_stand_together(void **state)
{
    (void)state;
    struct counter *a =
        metrics_counter(m, "x_total", "What x is.", "t", "a", NULL);
    gauge_set(metrics_gauge(m, "y", "Y.", NULL), -2.5);
    struct counter *b =
        metrics_counter(m, "x_total", "What x is.", "t", "b", "u", "c", NULL);
    counter_add(a, 1);
    counter_add(a, 2);
    counter_add(b, UINT64_C(18446744073709551615));
    expect("# HELP x_total What x is.\n"
           "# TYPE x_total counter\n"
           "x_total{t=\"a\"} 3\n"
           "x_total{t=\"b\",u=\"c\"} 18446744073709551615\n"
           "# HELP y Y.\n"
           "# TYPE y gauge\n"
           "y -2.5");
    assert_int_equal(counter_get(a), 3);
}

static void the_same_name_and_labels_are_the_same(void **state)
{
    (void)state;
    char name[] = "x_total", value[] = "a";
    struct counter *a = metrics_counter(m, name, "X.", "t", value, NULL);
    name[0] = value[0] = '?'; /* copied */
    assert_ptr_equal(metrics_counter(m, "x_total", "X.", "t", "a", NULL), a);
    assert_ptr_not_equal(metrics_counter(m, "x_total", "X.", "t", "b", NULL),
                         a);
    assert_ptr_not_equal(metrics_counter(m, "x_total", "X.", NULL), a);
    struct histogram *h = metrics_histogram(m, "h", "H.", 1, 10, NULL);
    assert_ptr_equal(metrics_histogram(m, "h", "H.", 1, 10, NULL), h);
    expect("x_total{t=\"a\"} 0\nx_total{t=\"b\"} 0\nx_total 0");
    /* No label can pretend to be two. */
    assert_ptr_not_equal(
        metrics_counter(m, "x_total", "X.", "t", "a\",u=\"b", NULL),
        metrics_counter(m, "x_total", "X.", "t", "a", "u", "b", NULL));
}

static void texts_are_escaped(void **state)
{
    (void)state;
    metrics_counter(m, "x_total", "A \\ and\na \"line\".", "t",
                    "back\\slash \"quote\"\nnewline \xc3\xa4 {,}", NULL);
    metrics_counter(m, "x_total", "", "t", "not utf-8: \xff\xc3\xa4", NULL);
    expect(
        "# HELP x_total A \\\\ and\\na \"line\".\n"
        "# TYPE x_total counter\n"
        "x_total{t=\"back\\\\slash \\\"quote\\\"\\nnewline \xc3\xa4 {,}\"} 0\n"
        "x_total{t=\"not utf-8: ???\"} 0");
}

static void gauges(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *line;
    } cases[] = {
        {0, "g 0"},
        {1e6, "g 1000000"},
        {0.1, "g 0.1"},
        {1e300, "g 1e+300"},
        {NAN, "g NaN"},
        {INFINITY, "g +Inf"},
        {-INFINITY, "g -Inf"},
        {1700000000.5, "g 1700000000.5"},
    };
    struct gauge *g = metrics_gauge(m, "g", "G.", NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        gauge_set(g, cases[i].value);
        expect(cases[i].line);
    }
    gauge_set(g, 5);
    gauge_add(g, -7.5);
    assert_true(gauge_get(g) == -2.5);
}

static void histograms(void **state)
{
    (void)state;
    struct histogram *h =
        metrics_histogram(m, "h_seconds", "H.", 0.001, 1, "t", "a", NULL);
    static const double values[] = {0, 0.001, 0.0011, 0.5, 1, 1.5, 1e9};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        histogram_observe(h, values[i]);
    expect("# HELP h_seconds H.\n"
           "# TYPE h_seconds histogram\n"
           "h_seconds_bucket{t=\"a\",le=\"0.001\"} 2\n"
           "h_seconds_bucket{t=\"a\",le=\"0.003\"} 3\n"
           "h_seconds_bucket{t=\"a\",le=\"0.01\"} 3\n"
           "h_seconds_bucket{t=\"a\",le=\"0.03\"} 3\n"
           "h_seconds_bucket{t=\"a\",le=\"0.1\"} 3\n"
           "h_seconds_bucket{t=\"a\",le=\"0.3\"} 3\n"
           "h_seconds_bucket{t=\"a\",le=\"1\"} 5\n"
           "h_seconds_bucket{t=\"a\",le=\"+Inf\"} 7\n"
           "h_seconds_sum{t=\"a\"} 1000000003.0021\n"
           "h_seconds_count{t=\"a\"} 7");
    metrics_histogram(m, "plain", "P.", 10, 3000, NULL);
    expect("plain_bucket{le=\"1000\"} 0\n"
           "plain_bucket{le=\"3000\"} 0\n"
           "plain_bucket{le=\"+Inf\"} 0\n"
           "plain_sum 0\n"
           "plain_count 0");
}

static double answer(void *arg)
{
    return *(double *)arg;
}

/* Registers while it is asked, as an owner under its own lock may. */
static double answer_and_register(void *arg)
{
    counter_add(metrics_counter(arg, "asked_total", "A.", NULL), 1);
    return 1;
}

static void functions_are_asked_until_they_end(void **state)
{
    (void)state;
    double value = 3, *gone = xmalloc(sizeof *gone);
    *gone = 4;
    metrics_gauge_fn(m, "mine", "M.", answer, &value);
    metrics_gauge_fn(m, "other", "O.", answer, gone);
    metrics_gauge_fn(m, "busy", "B.", answer_and_register, m);
    expect("mine 3");
    expect("# TYPE other gauge\nother 4");
    expect("asked_total 3");
    metrics_gauge_fn_end(m, gone);
    free(gone);
    value = 5;
    expect("# TYPE other gauge\n# HELP busy B."); /* no value any more */
    expect("mine 5");
    metrics_gauge_fn(m, "other", "O.", answer, &value); /* and here again */
    expect("other 5");
}

static void *update_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        counter_add(metrics_counter(m, "n_total", "N.", NULL), 1);
        gauge_add(metrics_gauge(m, "g", "G.", NULL), 1);
        histogram_observe(metrics_histogram(m, "h", "H.", 1, 10, NULL), 2);
    }
    return NULL;
}

static void no_update_is_lost(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, update_all, NULL);
    for (int i = 0; i < 50; i++) {
        AUTO_RELEASE(buf) text = {0};
        metrics_write(m, &text);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    expect("n_total 40000");
    expect("g 40000");
    expect("h_sum 80000\nh_count 40000");
}

static double value_of(const struct buf *text, const char *name)
{
    AUTO_RELEASE(buf) start = {0};
    buf_addf(&start, "\n%s ", name);
    const char *at = strstr(text->p, start.p);
    assert_non_null(at);
    return strtod(at + start.n, NULL);
}

static void the_process_is_described(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) text = {0};
    metrics_write(m, &text);
    double now = (double)clock_wall_us() / 1e6;
    double start = value_of(&text, "process_start_time_seconds");
    assert_true(start > now - 600 && start < now + 1);
    double bytes = value_of(&text, "process_resident_memory_bytes");
    assert_true(bytes > 1e6 && bytes < 4e9);
    double cpu = value_of(&text, "process_cpu_seconds_total");
    assert_true(cpu > 0 && cpu < 600);
    double fds = value_of(&text, "process_open_fds");
    assert_true(fds >= 3 && fds < value_of(&text, "process_max_fds"));
    assert_true(value_of(&text, "process_threads") >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(families_stand_together, begin, end),
        cmocka_unit_test_setup_teardown(the_same_name_and_labels_are_the_same,
                                        begin, end),
        cmocka_unit_test_setup_teardown(texts_are_escaped, begin, end),
        cmocka_unit_test_setup_teardown(gauges, begin, end),
        cmocka_unit_test_setup_teardown(histograms, begin, end),
        cmocka_unit_test_setup_teardown(functions_are_asked_until_they_end,
                                        begin, end),
        cmocka_unit_test_setup_teardown(no_update_is_lost, begin, end),
        cmocka_unit_test_setup_teardown(the_process_is_described, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

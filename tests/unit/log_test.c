/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* Runs fn with stderr into a file; returns what it printed. */
static char printed[1 << 20];

static const char *lines_of(void (*fn)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    if (saved < 0)
        fail();
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    fn();
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = pread(fileno(file), printed, sizeof printed - 1, 0);
    assert_true(n >= 0);
    printed[n] = '\0';
    fclose(file);
    return printed;
}

static int count_lines(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void all_types(void)
{
    struct err err = {ERR_RETRY, "no \"broker\"\nat\tall"};
    log_info("copy_done", LOG_S("topic", "pulse.metrics"), LOG_I("rows", -5),
             LOG_F("seconds", 0.25),
             LOG_STR("part", ((struct str){"abcdef", 3})), LOG_S("empty", ""),
             LOG_S("null", NULL), LOG_S("eq", "a=b"),
             LOG_S("umlaut", "\xc3\xa4"), LOG_STR("nul", STR("a\0b")),
             LOG_ERR(&err));
}

static void a_line_is_logfmt(void **state)
{
    (void)state;
    const char *line = lines_of(all_types);
    assert_memory_equal(line, "ts=20", 5);
    assert_string_equal(
        strstr(line, " level="),
        " level=info service=tested event=copy_done topic=pulse.metrics "
        "rows=-5 "
        "seconds=0.25 part=abc empty=\"\" null=\"\" eq=\"a=b\" umlaut=\xc3\xa4 "
        "nul=\"a\\x00b\" err=\"no \\\"broker\\\"\\nat\\x09all\"\n");
}

static void four_levels(void)
{
    log_debug("level_test");
    log_info("level_test");
    log_warn("level_test", LOG_I("n", 1));
    log_error("level_test");
}

static void levels_below_are_silent(void **state)
{
    (void)state;
    log_init("tested", LOG_WARN);
    const char *lines = lines_of(four_levels);
    assert_int_equal(count_lines(lines), 2);
    assert_null(strstr(lines, "level=info"));
    log_init("tested", LOG_DEBUG);
    assert_int_equal(count_lines(lines_of(four_levels)), 4);
    log_init("tested", LOG_INFO);
}

static void a_flood(void)
{
    for (int i = 0; i < 1000; i++)
        log_warn("flood", LOG_I("i", i));
    log_warn("no_flood");
}

static void floods_are_cut_and_counted(void **state)
{
    (void)state;
    const char *lines = lines_of(a_flood);
    /* Ten a second; the flood may see one second turn, or two if slow. */
    assert_in_range(count_lines(lines), 11, 31);
    assert_non_null(strstr(lines, "event=no_flood"));
    AUTO_RELEASE(buf) text = {0};
    log_metrics_write(&text);
    assert_non_null(strstr(
        text.p,
        "\npulse_log_events_total{level=\"warn\",event=\"flood\"} 1000\n"));
    poll(NULL, 0, 1100); /* the next second tells what was left out */
    lines = lines_of(a_flood);
    const char *told = strstr(lines, " suppressed=");
    assert_non_null(told);
    assert_true(strstr(lines, "\n") > told); /* in its first line */
}

static void *log_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++)
        log_info("threads", LOG_I("i", i), LOG_S("text", "x y"));
    return NULL;
}

static void many_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, log_many, NULL);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    struct str rest = str_of(lines_of(many_threads)), line;
    while (str_next(&rest, '\n', &line) && line.n > 0)
        assert_true(str_starts(line, STR("ts=")));
    AUTO_RELEASE(buf) text = {0};
    log_metrics_write(&text);
    assert_non_null(strstr(text.p, "event=\"threads\"} 8000\n"));
}

static void level_names(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    assert_true(log_level_parse(STR("debug"), &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse(STR("error"), &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_parse(STR("Error"), &level));
    assert_false(log_level_parse(STR(""), &level));
}

static void the_clocks_run(void **state)
{
    (void)state;
    int64_t mono = clock_mono_us(), wall = clock_wall_us();
    assert_true(wall > INT64_C(1767225600000000)); /* 2026 */
    assert_true(clock_mono_us() >= mono);
}

static int set_up(void **state)
{
    (void)state;
    log_init("tested", LOG_INFO);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_logfmt),
        cmocka_unit_test(levels_below_are_silent),
        cmocka_unit_test(floods_are_cut_and_counted),
        cmocka_unit_test(lines_of_threads_do_not_mix),
        cmocka_unit_test(level_names),
        cmocka_unit_test(the_clocks_run),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

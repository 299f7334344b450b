/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tools/pulse/call.h"

static int nothing(const struct call *c)
{
    (void)c;
    return 0;
}

static const struct option options[] = {
    {"--tenant", "TENANT", "whose", true},
    {"-n", "COUNT", "how many", false},
    {"--expires", "DURATION", "when", false},
    {"--json", NULL, "as JSON", false},
};
static const struct command command = {
    .name = "do it",
    .positional = "TOPIC",
    .positional_count = 1,
    .summary = "Does it",
    .examples = "  pulse do it\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = nothing,
};

static bool parse(struct call *c, struct err *err, const char *line)
{
    static char text[256];
    char *argv[16];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *save, *word = strtok_r(text, " ", &save); word;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    *err = (struct err){0};
    return call_parse(c, &command, argc, argv, err);
}

static void good_calls(void **state)
{
    (void)state;
    struct call c;
    struct err err;
    int64_t n = 7, ms = 0;
    assert_true(parse(&c, &err, "t1 --tenant a"));
    assert_string_equal(c.positional[0], "t1");
    assert_string_equal(call_value(&c, "--tenant"), "a");
    assert_false(call_flag(&c, "--json"));
    assert_true(call_int(&c, "-n", 1, 9, &n, &err));
    assert_int_equal(n, 7); /* the default stays */

    assert_true(parse(&c, &err, "--json --tenant=b -n 3 --expires=90d t2"));
    assert_true(call_flag(&c, "--json"));
    assert_string_equal(call_value(&c, "--tenant"), "b");
    assert_true(call_int(&c, "-n", 1, 9, &n, &err));
    assert_int_equal(n, 3);
    assert_true(call_duration(&c, "--expires", &ms, &err));
    assert_int_equal(ms, INT64_C(90) * 86400000);

    /* a negative number is a value, and so is what follows an option */
    assert_true(parse(&c, &err, "-5 --tenant --json"));
    assert_string_equal(c.positional[0], "-5");
    assert_string_equal(call_value(&c, "--tenant"), "--json");
}

static void any_number_of_words(void **state)
{
    static const struct command many = {.name = "many",
                                        .positional = "FIRST [MORE…]",
                                        .positional_count = 1,
                                        .more = true,
                                        .options = options,
                                        .option_count = ARRAY_LEN(options),
                                        .run = nothing};
    char words[][10] = {"a", "--tenant", "t", "b", "-n=3", "c", "--json", "d"};
    char *argv[ARRAY_LEN(words)];
    struct call c;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        argv[i] = words[i];
    assert_true(call_parse(&c, &many, ARRAY_LEN(argv), argv, &err));
    assert_string_equal(c.positional[0], "a");
    assert_int_equal(c.more_count, 3);
    assert_string_equal(c.more[0], "b");
    assert_string_equal(c.more[1], "c");
    assert_string_equal(c.more[2], "d");
    assert_string_equal(call_value(&c, "-n"), "3");
    assert_string_equal(call_value(&c, "--tenant"), "t");
}

static void bad_calls(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"", "TOPIC"},
        {"t", "--tenant"},
        {"t --tenant", "needs TENANT"},
        {"t --tenant a --what", "unknown option --what"},
        {"t --tenant a --what=1", "unknown option --what"},
        {"t --tenant a --json=1", "takes no value"},
        {"t u --tenant a", "\"u\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call c;
        struct err err;
        if (parse(&c, &err, cases[i].line))
            fail_msg("taken: %s", cases[i].line);
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" says \"%s\"", cases[i].line, err.text);
    }
}

static void bad_values(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "t --tenant a -n 0", "t --tenant a -n x", "t --tenant a -n 10"};
    struct call c;
    struct err err;
    int64_t n;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_true(parse(&c, &err, lines[i]));
        assert_false(call_int(&c, "-n", 1, 9, &n, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    assert_true(parse(&c, &err, "t --tenant a --expires soon"));
    assert_false(call_duration(&c, "--expires", &n, &err));
}

static void help_names_everything(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) out = {0};
    command_help(&command, &out);
    assert_non_null(strstr(out.p, "Usage: pulse do it TOPIC [OPTION…]"));
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        assert_non_null(strstr(out.p, options[i].name));
    assert_non_null(strstr(out.p, "(required)"));
    assert_non_null(strstr(out.p, "Examples:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_calls),
        cmocka_unit_test(any_number_of_words),
        cmocka_unit_test(bad_calls),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(help_names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

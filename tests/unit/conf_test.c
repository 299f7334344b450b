/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf.h"

static struct settings {
    const char *text, *secret, *choice;
    bool flag;
    int64_t number, duration_ms, bytes;
    double real;
} s;

#define AT(field) offsetof(struct settings, field)

static const struct conf_item items[] = {
    {"PULSE_T_TEXT", CONF_TEXT, AT(text), "a|b", 0, 0, NULL, "Some text."},
    {"PULSE_T_SECRET", CONF_SECRET, AT(secret), NULL, 0, 0, NULL, "A key."},
    {"PULSE_T_CHOICE", CONF_CHOICE, AT(choice), "one", 0, 0, "one|two|three",
     "Which."},
    {"PULSE_T_FLAG", CONF_BOOL, AT(flag), "off", 0, 0, NULL, "Whether."},
};
static const struct conf_item numbers[] = {
    {"PULSE_T_NUMBER", CONF_INT, AT(number), "5", -3, 64, NULL, "How many."},
    {"PULSE_T_DURATION", CONF_DURATION, AT(duration_ms), "10s", 1000, 3600e3,
     NULL, "How long."},
    {"PULSE_T_BYTES", CONF_BYTES, AT(bytes), "8m", 1, 1 << 30, NULL,
     "How much."},
    {"PULSE_T_REAL", CONF_REAL, AT(real), "0.5", 0, 1, NULL, "What part."},
};
static const struct conf_group groups[] = {
    {"Texts", items, ARRAY_LEN(items), &s},
    {"Numbers", numbers, ARRAY_LEN(numbers), &s},
};

static bool agree(struct err *err)
{
    if (s.number != 13)
        return true;
    err_set(err, ERR_INPUT, "13 brings bad luck");
    return false;
}

static const struct conf_program program = {"pulse-t", "Tests settings.",
                                            groups, ARRAY_LEN(groups), agree};

static void clear(void)
{
    for (size_t g = 0; g < ARRAY_LEN(groups); g++)
        for (size_t i = 0; i < groups[g].count; i++)
            unsetenv(groups[g].items[i].name);
    unsetenv("PULSE_T_SECRET_FILE");
    memset(&s, 0x55, sizeof s);
    setenv("PULSE_T_SECRET", "k", 1);
}

static void load(void)
{
    struct err err = {0};
    if (!conf_load(&program, &err))
        fail_msg("%s", err.text);
}

static void fallbacks(void **state)
{
    (void)state;
    clear();
    setenv("PULSE_T_NUMBER", "", 1); /* empty is not set */
    setenv("PULSE_T_UNKNOWN", "x", 1);
    load();
    assert_string_equal(s.text, "a|b");
    assert_string_equal(s.secret, "k");
    assert_string_equal(s.choice, "one");
    assert_false(s.flag);
    assert_int_equal(s.number, 5);
    assert_int_equal(s.duration_ms, 10000);
    assert_int_equal(s.bytes, 8 << 20);
    assert_true(s.real == 0.5);
}

static void good_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        const void *field;
        int64_t whole; /* for bool too */
        double real;
    } cases[] = {
        {"PULSE_T_FLAG", "on", &s.flag, 1, 0},
        {"PULSE_T_FLAG", "TRUE", &s.flag, 1, 0},
        {"PULSE_T_FLAG", "yes", &s.flag, 1, 0},
        {"PULSE_T_FLAG", "1", &s.flag, 1, 0},
        {"PULSE_T_FLAG", "Off", &s.flag, 0, 0},
        {"PULSE_T_FLAG", "false", &s.flag, 0, 0},
        {"PULSE_T_FLAG", "no", &s.flag, 0, 0},
        {"PULSE_T_FLAG", "0", &s.flag, 0, 0},
        {"PULSE_T_NUMBER", "-3", &s.number, -3, 0},
        {"PULSE_T_NUMBER", "64", &s.number, 64, 0},
        {"PULSE_T_DURATION", "1000ms", &s.duration_ms, 1000, 0},
        {"PULSE_T_DURATION", "90s", &s.duration_ms, 90000, 0},
        {"PULSE_T_DURATION", "60m", &s.duration_ms, 3600000, 0},
        {"PULSE_T_DURATION", "1h", &s.duration_ms, 3600000, 0},
        {"PULSE_T_BYTES", "1", &s.bytes, 1, 0},
        {"PULSE_T_BYTES", "4096", &s.bytes, 4096, 0},
        {"PULSE_T_BYTES", "64k", &s.bytes, 65536, 0},
        {"PULSE_T_BYTES", "2M", &s.bytes, 2 << 20, 0},
        {"PULSE_T_BYTES", "1g", &s.bytes, 1 << 30, 0},
        {"PULSE_T_REAL", "0", &s.real, 0, 0},
        {"PULSE_T_REAL", "0.125", &s.real, 0, 0.125},
        {"PULSE_T_REAL", "1e0", &s.real, 0, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        clear();
        setenv(cases[i].name, cases[i].value, 1);
        load();
        if (cases[i].field == &s.flag)
            assert_int_equal(s.flag, cases[i].whole);
        else if (cases[i].field == &s.real)
            assert_true(s.real == cases[i].real);
        else
            assert_int_equal(*(const int64_t *)cases[i].field, cases[i].whole);
    }
    clear();
    setenv("PULSE_T_TEXT", "x = \"y\"", 1);
    setenv("PULSE_T_CHOICE", "three", 1);
    load();
    setenv("PULSE_T_TEXT", "changed", 1); /* what was read stays */
    assert_string_equal(s.text, "x = \"y\"");
    assert_string_equal(s.choice, "three");
}

static void bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *text;
    } cases[] = {
        {"PULSE_T_SECRET", "", "PULSE_T_SECRET is not set: A key."},
        {"PULSE_T_CHOICE", "four",
         "PULSE_T_CHOICE: \"four\" is not allowed: one of one, two, three"},
        {"PULSE_T_CHOICE", "one|two", "is not allowed"},
        {"PULSE_T_FLAG", "maybe",
         "PULSE_T_FLAG: \"maybe\" is not allowed: on or off"},
        {"PULSE_T_NUMBER", "65",
         "PULSE_T_NUMBER: \"65\" is not allowed: whole number, -3 to 64"},
        {"PULSE_T_NUMBER", "-4", "-3 to 64"},
        {"PULSE_T_NUMBER", "1.5", "-3 to 64"},
        {"PULSE_T_NUMBER", "99999999999999999999", "-3 to 64"},
        {"PULSE_T_NUMBER", "13", "13 brings bad luck"},
        {"PULSE_T_DURATION", "10",
         "PULSE_T_DURATION: \"10\" is not allowed: duration, 1s to 1h"},
        {"PULSE_T_DURATION", "999ms", "1s to 1h"},
        {"PULSE_T_DURATION", "2h", "1s to 1h"},
        {"PULSE_T_DURATION", "-5s", "1s to 1h"},
        {"PULSE_T_DURATION", "9223372036854775807d", "1s to 1h"},
        {"PULSE_T_BYTES", "0",
         "PULSE_T_BYTES: \"0\" is not allowed: bytes, 1 to 1g"},
        {"PULSE_T_BYTES", "2g", "1 to 1g"},
        {"PULSE_T_BYTES", "k", "1 to 1g"},
        {"PULSE_T_BYTES", "-1k", "1 to 1g"},
        {"PULSE_T_BYTES", "8t", "1 to 1g"},
        {"PULSE_T_BYTES", "9223372036854775807g", "1 to 1g"},
        {"PULSE_T_REAL", "1.01",
         "PULSE_T_REAL: \"1.01\" is not allowed: number, 0 to 1"},
        {"PULSE_T_REAL", "nan", "0 to 1"},
        {"PULSE_T_REAL", "x", "0 to 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        clear();
        setenv(cases[i].name, cases[i].value, 1);
        struct err err = {0};
        if (conf_load(&program, &err))
            fail_msg("%s=%s was taken", cases[i].name, cases[i].value);
        assert_int_equal(err.kind, ERR_INPUT);
        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("%s=%s: %s", cases[i].name, cases[i].value, err.text);
    }
}

/* --- secrets ------------------------------------------------------------- */

static char path[] = "/tmp/conf_test-XXXXXX";

static void write_secret(const char *bytes, size_t n)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void secrets_from_files(void **state)
{
    (void)state;
    static char large[70000];
    memset(large, 'x', sizeof large);
    const struct {
        const char *bytes;
        size_t n;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"secret", 6, "secret"},
        {"secret\n", 7, "secret"},
        {"secret\r\n\n", 9, "secret"},
        {" a b ", 5, " a b "}, /* spaces are part of it */
        {"two\nlines\n", 10, "two\nlines"},
        {"", 0, NULL},
        {"\n\n", 2, NULL},
        {"a\0b", 3, NULL},
        {large, sizeof large, NULL},
    };
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        clear();
        unsetenv("PULSE_T_SECRET");
        setenv("PULSE_T_SECRET_FILE", path, 1);
        write_secret(cases[i].bytes, cases[i].n);
        struct err err = {0};
        bool good = conf_load(&program, &err);
        assert_int_equal(good, cases[i].want != NULL);
        if (good)
            assert_string_equal(s.secret, cases[i].want);
        else
            assert_non_null(strstr(err.text, "PULSE_T_SECRET_FILE"));
    }
    struct err err = {0};
    setenv("PULSE_T_SECRET", "k", 1);
    assert_false(conf_load(&program, &err));
    assert_string_equal(err.text, "PULSE_T_SECRET and PULSE_T_SECRET_FILE are "
                                  "both set: one is enough");
    unlink(path);
    unsetenv("PULSE_T_SECRET");
    assert_false(conf_load(&program, &err));
    assert_non_null(strstr(err.text, "No such file"));
}

/* --- what main says ------------------------------------------------------ */

/* Runs conf_main with fd (1 or 2) into text. */
static int main_with(int argc, const char *const *args, int fd,
                     struct buf *text)
{
    char *argv[4] = {NULL};
    for (int i = 0; i < argc; i++)
        argv[i] = xstrdup(args[i]);
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int saved = dup(fd);
    if (saved < 0)
        fail();
    dup2(fileno(file), fd);
    int status = conf_main(&program, argc, argv);
    fflush(stdout);
    dup2(saved, fd);
    close(saved);
    buf_reset(text);
    ssize_t n = pread(fileno(file), buf_reserve(text, 8192), 8192, 0);
    text->n += (size_t)n;
    text->p[text->n] = '\0';
    fclose(file);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return status;
}

static void options_of_main(void **state)
{
    (void)state;
    static const struct {
        const char *option, *number; /* PULSE_T_NUMBER */
        int status, fd;
        const char *said;
    } cases[] = {
        {NULL, "7", -1, 1, ""},
        {"-n", "7", 0, 1, "pulse-t: the settings are good\n"},
        {"-n", "x", 2, 2,
         "pulse-t: PULSE_T_NUMBER: \"x\" is not allowed: whole number, -3 to "
         "64\n"},
        {NULL, "x", 2, 2,
         "pulse-t: PULSE_T_NUMBER: \"x\" is not allowed: whole number, -3 to "
         "64\n"},
        {"--nonsense", "7", 2, 2,
         "pulse-t: no option \"--nonsense\" (see pulse-t --help)\n"},
        {"", "7", 2, 2, "pulse-t: no option \"\" (see pulse-t --help)\n"},
    };
    AUTO_RELEASE(buf) text = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        clear();
        setenv("PULSE_T_NUMBER", cases[i].number, 1);
        const char *const args[] = {"pulse-t", cases[i].option};
        int status = main_with(cases[i].option == NULL ? 1 : 2, args,
                               cases[i].fd, &text);
        assert_int_equal(status, cases[i].status);
        assert_string_equal(text.p, cases[i].said);
    }
    const char *const two[] = {"pulse-t", "-n", "more"};
    assert_int_equal(main_with(3, two, 2, &text), 2);
    const char *const version_args[] = {"pulse-t", "--version"};
    setenv("PULSE_T_NUMBER", "x", 1); /* telling needs no good settings */
    assert_int_equal(main_with(2, version_args, 1, &text), 0);
    assert_true(str_starts(buf_str(&text), STR("pulse-t 0.")));
    const char *const help[] = {"pulse-t", "--help"};
    assert_int_equal(main_with(2, help, 1, &text), 0);
    assert_true(str_starts(buf_str(&text),
                           STR("pulse-t - Tests settings.\n\nusage: ")));
}

static void the_help(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) text = {0};
    conf_help(&program, &text);
    static const char *const parts[] = {
        "\nTexts:\n  PULSE_T_TEXT (text, default \"a|b\")\n      Some text.\n",
        "  PULSE_T_SECRET (secret, required)\n      A key.\n"
        "      Or PULSE_T_SECRET_FILE: the file that holds it.\n",
        "  PULSE_T_CHOICE (one of one, two, three, default \"one\")\n",
        "\nNumbers:\n  PULSE_T_NUMBER (whole number, -3 to 64, default "
        "\"5\")\n",
        "  PULSE_T_DURATION (duration, 1s to 1h, default \"10s\")\n",
        "  PULSE_T_BYTES (bytes, 1 to 1g, default \"8m\")\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strstr(text.p, parts[i]) == NULL)
            fail_msg("no %s in %s", parts[i], text.p);
    struct str rest = buf_str(&text), line;
    while (str_next(&rest, '\n', &line))
        assert_in_range(line.n, 0, 80);
}

static void the_markdown(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) text = {0};
    conf_markdown(&program, &text);
    assert_string_equal(
        text.p,
        "## pulse-t\n\nTests settings.\n\n"
        "### Texts\n\n"
        "| variable | value | default | meaning |\n"
        "|---|---|---|---|\n"
        "| `PULSE_T_TEXT` | text | `a\\|b` | Some text. |\n"
        "| `PULSE_T_SECRET` | secret | required | A key. Or "
        "`PULSE_T_SECRET_FILE`: the file that holds it. |\n"
        "| `PULSE_T_CHOICE` | one of one, two, three | `one` | Which. |\n"
        "| `PULSE_T_FLAG` | on or off | `off` | Whether. |\n\n"
        "### Numbers\n\n"
        "| variable | value | default | meaning |\n"
        "|---|---|---|---|\n"
        "| `PULSE_T_NUMBER` | whole number, -3 to 64 | `5` | How many. |\n"
        "| `PULSE_T_DURATION` | duration, 1s to 1h | `10s` | How long. |\n"
        "| `PULSE_T_BYTES` | bytes, 1 to 1g | `8m` | How much. |\n"
        "| `PULSE_T_REAL` | number, 0 to 1 | `0.5` | What part. |\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fallbacks),       cmocka_unit_test(good_values),
        cmocka_unit_test(bad_values),      cmocka_unit_test(secrets_from_files),
        cmocka_unit_test(options_of_main), cmocka_unit_test(the_help),
        cmocka_unit_test(the_markdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

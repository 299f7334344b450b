/* SPDX-License-Identifier: Apache-2.0 */
#include "common/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[64], path[80], fresh[96];
};

static int set_up(void **state)
{
    struct place *p = xcalloc(1, sizeof *p);

    snprintf(p->folder, sizeof p->folder, "/tmp/file_test.XXXXXX");
    *state = p;
    if (!mkdtemp(p->folder))
        return -1;
    snprintf(p->path, sizeof p->path, "%s/it", p->folder);
    snprintf(p->fresh, sizeof p->fresh, "%s.new", p->path);
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    unlink(p->path);
    unlink(p->fresh);
    int failed = rmdir(p->folder);
    free(p);
    return failed;
}

static void assert_holds(const char *path, const char *text)
{
    AUTO_RELEASE(buf) bytes = {0};
    struct err err = {0};

    if (!file_read(path, 1 << 20, &bytes, &err))
        fail_msg("%s", err.text);
    assert_true(str_is(buf_str(&bytes), text));
}

static void test_replaced_and_read_again(void **state)
{
    const struct place *p = *state;
    struct err err = {0};
    struct stat st;

    assert_true(file_replace(p->path, STR("one"), &err));
    assert_holds(p->path, "one");
    assert_true(file_replace(p->path, STR("another"), &err));
    assert_holds(p->path, "another");
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(p->fresh, F_OK), -1);
}

/* What a crash left is in nobody's way, and nobody else reads the new one. */
static void test_left_overs_do_not_matter(void **state)
{
    const struct place *p = *state;
    struct err err = {0};
    struct stat st;
    FILE *f = fopen(p->fresh, "w");

    assert_non_null(f);
    fputs("half of someth", f);
    fclose(f);
    assert_int_equal(chmod(p->fresh, 0644), 0);
    assert_true(file_replace(p->path, STR("one"), &err));
    assert_holds(p->path, "one");
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_failures_say_what_and_leave_the_old_one(void **state)
{
    const struct place *p = *state;
    AUTO_RELEASE(buf) bytes = {0};
    struct err err = {0};
    char nowhere[128];

    assert_false(file_read(p->path, 10, &bytes, &err));
    assert_int_equal(err.kind, ERR_INPUT); /* it is not there */
    assert_true(file_replace(p->path, STR("one two three"), &err));
    err_clear(&err);
    assert_false(file_read(p->path, 10, &bytes, &err));
    assert_int_equal(err.kind, ERR_INPUT); /* too large */
    err_clear(&err);
    assert_false(file_read(p->folder, 10, &bytes, &err));
    snprintf(nowhere, sizeof nowhere, "%s/no/it", p->folder);
    err_clear(&err);
    assert_false(file_replace(nowhere, STR("x"), &err));
    assert_holds(p->path, "one two three");
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(test_replaced_and_read_again),
        IN_PLACE(test_left_overs_do_not_matter),
        IN_PLACE(test_failures_say_what_and_leave_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenTelemetry's SDK sent (tests/corpus/otlp/capture.py) gives the
 * records in listing/, from protobuf and from JSON. PULSE_OTLP_LISTING=write
 * writes those anew. Tests run in the checkout's root. */
#include <dirent.h>
#include <stdio.h>

#include "tests/unit/otlp_listing.h"

#define CORPUS "tests/corpus/otlp/"

static bool file_read(const char *folder, const char *name, struct buf *out)
{
    char path[512];

    snprintf(path, sizeof path, CORPUS "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    for (size_t n = 1; n > 0; out->n += n)
        n = fread(buf_reserve(out, 65536), 1, 65536, file);
    fclose(file);
    return true;
}

static void listing(struct judge *j, const char *folder, const char *name,
                    const char *type, struct buf *out)
{
    AUTO_RELEASE(buf) body = {0};

    if (!file_read(folder, name, &body))
        fail_msg("there is no " CORPUS "%s/%s", folder, name);
    judge_begin(j);
    otlp_listing(&j->check, buf_str(&body), type, "", out);
}

static void listing_write(const char *name, struct str text)
{
    char path[512];

    snprintf(path, sizeof path, CORPUS "listing/%s", name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    size_t written = fwrite(text.p, 1, text.n, file);
    int closed = fclose(file);
    assert_true(written == text.n && closed == 0);
}

static void compare(const char *name)
{
    AUTO(judge) j = judge_wide(NULL);
    AUTO_RELEASE(buf) wanted = {0}, protobuf = {0}, json = {0};

    j->rules.future_us = j->rules.past_us = INT64_C(1) << 52; /* at any time */
    listing(j, "protobuf", name, "application/x-protobuf", &protobuf);
    listing(j, "json", name, "application/json", &json);
    if (getenv("PULSE_OTLP_LISTING"))
        listing_write(name, buf_str(&protobuf));
    file_read("listing", name, &wanted);
    if (!str_eq(buf_str(&protobuf), buf_str(&wanted)))
        fail_msg("%s is now:\n%s", name, protobuf.p);
    if (!str_eq(buf_str(&json), buf_str(&wanted)))
        fail_msg("%s in JSON is:\n%s", name, json.p);
}

static void captured_requests(void **state)
{
    DIR *folder = opendir(CORPUS "protobuf");
    size_t count = 0;

    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            compare(entry->d_name);
            count++;
        }
    closedir(folder);
    assert_true(count >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

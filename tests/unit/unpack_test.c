/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/unpack.h"
#include "tests/unit/pack.h"

enum { MAX = 1 << 20, BOMB = 64 << 20 };

static struct unpacker *unpacker;

static int setup(void **state)
{
    (void)state;
    unpacker = unpacker_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unpacker_free(unpacker);
    return 0;
}

static const enum coding codings[] = {CODING_GZIP, CODING_DEFLATE, CODING_ZSTD,
                                      CODING_SNAPPY};

static enum unpacked take(enum coding coding, struct str packed, size_t max,
                          struct buf *out)
{
    struct err err = {0};

    buf_reset(out);
    enum unpacked result = unpack(unpacker, coding, packed, max, out, &err);
    if ((result == UNPACKED) != (err.kind == ERR_NONE))
        fail_msg("%s: result %d, \"%s\"", coding_name(coding), (int)result,
                 err.text);
    return result;
}

/* Text that packs, yet not to nothing. */
static void fill(struct buf *text, size_t n)
{
    for (size_t i = 0; text->n < n; i++)
        buf_addf(text, "{\"name\":\"m%zu\",\"value\":%zu}\n", i % 7, i * i);
    text->n = n;
}

static void names(void **state)
{
    static const struct {
        const char *name;
        enum coding coding; /* CODING_COUNT: not found */
    } cases[] = {
        {"", CODING_IDENTITY},        {"identity", CODING_IDENTITY},
        {"gzip", CODING_GZIP},        {"GZip", CODING_GZIP},
        {"x-gzip", CODING_GZIP},      {"deflate", CODING_DEFLATE},
        {"zstd", CODING_ZSTD},        {"snappy", CODING_SNAPPY},
        {"gzip, gzip", CODING_COUNT}, {"gzip,", CODING_COUNT},
        {"br", CODING_COUNT},         {"x-snappy-framed", CODING_COUNT},
        {"compress", CODING_COUNT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum coding coding = CODING_COUNT;
        bool found = coding_find(str_of(cases[i].name), &coding);
        if (found != (cases[i].coding != CODING_COUNT) ||
            coding != cases[i].coding)
            fail_msg("%s", cases[i].name);
    }
    assert_string_equal(coding_name(CODING_ZSTD), "zstd");
}

static void round_trips(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, MAX};
    AUTO_RELEASE(buf) text = {0}, packed = {0}, out = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
            buf_reset(&text);
            fill(&text, sizes[i]);
            pack(codings[c], buf_str(&text), &packed);
            assert_int_equal(take(codings[c], buf_str(&packed), MAX, &out),
                             UNPACKED);
            assert_true(str_eq(buf_str(&out), buf_str(&text)));
        }
}

static void identity_is_bounded_too(void **state)
{
    AUTO_RELEASE(buf) out = {0};

    (void)state;
    assert_int_equal(take(CODING_IDENTITY, STR("abc"), 3, &out), UNPACKED);
    assert_true(str_is(buf_str(&out), "abc"));
    assert_int_equal(take(CODING_IDENTITY, STR("abcd"), 3, &out),
                     UNPACK_TOO_LARGE);
}

static void the_bound_is_exact(void **state)
{
    AUTO_RELEASE(buf) text = {0}, packed = {0}, out = {0};

    (void)state;
    fill(&text, 70000);
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        pack(codings[c], buf_str(&text), &packed);
        assert_int_equal(take(codings[c], buf_str(&packed), 70000, &out),
                         UNPACKED);
        assert_int_equal(take(codings[c], buf_str(&packed), 69999, &out),
                         UNPACK_TOO_LARGE);
        assert_int_equal(take(codings[c], buf_str(&packed), 0, &out),
                         UNPACK_TOO_LARGE);
    }
}

static void appends(void **state)
{
    AUTO_RELEASE(buf) packed = {0}, out = {0};
    struct err err = {0};

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        buf_reset(&out);
        buf_add_text(&out, "before ");
        pack(codings[c], STR("text"), &packed);
        assert_int_equal(
            unpack(unpacker, codings[c], buf_str(&packed), 4, &out, &err),
            UNPACKED);
        assert_string_equal(out.p, "before text");
    }
}

/* 64 MiB of zeros in some 64 KiB (snappy: 3 MiB); what is allocated stays
 * near the bound. */
static void bombs(void **state)
{
    AUTO_RELEASE(buf) zeros = {0}, packed = {0};

    (void)state;
    memset(buf_reserve(&zeros, BOMB), 0, BOMB);
    zeros.n = BOMB;
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        AUTO_RELEASE(buf) out = {0};
        pack(codings[c], buf_str(&zeros), &packed);
        assert_true(packed.n < BOMB / 20);
        assert_int_equal(take(codings[c], buf_str(&packed), MAX, &out),
                         UNPACK_TOO_LARGE);
        assert_true(out.cap <= 4 * MAX);
    }
}

/* A header that claims much and bytes that hold little. */
static void claims(void **state)
{
    AUTO_RELEASE(buf) out = {0};

    (void)state;
    /* 2^32 - 1 bytes, then one literal */
    assert_int_equal(
        take(CODING_SNAPPY, STR("\xff\xff\xff\xff\x0f\x00x"), MAX, &out),
        UNPACK_BROKEN);
    /* 1 MiB from 7 bytes: within the bound, yet not to be had */
    assert_int_equal(take(CODING_SNAPPY, STR("\x80\x80\x40\x00x"), MAX, &out),
                     UNPACK_BROKEN);
    assert_true(out.cap < 4096);
    /* zstd: window of 128 MiB, no content size */
    assert_int_equal(take(CODING_ZSTD,
                          STR("\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00"), MAX,
                          &out),
                     UNPACK_BROKEN);
    assert_true(out.cap <= 128 * 1024);
}

static void cut_anywhere(void **state)
{
    AUTO_RELEASE(buf) text = {0}, packed = {0}, out = {0};

    (void)state;
    fill(&text, 3000);
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        pack(codings[c], buf_str(&text), &packed);
        for (size_t n = 0; n < packed.n; n++) {
            /* A copy of its own, so that ASan sees a read beyond. */
            char *cut = xstrndup(packed.p, n);
            if (take(codings[c], (struct str){cut, n}, MAX, &out) !=
                UNPACK_BROKEN)
                fail_msg("%s, %zu of %zu bytes", coding_name(codings[c]), n,
                         packed.n);
            free(cut);
        }
    }
}

static void something_behind_the_end(void **state)
{
    AUTO_RELEASE(buf) packed = {0}, out = {0};

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        pack(codings[c], STR("some text, some text"), &packed);
        buf_add(&packed, "\0", 1);
        assert_int_equal(take(codings[c], buf_str(&packed), MAX, &out),
                         UNPACK_BROKEN);
    }
}

static void several_members(void **state)
{
    static const enum coding many[] = {CODING_GZIP, CODING_ZSTD};
    AUTO_RELEASE(buf) one = {0}, two = {0}, out = {0};

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(many); c++) {
        pack(many[c], STR("first "), &one);
        pack(many[c], STR("second"), &two);
        buf_add_str(&one, buf_str(&two));
        assert_int_equal(take(many[c], buf_str(&one), 12, &out), UNPACKED);
        assert_string_equal(out.p, "first second");
        /* The bound is of all members together. */
        assert_int_equal(take(many[c], buf_str(&one), 11, &out),
                         UNPACK_TOO_LARGE);
        for (size_t n = two.n - 1; n > 0; n--) {
            one.n--;
            assert_int_equal(take(many[c], buf_str(&one), 12, &out),
                             UNPACK_BROKEN);
        }
    }
}

static void deflate_without_its_header(void **state)
{
    AUTO_RELEASE(buf) text = {0}, packed = {0}, out = {0};

    (void)state;
    fill(&text, 100000);
    pack_raw_deflate(buf_str(&text), &packed);
    assert_int_equal(take(CODING_DEFLATE, buf_str(&packed), MAX, &out),
                     UNPACKED);
    assert_true(str_eq(buf_str(&out), buf_str(&text)));
    packed.n--;
    assert_int_equal(take(CODING_DEFLATE, buf_str(&packed), MAX, &out),
                     UNPACK_BROKEN);
}

static void one_coding_is_not_another(void **state)
{
    AUTO_RELEASE(buf) packed = {0}, out = {0};

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(codings); c++)
        for (size_t as = 0; as < ARRAY_LEN(codings); as++) {
            pack(codings[c], STR("some text, some text"), &packed);
            assert_int_equal(take(codings[as], buf_str(&packed), MAX, &out) ==
                                 UNPACKED,
                             as == c);
        }
}

/* Damage is refused or gives some text; a good text is read afterwards. */
static void damage_leaves_nothing_behind(void **state)
{
    AUTO_RELEASE(buf) text = {0}, packed = {0}, out = {0};
    unsigned dice = 1;

    (void)state;
    fill(&text, 2000);
    for (int round = 0; round < 4000; round++) {
        enum coding coding = codings[(size_t)round % ARRAY_LEN(codings)];
        pack(coding, buf_str(&text), &packed);
        for (int i = 0; i < 1 + round % 3; i++) {
            dice = dice * 1103515245 + 12345;
            packed.p[(dice >> 8) % packed.n] ^= (char)(1 << (dice >> 4) % 8);
        }
        if (take(coding, buf_str(&packed), MAX, &out) == UNPACKED)
            assert_true(out.n <= MAX);
        pack(coding, STR("good"), &packed);
        assert_int_equal(take(coding, buf_str(&packed), MAX, &out), UNPACKED);
        assert_string_equal(out.p, "good");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(identity_is_bounded_too),
        cmocka_unit_test(the_bound_is_exact),
        cmocka_unit_test(appends),
        cmocka_unit_test(bombs),
        cmocka_unit_test(claims),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(something_behind_the_end),
        cmocka_unit_test(several_members),
        cmocka_unit_test(deflate_without_its_header),
        cmocka_unit_test(one_coding_is_not_another),
        cmocka_unit_test(damage_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

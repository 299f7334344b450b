/* SPDX-License-Identifier: Apache-2.0 */
#include "common/proto_arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "build/gen/otlp.pb-c.h"
#include "common/buf.h"

#define REQUEST (&pulse__otlp__export_metrics_service_request__descriptor)

static void empty_messages_are_bounded(void **state)
{
    AUTO(arena) a = arena_new(65536);
    AUTO_RELEASE(buf) text = {0};
    struct proto_arena p;

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_add(&text, "\x0a\x00", 2); /* a resource with nothing in it */
    proto_arena_init(&p, a, proto_arena_bound(text.n));
    assert_null(proto_arena_unpack(&p, REQUEST, buf_str(&text)));
    assert_true(p.spent);
    assert_true(arena_bytes(a) <= proto_arena_bound(text.n));
}

/* Each repetition copies the list of all before: memory by the square. */
static void merged_messages_are_bounded(void **state)
{
    static const char attribute[] = "\x0a\x04\x0a\x02\x0a\x00";
    AUTO(arena) a = arena_new(65536);
    AUTO_RELEASE(buf) text = {0};
    struct proto_arena p;
    const size_t times = 20000, part = sizeof attribute - 1;

    (void)state;
    size_t length = times * part;
    buf_add_char(&text, 0x0a);
    for (; length >= 128; length >>= 7)
        buf_add_char(&text, (char)(length | 0x80));
    buf_add_char(&text, (char)length);
    for (size_t i = 0; i < times; i++)
        buf_add(&text, attribute, part);
    proto_arena_init(&p, a, proto_arena_bound(text.n));
    assert_null(proto_arena_unpack(&p, REQUEST, buf_str(&text)));
    assert_true(p.spent);
}

static void broken_is_not_spent(void **state)
{
    AUTO(arena) a = arena_new(65536);
    struct proto_arena p;

    (void)state;
    proto_arena_init(&p, a, proto_arena_bound(2));
    assert_null(proto_arena_unpack(&p, REQUEST, STR("\x0a\x05")));
    assert_false(p.spent);
    assert_non_null(proto_arena_unpack(&p, REQUEST, STR("")));
}

static void bytes_are_counted(void **state)
{
    AUTO(arena) a = arena_new(65536);
    struct proto_arena p;

    (void)state;
    proto_arena_init(&p, a, 100);
    assert_non_null(proto_arena_alloc(&p, 50));
    assert_null(proto_arena_alloc(&p, SIZE_MAX));
    assert_true(p.spent);
    assert_null(proto_arena_alloc(&p, 0));
    assert_int_equal(proto_arena_bound(0), 65536);
    assert_int_equal(proto_arena_bound(100000), 1600000);
    assert_int_equal(proto_arena_bound(SIZE_MAX), 64 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_messages_are_bounded),
        cmocka_unit_test(merged_messages_are_bounded),
        cmocka_unit_test(broken_is_not_spent),
        cmocka_unit_test(bytes_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

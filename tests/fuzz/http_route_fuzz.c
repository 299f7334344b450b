/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign request targets: whatever is taken is UTF-8 without NUL. */
#include <stdlib.h>

#include "common/http_route.h"

static struct arena *arena;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct str s)
{
    if (!str_utf8_valid(s) || str_has_nul(s))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const patterns[] = {"/", "/{a}", "/a/{b}/c",
                                           "/{a}/{b}/{c}/{d}"};
    struct http_target t;
    if (arena == NULL)
        arena = arena_new(65536);
    arena_reset(arena);
    if (!http_target_parse((struct str){(const char *)data, size}, arena, &t))
        return 0;
    check(t.path);
    for (size_t p = 0; p < ARRAY_LEN(patterns); p++)
        if (http_target_match(&t, patterns[p], arena))
            for (int i = 0; i < t.arg_count; i++)
                check(t.arg_values[i]);
    check(http_target_query(&t, "a", arena));
    return 0;
}

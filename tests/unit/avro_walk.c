/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/avro_walk.h"

#include <avro.h>

#include "common/avro_cursor.h"

enum { DEPTH_MAX = 32 };

static bool walk_value(struct avro_cursor *w, avro_schema_t schema, int depth);

static bool walk_items(struct avro_cursor *w, avro_schema_t item, bool keys,
                       int64_t count, int depth)
{
    struct str key;
    for (int64_t i = 0; i < count; i++) {
        const unsigned char *start = w->p;
        if ((keys && !avro_cursor_text(w, &key)) ||
            !walk_value(w, item, depth)) {
            return false;
        }
        if (w->p == start) {
            return avro_cursor_fail(w, "an array has items without bytes");
        }
    }
    return true;
}

/* An array, or with keys a map. */
static bool walk_blocks(struct avro_cursor *w, avro_schema_t item, bool keys,
                        int depth)
{
    struct avro_block b;
    while (avro_block_open(w, &b)) {
        if (b.count == 0) {
            return true;
        }
        if (!walk_items(w, item, keys, b.count, depth) ||
            !avro_block_close(w, &b)) {
            return false;
        }
    }
    return false;
}

static bool walk_record(struct avro_cursor *w, avro_schema_t schema, int depth)
{
    size_t fields = avro_schema_record_size(schema);
    for (size_t i = 0; i < fields; i++) {
        if (!walk_value(w,
                        avro_schema_record_field_get_by_index(schema, (int)i),
                        depth)) {
            return false;
        }
    }
    return true;
}

static bool walk_union(struct avro_cursor *w, avro_schema_t schema, int depth)
{
    int64_t branch;
    return avro_cursor_branch(w, avro_schema_union_size(schema), &branch) &&
           walk_value(w, avro_schema_union_branch(schema, (int)branch), depth);
}

static bool walk_value(struct avro_cursor *w, avro_schema_t schema, int depth)
{
    int64_t number;
    struct str bytes;
    bool truth;
    if (++depth > DEPTH_MAX) {
        return avro_cursor_fail(w, "it is nested too deeply");
    }
    switch (avro_typeof(schema)) {
    case AVRO_NULL:
        return true;
    case AVRO_BOOLEAN:
        return avro_cursor_boolean(w, &truth);
    case AVRO_INT32:
        return avro_cursor_range(w, INT32_MIN, INT32_MAX,
                                 "an int has over 32 bits", &number);
    case AVRO_INT64:
        return avro_cursor_long(w, &number);
    case AVRO_FLOAT:
        return avro_cursor_skip(w, 4);
    case AVRO_DOUBLE:
        return avro_cursor_skip(w, 8);
    case AVRO_BYTES:
        return avro_cursor_bytes(w, &bytes);
    case AVRO_STRING:
        return avro_cursor_text(w, &bytes);
    case AVRO_FIXED:
        return avro_cursor_skip(w, avro_schema_fixed_size(schema));
    case AVRO_ENUM:
        return avro_cursor_range(w, 0,
                                 avro_schema_enum_number_of_symbols(schema) - 1,
                                 "an enum has no such symbol", &number);
    case AVRO_ARRAY:
        return walk_blocks(w, avro_schema_array_items(schema), false, depth);
    case AVRO_MAP:
        return walk_blocks(w, avro_schema_map_values(schema), true, depth);
    case AVRO_RECORD:
        return walk_record(w, schema, depth);
    case AVRO_UNION:
        return walk_union(w, schema, depth);
    case AVRO_LINK:
        return walk_value(w, avro_schema_link_target(schema), depth);
    case AVRO_INVALID:
    default:
        return avro_cursor_fail(w, "its schema is broken");
    }
}

const char *avro_walk(avro_schema_t schema, struct str body, size_t *at)
{
    struct avro_cursor w = avro_cursor_of(body);
    if (walk_value(&w, schema, 0) && w.p != w.end) {
        (void)avro_cursor_fail(&w, "bytes are left over");
    }
    *at = body.n - avro_cursor_left(&w);
    return w.wrong;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "common/avro_walk.h"

#include <avro.h>

enum { DEPTH_MAX = 32 };

struct walk {
    const unsigned char *p, *end;
    const char *wrong; /* what, once walk_* returned false */
};

static size_t left(const struct walk *w)
{
    return (size_t)(w->end - w->p);
}

static bool wrong(struct walk *w, const char *what)
{
    if (w->wrong == NULL) {
        w->wrong = what;
    }
    return false;
}

static bool walk_long(struct walk *w, int64_t *out)
{
    uint64_t n = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (w->p == w->end) {
            return wrong(w, "it ends inside a number");
        }
        unsigned char byte = *w->p++;
        if (shift == 63 && byte > 1) {
            break;
        }
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = (int64_t)(n >> 1 ^ -(n & 1));
            return true;
        }
    }
    return wrong(w, "a number has more than 64 bits");
}

static bool walk_range(struct walk *w, int64_t least, int64_t most,
                       const char *what)
{
    int64_t n = 0;
    if (!walk_long(w, &n)) {
        return false;
    }
    return (n >= least && n <= most) || wrong(w, what);
}

static bool walk_skip(struct walk *w, int64_t n)
{
    if (n < 0 || (uint64_t)n > left(w)) {
        return wrong(w, "a length is beyond its end");
    }
    w->p += n;
    return true;
}

static bool walk_bytes(struct walk *w, struct str *out)
{
    int64_t n = 0;
    if (!walk_long(w, &n)) {
        return false;
    }
    const char *start = (const char *)w->p;
    if (!walk_skip(w, n)) {
        return false;
    }
    *out = (struct str){start, (size_t)n};
    return true;
}

static bool walk_text(struct walk *w)
{
    struct str text;
    if (!walk_bytes(w, &text)) {
        return false;
    }
    if (str_has_nul(text)) {
        return wrong(w, "a text holds a NUL");
    }
    return str_utf8_valid(text) || wrong(w, "a text is not UTF-8");
}

static bool walk_value(struct walk *w, avro_schema_t schema, int depth);

static bool walk_items(struct walk *w, avro_schema_t item, bool keys,
                       int64_t count, int depth)
{
    for (int64_t i = 0; i < count; i++) {
        const unsigned char *start = w->p;
        if ((keys && !walk_text(w)) || !walk_value(w, item, depth)) {
            return false;
        }
        if (w->p == start) {
            return wrong(w, "an array has items without bytes");
        }
    }
    return true;
}

/* An array, or with keys a map: blocks until one with a count of 0. */
static bool walk_blocks(struct walk *w, avro_schema_t item, bool keys,
                        int depth)
{
    for (;;) {
        int64_t count = 0, bytes = -1;
        if (!walk_long(w, &count)) {
            return false;
        }
        if (count == 0) {
            return true;
        }
        if (count < 0 && !walk_long(w, &bytes)) {
            return false;
        }
        const unsigned char *start = w->p;
        if (count < -(int64_t)left(w) || count > (int64_t)left(w)) {
            return wrong(w, "a count is beyond its end");
        }
        if (!walk_items(w, item, keys, count < 0 ? -count : count, depth)) {
            return false;
        }
        if (count < 0 && w->p - start != bytes) {
            return wrong(w, "a block is not as long as it says");
        }
    }
}

static bool walk_record(struct walk *w, avro_schema_t schema, int depth)
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

static bool walk_union(struct walk *w, avro_schema_t schema, int depth)
{
    int64_t branch = 0;
    if (!walk_long(w, &branch)) {
        return false;
    }
    if (branch < 0 || (uint64_t)branch >= avro_schema_union_size(schema)) {
        return wrong(w, "a union has no such branch");
    }
    return walk_value(w, avro_schema_union_branch(schema, (int)branch), depth);
}

static bool walk_value(struct walk *w, avro_schema_t schema, int depth)
{
    int64_t ignored;
    struct str bytes;
    if (++depth > DEPTH_MAX) {
        return wrong(w, "it is nested too deeply");
    }
    switch (avro_typeof(schema)) {
    case AVRO_NULL:
        return true;
    case AVRO_BOOLEAN:
        if (left(w) > 0 && *w->p > 1) {
            return wrong(w, "a boolean is neither 0 nor 1");
        }
        return walk_skip(w, 1);
    case AVRO_INT32:
        return walk_range(w, INT32_MIN, INT32_MAX, "an int has over 32 bits");
    case AVRO_INT64:
        return walk_long(w, &ignored);
    case AVRO_FLOAT:
        return walk_skip(w, 4);
    case AVRO_DOUBLE:
        return walk_skip(w, 8);
    case AVRO_BYTES:
        return walk_bytes(w, &bytes);
    case AVRO_STRING:
        return walk_text(w);
    case AVRO_FIXED:
        return walk_skip(w, avro_schema_fixed_size(schema));
    case AVRO_ENUM:
        return walk_range(w, 0, avro_schema_enum_number_of_symbols(schema) - 1,
                          "an enum has no such symbol");
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
        return wrong(w, "its schema is broken");
    }
}

const char *avro_walk(avro_schema_t schema, struct str body, size_t *at)
{
    struct walk w = {.p = (const unsigned char *)(body.n > 0 ? body.p : "")};
    w.end = w.p + body.n;
    if (walk_value(&w, schema, 0) && w.p != w.end) {
        (void)wrong(&w, "bytes are left over");
    }
    *at = body.n - left(&w);
    return w.wrong;
}

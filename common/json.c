/* SPDX-License-Identifier: Apache-2.0 */
#include "common/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/names.h"
#include "common/timestamp.h"

enum { DEPTH_MAX = 64, MEMORY_MAX = 192 << 20 };

/* A value takes 16 bytes, and 2 in the text: a body of some KiB, unpacked,
 * could otherwise fill the memory. */
struct memory {
    struct arena *arena;
    size_t left;
};

/* yyjson allocates one pool for values and copies the text once. */
static void *arena_malloc(void *ctx, size_t n)
{
    struct memory *m = ctx;
    if (n > m->left)
        return NULL;
    m->left -= n;
    return arena_alloc(m->arena, n);
}

static void *arena_realloc(void *ctx, void *p, size_t old_n, size_t n)
{
    struct memory *m = ctx;
    if (n <= old_n)
        return p;
    if (n - old_n > m->left)
        return NULL;
    m->left -= n - old_n;
    return arena_grow(m->arena, p, old_n, n);
}

static void arena_ignore(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

/* The reader is not recursive, but those who walk its values are. The values
 * stand one behind the other, each container before what is in it. */
static bool depth_ok(yyjson_doc *doc)
{
    if (yyjson_doc_get_val_count(doc) <= DEPTH_MAX)
        return true;
    yyjson_val *ends[DEPTH_MAX]; /* of the containers around v */
    yyjson_val *v = yyjson_doc_get_root(doc);
    yyjson_val *last = v + yyjson_doc_get_val_count(doc);
    size_t depth = 0;
    for (; v < last; v++) {
        while (depth > 0 && v >= ends[depth - 1])
            depth--;
        if (!yyjson_is_ctn(v))
            continue;
        if (depth == DEPTH_MAX)
            return false;
        ends[depth++] = unsafe_yyjson_get_next(v);
    }
    return true;
}

yyjson_doc *json_parse(struct arena *a, struct str text, struct err *err)
{
    struct memory memory = {a, MEMORY_MAX};
    yyjson_alc alc = {.malloc = arena_malloc,
                      .realloc = arena_realloc,
                      .free = arena_ignore,
                      .ctx = &memory};
    yyjson_read_err failure;
    /* The reader takes char * but changes nothing without INSITU. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n,
                                       YYJSON_READ_NOFLAG, &alc, &failure);
    if (doc == NULL && failure.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        err_set(err, ERR_INPUT, "has more values than are read (%d MiB)",
                MEMORY_MAX >> 20);
    else if (doc == NULL)
        err_set(err, ERR_INPUT, "not JSON: %s at byte %zu", failure.msg,
                failure.pos);
    if (doc == NULL || depth_ok(doc))
        return doc;
    err_set(err, ERR_INPUT, "nested deeper than %d", DEPTH_MAX);
    return NULL;
}

static bool keys_repeat(const struct str *keys, size_t n, struct str *key)
{
    AUTO_RELEASE(names) names;
    names_init(&names, keys, sizeof *keys, n);
    for (size_t i = 0; i < n; i++) {
        if (names_add(&names, i) == i)
            continue;
        *key = keys[i];
        return true;
    }
    return false;
}

/* Mostly all have marks of their own, and that is that. */
static bool keys_differ(yyjson_val *object)
{
    uint64_t marks = 0;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *k; (k = yyjson_obj_iter_next(&iter)) != NULL;) {
        uint64_t mark = name_mark(json_str(k));
        if ((marks & mark) != 0)
            return false;
        marks |= mark;
    }
    return true;
}

bool json_duplicate(yyjson_val *object, struct str *key)
{
    struct str few[64], *keys = few;
    size_t n = yyjson_obj_size(object), i = 0;
    if (keys_differ(object))
        return false;
    if (n > ARRAY_LEN(few))
        keys = xreallocarray(NULL, n, sizeof *keys);
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *k; (k = yyjson_obj_iter_next(&iter)) != NULL;)
        keys[i++] = json_str(k);
    bool twice = keys_repeat(keys, i, key);
    if (keys != few)
        free(keys);
    return twice;
}

static void add_escaped(struct buf *b, unsigned char c)
{
    static const char names[] = "btn?fr"; /* from 0x08 on */
    if (c == '"' || c == '\\')
        buf_addf(b, "\\%c", c);
    else if (c >= 0x08 && c <= 0x0d && c != 0x0b)
        buf_addf(b, "\\%c", names[c - 0x08]);
    else
        buf_addf(b, "\\u%04x", c);
}

void json_add_str(struct buf *b, struct str s)
{
    buf_add_char(b, '"');
    size_t start = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(b, s.p + start, i - start);
        add_escaped(b, c);
        start = i + 1;
    }
    if (start < s.n)
        buf_add(b, s.p + start, s.n - start);
    buf_add_char(b, '"');
}

void json_add_double(struct buf *b, double value)
{
    if (!isfinite(value)) {
        buf_add_text(b, "null");
        return;
    }
    char text[32]; /* the shortest of 15 to 17 digits that reads back */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_add_text(b, text);
}

void json_add_i64(struct buf *b, int64_t value)
{
    buf_addf(b, "%lld", (long long)value);
}

void json_add_base64(struct buf *b, struct str bytes)
{
    buf_add_text(b, "{\"base64\":\"");
    base64_add(b, bytes);
    buf_add_text(b, "\"}");
}

void json_add_bytes(struct buf *b, struct str bytes)
{
    if (str_utf8_valid(bytes))
        json_add_str(b, bytes);
    else
        json_add_base64(b, bytes);
}

void json_add_time(struct buf *b, int64_t us)
{
    char text[TIMESTAMP_MAX];
    buf_addf(b, "\"%s\"", timestamp_format(us, text));
}

void json_add_val(struct buf *b, yyjson_val *v)
{
    size_t n;
    char *text = yyjson_val_write(v, YYJSON_WRITE_NOFLAG, &n);
    assert(text != NULL); /* fails only out of memory or on invalid values */
    buf_add(b, text, n);
    free(text);
}

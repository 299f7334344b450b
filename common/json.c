/* SPDX-License-Identifier: Apache-2.0 */
#include "common/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"

enum { DEPTH_MAX = 64, FEW = 16 };

/* yyjson allocates one pool for values and copies the text once. */
static void *arena_malloc(void *ctx, size_t n)
{
    return arena_alloc(ctx, n);
}

static void *arena_realloc(void *ctx, void *p, size_t old_n, size_t n)
{
    void *grown = arena_alloc(ctx, n);
    memcpy(grown, p, old_n < n ? old_n : n);
    return grown;
}

static void arena_ignore(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

/* The reader is not recursive, but those who walk its values are. */
static bool depth_ok(struct str text)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        if (depth > DEPTH_MAX)
            return false;
    }
    return true;
}

yyjson_doc *json_parse(struct arena *a, struct str text, struct err *err)
{
    if (!depth_ok(text)) {
        err_set(err, ERR_INPUT, "nested deeper than %d", DEPTH_MAX);
        return NULL;
    }
    yyjson_alc alc = {.malloc = arena_malloc,
                      .realloc = arena_realloc,
                      .free = arena_ignore,
                      .ctx = a};
    yyjson_read_err failure;
    /* The reader takes char * but changes nothing without INSITU. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n,
                                       YYJSON_READ_NOFLAG, &alc, &failure);
    if (doc == NULL)
        err_set(err, ERR_INPUT, "not JSON: %s at byte %zu", failure.msg,
                failure.pos);
    return doc;
}

static int key_order(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Most objects have few members; each with each is then faster than sorting,
 * for lengths mostly differ. */
static bool find_twin_of_few(const struct str *keys, size_t n, struct str *key)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(keys[i], keys[k])) {
                *key = keys[i];
                return true;
            }
    return false;
}

static bool find_twin(struct str *keys, size_t n, struct str *key)
{
    if (n <= FEW)
        return find_twin_of_few(keys, n, key);
    qsort(keys, n, sizeof *keys, key_order);
    for (size_t i = 1; i < n; i++)
        if (str_eq(keys[i - 1], keys[i])) {
            *key = keys[i];
            return true;
        }
    return false;
}

bool json_duplicate(yyjson_val *object, struct str *key)
{
    struct str few[32], *keys = few;
    size_t n = yyjson_obj_size(object), i = 0;
    if (n > ARRAY_LEN(few))
        keys = xreallocarray(NULL, n, sizeof *keys);
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *k; (k = yyjson_obj_iter_next(&iter)) != NULL;)
        keys[i++] = json_str(k);
    bool twice = find_twin(keys, i, key);
    if (keys != few)
        free(keys);
    return twice;
}

struct str json_str(yyjson_val *v)
{
    if (!yyjson_is_str(v))
        return (struct str){NULL, 0};
    return (struct str){yyjson_get_str(v), yyjson_get_len(v)};
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

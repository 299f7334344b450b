/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign JSON: what parses must, written again, parse to the same text. */
#include <stdlib.h>

#include "common/json.h"

static struct arena *arena;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void write_again(yyjson_doc *doc)
{
    AUTO_RELEASE(buf) once = {0};
    AUTO_RELEASE(buf) twice = {0};
    json_add_val(&once, yyjson_doc_get_root(doc));
    yyjson_doc *again = json_parse(arena, buf_str(&once), NULL);
    check(again != NULL);
    json_add_val(&twice, yyjson_doc_get_root(again));
    check(str_eq(buf_str(&once), buf_str(&twice)));
}

/* Any UTF-8 written as a string reads back. */
static void quote(struct str text)
{
    AUTO_RELEASE(buf) quoted = {0};
    json_add_str(&quoted, text);
    yyjson_doc *doc = json_parse(arena, buf_str(&quoted), NULL);
    check(doc != NULL);
    check(str_eq(json_str(yyjson_doc_get_root(doc)), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size}, key;
    struct err err = {0};
    if (arena == NULL)
        arena = arena_new(65536);
    arena_reset(arena);
    yyjson_doc *doc = json_parse(arena, text, &err);
    if (doc == NULL) {
        check(err.kind == ERR_INPUT && err.text[0] != '\0');
    } else {
        json_duplicate(yyjson_doc_get_root(doc), &key);
        write_again(doc);
    }
    if (str_utf8_valid(text))
        quote(text);
    return 0;
}

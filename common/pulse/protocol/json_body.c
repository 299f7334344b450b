/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/json_body.h"

#include <assert.h>

yyjson_val *json_text_read(struct arena *a, struct str text,
                           struct fault *fault)
{
    struct err err = {0};
    yyjson_doc *doc = json_parse(a, text, &err);

    if (doc)
        return yyjson_doc_get_root(doc);
    if (!str_utf8_valid(text))
        fault_set(fault, a, FAULT_INVALID_UTF8, (struct str){0},
                  "the text is not UTF-8");
    else
        fault_set(fault, a, FAULT_MALFORMED_JSON, (struct str){0}, "%s",
                  err.text);
    return NULL;
}

/* Takes the next line that is not empty. */
static bool line_next(struct str *rest, struct str *line)
{
    while (str_next(rest, '\n', line)) {
        *line = str_trim(*line);
        if (line->n > 0)
            return true;
    }
    return false;
}

static size_t lines_count(struct str text)
{
    struct str line;
    size_t n = 0;

    while (line_next(&text, &line))
        n++;
    return n;
}

static bool wrapped_open(struct json_body *b, yyjson_val *root,
                         struct fault *fault)
{
    struct str key;
    yyjson_val *list = yyjson_obj_get(root, "metrics");

    if (json_duplicate(root, &key))
        return fault_set(fault, b->arena, FAULT_DUPLICATE_KEY, (struct str){0},
                         "a name appears twice");
    if (!list)
        return fault_set(fault, b->arena, FAULT_MISSING_FIELD, STR("metrics"),
                         "is required: {\"metrics\":[...]}");
    if (!yyjson_arr_iter_init(list, &b->items))
        return fault_set(fault, b->arena, FAULT_WRONG_TYPE, STR("metrics"),
                         "must be an array");
    b->count = yyjson_arr_size(list);
    return true;
}

static bool forms_fault(struct json_body *b, unsigned forms,
                        struct fault *fault)
{
    const char *wanted = "one JSON object";

    if (forms & JSON_WRAPPED)
        wanted = "{\"metrics\":[...]} or an array of objects";
    else if (forms & JSON_ARRAY)
        wanted = "a JSON object or an array of objects";
    return fault_set(fault, b->arena, FAULT_WRONG_TYPE, (struct str){0},
                     "the body must be %s", wanted);
}

/* Where one record may stand too, its own members tell. */
static bool is_wrapped(yyjson_val *root, unsigned forms)
{
    return (forms & JSON_WRAPPED) &&
           (!(forms & JSON_ONE) || yyjson_obj_get(root, "metrics"));
}

bool json_body_open(struct json_body *b, struct arena *a, struct str text,
                    bool lines, unsigned forms, struct fault *fault)
{
    *b = (struct json_body){.arena = a, .text = text};
    if (lines) {
        assert(forms & JSON_LINES);
        b->lines = text;
        b->count = lines_count(text);
        return true;
    }
    yyjson_val *root = json_text_read(a, text, fault);
    if (!root)
        return false;
    if (yyjson_is_arr(root) && (forms & JSON_ARRAY)) {
        b->count = yyjson_arr_size(root);
        return yyjson_arr_iter_init(root, &b->items);
    }
    if (yyjson_is_obj(root) && is_wrapped(root, forms))
        return wrapped_open(b, root, fault);
    if (!yyjson_is_obj(root) || !(forms & JSON_ONE))
        return forms_fault(b, forms, fault);
    b->one = root;
    b->count = 1;
    return true;
}

bool json_body_next(struct json_body *b, struct json_item *item)
{
    if (b->next == b->count)
        return false;
    *item = (struct json_item){.index = b->next++};
    if (b->one) {
        item->value = b->one;
        item->text = b->text;
    } else if (b->lines.p) {
        bool more = line_next(&b->lines, &item->text);
        assert(more);
        item->value = json_text_read(b->arena, item->text, &item->fault);
    } else {
        item->value = yyjson_arr_iter_next(&b->items);
    }
    return true;
}

struct str json_item_text(const struct json_body *b,
                          const struct json_item *item)
{
    AUTO_RELEASE(buf) json = {0};

    if (item->text.p)
        return item->text;
    json_add_val(&json, item->value);
    return arena_str(b->arena, buf_str(&json));
}

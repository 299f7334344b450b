/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/raw.h"

#include <string.h>

#include "common/json.h"

/* jsonb has no U+0000; an escaped backslash before it is found too, which only
 * makes a text of an object. */
static bool has_nul_escape(struct str s)
{
    return memmem(s.p, s.n, "\\u0000", 6) != NULL;
}

static bool is_object(struct str s, struct arena *a)
{
    struct err err;
    if (s.n == 0 || has_nul_escape(s))
        return false;
    yyjson_doc *doc = json_parse(a, s, &err);
    return doc != NULL && yyjson_is_obj(yyjson_doc_get_root(doc));
}

void raw_json(struct str payload, struct arena *a, struct buf *out)
{
    buf_reset(out);
    if (payload.p == NULL) {
        buf_add_text(out, "{\"text\":null}");
    } else if (is_object(payload, a)) {
        buf_add_str(out, payload);
    } else if (str_is_text(payload)) {
        buf_add_text(out, "{\"text\":");
        json_add_str(out, payload);
        buf_add_char(out, '}');
    } else {
        json_add_base64(out, payload);
    }
}

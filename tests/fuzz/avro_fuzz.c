/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign Avro bytes: the first byte chooses the schema, the rest is the body.
 * What decodes must encode again, and then decode to the same record; and
 * libavro must read, or refuse, the same, and write the same. */
#include <stdlib.h>
#include <string.h>

#include "build/gen/schemas.h"
#include "common/pulse/record.h"
#include "tests/unit/record_oracle.h"

static struct record_codec *codec;
static struct oracle *oracle;
static struct arena *arena;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_header(struct buf *out, const struct avro_def *def)
{
    buf_add(out, "\xc3\x01", 2);
    for (int i = 0; i < 8; i++) {
        buf_add_char(out, (char)(def->fingerprint >> (8 * i) & 0xff));
    }
}

static void decode_twice(struct str message)
{
    struct record first, second;
    struct err err = {0};
    AUTO_RELEASE(buf) again = {0};
    AUTO_RELEASE(buf) a = {0};
    AUTO_RELEASE(buf) b = {0};
    if (!record_decode(codec, message, arena, &first, &err)) {
        if (err.kind != ERR_INPUT || err.text[0] == '\0') {
            abort();
        }
        return;
    }
    oracle_compare_encoding(oracle, codec, &first);
    if (!record_encode(codec, &first, &again, &err) ||
        !record_decode(codec, buf_str(&again), arena, &second, &err)) {
        abort();
    }
    record_json(&first, &a);
    record_json(&second, &b);
    if (!str_eq(buf_str(&a), buf_str(&b))) {
        abort();
    }
    record_key(&first, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (codec == NULL) {
        codec = record_codec_new(NULL);
        oracle = oracle_new();
        arena = arena_new(4096);
    }
    if (size > 0) {
        AUTO_RELEASE(buf) message = {0};
        put_header(&message, &schema_defs[data[0] % SCHEMA_COUNT]);
        buf_add(&message, data + 1, size - 1);
        /* Exactly as long as it is, so that ASan sees a read beyond it. */
        char *bytes = xmalloc(message.n);
        memcpy(bytes, message.p, message.n);
        oracle_compare(oracle, codec, (struct str){bytes, message.n}, arena);
        decode_twice((struct str){bytes, message.n});
        free(bytes);
    }
    arena_reset(arena);
    return 0;
}

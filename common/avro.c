/* SPDX-License-Identifier: Apache-2.0 */
#include "common/avro.h"

/* The specification's EMPTY: seed and reversed polynomial in one. */
#define CRC_EMPTY UINT64_C(0xc15d213aa4d7a795)

uint64_t avro_fingerprint(struct str canonical_form)
{
    uint64_t crc = CRC_EMPTY;
    for (size_t i = 0; i < canonical_form.n; i++) {
        crc ^= (unsigned char)canonical_form.p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? CRC_EMPTY : 0);
        }
    }
    return crc;
}

void avro_header(char out[AVRO_HEADER_BYTES], uint64_t fingerprint)
{
    out[0] = (char)0xc3;
    out[1] = 0x01;
    for (int i = 0; i < 8; i++) {
        out[2 + i] = (char)(fingerprint >> (8 * i) & 0xff);
    }
}

bool avro_peek(struct str message, uint64_t *fingerprint, struct str *body)
{
    const unsigned char *p = (const unsigned char *)message.p;
    if (message.n < AVRO_HEADER_BYTES || p[0] != 0xc3 || p[1] != 0x01) {
        return false;
    }
    *fingerprint = 0;
    for (int i = 0; i < 8; i++) {
        *fingerprint |= (uint64_t)p[2 + i] << (8 * i);
    }
    *body = (struct str){message.p + AVRO_HEADER_BYTES,
                         message.n - AVRO_HEADER_BYTES};
    return true;
}

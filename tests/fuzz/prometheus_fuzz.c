/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign remote write: what is taken can be stored, what is not says why and
 * leaves a letter that is JSON; what is left out is no number. The first byte:
 * whether the key is bound to a device. */
#include "tests/fuzz/otlp_body.h"

static struct otlp_fuzz fuzz;
static struct buf said;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all of it, and says in said what became of it. */
static void request_read(struct str text, bool device)
{
    const struct check_rules rules = {.past_us = INT64_C(1) << 52,
                                      .future_us = INT64_C(1) << 52,
                                      .labels_max = 12};
    const struct caller caller = {
        .tenant_id = STR("t"),
        .device_id = {device ? "d1" : NULL, device ? 2 : 0}};
    struct check c = {.arena = fuzz.arena,
                      .rules = &rules,
                      .caller = &caller,
                      .received_us = NOW_US};
    const struct posted posted = {.text = text};
    struct body b;
    struct unit u;
    size_t units = 0;

    buf_reset(&said);
    if (!body_open(&b, endpoint_find(STR("/api/v1/write")), &c, &posted)) {
        check(c.fault.code == FAULT_MALFORMED_PROTOBUF ||
              c.fault.code == FAULT_UNPACKED_TOO_LARGE);
        return;
    }
    for (; body_next(&b, &u); units++) {
        check(u.index == units);
        if (u.good)
            good_unit(&fuzz, &u, &said);
        else
            bad_unit(&b, &u, &said);
    }
    check(units + b.skipped[SKIP_STALE] + b.skipped[SKIP_NOT_FINITE] ==
          b.records_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    fuzz_begin(&fuzz);
    request_read((struct str){(const char *)data + 1, size - 1}, data[0] & 1);
    return 0;
}

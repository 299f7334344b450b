/* SPDX-License-Identifier: Apache-2.0 */
/* ledger: does every message the writer consumed stand somewhere? */
#include <inttypes.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/ledger.h"
#include "tools/pulse/table.h"

enum { WAIT_STEP_MS = 200 };

static bool all_equal(const struct ledger *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (!ledger_line_equal(&l->lines[i]))
            return false;
    return true;
}

static int64_t lag_sum(const struct ledger *l)
{
    int64_t sum = 0;
    for (size_t i = 0; i < l->count; i++)
        sum += l->lines[i].lag;
    return sum;
}

static void text_write(const struct ledger *l, struct buf *out)
{
    AUTO_RELEASE(table) t;
    table_init(&t, "TOPIC|PART>|CONSUMED>|STORED>|DUPLICATE>|DEAD>|GAP>|END>|"
                   "LAG>|");
    for (size_t i = 0; i < l->count; i++) {
        const struct ledger_line *line = &l->lines[i];
        table_cellf(&t, "%s", line->name);
        table_cellf(&t, "%d", line->part);
        const int64_t numbers[] = {line->next - line->first,
                                   line->stored,
                                   line->duplicate,
                                   line->dead,
                                   line->gap,
                                   line->end,
                                   line->lag};
        for (size_t n = 0; n < ARRAY_LEN(numbers); n++)
            table_cellf(&t, "%" PRId64, numbers[n]);
        table_cellf(&t, "%s",
                    !ledger_line_equal(line) ? "NOT EQUAL"
                    : line->claimed          ? "ok"
                                             : "never claimed");
    }
    table_write(&t, "", out);
    buf_addf(out, "%s; lag %" PRId64 "\n",
             all_equal(l) ? "consumed = stored + duplicate + dead + gap"
                          : "consumed != stored + duplicate + dead + gap",
             lag_sum(l));
}

static void json_write(const struct ledger *l, struct buf *out)
{
    buf_addf(out, "{\"equal\":%s,\"lag\":%" PRId64 ",\"partitions\":[",
             all_equal(l) ? "true" : "false", lag_sum(l));
    for (size_t i = 0; i < l->count; i++) {
        const struct ledger_line *line = &l->lines[i];
        buf_addf(out, "%s{\"topic\":\"%s\",\"part\":%d,", i ? "," : "",
                 line->name, line->part);
        buf_addf(out,
                 "\"first\":%" PRId64 ",\"next\":%" PRId64
                 ",\"consumed\":%" PRId64 ",\"stored\":%" PRId64
                 ",\"duplicate\":%" PRId64 ",\"dead\":%" PRId64
                 ",\"gap\":%" PRId64 ",\"end\":%" PRId64 ",\"lag\":%" PRId64
                 ",\"claimed\":%s,\"equal\":%s}",
                 line->first, line->next, line->next - line->first,
                 line->stored, line->duplicate, line->dead, line->gap,
                 line->end, line->lag, line->claimed ? "true" : "false",
                 ledger_line_equal(line) ? "true" : "false");
    }
    buf_add_text(out, "]}\n");
}

/* Reads until the lag is 0 or the time is over; true: *l was read. */
static bool ledger_wait(struct ledger *l, struct world *w, int64_t wait_ms,
                        struct err *err)
{
    int64_t until_us = clock_mono_us() + wait_ms * 1000;
    for (;;) {
        ledger_release(l);
        if (!ledger_read(l, w, err) || !ledger_read_ends(l, w, err))
            return false;
        if (lag_sum(l) == 0 || clock_mono_us() >= until_us)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_MS * 1000000L}, NULL);
    }
}

static int ledger(const struct call *c)
{
    struct err err = {0};
    int64_t wait_s = 0;
    if (!call_int(c, "--wait", 0, 86400, &wait_s, &err))
        return usage_error(c, &err);
    AUTO_RELEASE(ledger) l = {0};
    AUTO_RELEASE(buf) out = {0};
    if (!ledger_wait(&l, c->world, wait_s * 1000, &err))
        return failure(&err);
    if (call_flag(c, "--json"))
        json_write(&l, &out);
    else
        text_write(&l, &out);
    print(&out);
    if (!all_equal(&l)) {
        err_set(&err, ERR_FATAL, "the ledger does not balance");
        return failure(&err);
    }
    if (wait_s > 0 && lag_sum(&l) > 0) {
        err_set(&err, ERR_RETRY,
                "the writer is still %" PRId64 " messages behind after %" PRId64
                " s",
                lag_sum(&l), wait_s);
        return failure(&err);
    }
    return 0;
}

static const struct option options[] = {
    {"--wait", "SECONDS", "wait until the writer has caught up", false},
    {"--json", NULL, "one JSON object", false},
};
const struct command ledger_command = {
    .name = "ledger",
    .summary = "Prove that every message consumed stands somewhere",
    .details =
        "Per topic and partition, for the writer: messages consumed (next - "
        "first offset) must be\nstored + duplicate + dead + gap. Exit status 1 "
        "if they are not, or if --wait was in vain.\nEND is Kafka's next "
        "offset, LAG what the writer has still to read.\n",
    .examples = "  pulse ledger\n"
                "  pulse ledger --wait 30\n"
                "  pulse ledger --json | jq .lag\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = ledger,
};

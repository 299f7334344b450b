/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter redrive: sends letters again, page by page; each page is locked,
 * sent, acknowledged by Kafka and only then marked, in one transaction. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/timestamp.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/deadletter_planner.h"
#include "tools/pulse/deadletter_send.h"
#include "tools/pulse/deadletter_walk.h"

/* A letter of the page. */
struct attempt {
    struct deadletter letter;
    struct plan plan;
    struct sending sending;
    const char *refused; /* in the arena; NULL: sent */
    bool settled;        /* by somebody before; the row stays as it is */
};

struct redrive {
    struct pg *pg;
    struct sender *sender; /* NULL: a dry run */
    struct planner *planner;
    bool force;
    struct tally tally; /* good: sent, or would be */
    int64_t records;
    int64_t undelivered; /* of tally.bad: Kafka did not take them */
};

static void note_refusal(struct redrive *r, struct attempt *a, const char *code,
                         struct str why)
{
    a->refused =
        arena_printf(r->planner->arena, "%s: %.*s", code, STR_ARG(why)).p;
}

/* Its status says that somebody has decided about it. */
static bool is_open(struct redrive *r, struct attempt *a)
{
    const struct deadletter *l = &a->letter;
    char when[TIMESTAMP_MAX] = "";
    if (r->force || str_is(l->status, "new"))
        return true;
    if (l->redriven_us)
        timestamp_format(l->redriven_us, when);
    struct str why =
        str_is(l->status, "redriven")
            ? arena_printf(r->planner->arena,
                           "was redriven %s; --force sends it again", when)
            : arena_printf(r->planner->arena,
                           "was dropped; --force sends it nevertheless");
    note_refusal(r, a, "not_new", why);
    a->settled = true;
    return false;
}

static void attempt_send(struct redrive *r, struct attempt *a)
{
    struct err err = {0};
    if (!is_open(r, a))
        return;
    if (!plan_make(r->planner, &a->letter, &a->plan))
        note_refusal(r, a, a->plan.code, a->plan.why);
    else if (r->sender && !sender_send(r->sender, &a->plan, &a->sending, &err))
        note_refusal(r, a, "not_sent", str_of(err.text));
}

static void attempt_judge(struct redrive *r, struct attempt *a)
{
    static const char *const texts[] = {
        [KAFKA_ACKED] = NULL,
        [KAFKA_UNKNOWN] = "Kafka did not answer in time; it may have arrived",
        [KAFKA_REFUSED] = "Kafka could not be reached or refused it",
        [KAFKA_TOO_LARGE] = "too large for its topic",
        [KAFKA_NO_TOPIC] = "its topic does not exist",
        [KAFKA_FORBIDDEN] = "Kafka does not let us write to its topic",
    };
    if (!a->refused && a->sending.verdict != KAFKA_ACKED)
        note_refusal(r, a, "not_delivered", str_of(texts[a->sending.verdict]));
    if (a->sending.verdict != KAFKA_ACKED &&
        a->sending.verdict != KAFKA_TOO_LARGE)
        r->undelivered++;
}

static void attempt_tell(struct redrive *r, const struct attempt *a)
{
    if (a->refused) {
        tally_bad(&r->tally, a->letter.id, "%s", a->refused);
        return;
    }
    r->records += (int64_t)a->plan.count;
    tally_good(&r->tally, a->letter.id, "%zu record%s %s %.*s", a->plan.count,
               a->plan.count == 1 ? "" : "s",
               r->sender ? "sent to" : "would go to", STR_ARG(a->plan.topic));
}

static bool mark_sent(struct redrive *r, const int64_t *ids, size_t count,
                      struct err *err)
{
    struct pg_params p = {0};
    if (count == 0)
        return true;
    pg_i64_array(&p, ids, count);
    return pg_do(r->pg,
                 "UPDATE dead_letters SET status = 'redriven',"
                 " redriven_at = now(), last_error = NULL"
                 " WHERE id = ANY ($1::bigint[])",
                 &p, NULL, err);
}

static bool mark_refused(struct redrive *r, const int64_t *ids,
                         const struct str *why, size_t count, struct err *err)
{
    struct pg_params p = {0};
    if (count == 0)
        return true;
    pg_i64_array(&p, ids, count);
    pg_text_array(&p, why, count);
    return pg_do(r->pg,
                 "UPDATE dead_letters d SET last_error = e.why"
                 " FROM unnest($1::bigint[], $2::text[]) AS e (id, why)"
                 " WHERE d.id = e.id",
                 &p, NULL, err);
}

static bool attempts_mark(struct redrive *r, const struct attempt *attempts,
                          size_t count, struct err *err)
{
    struct arena *a = r->planner->arena;
    int64_t *sent = arena_zalloc(a, count + 1, sizeof *sent);
    int64_t *refused = arena_zalloc(a, count + 1, sizeof *refused);
    struct str *why = arena_zalloc(a, count + 1, sizeof *why);
    size_t sents = 0, refusals = 0;
    for (size_t i = 0; i < count; i++) {
        const struct attempt *at = &attempts[i];
        if (!at->refused) {
            sent[sents++] = at->letter.id;
        } else if (!at->settled) {
            refused[refusals] = at->letter.id;
            why[refusals++] = str_of(at->refused);
        }
    }
    return mark_sent(r, sent, sents, err) &&
           mark_refused(r, refused, why, refusals, err);
}

static struct attempt *attempts_make(struct redrive *r,
                                     const struct pg_result *rows)
{
    size_t count = (size_t)pg_rows(rows);
    struct attempt *attempts =
        arena_zalloc(r->planner->arena, count + 1, sizeof *attempts);
    for (size_t i = 0; i < count; i++) {
        deadletter_get(rows, (int)i, &attempts[i].letter);
        attempt_send(r, &attempts[i]);
    }
    if (r->sender)
        sender_wait(r->sender);
    for (size_t i = 0; i < count; i++)
        attempt_judge(r, &attempts[i]);
    return attempts;
}

/* The row as it is now: another redrive may have come first. */
static struct pg_result *page_lock(struct redrive *r, const int64_t *ids,
                                   size_t count, struct err *err)
{
    struct pg_params p = {0};
    pg_i64_array(&p, ids, count);
    if (!r->sender)
        return pg_run(r->pg,
                      "SELECT " DEADLETTER_COLUMNS DEADLETTER_FROM
                      " WHERE d.id = ANY ($1::bigint[]) ORDER BY d.id",
                      &p, err);
    return pg_run(r->pg,
                  "SELECT " DEADLETTER_COLUMNS DEADLETTER_FROM
                  " WHERE d.id = ANY ($1::bigint[]) ORDER BY d.id"
                  " FOR UPDATE OF d",
                  &p, err);
}

static bool page_redrive(void *arg, const int64_t *ids, size_t count,
                         struct err *err)
{
    struct redrive *r = arg;
    arena_reset(r->planner->arena);
    r->planner->now_us = clock_wall_us();
    if (!pg_begin(r->pg, err))
        return false;
    AUTO(pg_result) rows = page_lock(r, ids, count, err);
    if (!rows)
        return false;
    struct attempt *attempts = attempts_make(r, rows);
    count = (size_t)pg_rows(rows);
    if (!r->sender) {
        pg_rollback(r->pg);
    } else if (!attempts_mark(r, attempts, count, err) ||
               !pg_commit(r->pg, err)) {
        err_in(err, "sent but not marked (the store drops what comes twice)");
        return false;
    }
    for (size_t i = 0; i < count; i++)
        attempt_tell(r, &attempts[i]);
    if (r->undelivered == 0)
        return true;
    err_set(err, ERR_RETRY,
            "Kafka (PULSE_KAFKA_BROKERS) does not take them; the rest was not "
            "tried");
    return false;
}

static void summary_print(const struct redrive *r)
{
    const struct tally *t = &r->tally;
    printf("%" PRId64 " letter%s: %" PRId64 " %s (%" PRId64
           " records), %" PRId64 " %s%s\n",
           t->good + t->bad, t->good + t->bad == 1 ? "" : "s", t->good,
           r->sender ? "redriven" : "would be redriven", r->records, t->bad,
           r->sender ? "not" : "would not",
           r->sender ? "" : "; nothing was changed");
}

static int redrive_run(struct redrive *r, const struct call *c,
                       struct walk_options *o, struct err *err)
{
    AUTO(planner) planner = planner_new(c->world, err);
    AUTO(sender) sender = NULL;
    if (!planner)
        return failure(err);
    if (!call_flag(c, "--dry-run")) {
        sender = sender_new(c->world, planner->message_bytes_max, err);
        if (!sender)
            return failure(err);
    }
    r->planner = planner;
    r->sender = sender;
    r->pg = world_pg(c->world, err);
    if (!r->pg)
        return failure(err);
    tally_init(&r->tally, "redrive");
    bool good = walk(r->pg, o, &r->tally, page_redrive, r, err);
    tally_end(&r->tally);
    summary_print(r);
    if (!good)
        return failure(err);
    return r->tally.bad > 0;
}

static int redrive(const struct call *c)
{
    struct err err = {0};
    AUTO_RELEASE(deadletter_filter) filter = {0};
    struct walk_options options;
    struct redrive r = {.force = call_flag(c, "--force")};
    if (!walk_parse(&options, &filter, c, &err))
        return usage_error(c, &err);
    return redrive_run(&r, c, &options, &err);
}

static const struct option options[] = {
    DEADLETTER_FILTER_OPTIONS,
    {"--limit", "COUNT", "at most that many letters", false},
    {"--dry-run", NULL, "only say what would happen", false},
    {"--force", NULL, "redriven and dropped ones too", false},
};
const struct command deadletter_redrive_command = {
    .name = "deadletter redrive",
    .positional = "[ID…]",
    .more = true,
    .summary = "Send dead letters again",
    .details =
        "A letter of the edge is judged again as the edge does, its times as "
        "of when it came, and goes to\nits topic; one of the writer goes to "
        "its topic as it is. It is marked once Kafka has it; after a\ncrash "
        "before that it is sent again, and the store drops the repeat. "
        "Without --status only new ones\nare looked for. Exit status 1 where "
        "one could not be sent; it stays, with its new reason.\n"
        "More: docs/deadletters.md.\n",
    .examples = "  pulse deadletter redrive 1234 1235\n"
                "  pulse deadletter redrive --tenant demo --reason "
                "series_limit --dry-run\n"
                "  pulse deadletter redrive --status new --since 2h\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = redrive,
};

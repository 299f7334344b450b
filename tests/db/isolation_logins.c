/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolation_logins.c - the attacks of db/tests/isolation_attacks.sql by real
 * logins, and what only those can try: other identities, start-up options,
 * notices and notifications, COPY, other sessions, pooled connections.
 * The argument is where the prepared database is (db/tests/
 * isolation_logins_test). Prints TAP.
 */
#include <assert.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *where;
static PGconn *judge; /* superuser: says whether an answer shows b */
static int count, failed;

struct text {
    char *p;
    size_t n;
    FILE *to;
};

static void text_init(struct text *t)
{
    t->to = open_memstream(&t->p, &t->n);
    assert(t->to != NULL);
}

static const char *text_get(struct text *t)
{
    fflush(t->to);
    return t->p;
}

static void text_release(struct text *t)
{
    fclose(t->to);
    free(t->p);
}

/* All that a session lets its user see: rows, errors and payloads; notices. */
struct seen {
    struct text answer, aloud;
};

static void seen_init(struct seen *s)
{
    text_init(&s->answer);
    text_init(&s->aloud);
}

static void seen_release(struct seen *s)
{
    text_release(&s->answer);
    text_release(&s->aloud);
}

static void ok(bool good, const char *what, const char *seen)
{
    printf("%s %d - %.400s\n", good ? "ok" : "not ok", ++count, what);
    if (!good) {
        failed++;
        printf("#   saw %.400s\n", seen);
    }
}

static void note_notice(void *to, const PGresult *res)
{
    char *all = PQresultVerboseErrorMessage(res, PQERRORS_VERBOSE,
                                            PQSHOW_CONTEXT_ALWAYS);
    fputs(all, to);
    PQfreemem(all);
}

/* A session of a login; extra: more of a connection string. */
static PGconn *session_try(const char *login, const char *extra)
{
    char info[512];
    snprintf(info, sizeof info, "%s user=%s %s", where, login, extra);
    return PQconnectdb(info);
}

static PGconn *session_new(const char *login)
{
    PGconn *pg = session_try(login, "");
    assert(PQstatus(pg) == CONNECTION_OK);
    return pg;
}

static void note_rows(FILE *to, const PGresult *res)
{
    for (int row = 0; row < PQntuples(res); row++) {
        fprintf(to, "%s(", row > 0 ? "\n" : "");
        for (int col = 0; col < PQnfields(res); col++)
            fprintf(to, "%s%s", col > 0 ? "," : "", PQgetvalue(res, row, col));
        fputc(')', to);
    }
}

static void note_copy(FILE *to, PGconn *pg)
{
    char *line;
    int n;
    while ((n = PQgetCopyData(pg, &line, 0)) > 0) {
        fwrite(line, 1, (size_t)n, to);
        PQfreemem(line);
    }
}

static void note_error(FILE *to, const PGresult *res)
{
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
    fprintf(to, "%s | %s", PQresultErrorField(res, PG_DIAG_SQLSTATE),
            PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
    fprintf(to, "%s%s%s%s", detail ? " | " : "", detail ? detail : "",
            hint ? " | " : "", hint ? hint : "");
}

/* Runs statements, notes all they answer. */
static void run(PGconn *pg, struct seen *s, const char *sql)
{
    FILE *to = s->answer.to;
    PQsetNoticeReceiver(pg, note_notice, s->aloud.to);
    PGresult *res;
    assert(PQsendQuery(pg, sql));
    while ((res = PQgetResult(pg)) != NULL) {
        ExecStatusType status = PQresultStatus(res);
        if (status == PGRES_TUPLES_OK)
            note_rows(to, res);
        else if (status == PGRES_COPY_OUT)
            note_copy(to, pg);
        else if (status == PGRES_COMMAND_OK)
            fputs(PQcmdTuples(res)[0] ? PQcmdTuples(res) : "0", to);
        else
            note_error(to, res);
        PQclear(res);
    }
    PGnotify *told;
    PQconsumeInput(pg);
    while ((told = PQnotifies(pg)) != NULL) {
        fprintf(to, "[%s %s]", told->relname, told->extra);
        PQfreemem(told);
    }
}

/* Runs what must work; its answer is of no interest. */
static void must(PGconn *pg, const char *sql)
{
    PGresult *res = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s: %s", sql, PQerrorMessage(pg));
        exit(1);
    }
    PQclear(res);
}

/* It shows nothing of b and is LIKE wanted (NULL: whatever it is). */
static bool harmless(struct seen *s, const char *wanted)
{
    const char *values[] = {text_get(&s->answer), text_get(&s->aloud), wanted};
    PGresult *res = PQexecParams(judge,
                                 "SELECT NOT tests.shows_b($1 || $2) AND "
                                 "$1 LIKE coalesce($3, '%')",
                                 3, NULL, values, NULL, NULL, 0);
    assert(PQresultStatus(res) == PGRES_TUPLES_OK);
    bool good = PQgetvalue(res, 0, 0)[0] == 't';
    PQclear(res);
    return good;
}

/* What a session sees by a statement is harmless and as wanted. */
static void expect(PGconn *pg, const char *what, const char *sql,
                   const char *wanted)
{
    struct seen s;
    char name[512];
    seen_init(&s);
    run(pg, &s, sql);
    snprintf(name, sizeof name, "%s: %s", what, sql);
    ok(harmless(&s, wanted), name, text_get(&s.answer));
    seen_release(&s);
}

static void set_tenant(PGconn *pg, const char *tenant)
{
    const char *values[] = {tenant};
    PGresult *res =
        PQexecParams(pg, "SELECT set_config('app.tenant_id', $1, true)", 1,
                     NULL, values, NULL, NULL, 0);
    assert(PQresultStatus(res) == PGRES_TUPLES_OK);
    PQclear(res);
}

/* --- the list ---------------------------------------------------------- */

static void attack(PGconn *pg, PGresult *list, int row)
{
    const char *statement = PQgetvalue(list, row, 2);
    struct seen s;
    char what[512];
    seen_init(&s);
    must(pg, "BEGIN; SELECT set_config('hostile.seen', '', true)");
    if (!PQgetisnull(list, row, 1))
        set_tenant(pg, PQgetvalue(list, row, 1));
    run(pg, &s, statement);
    if (PQtransactionStatus(pg) == PQTRANS_INTRANS) {
        PGresult *res = PQexec(pg, "SELECT current_setting('hostile.seen')");
        fputs(PQgetvalue(res, 0, 0), s.answer.to);
        PQclear(res);
    }
    must(pg, "ROLLBACK");
    snprintf(what, sizeof what, "%s as '%s': %s", PQgetvalue(list, row, 0),
             PQgetvalue(list, row, 1), statement);
    const char *wanted =
        PQgetisnull(list, row, 3) ? NULL : PQgetvalue(list, row, 3);
    ok(harmless(&s, wanted), what, text_get(&s.answer));
    seen_release(&s);
}

static void attack_all(void)
{
    PGresult *list = PQexec(judge, "SELECT login, tenant, statement, wanted "
                                   "FROM tests.attacks ORDER BY login, nth");
    assert(PQresultStatus(list) == PGRES_TUPLES_OK && PQntuples(list) > 500);
    PGconn *pg = NULL;
    for (int row = 0; row < PQntuples(list); row++) {
        const char *login = PQgetvalue(list, row, 0);
        if (pg == NULL || strcmp(PQuser(pg), login) != 0) {
            PQfinish(pg);
            pg = session_new(login);
            must(pg, "SET search_path = tests, public");
        }
        attack(pg, list, row);
    }
    PQfinish(pg);
    PQclear(list);
}

/* --- identities -------------------------------------------------------- */

static const char tenants[] =
    "SELECT string_agg(DISTINCT tenant_id, ',') FROM metrics";

static void become_others(const char *login)
{
    static const char *const tries[] = {
        "SET ROLE pulse_owner",
        "SET ROLE pulse_operator",
        "SET ROLE pulse_writer",
        "SET ROLE hostile_b",
        "SET SESSION AUTHORIZATION pulse_owner",
        "SET SESSION AUTHORIZATION hostile_b",
        "SELECT set_config('session_authorization', 'pulse_admin', false)",
        "SELECT set_config('role', 'pulse_admin', false)",
    };
    PGconn *pg = session_new(login);
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        expect(pg, login, tries[i], "42501%");
    expect(pg, login, "COPY store.samples TO STDOUT", "42501%");
    expect(pg, login, "COPY (SELECT * FROM store.series) TO STDOUT", "42501%");
    expect(pg, login, "COPY (SELECT * FROM metrics) TO STDOUT", NULL);
    PQfinish(pg);
}

/* What is said when connecting counts no more than what is said later. */
static void connect_forged(void)
{
    static const char *const refused[] = {"options='-c role=pulse_owner'",
                                          "options='-c role=pulse_api'"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        PGconn *pg = session_try("hostile_a", refused[i]);
        ok(PQstatus(pg) == CONNECTION_BAD, refused[i], "connected");
        PQfinish(pg);
    }
    PGconn *pg = session_try("hostile_a", "options='-c app.tenant_id=b'");
    expect(pg, "options say b", tenants, "(a)");
    expect(pg, "a default", "ALTER ROLE hostile_a SET app.tenant_id = 'b'",
           "42501%");
    must(judge, "ALTER ROLE hostile_a SET app.tenant_id = 'b'");
    PQfinish(pg);
    pg = session_new("hostile_a");
    expect(pg, "the role's default says b", "SHOW app.tenant_id", "(b)");
    expect(pg, "the role's default says b", tenants, "(a)");
    must(judge, "ALTER ROLE hostile_a RESET app.tenant_id");
    PQfinish(pg);
}

/* --- other sessions ---------------------------------------------------- */

static void watch_others(void)
{
    PGconn *b = session_new("hostile_b");
    must(b, "BEGIN; SELECT 'can' || 'ary', 'canary' FROM metrics LIMIT 1");
    PGconn *pg = session_new("hostile_a");
    expect(pg, "another's session",
           "SELECT count(*) FROM pg_stat_activity WHERE usename = "
           "'hostile_b' AND query = '<insufficient privilege>'",
           "(1)");
    expect(pg, "another's session", "SELECT * FROM pg_stat_activity", NULL);
    expect(pg, "another's session",
           "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE "
           "usename = 'hostile_b'",
           "42501%");
    must(b, "ROLLBACK");
    PQfinish(b);

    must(pg, "LISTEN pulse_rules; LISTEN pulse_outbox");
    must(judge, "UPDATE public.alert_rules SET threshold = threshold + 1");
    must(judge, "UPDATE public.devices SET description = description");
    expect(pg, "notifications carry nothing", "SELECT 1 WHERE false",
           "[pulse_rules ]%");
    PQfinish(pg);
}

/* --- a pool ------------------------------------------------------------ */

static void pool_transactions(PGconn *pg)
{
    expect(pg, "a fresh connection", tenants, "()");
    must(pg, "BEGIN");
    set_tenant(pg, "a");
    expect(pg, "in a's transaction", tenants, "(a)");
    must(pg, "COMMIT");
    expect(pg, "after COMMIT", tenants, "()");
    must(pg, "BEGIN");
    set_tenant(pg, "a");
    expect(pg, "an error", "SELECT 1 / 0", "22012%");
    expect(pg, "after an error", tenants, "25P02%");
    must(pg, "COMMIT");
    expect(pg, "after the error's COMMIT", tenants, "()");
    must(pg, "BEGIN");
    set_tenant(pg, "a");
    must(pg, "ROLLBACK");
    expect(pg, "after ROLLBACK", tenants, "()");
    must(pg, "BEGIN");
    set_tenant(pg, "a");
    must(pg, "SAVEPOINT s");
    set_tenant(pg, "");
    expect(pg, "none in a savepoint", tenants, "()");
    must(pg, "ROLLBACK TO s");
    expect(pg, "a again behind it", tenants, "(a)");
    must(pg, "COMMIT");
    expect(pg, "SET LOCAL without a transaction",
           "SET LOCAL app.tenant_id = 'b'", NULL);
    expect(pg, "has no effect", tenants, "()");
    set_tenant(pg, "a"); /* autocommit: gone with its statement */
    expect(pg, "after a setting of one statement", tenants, "()");
    expect(pg, "several statements at once are one transaction",
           "SELECT FROM set_config('app.tenant_id', 'a', true); SELECT "
           "string_agg(DISTINCT tenant_id, ',') FROM metrics",
           "()(a)");
    expect(pg, "and it ends", tenants, "()");
}

static void pool_cancelled(PGconn *pg)
{
    must(pg, "BEGIN");
    set_tenant(pg, "a");
    must(pg, "SET LOCAL statement_timeout = 50");
    expect(pg, "a time-out", "SELECT pg_sleep(10) FROM metrics", "57014%");
    must(pg, "ROLLBACK");
    expect(pg, "after a time-out", tenants, "()");
}

/* A plan that is kept asks for the tenant each time. */
static void pool_prepared(PGconn *pg)
{
    static const char *const turns[] = {"a", "",  "a", "c", "a", "",
                                        "c", "a", "",  "a", "",  "c"};
    must(pg, "PREPARE held AS SELECT string_agg(DISTINCT tenant_id, ',') FROM "
             "metrics WHERE time > now() - interval '1 year'");
    must(pg, "SET plan_cache_mode = force_generic_plan");
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        must(pg, "BEGIN");
        set_tenant(pg, turns[i]);
        expect(pg, turns[i][0] ? turns[i] : "nobody", "EXECUTE held",
               turns[i][0] == 'a' ? "(a)" : "()");
        must(pg, "COMMIT");
    }
    must(pg, "BEGIN");
    set_tenant(pg, "a");
    must(pg, "DECLARE cursor_of_a CURSOR FOR SELECT * FROM metrics");
    must(pg, "COMMIT");
    expect(pg, "a cursor ends with its transaction", "FETCH ALL cursor_of_a",
           "34000%");
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    where = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    judge = session_new("postgres");

    PGconn *b = session_new("hostile_b");
    struct seen s;
    seen_init(&s);
    run(b, &s, "SELECT * FROM metrics WHERE name = 'guessed' LIMIT 3");
    ok(!harmless(&s, NULL), "(b sees its own)", text_get(&s.answer));
    seen_release(&s);
    PQfinish(b);

    attack_all();
    become_others("hostile_a");
    become_others("hostile_none");
    become_others("pulse_api");
    connect_forged();
    watch_others();
    PGconn *pool = session_new("pulse_api");
    pool_transactions(pool);
    pool_cancelled(pool);
    pool_prepared(pool);
    PQfinish(pool);
    PQfinish(judge);
    printf("1..%d\n", count);
    return failed > 0;
}

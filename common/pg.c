/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pg.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pg_conn.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pg_put_* swap bytes");

/* Statements of one program are few and constant; more is text built at run
 * time, which belongs to pg_script. */
enum { STATEMENTS_MAX = 256 };
/* The server's own timeout should come first: it keeps the connection. */
enum { MARGIN_MS = 5000 };

struct statement {
    const char *sql; /* the caller's pointer, a hint only */
    char *text;      /* our copy: decides */
};

struct pg {
    PGconn *conn;
    char *url, *application;
    int64_t connect_timeout_ms, statement_timeout_ms;
    int64_t margin_ms;
    bool writes;
    uint64_t generation;
    char sqlstate[6];
    struct statement statements[STATEMENTS_MAX]; /* prepared on conn */
    int statement_count;
    PGnotify *notified; /* the last one handed out */
    pthread_mutex_t cancel_lock;
    PGcancelConn *cancel; /* of conn; guarded by cancel_lock */
};

struct pg *pg_new(const struct pg_options *options)
{
    struct pg *pg = xcalloc(1, sizeof *pg);
    pg->url = xstrdup(options->url);
    pg->application = xstrdup(options->application);
    pg->connect_timeout_ms = options->connect_timeout_ms;
    pg->statement_timeout_ms = options->statement_timeout_ms;
    pg->margin_ms = options->margin_ms == 0 ? MARGIN_MS : options->margin_ms;
    pg->writes = options->writes;
    pthread_mutex_init(&pg->cancel_lock, NULL);
    return pg;
}

void pg_free(struct pg *pg)
{
    if (pg == NULL)
        return;
    pg_disconnect(pg);
    pthread_mutex_destroy(&pg->cancel_lock);
    free(pg->url);
    free(pg->application);
    free(pg);
}

PGconn *pg_handle(struct pg *pg)
{
    return pg->conn;
}

bool pg_connected(const struct pg *pg)
{
    return pg->conn != NULL;
}

int64_t pg_patience_ms(const struct pg *pg)
{
    int64_t ms = pg->statement_timeout_ms;
    return ms == 0 ? 0 : ms + pg->margin_ms;
}

int pg_socket(const struct pg *pg)
{
    return pg->conn == NULL ? -1 : PQsocket(pg->conn);
}

uint64_t pg_generation(const struct pg *pg)
{
    return pg->generation;
}

int pg_backend_pid(const struct pg *pg)
{
    return pg->conn == NULL ? 0 : PQbackendPID(pg->conn);
}

const char *pg_sqlstate(const struct pg *pg)
{
    return pg->sqlstate;
}

/* ---- failures ---- */

static enum err_kind kind_of(const char *sqlstate)
{
    static const struct {
        char class[3];
        enum err_kind kind;
    } kinds[] = {{"22", ERR_INPUT}, {"23", ERR_INPUT}, {"42", ERR_INPUT},
                 {"54", ERR_INPUT}, {"P0", ERR_INPUT}, {"28", ERR_FATAL}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(sqlstate, kinds[i].class, 2) == 0)
            return kinds[i].kind;
    return ERR_RETRY;
}

/* Sets err to the first line of text, without what libpq hangs behind it. */
static void set_line(struct err *err, enum err_kind kind, const char *sqlstate,
                     const char *text)
{
    size_t n = strcspn(text, "\n");
    if (sqlstate[0] == '\0')
        err_set(err, kind, "%.*s", (int)n, text);
    else
        err_set(err, kind, "%.*s (%s)", (int)n, text, sqlstate);
}

/* Only a new connection helps: a plan or prepared statement that no longer
 * fits (a migration ran), or a server that takes no writes any more. */
static bool is_stale(const char *sqlstate)
{
    return strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0 ||
           strcmp(sqlstate, "25006") == 0;
}

bool pg_failed(struct pg *pg, const PGresult *result, struct err *err)
{
    const char *state =
        result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text =
        result == NULL ? NULL
                       : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (text == NULL && result != NULL && *PQresultErrorMessage(result) != '\0')
        text = PQresultErrorMessage(result);
    if (text == NULL)
        text = pg->conn == NULL ? "not connected" : PQerrorMessage(pg->conn);
    memset(pg->sqlstate, 0, sizeof pg->sqlstate);
    if (state != NULL)
        memcpy(pg->sqlstate, state, strnlen(state, 5));
    set_line(err, kind_of(pg->sqlstate), pg->sqlstate, text);
    if (pg->conn != NULL &&
        (PQstatus(pg->conn) == CONNECTION_BAD || is_stale(pg->sqlstate)))
        pg_disconnect(pg);
    return false;
}

/* ---- connecting ---- */

static void notice(void *arg, const PGresult *result)
{
    (void)arg;
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    log_debug("pg_notice", LOG_S("text", text == NULL ? "" : text));
}

static PGconn *start(const struct pg *pg)
{
    /* Before dbname: what the URL may override; behind it: what it may not.
     * connect_timeout is for PQcancelBlocking only, see finish(). */
    const char *keys[] = {"keepalives_idle",  "keepalives_interval",
                          "keepalives_count", "tcp_user_timeout",
                          "connect_timeout",  "target_session_attrs",
                          "dbname",           "application_name",
                          "client_encoding",  NULL};
    const char *values[] = {"10",    "5",
                            "3",     "20000",
                            "5",     pg->writes ? "read-write" : "any",
                            pg->url, pg->application,
                            "UTF8",  NULL};
    return PQconnectStartParams(keys, values, 1);
}

/* libpq's own connect_timeout is for its blocking calls and counts seconds. */
static PostgresPollingStatusType finish(PGconn *conn, int64_t timeout_ms)
{
    int64_t deadline = clock_mono_us() + timeout_ms * 1000;
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want == PGRES_POLLING_READING || want == PGRES_POLLING_WRITING) {
        int64_t left = deadline - clock_mono_us();
        if (left <= 0)
            break;
        int ready = PQsocketPoll(PQsocket(conn), want == PGRES_POLLING_READING,
                                 want == PGRES_POLLING_WRITING,
                                 PQgetCurrentTimeUSec() + left);
        if (ready > 0)
            want = PQconnectPoll(conn);
        else if (ready < 0 && errno != EINTR)
            break;
    }
    return want;
}

/* During start-up libpq gives text only; verbose, it is "…FATAL:  28P01: …". */
static void sqlstate_from_text(const char *text, char sqlstate[6])
{
    const char *p = text;
    sqlstate[0] = '\0';
    while ((p = strstr(p, ":  ")) != NULL) {
        p += 3;
        if (strspn(p, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
            p[5] == ':') {
            memcpy(sqlstate, p, 5);
            sqlstate[5] = '\0';
            return;
        }
    }
}

static bool refused(struct pg *pg, PostgresPollingStatusType status,
                    struct err *err)
{
    const char *text = status == PGRES_POLLING_FAILED ? PQerrorMessage(pg->conn)
                                                      : "no answer in time";
    sqlstate_from_text(text, pg->sqlstate);
    set_line(err, kind_of(pg->sqlstate), "", text);
    err_in(err, "cannot connect to PostgreSQL");
    pg_disconnect(pg);
    return false;
}

/* The URL's options stay the user's, so session settings are set here. */
static bool session(struct pg *pg, struct err *err)
{
    AUTO_RELEASE(buf) sql = {0};
    buf_addf(&sql,
             "SET timezone = 'UTC'; SET statement_timeout = %lld;"
             " SET idle_in_transaction_session_timeout = '60s'",
             (long long)pg->statement_timeout_ms);
    return pg_script(pg, sql.p, err);
}

bool pg_connect(struct pg *pg, struct err *err)
{
    if (pg->conn != NULL)
        return true;
    pg->conn = start(pg);
    if (pg->conn == NULL)
        abort(); /* out of memory */
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    PostgresPollingStatusType status =
        PQstatus(pg->conn) == CONNECTION_BAD
            ? PGRES_POLLING_FAILED
            : finish(pg->conn, pg->connect_timeout_ms);
    if (status != PGRES_POLLING_OK)
        return refused(pg, status, err);
    PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
    PQsetNoticeReceiver(pg->conn, notice, NULL);
    if (PQsetnonblocking(pg->conn, 1) != 0)
        abort(); /* only of a connection that is none */
    pthread_mutex_lock(&pg->cancel_lock);
    pg->cancel = PQcancelCreate(pg->conn);
    pthread_mutex_unlock(&pg->cancel_lock);
    pg->generation++;
    if (session(pg, err))
        return true;
    pg_disconnect(pg); /* without its settings it is no connection of ours */
    return false;
}

void pg_disconnect(struct pg *pg)
{
    pthread_mutex_lock(&pg->cancel_lock);
    PQcancelFinish(pg->cancel);
    pg->cancel = NULL;
    pthread_mutex_unlock(&pg->cancel_lock);
    PQfreemem(pg->notified);
    pg->notified = NULL;
    for (int i = 0; i < pg->statement_count; i++)
        free(pg->statements[i].text);
    pg->statement_count = 0;
    PQfinish(pg->conn);
    pg->conn = NULL;
}

/* ---- statements ---- */

static int statement_find(struct pg *pg, const char *sql)
{
    for (int i = 0; i < pg->statement_count; i++)
        if (pg->statements[i].sql == sql &&
            strcmp(pg->statements[i].text, sql) == 0)
            return i;
    for (int i = 0; i < pg->statement_count; i++)
        if (strcmp(pg->statements[i].text, sql) == 0)
            return i;
    return -1;
}

static bool prepare(struct pg *pg, const char *name, const char *sql,
                    const struct pg_params *p, struct err *err)
{
    assert(pg->statement_count < STATEMENTS_MAX);
    PGresult *r = pg_answer(
        pg, PQsendPrepare(pg->conn, name, sql, p->count, p->types), err);
    if (r == NULL)
        return false;
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (ok)
        pg->statements[pg->statement_count++] =
            (struct statement){sql, xstrdup(sql)};
    else
        pg_failed(pg, r, err);
    PQclear(r);
    return ok;
}

static PGresult *execute(struct pg *pg, const char *sql,
                         const struct pg_params *p, struct err *err)
{
    static const int binary[PG_PARAMS_MAX] = {
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    if (pg->conn == NULL) {
        pg_failed(pg, NULL, err);
        return NULL;
    }
    char name[16];
    int i = statement_find(pg, sql);
    snprintf(name, sizeof name, "s%d", i < 0 ? pg->statement_count : i);
    if (i < 0 && !prepare(pg, name, sql, p, err))
        return NULL;
    PGresult *r =
        pg_answer(pg,
                  PQsendQueryPrepared(pg->conn, name, p->count, p->values,
                                      p->lengths, binary, 1),
                  err);
    if (r == NULL)
        return NULL;
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return r;
    pg_failed(pg, r, err);
    PQclear(r);
    return NULL;
}

struct pg_result *pg_run(struct pg *pg, const char *sql,
                         struct pg_params *params, struct err *err)
{
    struct pg_params none = {.count = 0};
    PGresult *r = execute(pg, sql, params == NULL ? &none : params, err);
    if (params != NULL)
        pg_params_release(params);
    return r == NULL ? NULL : pg_result_new(r);
}

bool pg_do(struct pg *pg, const char *sql, struct pg_params *params,
           int64_t *affected, struct err *err)
{
    struct pg_params none = {.count = 0};
    PGresult *r = execute(pg, sql, params == NULL ? &none : params, err);
    if (params != NULL)
        pg_params_release(params);
    if (r == NULL)
        return false;
    if (affected != NULL)
        *affected = strtoll(PQcmdTuples(r), NULL, 10);
    PQclear(r);
    return true;
}

/* expect: the command tag, or NULL for any. */
static bool simple(struct pg *pg, const char *sql, const char *expect,
                   struct err *err)
{
    if (pg->conn == NULL)
        return pg_failed(pg, NULL, err);
    PGresult *r = pg_answer(pg, PQsendQuery(pg->conn, sql), err);
    if (r == NULL)
        return false;
    ExecStatusType status = PQresultStatus(r);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!ok)
        pg_failed(pg, r, err);
    else if (expect != NULL && strcmp(PQcmdStatus(r), expect) != 0) {
        err_set(err, ERR_RETRY, "%s: the server did %s", sql, PQcmdStatus(r));
        ok = false;
    }
    PQclear(r);
    return ok;
}

bool pg_script(struct pg *pg, const char *sql, struct err *err)
{
    return simple(pg, sql, NULL, err);
}

bool pg_begin(struct pg *pg, struct err *err)
{
    return simple(pg, "BEGIN", "BEGIN", err);
}

/* COMMIT of a failed transaction succeeds as ROLLBACK: hence the tag. */
bool pg_commit(struct pg *pg, struct err *err)
{
    return simple(pg, "COMMIT", "COMMIT", err);
}

/* False: the connection is gone. */
static bool leave_copy(struct pg *pg)
{
    struct err ignored;
    int sent = PQputCopyEnd(pg->conn, "given up");
    PGresult *r = pg_answer(pg, sent, &ignored);
    PQclear(r);
    return r != NULL && pg->conn != NULL;
}

void pg_rollback(struct pg *pg)
{
    if (pg->conn == NULL)
        return;
    char kept[sizeof pg->sqlstate]; /* of what made the caller roll back */
    memcpy(kept, pg->sqlstate, sizeof kept);
    struct err ignored;
    bool ok = PQtransactionStatus(pg->conn) != PQTRANS_ACTIVE || leave_copy(pg);
    if (ok && PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
        ok = simple(pg, "ROLLBACK", NULL, &ignored);
    if (!ok)
        pg_disconnect(pg);
    memcpy(pg->sqlstate, kept, sizeof kept);
}

/* ---- cancel and notify ---- */

void pg_cancel(struct pg *pg)
{
    pthread_mutex_lock(&pg->cancel_lock);
    if (pg->cancel != NULL) {
        (void)PQcancelBlocking(pg->cancel); /* too late is as good */
        PQcancelReset(pg->cancel);
    }
    pthread_mutex_unlock(&pg->cancel_lock);
}

bool pg_notified(struct pg *pg, const char **channel)
{
    if (pg->conn == NULL)
        return false;
    PQfreemem(pg->notified);
    pg->notified = PQnotifies(pg->conn);
    if (pg->notified == NULL) {
        if (PQconsumeInput(pg->conn) == 0) {
            pg_failed(pg, NULL, NULL);
            return false;
        }
        pg->notified = PQnotifies(pg->conn);
    }
    if (pg->notified != NULL && channel != NULL)
        *channel = pg->notified->relname;
    return pg->notified != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the server, but not for ever. The server's statement_timeout is
 * no help where the server itself is frozen, or the way to it is silently cut
 * while the kernels still acknowledge: so every wait has a deadline of our
 * own, a little behind the server's, at which the connection is given up. Its
 * socket never blocks; libpq would wait in it without end.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "common/clock.h"
#include "common/pg_conn.h"

/* Says that the server had its time; disconnects. Returns false. */
static bool too_late(struct pg *pg, struct err *err)
{
    pg_disconnect(pg);
    pg_failed(pg, NULL, NULL);
    err_set(err, ERR_RETRY,
            "no answer within %lld ms, the connection is given up",
            (long long)pg_patience_ms(pg));
    return false;
}

static int64_t deadline_of(const struct pg *pg)
{
    int64_t ms = pg_patience_ms(pg);
    return ms == 0 ? INT64_MAX : clock_mono_us() + ms * 1000;
}

/* What of events came; 0: the deadline did. */
static int wait_for(PGconn *conn, short events, int64_t deadline_us)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = events};
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0)
            return 0;
        bool none = deadline_us == INT64_MAX || left_us / 1000 >= INT_MAX;
        int n = poll(&fd, 1, none ? -1 : (int)(left_us / 1000 + 1));
        if (n > 0)
            return fd.revents;
        if (n < 0 && errno != EINTR)
            return POLLERR; /* libpq says what it is */
    }
}

/* Until all is sent; while sending, what comes is taken in, or both sides
 * could wait for each other. False: *late, or the connection is lost. */
static bool flush(PGconn *conn, int64_t deadline_us, bool *late)
{
    int left;
    while ((left = PQflush(conn)) == 1) {
        int got = wait_for(conn, POLLIN | POLLOUT, deadline_us);
        *late = got == 0;
        if (got == 0 || ((got & ~POLLOUT) != 0 && PQconsumeInput(conn) == 0))
            return false;
    }
    return left == 0;
}

/* NULL: there is none any more, or *late. */
static PGresult *next_result(PGconn *conn, int64_t deadline_us, bool *late)
{
    while (PQisBusy(conn)) {
        *late = wait_for(conn, POLLIN, deadline_us) == 0;
        if (*late)
            return NULL;
        if (PQconsumeInput(conn) == 0)
            break; /* the result tells */
    }
    return PQgetResult(conn);
}

static bool is_copy(const PGresult *r)
{
    return PQresultStatus(r) == PGRES_COPY_IN ||
           PQresultStatus(r) == PGRES_COPY_OUT;
}

PGresult *pg_answer(struct pg *pg, int sent, struct err *err)
{
    PGconn *conn = pg_handle(pg);
    int64_t deadline_us = deadline_of(pg);
    PGresult *last = NULL, *r;
    bool late = false;
    if (sent != 1) {
        pg_failed(pg, NULL, err);
        return NULL;
    }
    /* If sending fails the server's last words may still be there to read. */
    if (!flush(conn, deadline_us, &late) && late) {
        too_late(pg, err);
        return NULL;
    }
    while ((r = next_result(conn, deadline_us, &late)) != NULL) {
        bool failed = last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR;
        PQclear(failed ? r : last); /* the first failure is the cause */
        last = failed ? last : r;
        if (is_copy(last))
            return last;
    }
    if (!late && last != NULL)
        return last;
    PQclear(last);
    if (late)
        too_late(pg, err);
    else
        pg_failed(pg, NULL, err);
    return NULL;
}

bool pg_put_copy(struct pg *pg, struct str data, struct err *err)
{
    PGconn *conn = pg_handle(pg);
    bool late = false;
    if (conn == NULL)
        return pg_failed(pg, NULL, err);
    if (PQputCopyData(conn, data.p, (int)data.n) == 1 &&
        flush(conn, deadline_of(pg), &late))
        return true;
    if (late)
        return too_late(pg, err);
    err_set(err, ERR_RETRY, "%s", PQerrorMessage(conn));
    return false;
}

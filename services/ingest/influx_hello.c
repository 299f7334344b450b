/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/influx_hello.h"

#include <stdio.h>

#include "common/version.h"

enum { QUERY_BYTES_MAX = 4096 };

static void version_headers(struct http_request *r)
{
    char text[64];

    snprintf(text, sizeof text, "pulse-%s", version);
    http_reply_header(r, "X-Influxdb-Version", text);
    http_reply_header(r, "X-Influxdb-Build", "Pulse");
}

static void ping(struct http_request *r, void *arg)
{
    (void)arg;
    version_headers(r);
    http_reply(r, 204, NULL, (struct str){0});
}

static void health(struct http_request *r, void *arg)
{
    AUTO_RELEASE(buf) body = {0};

    (void)arg;
    version_headers(r);
    buf_addf(&body,
             "{\"name\":\"pulse-ingest\",\"status\":\"pass\",\"message\":"
             "\"ready for writes\",\"checks\":[],\"version\":\"%s\"}\n",
             version);
    http_reply(r, 200, "application/json", buf_str(&body));
}

/* Tenants are made by an operator, and a key says whose it is: the database
 * that clients of version 1 create when they start is there already. */
static bool begins(struct str text, struct str beginning)
{
    return text.n > beginning.n &&
           str_eq_nocase((struct str){text.p, beginning.n}, beginning);
}

/* Some send the statement as a form, some in the URL. */
static bool creates_database(const struct http_request *r)
{
    struct str form = http_body(r);

    return begins(http_query(r, "q"), STR("CREATE DATABASE")) ||
           begins(form, STR("q=CREATE+DATABASE")) ||
           begins(form, STR("q=CREATE%20DATABASE"));
}

static void query(struct http_request *r, void *arg)
{
    (void)arg;
    version_headers(r);
    if (creates_database(r))
        http_reply(r, 200, "application/json",
                   STR("{\"results\":[{\"statement_id\":0}]}\n"));
    else
        http_reply(r, 400, "application/json",
                   STR("{\"error\":\"not_found: the edge answers no queries, "
                       "the API does (docs/api.md)\"}\n"));
}

const struct http_route influx_hello_routes[] = {
    {.method = "GET", .path = "/ping", .handle = ping},
    {.method = "GET", .path = "/health", .handle = health},
    {.method = "POST",
     .path = "/query",
     .handle = query,
     .body_max = QUERY_BYTES_MAX},
};
const size_t influx_hello_count = ARRAY_LEN(influx_hello_routes);

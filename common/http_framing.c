/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/http_inside.h"

/*
 * Request smuggling lives on bytes that two servers read differently.
 * libmicrohttpd at our level of discipline refuses bare CR and LF, NUL, folded
 * lines, white space around names, Content-Length beside Transfer-Encoding,
 * and any coding but chunked. It looks only at the first of several fields of
 * one name, takes any bytes for a name, and does not look into Host. The rest
 * is here; tests/unit/http_corpus_test.c has a case for each.
 */
struct framing {
    int lengths, codings, hosts;
    struct str host;
    const char *fault; /* NULL: none */
};

/* RFC 9110, 5.6.2: what names and methods are made of. */
static bool is_token(const char *p, size_t n)
{
    static const bool of_token[256] = {
        ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,
        ['+'] = true,         ['-'] = true,          ['.'] = true,
        ['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['^' ... 'z'] = true,
        ['|'] = true,         ['~'] = true,
    };
    for (size_t i = 0; i < n; i++)
        if (!of_token[(unsigned char)p[i]])
            return false;
    return n > 0;
}

static bool is_name(struct str name, struct str want)
{
    return name.n == want.n && str_eq_nocase(name, want);
}

static enum MHD_Result look_at_field(void *cls, enum MHD_ValueKind kind,
                                     const char *key, size_t key_n,
                                     const char *value, size_t value_n)
{
    struct framing *f = cls;
    struct str name = {key, key_n};
    (void)kind;
    if (!is_token(key, key_n)) {
        f->fault = "a header's name has a character that no name has";
        return MHD_NO;
    }
    if (is_name(name, STR("Content-Length"))) {
        f->lengths++;
    } else if (is_name(name, STR("Transfer-Encoding"))) {
        f->codings++;
    } else if (is_name(name, STR("Host"))) {
        f->hosts++;
        f->host = (struct str){value, value_n};
    }
    return MHD_YES;
}

static bool all_of(struct str s, const char *allowed)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' || strchr(allowed, s.p[i]) == NULL)
            return false;
    return true;
}

#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* RFC 9110, 7.2: a name or address, and perhaps a port; or nothing. */
static bool is_host(struct str host)
{
    struct str name = host, port = {"", 0};
    const char *end;
    if (str_starts(host, STR("["))) {
        if ((end = memchr(host.p, ']', host.n)) == NULL)
            return false;
        name = (struct str){host.p + 1, (size_t)(end - host.p) - 1};
        port = (struct str){end + 1, host.n - name.n - 2};
        return name.n > 0 && all_of(name, HEX LETTERS ":.%-_~") &&
               (port.n == 0 ||
                (port.p[0] == ':' &&
                 all_of((struct str){port.p + 1, port.n - 1}, DIGITS)));
    }
    str_cut(host, ':', &name, &port);
    return all_of(name, LETTERS DIGITS "-._~%!$&'()*+,;=") &&
           all_of(port, DIGITS) && (name.n > 0 || host.n == 0);
}

static const char *fault_of(const struct framing *f, const char *version)
{
    if (f->fault != NULL)
        return f->fault;
    if (f->lengths > 1)
        return "Content-Length stands more than once";
    if (f->codings > 1)
        return "Transfer-Encoding stands more than once";
    if (f->codings > 0 && strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
        return "HTTP/1.0 has no Transfer-Encoding";
    if (f->hosts > 1)
        return "Host stands more than once";
    if (!is_host(f->host))
        return "Host is not a name or an address";
    return NULL;
}

bool http_framing_ok(struct http_request *r, const char *version)
{
    struct framing f = {.host = {"", 0}};
    const char *fault = NULL;
    MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, look_at_field,
                                &f);
    if (!is_token(r->method, strlen(r->method)))
        fault = "the method is no method";
    else
        fault = fault_of(&f, version);
    if (fault == NULL)
        return true;
    http_reply_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    http_reply_error(r, MHD_HTTP_BAD_REQUEST, "malformed_request", fault);
    return false;
}

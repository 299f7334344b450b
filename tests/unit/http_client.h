/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h - a raw HTTP client for tests: says exactly what it is told.
 * Needs <cmocka.h> before it; whatever goes wrong fails the test. */
#ifndef TESTS_UNIT_HTTP_CLIENT_H
#define TESTS_UNIT_HTTP_CLIENT_H

#include "common/metrics.h"

enum { ANSWER_MS = 10000 }; /* longest wait for anything */

struct client {
    int fd;
    struct buf in;
};

struct answer {
    int status;
    struct str head, body; /* in the client's buffer */
};

void client_release(struct client *c);
DEFINE_AUTO_RELEASE(client)
struct client dial_socket(void);          /* a socket */
void dial_to(struct client *c, int port); /* to 127.0.0.1 */
struct client dial(int port);             /* both */
/* Ends quietly where the server has closed: its answer tells. */
void say(struct client *c, struct str bytes);
void say_text(struct client *c, const char *text);
/* Reads what comes into c->in; false at the end of the stream. */
bool hear_more(struct client *c);
/* Reads until an answer is whole at the front of c->in; false if the stream
 * ends before. forget takes it off. */
bool hear(struct client *c, struct answer *a);
void forget(struct client *c, const struct answer *a);
/* say_text and hear. */
struct answer ask(struct client *c, const char *text);
/* Of NAME{LABELS}, as m's text has it; -1 if absent. */
int64_t metric_value(struct metrics *m, const char *series);
bool has(struct str s, const char *text); /* is text part of s? */

#endif

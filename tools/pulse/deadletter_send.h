/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter_send.h - sends the records of many letters to Kafka and waits for
 * what became of each letter. */
#ifndef TOOLS_PULSE_DEADLETTER_SEND_H
#define TOOLS_PULSE_DEADLETTER_SEND_H

#include "tools/pulse/deadletter_plan.h"
#include "tools/pulse/world.h"

struct sender; /* one thread */

/* Knows Pulse's topics and those that letters of the store came from besides.
 * NULL and *err. */
struct sender *sender_new(struct world *w, size_t message_bytes_max,
                          struct err *err) MUST_USE;
void sender_free(struct sender *s);
DEFINE_AUTO(sender)

/* What became of a letter; lives until sender_wait has returned. */
struct sending {
    size_t unreported;          /* records of it */
    enum kafka_verdict verdict; /* the worst of its records' */
};
/* Hands all records of the plan to Kafka; sending is {0}. False and *err:
 * the plan's topic is none of ours, or Kafka's queue stays full. */
bool sender_send(struct sender *s, const struct plan *plan,
                 struct sending *sending, struct err *err) MUST_USE;
/* Until every record has its report: no longer than Kafka's time limit. */
void sender_wait(struct sender *s);

#endif

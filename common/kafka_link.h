/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_link.h - one librdkafka producer: the part of a kafka_producer that is
 * replaced when it breaks. Only common/kafka_producer.c includes it. */
#ifndef COMMON_KAFKA_LINK_H
#define COMMON_KAFKA_LINK_H

#include "common/kafka_producer.h"

struct kafka_link;

/* options outlive it; wake_fd is an eventfd that turns readable when there is
 * something to serve. NULL and *err (ERR_FATAL). */
struct kafka_link *kafka_link_new(const struct kafka_producer_options *options,
                                  int wake_fd, struct err *err) MUST_USE;
/* May take seconds. What is still unreported never will be. */
void kafka_link_free(struct kafka_link *l);
/* Any thread; as kafka_producer_send. */
size_t kafka_link_send(struct kafka_link *l, size_t topic,
                       struct kafka_record *records, size_t count);
/* Gives every report there is to options->report; one thread. */
void kafka_link_serve(struct kafka_link *l);
size_t kafka_link_pending(const struct kafka_link *l);
/* Records not sent yet are reported soon, and in_flight also those whose
 * answer is awaited. Does not wait. */
void kafka_link_purge(struct kafka_link *l, bool in_flight);
void kafka_link_hurry(struct kafka_link *l); /* as kafka_producer_hurry */
/* Any thread; as kafka_producer_outlook and kafka_producer_broken. */
enum kafka_verdict kafka_link_outlook(const struct kafka_link *l);
bool kafka_link_broken(const struct kafka_link *l, struct err *err);

#endif

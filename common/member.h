/* SPDX-License-Identifier: Apache-2.0 */
/*
 * member.h - a service's life in a Kafka group whose positions are kept in
 * PostgreSQL: partitions come, are claimed, read and go; the database may be
 * away meanwhile. What is done with the messages is the service's.
 *
 * How a partition gets read. The group assigns it, its row is claimed
 * (claim.h), and only then the consumer is told to read it, from where the row
 * says. When the database fails in whatever way, what was read and not written
 * is forgotten, all claims are given up and all partitions paused; once it
 * answers again they are claimed anew, the row says what was committed, and the
 * consumer seeks there. So an unknown outcome of a COMMIT needs no case of its
 * own.
 *
 * Threads. All calls and callbacks are the loop's. The service may write a
 * batch in a thread of its own while the loop reads on: then that thread has
 * member_pg and member_claims to itself until the loop has taken note of the
 * batch's end. flush and settle are where the member waits for that; it takes,
 * drops and judges claims only after them. So no claim is ever taken while
 * something read under an older one is still to be written.
 */
#ifndef COMMON_MEMBER_H
#define COMMON_MEMBER_H

#include "common/claim.h"
#include "common/service.h"

struct member;

/* A partition the group gave us. */
struct member_part {
    size_t topic;
    int32_t part;
    bool answered; /* the consumer was told to read it */
    bool claimed;  /* its row in the database is ours */
    bool paused;
    bool on_hold;          /* not claimed: a gap waits to be accepted */
    uint32_t assignment;   /* new with every claim */
    int64_t next;          /* offset of the next message to take */
    int64_t not_before_us; /* claim it no earlier (monotonic) */
    char topic_id[KAFKA_TOPIC_ID_MAX]; /* of the claim */
    void *state;                       /* the service's, while claimed */
};

/* The service's side. Those marked * may be NULL. */
struct member_ops {
    /* * The connection is new: what the service needs of it (LISTEN …). */
    bool (*connected)(void *arg, struct pg *pg, struct err *err);
    /* * A claim found that messages are missing (c->gap, c->truncated or
     * c->recreated); c may be on hold, else claimed follows. */
    void (*gap_found)(void *arg, const struct claim *c);
    /* p is claimed as c says. Reading starts at p->next, which is c->next +
     * c->gap unless the service moves it. False: it cannot be had now. */
    bool (*claimed)(void *arg, struct member_part *p, const struct claim *c,
                    struct err *err);
    /* * Its claim is gone, p->state goes with it. */
    void (*dropped)(void *arg, struct member_part *p);
    /* * While running: the log begins at first now, beyond p->next. True: the
     * service goes on there; false: the partition is claimed anew. */
    bool (*skip)(void *arg, struct member_part *p, int64_t first);
    /* * Is there room for another message? If not even after polled, nothing
     * is read until member_poll. */
    bool (*room)(void *arg);
    /* A message of a claimed partition, at p->next or behind it. */
    void (*message)(void *arg, const struct member_part *p,
                    const struct kafka_event *e);
    /* Some messages (or none) were handed over: time to write? */
    void (*polled)(void *arg);
    /* Writes all that was read, and returns when nothing is in flight. What
     * cannot be written is told by member_lost and member_give_up. */
    void (*flush)(void *arg);
    /* * Returns when nothing is in flight. NULL: nothing ever is. */
    void (*settle)(void *arg);
    /* What was read and not written is forgotten; nothing is in flight. */
    void (*forget)(void *arg);
};

struct member_options {
    const char *brokers, *postgres_url;
    const char *client_id; /* for Kafka and PostgreSQL: "pulse-writer" */
    const char *group;     /* and consumer in the table of positions */
    const char *offsets;   /* that table, see claim.h */
    const char *gaps;      /* table of gaps, see gaps.h */
    bool hold;             /* read nothing behind a gap until it is accepted */
    const char *owner;     /* for people; "": host and process id */
    const char *const *topics; /* must outlive the member */
    size_t topic_count;
    int64_t session_timeout_ms, max_poll_interval_ms, queue_bytes;
    int64_t connect_timeout_ms, statement_timeout_ms;
};

/* Not yet connected to anything; keeps ops and arg. Sets the service's needs
 * "kafka" and "postgres". NULL and *err (ERR_FATAL). */
struct member *member_new(const struct member_options *options,
                          struct service *service, const struct member_ops *ops,
                          void *arg, struct err *err) MUST_USE;
/* Nothing may be in flight. */
void member_free(struct member *m);
DEFINE_AUTO(member)
/* Flushes, leaves the group and does nothing any more. */
void member_stop(struct member *m);

/* Polls on: there is room again. */
void member_poll(struct member *m);
/* The database failed, nothing is in flight: what was read is forgotten,
 * nothing is held until it answers again. */
void member_lost(struct member *m, const struct err *err);
/* Another consumer has claimed it; nothing is in flight. The group will take it
 * from us; should it not, it is claimed back after a while. */
void member_give_up(struct member *m, size_t topic, int32_t part);
/* Something was written: the next failure is a new one. */
void member_worked(struct member *m);

struct pg *member_pg(struct member *m);
struct claims *member_claims(struct member *m);
bool member_has_database(const struct member *m);
size_t member_count(const struct member *m); /* partitions assigned */
size_t member_held(const struct member *m);  /* of those, claimed */
/* Messages in the log that are not yet read, as far as known, of a claimed
 * partition. */
int64_t member_behind(const struct member *m, const struct member_part *p);
size_t member_on_hold(const struct member *m);
/* Valid until the next callback. */
struct member_part *member_at(struct member *m, size_t i);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* device.h - a fleet of simulated devices. What a device says in a message is
 * a function of the message alone, so that sending it again says the same. */
#ifndef SIM_DEVICE_H
#define SIM_DEVICE_H

#include "common/buf.h"

struct fleet {
    const char *prefix; /* device ids are prefix-00001, … */
    uint32_t devices;
    uint64_t seed;
    int64_t skew_us;      /* clocks are off by up to this, either way */
    uint32_t fast;        /* the last so many devices are … */
    int64_t fast_us;      /* … this far ahead */
    uint32_t hot;         /* the first so many overheat … */
    int64_t hot_after_us; /* … this long after start_us, */
    int64_t hot_for_us;   /* for so long, */
    int64_t hot_every_us; /* again after so long; 0: once */
    int64_t start_us;     /* wall clock */
};

struct message {
    uint32_t device; /* from 0 */
    int64_t seq;     /* from 1 */
    int64_t wall_us; /* true time of the reading */
};

/* The time the device's own clock shows. */
int64_t message_time_us(const struct fleet *f, const struct message *m);
/* Appends the device's id. */
void message_device_id(const struct fleet *f, const struct message *m,
                       struct buf *out);
/* Appends the message as Pulse's telemetry JSON. Temperatures are 18 to 32
 * when all is well, 95 and more in a device that overheats. */
void message_json(const struct fleet *f, const struct message *m,
                  struct buf *out);
/* A number in [0, 1) that depends on the message and salt only. */
double message_random(const struct fleet *f, const struct message *m,
                      uint64_t salt);

/* Appends a whole number; cheaper than buf_addf. */
void put_int(struct buf *out, int64_t n);

#endif

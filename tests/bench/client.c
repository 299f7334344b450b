/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 512 };

void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[TEXT_MAX];
    check(rd_kafka_conf_set(conf, name, value, text, sizeof text) ==
              RD_KAFKA_CONF_OK,
          text);
}

rd_kafka_conf_t *client_conf(const char *brokers,
                             const char *const (*settings)[2], size_t count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    for (size_t i = 0; i < count; i++)
        set(conf, settings[i][0], settings[i][1]);
    return conf;
}

rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[TEXT_MAX];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    check(rk != NULL, text);
    return rk;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/world.h"

#include <stdio.h>

#include "common/log.h"
#include "tools/pulse/call.h"

enum { CONNECT_MS = 5000, STATEMENT_MS = 30000, KAFKA_MS = 5000 };

static struct settings settings;
static struct limits limits;
static const char *targets_text;

static const struct conf_item own_items[] = {
    {.name = "PULSE_TARGETS",
     .type = CONF_TEXT,
     .offset = 0,
     .fallback = TARGETS_LOCAL,
     .help = "Services to watch: service=host:port of the admin port, …"},
};

bool world_init(struct world *w, struct err *err)
{
    *w = (struct world){.settings = &settings, .limits = &limits};
    /* What a library has to say is in the one line of the error. */
    log_init("pulse", LOG_ERROR);
    const struct conf_group groups[] = {
        settings_group(&settings),
        limits_group(&limits),
        {.title = "pulse",
         .items = own_items,
         .count = ARRAY_LEN(own_items),
         .into = &targets_text},
    };
    const struct conf_program program = {
        .name = "pulse", .groups = groups, .group_count = ARRAY_LEN(groups)};
    return conf_load(&program, err) &&
           targets_parse(str_of(targets_text), &w->targets, err);
}

void world_release(struct world *w)
{
    pg_free(MOVE(w->pg));
    kafka_admin_free(MOVE(w->admin));
}

struct pg *world_pg(struct world *w, struct err *err)
{
    if (!w->pg) {
        const struct pg_options options = {
            .url = w->settings->postgres_url,
            .application = "pulse",
            .connect_timeout_ms = CONNECT_MS,
            .statement_timeout_ms = STATEMENT_MS,
        };
        w->pg = pg_new(&options);
    }
    if (pg_connect(w->pg, err))
        return w->pg;
    err_in(err, "PostgreSQL (PULSE_POSTGRES_URL)");
    return NULL;
}

struct kafka_admin *world_admin(struct world *w, struct err *err)
{
    if (!w->admin)
        w->admin = kafka_admin_new(w->settings->kafka_brokers, "pulse-cli",
                                   KAFKA_MS, err);
    return w->admin;
}

bool kafka_failed(struct err *err)
{
    err_in(err, "Kafka (PULSE_KAFKA_BROKERS)");
    return false;
}

int failure(const struct err *err)
{
    fprintf(stderr, "pulse: %s\n", err->text);
    return 1;
}

int usage_error(const struct call *c, const struct err *err)
{
    fprintf(stderr, "pulse %s: %s; see pulse %s --help\n", c->command->name,
            err->text, c->command->name);
    return 2;
}

void print(const struct buf *b)
{
    if (b->n > 0)
        fwrite(b->p, 1, b->n, stdout);
    fflush(stdout);
}

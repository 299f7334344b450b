/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's batch, table, letters, ledger and store against a real
 * PostgreSQL that fails at every step, and against a model of what must be in
 * the tables in the end.
 *
 * An episode is a random log: repeats, contradictions, another order, gaps,
 * poison. A writer reads it in batches of random partitions. It loses its
 * connection, forgets all it knew, or finds that a rival took partitions from
 * it, and goes on where the claims say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "services/writer/store.h"
#include "tests/prop/random.h"
#include "tests/prop/writer/faulty_pg.h"
#include "tests/prop/writer/model.h"

/* All of one process: what a crash takes away. */
struct writer {
    struct pg *pg;
    struct claims *claims;
    struct series *series;
    struct batch *batch;
    struct store *store;
    uint32_t assignments, assignment[TOPIC_COUNT][PARTS];
};

static struct world {
    struct metrics *metrics;
    struct stats stats;
    struct pg *admin;
    struct writer *writer, *rival;
    struct model model;
    struct topics topics;
    int64_t episode, last_letter;
} world;

/* ---- writers ---- */

static const char *url_of(const char *role)
{
    const char *url = getenv(role);
    if (url == NULL)
        fail_msg("%s is not set: make prop", role);
    return url;
}

static struct pg *connection(const char *role)
{
    struct err err;
    struct pg *pg = pg_new(&(struct pg_options){.url = url_of(role),
                                                .application = "prop",
                                                .connect_timeout_ms = 10000,
                                                .statement_timeout_ms = 30000});
    if (!pg_connect(pg, &err))
        fail_msg("%s", err.text);
    return pg;
}

static struct writer *writer_new(const char *owner)
{
    struct writer *w = xcalloc(1, sizeof *w);
    w->pg = connection("PULSE_PROP_WRITER");
    w->claims =
        claims_new(&(struct claims_options){.table = TABLE_CONSUMER_OFFSET,
                                            .gaps = TABLE_OFFSET_GAPS,
                                            .consumer = GROUP_WRITER,
                                            .owner = owner,
                                            .topics = topic_names});
    w->series = series_new(1000, &world.stats);
    w->batch = batch_new(&(struct batch_options){.series = w->series,
                                                 .topics = &world.topics,
                                                 .raw_tenant = "raw",
                                                 .telemetry_series = true},
                         NULL);
    w->store = store_new(
        &(struct store_options){.series_seen = 1024, .devices_seen = 64}, w->pg,
        w->claims, &world.stats);
    return w;
}

static void writer_free(struct writer *w)
{
    store_free(w->store);
    batch_free(w->batch);
    series_free(w->series);
    claims_free(w->claims);
    pg_free(w->pg);
    free(w);
}

static void claim(struct writer *w, size_t topic, int part)
{
    struct claim c;
    struct err err;
    if (!pg_connect(w->pg, &err) ||
        !claims_take(w->claims, w->pg, NULL, topic, part, &c, &err))
        fail_msg("%s", err.text);
    w->assignment[topic][part] = ++w->assignments;
}

static void claim_missing(struct writer *w)
{
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            if (claims_get(w->claims, t, p) == NULL)
                claim(w, t, p);
}

/* As the service does: claims belong to the connection. */
static void reconnect(struct writer *w)
{
    pg_disconnect(w->pg);
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            claims_drop(w->claims, t, p);
}

static void crash(void)
{
    writer_free(world.writer);
    world.writer = writer_new("writer");
}

/* ---- batches ---- */

/* Up to most messages behind the committed position. */
static void read_part(struct writer *w, size_t t, int p, int64_t most)
{
    const struct part_log *l = &world.model.logs[t][p];
    int64_t next = claims_get(w->claims, t, p)->next;
    for (size_t i = 0; i < l->count && most > 0; i++) {
        const struct entry *e = &l->entries[i];
        if (e->offset < next)
            continue;
        struct slice *s =
            batch_slice(w->batch, t, p, next, w->assignment[t][p]);
        batch_add(w->batch, s,
                  &(struct kafka_event){.kind = KAFKA_MESSAGE,
                                        .topic = t,
                                        .part = p,
                                        .offset = e->offset,
                                        .payload = {e->bytes, e->n}});
        most--;
    }
}

static void read_batch(struct writer *w, bool all)
{
    batch_reset(w->batch);
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            if (all || chance(60))
                read_part(w, t, p, all ? INT64_MAX : 1 + below(20));
}

static bool at_the_end(const struct writer *w)
{
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            if (claims_get(w->claims, t, p)->next < world.model.logs[t][p].end)
                return false;
    return true;
}

/* Returns whether it was written. */
static bool write_batch(struct writer *w)
{
    struct err err;
    bool ok = store_write(w->store, w->batch, &err);
    if (!ok)
        pg_rollback(w->pg);
    if (!ok && err.kind != ERR_RETRY)
        fail_msg("%s", err.text);
    return ok;
}

/* ---- the database against the model ---- */

static void show_difference(const char *want, const char *have)
{
    char *lines[2] = {xstrdup(want), xstrdup(have)}, *rest[2], *at[2];
    for (int i = 0; i < 2; i++) {
        rest[i] = lines[i];
        at[i] = strsep(&rest[i], "\n");
    }
    for (int shown = 0; shown < 20 && (at[0] != NULL || at[1] != NULL);) {
        int c = at[0] == NULL ? 1 : at[1] == NULL ? -1 : strcmp(at[0], at[1]);
        if (c != 0) {
            printf("# %s: %s\n", c < 0 ? "missing" : "too much",
                   c < 0 ? at[0] : at[1]);
            shown++;
        }
        for (int i = 0; i < 2; i++)
            if (c == 0 || (c < 0) == (i == 0))
                at[i] = strsep(&rest[i], "\n");
    }
    free(lines[0]);
    free(lines[1]);
}

static bool same_as_model(void)
{
    struct err err;
    struct pg_params p = {.count = 0};
    pg_text(&p, str_of(world.model.tenant));
    pg_i64(&p, world.last_letter);
    AUTO(pg_result) r = pg_run(world.admin, model_sql, &p, &err);
    if (r == NULL)
        fail_msg("%s", err.text);
    struct str want = model_lines(&world.model), have = pg_get_str(r, 0, 0);
    if (str_eq(want, have))
        return true;
    char *a = xstrndup(want.p, want.n), *b = xstrndup(have.p, have.n);
    show_difference(a, b);
    free(a);
    free(b);
    return false;
}

static int64_t number(const char *sql)
{
    struct err err;
    AUTO(pg_result) r = pg_run(world.admin, sql, NULL, &err);
    if (r == NULL)
        fail_msg("%s", err.text);
    return pg_get_i64(r, 0, 0);
}

static void episode_begin(int64_t messages)
{
    model_begin(&world.model, ++world.episode);
    model_extend(&world.model, messages, clock_wall_us() - 60 * 1000000);
    world.last_letter =
        number("SELECT coalesce(max(id), 0)::int8 FROM dead_letters");
}

/* Everything that is left, and nothing fails. */
static void episode_end(void)
{
    faulty_set(NULL, 0, LOSE_BEFORE);
    reconnect(world.writer);
    claim_missing(world.writer);
    read_batch(world.writer, true);
    if (!batch_empty(world.writer->batch))
        assert_true(write_batch(world.writer));
    assert_true(at_the_end(world.writer));
    assert_true(same_as_model());
}

/* ---- the properties ---- */

static void test_without_faults(void **state)
{
    (void)state;
    random_begin("without_faults");
    for (int64_t i = random_count(5); i > 0; i--) {
        episode_begin(200);
        claim_missing(world.writer);
        for (int batches = 0; !at_the_end(world.writer); batches++) {
            assert_true(batches < 200);
            read_batch(world.writer, false);
            if (!batch_empty(world.writer->batch))
                assert_true(write_batch(world.writer));
        }
        episode_end();
    }
}

/* One batch with some of everything, warm and cold, and a fault at each step
 * in turn until a batch has no more steps. Usually some steps are left out. */
static void test_a_fault_at_every_step(void **state)
{
    int64_t steps = 0, stride = random_count(3) > 3 ? 1 : 3;
    (void)state;
    random_begin("a_fault_at_every_step");
    for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
        bool failed = true;
        for (int64_t nth = 1 + below(stride); failed;
             nth += 1 + below(stride)) {
            episode_begin(40);
            claim_missing(world.writer);
            read_batch(world.writer, true);
            if (chance(50)) { /* known series: direct COPY */
                assert_true(write_batch(world.writer));
                model_extend(&world.model, 30, clock_wall_us());
                read_batch(world.writer, true);
            }
            faulty_set(world.writer->pg, nth, kind);
            bool written = write_batch(world.writer);
            failed = faulty_done();
            assert_true(written || failed);
            steps += failed;
            if (failed && chance(30))
                crash();
            episode_end();
        }
    }
    printf("# %lld steps failed\n", (long long)steps);
    assert_true(steps > 30);
}

/* Some partitions go to the rival between reading and writing. */
static void rob(void)
{
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        for (int p = 0; p < PARTS; p++)
            if (chance(40)) {
                claim(world.rival, t, p);
                if (chance(50)) /* and reads on: the robbed one is behind */
                    read_part(world.rival, t, p, 1 + below(5));
            }
    assert_true(batch_empty(world.rival->batch) || write_batch(world.rival));
    batch_reset(world.rival->batch);
}

static void test_anything_anywhere(void **state)
{
    (void)state;
    random_begin("anything_anywhere");
    for (int64_t i = random_count(12); i > 0; i--) {
        episode_begin(150);
        claim_missing(world.writer);
        for (int batches = 0; !at_the_end(world.writer); batches++) {
            struct writer *w = world.writer;
            assert_true(batches < 500);
            read_batch(w, false);
            if (batch_empty(w->batch))
                continue;
            if (chance(20))
                rob();
            faulty_set(w->pg, chance(50) ? 1 + below(40) : 0,
                       (enum fault_kind)below(FAULT_KINDS));
            bool written = write_batch(w);
            faulty_set(NULL, 0, LOSE_BEFORE);
            if (!written && chance(30))
                crash();
            else if (!written)
                reconnect(w);
            claim_missing(world.writer);
        }
        episode_end();
    }
}

/* The comparison itself: a row changed by hand is seen. */
static void test_the_model_sees_what_is_wrong(void **state)
{
    static const char *const wrongs[] = {
        "DELETE FROM store.samples WHERE series_id IN (SELECT series_id FROM"
        " store.series WHERE tenant_id = current_setting('prop.tenant'))",
        "UPDATE store.raw_events SET data = '{}'",
        "UPDATE store.telemetry SET metrics = '{}'",
        "UPDATE store.ingest_ledger SET dead = dead + 1",
        "DELETE FROM dead_letters WHERE id = (SELECT max(id) FROM "
        "dead_letters)",
    };
    (void)state;
    random_begin("the_model_sees_what_is_wrong");
    episode_begin(150);
    episode_end();
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        struct err err;
        AUTO_RELEASE(buf) sql = {0};
        buf_addf(&sql, "SET LOCAL prop.tenant = '%s'; ", world.model.tenant);
        buf_add_str(&sql, str_of(wrongs[i]));
        buf_add_char(&sql, '\0');
        assert_true(pg_begin(world.admin, &err));
        assert_true(pg_script(world.admin, sql.p, &err));
        assert_false(same_as_model());
        pg_rollback(world.admin);
    }
    assert_true(same_as_model());
}

static int set_up(void **state)
{
    (void)state;
    log_init("prop", LOG_ERROR);
    world.metrics = metrics_new();
    assert_true(topics_init(&world.topics, "", NULL));
    stats_init(&world.stats, world.metrics, &world.topics);
    world.admin = connection("PULSE_PROP_ADMIN");
    world.writer = writer_new("writer");
    world.rival = writer_new("rival");
    model_init(&world.model);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    writer_free(world.writer);
    writer_free(world.rival);
    pg_free(world.admin);
    model_release(&world.model);
    topics_release(&world.topics);
    metrics_free(world.metrics);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_faults),
        cmocka_unit_test(test_a_fault_at_every_step),
        cmocka_unit_test(test_anything_anywhere),
        cmocka_unit_test(test_the_model_sees_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

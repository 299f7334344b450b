-- SPDX-License-Identifier: Apache-2.0
-- Positions in Kafka, the ledger that proves them, and refused records.
SET ROLE pulse_owner;

CREATE TABLE store.consumer_offset (
    consumer text NOT NULL,
    topic text NOT NULL,
    part integer NOT NULL CHECK (part >= 0),
    topic_id text NOT NULL,
    first_off bigint NOT NULL,
    next_off bigint NOT NULL,
    replay_from bigint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    owner text NOT NULL DEFAULT '',
    backend_pid integer,
    backend_start timestamptz,
    PRIMARY KEY (consumer, topic, part),
    CHECK (next_off >= first_off),
    CHECK (replay_from >= 0 AND replay_from <= next_off)
);
COMMENT ON TABLE store.consumer_offset IS
'Where each consumer is in Kafka: the only offsets Pulse keeps, moved in the transaction that stores what was read.
Claim (a partition was assigned; a transaction of its own): INSERT the row with the log''s earliest offset ON CONFLICT DO NOTHING, then UPDATE … SET epoch = epoch + 1, owner, backend_pid = pg_backend_pid(), backend_start = its pg_stat_activity.backend_start RETURNING next_off, replay_from, epoch. If topic_id is another, the topic was re-created: the positions start anew at its earliest offset. A claim that waits longer than 2 s for the row terminates exactly the backend noted in it (pid and start equal, the same role may), then claims again.
Advance (first statement of a batch''s transaction, partitions in order): UPDATE … SET next_off = new WHERE next_off = expected AND epoch = mine. A partition whose row did not match was lost: its records are dropped before any row is sent. Whoever lost a claim therefore changes nothing.';
COMMENT ON COLUMN store.consumer_offset.consumer IS 'Consumer group: pulse-writer, pulse-evaluator';
COMMENT ON COLUMN store.consumer_offset.topic IS 'Kafka topic';
COMMENT ON COLUMN store.consumer_offset.part IS 'Kafka partition, >= 0';
COMMENT ON COLUMN store.consumer_offset.topic_id IS 'Kafka''s id of the topic: tells a re-created topic of the same name';
COMMENT ON COLUMN store.consumer_offset.first_off IS 'Offset this consumer ever started at; moved back (even below 0) together with next_off when the brokers lost the log''s tail, so that next_off - first_off stays what was read';
COMMENT ON COLUMN store.consumer_offset.next_off IS 'Offset to read next; everything from first_off to before it is accounted for';
COMMENT ON COLUMN store.consumer_offset.replay_from IS 'Oldest offset the consumer''s state is derived from, <= next_off (the writer: next_off)';
COMMENT ON COLUMN store.consumer_offset.epoch IS 'Bumped by each claim; the fence against zombies';
COMMENT ON COLUMN store.consumer_offset.owner IS 'Who claimed it (host and pid), for people';
COMMENT ON COLUMN store.consumer_offset.backend_pid IS 'PostgreSQL process of the claimant; NULL: never claimed';
COMMENT ON COLUMN store.consumer_offset.backend_start IS 'When that process began: with backend_pid names exactly one backend';

CREATE TABLE store.ingest_ledger (
    topic text NOT NULL,
    topic_id text NOT NULL,
    part integer NOT NULL CHECK (part >= 0),
    hour timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    stored bigint NOT NULL DEFAULT 0 CHECK (stored >= 0),
    duplicate bigint NOT NULL DEFAULT 0 CHECK (duplicate >= 0),
    dead bigint NOT NULL DEFAULT 0 CHECK (dead >= 0),
    gap bigint NOT NULL DEFAULT 0 CHECK (gap >= 0),
    PRIMARY KEY (topic, topic_id, part, hour)
);
COMMENT ON TABLE store.ingest_ledger IS 'What became of every message the writer read. Added to by upsert in the batch''s transaction; per topic, topic_id and partition its sums equal next_off - first_off';
COMMENT ON COLUMN store.ingest_ledger.topic IS 'Kafka topic';
COMMENT ON COLUMN store.ingest_ledger.topic_id IS 'Kafka''s id of the topic';
COMMENT ON COLUMN store.ingest_ledger.part IS 'Kafka partition, >= 0';
COMMENT ON COLUMN store.ingest_ledger.hour IS 'Hour of the commit, a full hour UTC: date_trunc(''hour'', now(), ''UTC'')';
COMMENT ON COLUMN store.ingest_ledger.stored IS 'Messages stored; a message of pulse.deadletter put into dead_letters counts here';
COMMENT ON COLUMN store.ingest_ledger.duplicate IS 'Messages whose record was stored before with the same content';
COMMENT ON COLUMN store.ingest_ledger.dead IS 'Messages the writer made dead letters of';
COMMENT ON COLUMN store.ingest_ledger.gap IS 'Offsets skipped because the log no longer had them';

CREATE VIEW store.ledger AS
    SELECT o.topic, o.part, o.topic_id, o.first_off, o.next_off,
           o.next_off - o.first_off AS consumed, l.stored, l.duplicate, l.dead, l.gap,
           o.next_off - o.first_off - l.stored - l.duplicate - l.dead - l.gap AS unaccounted
    FROM store.consumer_offset o
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(i.stored), 0)::bigint AS stored,
               coalesce(sum(i.duplicate), 0)::bigint AS duplicate,
               coalesce(sum(i.dead), 0)::bigint AS dead,
               coalesce(sum(i.gap), 0)::bigint AS gap
        FROM store.ingest_ledger i
        WHERE i.topic = o.topic AND i.topic_id = o.topic_id AND i.part = o.part
    ) l
    WHERE o.consumer = 'pulse-writer';
COMMENT ON VIEW store.ledger IS 'The proof per topic and partition: unaccounted is 0, always';
COMMENT ON COLUMN store.ledger.topic IS 'Kafka topic';
COMMENT ON COLUMN store.ledger.part IS 'Kafka partition';
COMMENT ON COLUMN store.ledger.topic_id IS 'Kafka''s id of the topic';
COMMENT ON COLUMN store.ledger.first_off IS 'Offset the writer started at';
COMMENT ON COLUMN store.ledger.next_off IS 'Offset it reads next';
COMMENT ON COLUMN store.ledger.consumed IS 'next_off - first_off, messages';
COMMENT ON COLUMN store.ledger.stored IS 'Sum of ingest_ledger.stored';
COMMENT ON COLUMN store.ledger.duplicate IS 'Sum of ingest_ledger.duplicate';
COMMENT ON COLUMN store.ledger.dead IS 'Sum of ingest_ledger.dead';
COMMENT ON COLUMN store.ledger.gap IS 'Sum of ingest_ledger.gap';
COMMENT ON COLUMN store.ledger.unaccounted IS 'consumed - stored - duplicate - dead - gap: messages lost (> 0) or counted twice (< 0)';

CREATE TABLE public.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text,
    stage text NOT NULL CHECK (stage IN ('ingest', 'writer')),
    endpoint text,
    key_id text,
    device_id text,
    reason text NOT NULL,
    detail text NOT NULL DEFAULT '',
    content_type text NOT NULL DEFAULT '',
    payload bytea NOT NULL,
    topic text,
    part integer,
    off bigint,
    received_at timestamptz,
    failed_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'redriven', 'dropped')),
    redriven_at timestamptz,
    CHECK ((topic IS NULL) = (part IS NULL) AND (topic IS NULL) = (off IS NULL))
);
CREATE INDEX dead_letters_tenant ON public.dead_letters (tenant_id, id DESC);
CREATE INDEX dead_letters_reason ON public.dead_letters (reason, id DESC);
COMMENT ON TABLE public.dead_letters IS 'Records refused at the edge or not storable, with their bytes: list, edit, redrive';
COMMENT ON COLUMN public.dead_letters.id IS 'Number of the letter; gaps are normal';
COMMENT ON COLUMN public.dead_letters.tenant_id IS 'Owner; NULL: unknown (an undecodable message), seen by operators only';
COMMENT ON COLUMN public.dead_letters.stage IS 'Who refused it: ingest, writer';
COMMENT ON COLUMN public.dead_letters.endpoint IS 'Path it was posted to; NULL: did not come over HTTP';
COMMENT ON COLUMN public.dead_letters.key_id IS 'Key it was posted with; NULL: none';
COMMENT ON COLUMN public.dead_letters.device_id IS 'Device, where known';
COMMENT ON COLUMN public.dead_letters.reason IS 'Stable code (invalid_value, conflict, series_limit, …)';
COMMENT ON COLUMN public.dead_letters.detail IS 'The reason in a sentence';
COMMENT ON COLUMN public.dead_letters.content_type IS 'Media type of payload';
COMMENT ON COLUMN public.dead_letters.payload IS 'The record''s bytes as received';
COMMENT ON COLUMN public.dead_letters.topic IS 'Kafka topic of the message refused; NULL: refused before Kafka';
COMMENT ON COLUMN public.dead_letters.part IS 'Its partition';
COMMENT ON COLUMN public.dead_letters.off IS 'Its offset';
COMMENT ON COLUMN public.dead_letters.received_at IS 'When the edge received it, UTC; NULL: unknown';
COMMENT ON COLUMN public.dead_letters.failed_at IS 'When it was refused, UTC';
COMMENT ON COLUMN public.dead_letters.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.dead_letters.status IS 'new, redriven (sent again) or dropped (given up by an operator)';
COMMENT ON COLUMN public.dead_letters.redriven_at IS 'Last time it was sent again; NULL: never';

RESET ROLE;

-- SPDX-License-Identifier: Apache-2.0
-- What a consumer could not read because the log no longer had it: each gap
-- stays in sight until a person has accepted it.
SET ROLE pulse_owner;

CREATE TABLE store.offset_gaps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    topic_id text NOT NULL,
    part integer NOT NULL CHECK (part >= 0),
    kind text NOT NULL CHECK (kind IN ('expired', 'truncated', 'recreated')),
    from_off bigint NOT NULL,
    to_off bigint NOT NULL,
    messages bigint CHECK (messages > 0),
    found_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    accepted_by text,
    note text NOT NULL DEFAULT '',
    CHECK (kind = 'recreated' OR (to_off > from_off AND messages IS NOT NULL AND messages = to_off - from_off)),
    CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
);
-- The same gap is found again by each claim until it is moved over.
CREATE UNIQUE INDEX offset_gaps_expired
    ON store.offset_gaps (consumer, topic, part, topic_id, from_off) WHERE kind = 'expired';
CREATE INDEX offset_gaps_open ON store.offset_gaps (consumer, topic, part) WHERE accepted_at IS NULL;
COMMENT ON INDEX store.offset_gaps_expired IS 'An expired part of the log is one gap, however often it is met';
COMMENT ON INDEX store.offset_gaps_open IS 'Gaps nobody has accepted yet';
COMMENT ON TABLE store.offset_gaps IS
'Where a consumer''s position and Kafka''s log did not fit together: messages it never saw. Written in the transaction that finds it (a claim, or the batch that moves over it); accepted by pulse offsets accept';
COMMENT ON COLUMN store.offset_gaps.id IS 'Number of the gap, for pulse offsets accept';
COMMENT ON COLUMN store.offset_gaps.consumer IS 'Consumer group: pulse-writer, pulse-evaluator';
COMMENT ON COLUMN store.offset_gaps.topic IS 'Kafka topic';
COMMENT ON COLUMN store.offset_gaps.topic_id IS 'Kafka''s id of the topic when it was found; of a re-created topic, the new one''s';
COMMENT ON COLUMN store.offset_gaps.part IS 'Kafka partition, >= 0';
COMMENT ON COLUMN store.offset_gaps.kind IS 'expired: the log begins after the position (retention, DeleteRecords). truncated: the log ends before it (the brokers lost its tail). recreated: the topic is another one of the same name';
COMMENT ON COLUMN store.offset_gaps.from_off IS 'expired: first offset missing. truncated: end of the log, where reading goes on. recreated: position in the old topic';
COMMENT ON COLUMN store.offset_gaps.to_off IS 'expired: where the log begins, reading goes on there; moves on with the log until accepted. truncated: the position before. recreated: where the new log begins';
COMMENT ON COLUMN store.offset_gaps.messages IS 'to_off - from_off, > 0: expired, offsets never read; truncated, offsets that were read and whose numbers will be given again. NULL: unknown (recreated)';
COMMENT ON COLUMN store.offset_gaps.found_at IS 'When it was found, UTC';
COMMENT ON COLUMN store.offset_gaps.accepted_at IS 'When a person accepted it, UTC; NULL: not yet';
COMMENT ON COLUMN store.offset_gaps.accepted_by IS 'Who; NULL: nobody yet';
COMMENT ON COLUMN store.offset_gaps.note IS 'Why, for people';

GRANT SELECT, INSERT, UPDATE (to_off, messages) ON store.offset_gaps TO pulse_writer, pulse_evaluator;
GRANT SELECT ON store.offset_gaps TO pulse_collector, pulse_operator;
GRANT UPDATE (accepted_at, accepted_by, note) ON store.offset_gaps TO pulse_admin;

RESET ROLE;

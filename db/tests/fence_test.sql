-- SPDX-License-Identifier: Apache-2.0
-- The claim and its fence, with real sessions: a zombie changes nothing, and
-- only its own role may end it. Committed, so cleaned up.
BEGIN;
SELECT no_plan();
SELECT dblink_connect('root', tests.here('postgres'));
SELECT dblink_connect(s, tests.here('pulse_writer')) FROM unnest(ARRAY['old', 'new']) s;
SELECT dblink_connect('evaluator', tests.here('pulse_evaluator'));

CREATE FUNCTION pg_temp.claim(session text) RETURNS text LANGUAGE sql AS $$
    SELECT dblink_exec(session, $c$
        INSERT INTO store.consumer_offset (consumer, topic, part, topic_id, first_off, next_off, replay_from)
        VALUES ('pulse-writer', 'fence', 0, 'x', 0, 0, 0) ON CONFLICT (consumer, topic, part) DO NOTHING$c$, false);
    SELECT dblink_exec(session, $c$
        UPDATE store.consumer_offset SET epoch = epoch + 1, backend_pid = pg_backend_pid(),
            backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
        WHERE topic = 'fence'$c$, false)
$$;
CREATE FUNCTION pg_temp.advance(session text, epoch int, expected int, next int) RETURNS text LANGUAGE sql AS $$
    SELECT dblink_exec(session, format($c$
        UPDATE store.consumer_offset SET next_off = %s, replay_from = %1$s
        WHERE topic = 'fence' AND next_off = %s AND epoch = %s$c$, next, expected, epoch), false)
$$;
CREATE FUNCTION pg_temp.terminate(session text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT t FROM dblink(session, $c$
        SELECT pg_terminate_backend(a.pid, 5000)::text FROM pg_stat_activity a JOIN store.consumer_offset o
            ON o.backend_pid = a.pid AND o.backend_start = a.backend_start
        WHERE o.topic = 'fence' AND a.pid <> pg_backend_pid()$c$, false) d (t text)), 'none')
$$;

SELECT is(pg_temp.claim('old'), 'UPDATE 1', 'the first claim makes the row');
SELECT is(pg_temp.advance('old', 1, 0, 10), 'UPDATE 1', 'its batch moves the offset');
SELECT is(pg_temp.advance('old', 1, 0, 10), 'UPDATE 0', 'the same batch again does not');
SELECT is(pg_temp.claim('new'), 'UPDATE 1', 'another claims it');
SELECT is(pg_temp.advance('old', 1, 10, 20), 'UPDATE 0', 'then the zombie''s batch moves nothing');
SELECT is(pg_temp.advance('new', 2, 10, 20), 'UPDATE 1', 'the claimant''s does');

-- A zombie that holds the row's lock.
SELECT dblink_exec('new', 'BEGIN');
SELECT is(pg_temp.advance('new', 2, 20, 30), 'UPDATE 1', 'a batch begins and freezes');
SELECT dblink_disconnect('old');
SELECT dblink_connect('old', tests.here('pulse_writer'));
SELECT dblink_exec('old', 'SET lock_timeout = ''100ms''');
SELECT is(pg_temp.claim('old'), 'ERROR', 'a claim does not get the row');
SELECT is((SELECT state FROM dblink('evaluator', 'SELECT coalesce(max(state), ''hidden'') FROM pg_stat_activity a
               JOIN store.consumer_offset o ON o.backend_pid = a.pid WHERE o.topic = ''fence''') d (state text)),
          'hidden', 'another service does not even see that backend''s state');
SELECT is((SELECT t FROM dblink('evaluator', 'SELECT pg_terminate_backend(backend_pid)::text FROM store.consumer_offset WHERE topic = ''fence''', false) d (t text)),
          NULL, 'nor may it end it');
SELECT is(pg_temp.terminate('old'), 'true', 'its own role ends exactly that backend');
SELECT is(pg_temp.claim('old'), 'UPDATE 1', 'and claims');
SELECT is((SELECT row FROM dblink('root', 'SELECT format(''%s %s'', next_off, epoch) FROM store.consumer_offset WHERE topic = ''fence''') d (row text)),
          '20 3', 'of the frozen batch nothing is left');
SELECT is(pg_temp.terminate('old'), 'none', 'who is claimant now is not ended by itself');

SELECT dblink_exec('root', 'DELETE FROM store.consumer_offset WHERE topic = ''fence''');
SELECT dblink_disconnect(s) FROM unnest(ARRAY['root', 'old', 'new', 'evaluator']) s;
SELECT * FROM finish();
ROLLBACK;

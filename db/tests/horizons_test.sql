-- SPDX-License-Identifier: Apache-2.0
BEGIN;
SELECT plan(5);

SELECT is(late_before, now() - interval '8 days', 'late_before follows the late limit')
FROM store.writer_horizons();
SELECT is(compressed_before, '-infinity', 'the apache edition compresses nothing')
FROM store.writer_horizons();
UPDATE store.settings SET late_limit = '5 days';
SELECT is(late_before, now() - interval '5 days', '… as it is set')
FROM store.writer_horizons();
SELECT function_privs_are('store', 'writer_horizons', '{}', 'pulse_writer', '{EXECUTE}', 'the writer asks');
SELECT function_privs_are('store', 'writer_horizons', '{}', 'pulse_ingest', '{}', 'nobody else does');

SELECT * FROM finish();
ROLLBACK;

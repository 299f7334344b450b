-- SPDX-License-Identifier: Apache-2.0
-- What the maintenance did: the collector's jobs write their own rows,
-- TimescaleDB's policies are read from its catalog, one view shows both.
SET ROLE pulse_owner;

CREATE TABLE store.maintenance_jobs (
    job text PRIMARY KEY,
    every interval NOT NULL CHECK (every > interval '0'),
    outcome text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'done', 'failed')),
    since timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz NOT NULL DEFAULT now(),
    succeeded_at timestamptz,
    duration_ms bigint CHECK (duration_ms >= 0),
    failures bigint NOT NULL DEFAULT 0 CHECK (failures >= 0),
    detail text NOT NULL DEFAULT ''
);
COMMENT ON TABLE store.maintenance_jobs IS 'Jobs of the leading collector: one row each, of its last run';
COMMENT ON COLUMN store.maintenance_jobs.job IS 'Name: rollups, retention, outbox';
COMMENT ON COLUMN store.maintenance_jobs.every IS 'Time from one run to the next, as the collector was set';
COMMENT ON COLUMN store.maintenance_jobs.outcome IS 'running (or its collector died meanwhile), done or failed';
COMMENT ON COLUMN store.maintenance_jobs.since IS 'When the job first ran here, UTC';
COMMENT ON COLUMN store.maintenance_jobs.started_at IS 'Begin of the last run, UTC';
COMMENT ON COLUMN store.maintenance_jobs.succeeded_at IS 'End of the last run that was done, UTC; NULL: none yet';
COMMENT ON COLUMN store.maintenance_jobs.duration_ms IS 'How long the last finished run took, milliseconds; NULL: none yet';
COMMENT ON COLUMN store.maintenance_jobs.failures IS 'Runs that failed since the last that was done, >= 0';
COMMENT ON COLUMN store.maintenance_jobs.detail IS 'What the last run did, or why it failed';

CREATE VIEW store.maintenance AS
    SELECT m.job AS name, 'collector' AS run_by, m.outcome, m.started_at, m.duration_ms,
           extract(epoch FROM greatest(now() - coalesce(m.succeeded_at, m.since) - m.every,
                                       interval '0'))::double precision AS late_seconds,
           m.failures, m.detail
    FROM store.maintenance_jobs m
    UNION ALL
    -- COLLATE: a name's is another, and who sorts must not have to say which.
    SELECT concat(j.proc_name, ' ' || j.hypertable_schema || '.' || j.hypertable_name) COLLATE "default",
           'timescaledb',
           CASE WHEN s.job_status = 'Running' THEN 'running'
                WHEN s.last_run_status IS NULL THEN 'waiting'
                WHEN s.last_run_status = 'Failed' THEN 'failed' ELSE 'done' END,
           nullif(s.last_run_started_at, '-infinity'),
           (extract(epoch FROM s.last_run_duration) * 1000)::bigint,
           CASE WHEN s.job_status = 'Running' OR s.next_start IS NULL OR NOT isfinite(s.next_start) THEN 0
                ELSE extract(epoch FROM greatest(now() - s.next_start, interval '0')) END::double precision,
           CASE WHEN s.last_run_status = 'Failed' THEN s.total_failures ELSE 0 END, ''
    FROM timescaledb_information.jobs j
    LEFT JOIN timescaledb_information.job_stats s USING (job_id)
    WHERE j.proc_name LIKE 'policy\_%' AND j.hypertable_name IS NOT NULL
       OR j.proc_schema = 'store' AND j.scheduled;
COMMENT ON VIEW store.maintenance IS 'What keeps the store in order, and whether it is late: the collector''s jobs and TimescaleDB''s policies; after an upgrade of the timescale edition rollup_history, until it is done';
COMMENT ON COLUMN store.maintenance.name IS 'Job, or policy and what it works on';
COMMENT ON COLUMN store.maintenance.run_by IS 'collector or timescaledb';
COMMENT ON COLUMN store.maintenance.outcome IS 'Of the last run: running, done or failed; waiting: a policy that never ran (for longer than a minute: TimescaleDB has no background worker for it)';
COMMENT ON COLUMN store.maintenance.started_at IS 'Begin of the last run, UTC; NULL: none yet';
COMMENT ON COLUMN store.maintenance.duration_ms IS 'How long the last finished run took, milliseconds; NULL: none yet';
COMMENT ON COLUMN store.maintenance.late_seconds IS 'How long ago the next run should have been done (a policy: begun), seconds; 0: on time';
COMMENT ON COLUMN store.maintenance.failures IS 'Failed runs since the last success, of a policy that failed last: ever; 0: it is well';
COMMENT ON COLUMN store.maintenance.detail IS 'What the last run did, or why it failed';

-- What notifications ended is told by their incident; the rows only grow.
CREATE INDEX alert_notifications_created ON public.alert_notifications (created_at);
COMMENT ON INDEX public.alert_notifications_created IS 'The oldest notifications, to be deleted';
CREATE FUNCTION store.outbox_prune(older interval, most integer DEFAULT 10000) RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH old AS (
        SELECT n.id FROM public.alert_notifications n
        WHERE n.created_at < now() - older AND n.status NOT IN ('pending', 'sending')
          AND NOT EXISTS (SELECT FROM public.incidents i
                          WHERE i.id = n.incident_id AND i.status IN ('open', 'investigating'))
        ORDER BY n.created_at LIMIT most
        FOR UPDATE OF n SKIP LOCKED
    ), gone AS (
        DELETE FROM public.alert_notifications n USING old WHERE n.id = old.id RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION store.outbox_prune(interval, integer) IS
    'Deletes notifications decided longer ago than this, and their attempts: finished ones of incidents no longer open. At most so many at once; returns how many. Call it again while it returns as many as it may';

GRANT SELECT, INSERT, UPDATE ON store.maintenance_jobs TO pulse_collector;
GRANT SELECT ON store.maintenance_jobs TO pulse_operator;
GRANT SELECT ON store.maintenance TO pulse_operator, pulse_collector;
GRANT EXECUTE ON FUNCTION store.outbox_prune(interval, integer) TO pulse_collector;

RESET ROLE;

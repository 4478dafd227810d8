-- SPDX-License-Identifier: MIT
--
-- Background jobs: waking them, how they are doing.

-- name: notify
SELECT pg_notify('s3o_jobs', $1);

-- name: job_succeeded
INSERT INTO job_health (name, last_success) VALUES ($1, now())
ON CONFLICT (name) DO UPDATE SET last_success = now(), consecutive_failures = 0;

-- name: job_failed
INSERT INTO job_health (name, last_failure, last_error, consecutive_failures)
VALUES ($1, now(), $2, 1)
ON CONFLICT (name) DO UPDATE SET last_failure = now(), last_error = excluded.last_error,
	consecutive_failures = job_health.consecutive_failures + 1;

-- name: job_list :read
-- columns: name last_success last_failure last_error consecutive_failures
SELECT name, s3o_micros(last_success) AS last_success, s3o_micros(last_failure) AS last_failure,
       last_error, consecutive_failures
FROM job_health ORDER BY name;

-- --- jobs that were asked for ------------------------------------------------

-- No row: there is one of that kind and target already. What ended long ago goes.
-- name: request_add
-- columns: id
WITH old AS (DELETE FROM jobs WHERE finished_at < now() - interval '90 days')
INSERT INTO jobs (kind, target, params) VALUES ($1, $2, $3)
ON CONFLICT (kind, target) WHERE state IN ('requested', 'running') DO NOTHING
RETURNING job_id AS id;

-- The oldest that nobody runs, or whose owner has given no sign for $3 microseconds.
-- name: request_claim
-- columns: id target params progress started reclaimed
WITH next AS (
	SELECT job_id, state = 'running' AS reclaimed FROM jobs
	WHERE kind = $1 AND (state = 'requested' OR (state = 'running' AND (owner = $2
		OR heartbeat_at < now() - $3::BIGINT * interval '1 microsecond')))
	ORDER BY job_id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE jobs j
SET state = 'running', owner = $2, heartbeat_at = now(), started_at = COALESCE(started_at, now())
FROM next WHERE j.job_id = next.job_id
RETURNING j.job_id AS id, j.target, j.params, j.progress, s3o_micros(j.started_at) AS started,
	next.reclaimed;

-- No row: it was cancelled, or another daemon has it.
-- name: request_progress
-- columns: id
UPDATE jobs SET progress = $3, heartbeat_at = now()
WHERE job_id = $1 AND owner = $2 AND state = 'running' AND NOT cancel_requested
RETURNING job_id AS id;

-- name: request_end
UPDATE jobs SET state = $3, result = $4, finished_at = now()
WHERE job_id = $1 AND owner = $2 AND state = 'running';

-- The newest $2, or only that with the id $1.
-- name: requests :read
-- columns: id kind target state owner progress result requested started finished
SELECT job_id AS id, kind, target, state, owner, progress, result,
       s3o_micros(requested_at) AS requested, s3o_micros(started_at) AS started,
       s3o_micros(finished_at) AS finished
FROM jobs WHERE $1::BIGINT = 0 OR job_id = $1 ORDER BY job_id DESC LIMIT $2;

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

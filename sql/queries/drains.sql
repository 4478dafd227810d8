-- SPDX-License-Identifier: MIT
--
-- Drains: backends that are being emptied, and those that are empty.

-- No row: it is draining already.
-- name: drain_start
-- columns: backend
INSERT INTO backend_drains (backend_name) VALUES ($1)
ON CONFLICT (backend_name) DO UPDATE
SET state = 'draining', objects_moved = 0, bytes_moved = 0, last_error = NULL,
    claimed_by = NULL, heartbeat_at = NULL, started_at = now(), finished_at = NULL,
    position = '', progress = 0, failures = 0, fruitless = 0, next_round = now()
WHERE backend_drains.state <> 'draining'
RETURNING backend_name AS backend;

-- Whoever runs it sees that the row is gone.
-- name: drain_cancel
-- columns: state
DELETE FROM backend_drains WHERE backend_name = $1 RETURNING state;

-- All, or only that of $1.
-- name: drains :read
-- columns: backend state objects_moved bytes_moved error owner started finished copies bytes
SELECT d.backend_name AS backend, d.state, d.objects_moved, d.bytes_moved, d.last_error AS error,
       d.claimed_by AS owner, s3o_micros(d.started_at) AS started,
       s3o_micros(d.finished_at) AS finished, s.copies, s.bytes_used AS bytes
FROM backend_drains d LEFT JOIN backend_space s USING (backend_name)
WHERE $1 = '' OR d.backend_name = $1 ORDER BY d.started_at, d.backend_name;

-- One that nobody runs, or whose owner has given no sign for $2 microseconds.
-- name: drain_claim
-- columns: backend position
WITH due AS (
	SELECT backend_name FROM backend_drains
	WHERE state = 'draining' AND next_round <= now()
	  AND (claimed_by IS NULL OR claimed_by = $1
	       OR heartbeat_at < now() - $2::BIGINT * interval '1 microsecond')
	ORDER BY heartbeat_at NULLS FIRST, backend_name LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE backend_drains d SET claimed_by = $1, heartbeat_at = now()
FROM due WHERE d.backend_name = due.backend_name
RETURNING d.backend_name AS backend, d.position;

-- No row: it was cancelled, or another daemon has taken it over.
-- name: drain_progress
-- columns: backend
UPDATE backend_drains
SET objects_moved = objects_moved + $3, bytes_moved = bytes_moved + $4,
    progress = progress + $3, failures = failures + $5,
    last_error = COALESCE($6, last_error), heartbeat_at = now()
WHERE backend_name = $1 AND claimed_by = $2 AND state = 'draining'
RETURNING backend_name AS backend;

-- name: drain_position
UPDATE backend_drains SET position = $3 WHERE backend_name = $1 AND claimed_by = $2;

-- name: drain_end_round
-- columns: state error objects_moved
SELECT state, error, objects_moved FROM s3o_end_drain_round($1, $2);

-- When the next round of some drain begins, and how many drains there are.
-- name: drain_next :read
-- columns: active next
SELECT count(*) AS active, s3o_micros(min(next_round)) AS next
FROM backend_drains WHERE state = 'draining';

-- What a drain of $1 would do: copies that would move, because fewer than wanted are on other
-- backends that do not drain, and the others. Wanted are $4 copies, or in a bucket of $2 the
-- number in $3; of a part of an open upload one.
-- name: drain_preview :read
-- columns: copies bytes moves move_bytes
SELECT count(*) AS copies, COALESCE(sum(size_bytes), 0)::BIGINT AS bytes,
       count(*) FILTER (WHERE others < wanted) AS moves,
       COALESCE(sum(size_bytes) FILTER (WHERE others < wanted), 0)::BIGINT AS move_bytes
FROM (SELECT l.size_bytes, CASE WHEN s.upload_id IS NULL
		THEN COALESCE(f.factor, $4::INT) ELSE 1 END AS wanted, (
		SELECT count(*) FROM object_locations o
		WHERE o.segment_id = l.segment_id AND o.backend_name <> l.backend_name
		  AND NOT s3o_is_draining(o.backend_name)) AS others
      FROM object_locations l JOIN segments s USING (segment_id)
      LEFT JOIN unnest($2::TEXT[], $3::INT[]) f (bucket, factor) ON f.bucket = s.bucket
      WHERE l.backend_name = $1) c;

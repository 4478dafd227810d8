-- SPDX-License-Identifier: MIT
--
-- Removing a backend.

-- What is there, and what is nowhere else. No row: there is no such backend.
-- name: holdings :read
-- columns: copies bytes sole_copies sole_bytes
SELECT h.copies, h.bytes, h.sole_copies, h.sole_bytes
FROM backend_quotas q CROSS JOIN LATERAL (
	SELECT count(*) AS copies, COALESCE(sum(size_bytes), 0)::BIGINT AS bytes,
	       count(*) FILTER (WHERE sole) AS sole_copies,
	       COALESCE(sum(size_bytes) FILTER (WHERE sole), 0)::BIGINT AS sole_bytes
	FROM (SELECT l.size_bytes, NOT EXISTS (
		SELECT FROM object_locations o
		WHERE o.segment_id = l.segment_id AND o.backend_name <> l.backend_name) AS sole
	      FROM object_locations l WHERE l.backend_name = q.backend_name) c) h
WHERE q.backend_name = $1;

-- Nothing new goes there from now on. No row: it is draining.
-- name: close_backend
-- columns: backend
INSERT INTO backend_drains (backend_name, state, finished_at) VALUES ($1, 'drained', now())
ON CONFLICT (backend_name) DO UPDATE SET state = 'drained', finished_at = now()
	WHERE backend_drains.state <> 'draining'
RETURNING backend_name AS backend;

-- name: purge_copy
-- columns: what queued
SELECT what, queued FROM s3o_purge_copy($1, $2, $3);

-- name: forget_copies
-- columns: forgotten
SELECT s3o_forget_copies($1, $2, $3) AS forgotten;

-- name: forget_backend
-- columns: status forgotten
SELECT status, forgotten FROM s3o_forget_backend($1, $2);

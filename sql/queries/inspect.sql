-- SPDX-License-Identifier: MIT
--
-- What operators look at. Changes nothing but the rows of cleanup_dlq, on demand.

-- A row for each copy of the $5 segments behind the one numbered $4, in order of segment and
-- age; one without a backend for a segment that has none, one without a number when there
-- are no more segments. $3 is a version as in s3o_find_version().
-- name: inspect_object :read
-- columns: size etag parts version_id modified number sha256 encrypted key_id plaintext backend backend_key copy_size copied
SELECT v.size_bytes AS size, v.etag, COALESCE(v.parts, 0) AS parts,
       COALESCE(v.version_id, (SELECT 'null' FROM buckets b
		WHERE b.bucket = $1 AND b.versioning IS NOT NULL)) AS version_id,
       s3o_micros(v.created_at) AS modified, s.segment_number AS number,
       s.content_hash AS sha256, s.encrypted, s.key_id, s.size_bytes AS plaintext,
       l.backend_name AS backend, l.backend_key, l.size_bytes AS copy_size,
       s3o_micros(l.created_at) AS copied
FROM s3o_find_version($1, $2, $3) v
LEFT JOIN segments s ON s.bucket = v.bucket AND s.object_name = v.object_name
	AND s.generation = v.generation
	AND s.segment_number > $4::INT AND s.segment_number <= $4::INT + $5::INT
LEFT JOIN object_locations l ON l.segment_id = s.segment_id
WHERE NOT v.is_delete_marker
ORDER BY s.segment_number, l.created_at, l.backend_name;

-- Of current objects, which must be there: how many copies the segment with the fewest has,
-- and the backends of all.
-- name: inspect_copies :read
-- columns: key copies backends
SELECT v.object_name AS key, min(s.copies) AS copies, (
	SELECT string_agg(DISTINCT l.backend_name, ',' ORDER BY l.backend_name)
	FROM segments s JOIN object_locations l USING (segment_id)
	WHERE s.bucket = v.bucket AND s.object_name = v.object_name
	  AND s.generation = v.generation) AS backends
FROM object_versions v
CROSS JOIN LATERAL (
	SELECT (SELECT count(*) FROM object_locations l
		WHERE l.segment_id = s.segment_id) AS copies
	FROM segments s
	WHERE s.bucket = v.bucket AND s.object_name = v.object_name
	  AND s.generation = v.generation) s
WHERE v.bucket = $1 AND v.object_name = ANY ($2::TEXT[]) AND v.is_latest
GROUP BY v.bucket, v.object_name, v.generation ORDER BY v.object_name;

-- name: inspect_buckets :read
-- columns: bucket owner versioning created
SELECT bucket, owner, versioning, s3o_micros(created_at) AS created
FROM buckets WHERE bucket > $1 ORDER BY bucket LIMIT $2;

-- name: inspect_bucket_size :read
-- columns: keys objects bytes
SELECT keys, objects, bytes FROM s3o_bucket_size($1, $2);

-- --- queues -----------------------------------------------------------------

-- Of the backend $1, or all of them.
-- name: inspect_cleanup_depth :read
-- columns: depth
SELECT count(*) AS depth FROM cleanup_queue
WHERE attempts < 10 AND ($1 = '' OR backend_name = $1);

-- $2: only those that are due. The limit of 1000 is for the planner, which does not know
-- that $3 is not more, and would sort the whole queue.
-- name: inspect_cleanup :read
-- columns: id backend backend_key reason attempts size claimed owner error next_retry
SELECT id, backend_name AS backend, object_key AS backend_key, reason, attempts,
       size_bytes AS size, s3o_micros(claimed_at) AS claimed, claimed_by AS owner,
       last_error AS error, s3o_micros(next_retry) AS next_retry
FROM (SELECT * FROM cleanup_queue
      WHERE attempts < 10 AND ($1 = '' OR backend_name = $1)
        AND (NOT $2::BOOLEAN OR next_retry <= now())
      ORDER BY next_retry, id LIMIT 1000) q
ORDER BY q.next_retry, id LIMIT $3;

-- name: inspect_dlq_depth :read
-- columns: depth
SELECT count(*) AS depth FROM cleanup_dlq WHERE $1 = '' OR backend_name = $1;

-- name: inspect_dlq :read
-- columns: id original backend backend_key reason attempts size error queued moved
SELECT id, original_id AS original, backend_name AS backend, object_key AS backend_key, reason,
       attempts, size_bytes AS size, last_error AS error,
       s3o_micros(first_enqueued_at) AS queued, s3o_micros(moved_at) AS moved
FROM cleanup_dlq WHERE $1 = '' OR backend_name = $1
ORDER BY id LIMIT $2;

-- The next $4 rows of the backend $1 (or of all) behind the id $2, up to $3.
-- name: dlq_requeue
-- columns: moved last
SELECT moved, last FROM s3o_dlq_requeue($1, $2, $3, $4);

-- name: dlq_write_off
-- columns: moved last bytes
SELECT moved, last, bytes FROM s3o_dlq_write_off_some($1, $2, $3, $4, $5);

-- The segment of a row may be gone.
-- name: inspect_replication :read
-- columns: segment_id bucket key attempts error next_retry suspect
SELECT q.segment_id, s.bucket, s.object_name AS key, q.attempts, q.last_error AS error,
       s3o_micros(q.next_retry) AS next_retry, q.suspect
FROM (SELECT * FROM replication_queue ORDER BY next_retry, segment_id LIMIT $1) q
LEFT JOIN segments s USING (segment_id)
ORDER BY q.next_retry, q.segment_id;

-- name: check :read
-- columns: problem
SELECT problem FROM s3o_check() LIMIT $1;

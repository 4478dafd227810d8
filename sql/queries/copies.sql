-- SPDX-License-Identifier: MIT
--
-- Copies of segments: finding those that are missing or too many, adding and removing.

-- Segments with their copies, a row for each (one without a backend if there is none);
-- generation and content type are those of the upload while it is open.
-- name: segments_by_id :read
-- columns: segment_id bucket key generation upload part number size etag sha256 content_type backend backend_key copy_size
SELECT s.segment_id, s.bucket, s.object_name AS key, COALESCE(s.generation, u.generation) AS generation,
       s.upload_id AS upload, s.part_number AS part, s.segment_number AS number,
       s.size_bytes AS size, s.etag, s.content_hash AS sha256,
       COALESCE(v.content_type, u.content_type) AS content_type, l.backend_name AS backend,
       l.backend_key, l.size_bytes AS copy_size
FROM segments s
LEFT JOIN object_versions v USING (bucket, object_name, generation)
LEFT JOIN multipart_uploads u ON u.upload_id = s.upload_id
LEFT JOIN object_locations l ON l.segment_id = s.segment_id
WHERE s.segment_id = ANY ($1::BIGINT[])
ORDER BY s.segment_id, l.created_at, l.backend_name;

-- name: add_copy
-- columns: status queued
SELECT status, queued FROM s3o_add_copy($1, $2, $3, $4);

-- name: remove_copy
-- columns: status
SELECT s3o_remove_copy($1, $2, $3, $4, $5, $6, $7) AS status;

-- Copies on a backend behind the key $2, and not behind $3 if it is not NULL.
-- name: copies_on :read
-- columns: segment_id backend_key size created
SELECT segment_id, backend_key, size_bytes AS size, s3o_micros(created_at) AS created
FROM object_locations
WHERE backend_name = $1 AND backend_key > $2 AND ($3::TEXT IS NULL OR backend_key <= $3)
ORDER BY backend_key LIMIT $4;

-- name: smallest_copies :read
-- columns: segment_id backend_key size created
SELECT segment_id, backend_key, size_bytes AS size, s3o_micros(created_at) AS created
FROM object_locations
WHERE backend_name = $1 ORDER BY size_bytes, backend_key LIMIT $2;

-- --- too few ---------------------------------------------------------------

-- Looks at the next $2 segments of objects behind $1, and enters those in the queue that
-- have fewer copies than wanted on the backends $3, or in fewer of their failure domains
-- ($4, one for each), as far as there are so many. Wanted are $7 copies, or in a bucket of
-- $5 the number in $6. hopeless: those that would need more than there are.
--
-- Copies are counted segment by segment: a join would read all copies that there are.
-- name: replication_walk
-- columns: last entered hopeless
WITH w AS MATERIALIZED (
	SELECT segment_id, bucket FROM segments
	WHERE segment_id > $1 AND generation IS NOT NULL ORDER BY segment_id LIMIT $2
), d AS MATERIALIZED (
	SELECT * FROM unnest($3::TEXT[], $4::TEXT[]) d (backend, domain)
), counted AS (
	SELECT w.segment_id, COALESCE(f.factor, $7::INT) AS wanted, c.copies, c.domains
	FROM w
	LEFT JOIN unnest($5::TEXT[], $6::INT[]) f (bucket, factor) ON f.bucket = w.bucket
	CROSS JOIN LATERAL (
		SELECT count(*) AS copies, count(DISTINCT d.domain) AS domains
		FROM object_locations l JOIN d ON d.backend = l.backend_name
		WHERE l.segment_id = w.segment_id) c
), there AS (
	SELECT count(*) AS backends, count(DISTINCT domain) AS domains FROM d
), entered AS (
	INSERT INTO replication_queue (segment_id)
	SELECT c.segment_id FROM counted c, there t
	WHERE c.copies < least(c.wanted, t.backends) OR c.domains < least(c.wanted, t.domains)
	ORDER BY c.segment_id
	ON CONFLICT DO NOTHING RETURNING segment_id
)
SELECT (SELECT max(segment_id) FROM w) AS last, (SELECT count(*) FROM entered) AS entered,
       (SELECT count(*) FROM counted c, there t
        WHERE c.copies >= t.backends AND c.copies < c.wanted) AS hopeless;

-- name: replication_claim
-- columns: segment_id attempts suspect reclaimed
WITH due AS (
	SELECT segment_id, claimed_at IS NOT NULL AS reclaimed FROM replication_queue
	WHERE next_retry <= now()
	  AND (claimed_at IS NULL OR claimed_at < now() - $3::BIGINT * interval '1 microsecond')
	ORDER BY next_retry, segment_id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE replication_queue q SET claimed_at = now(), claimed_by = $1
FROM due WHERE q.segment_id = due.segment_id
RETURNING q.segment_id, q.attempts, q.suspect, due.reclaimed;

-- Those that are still claimed by $1, or they have been entered anew.
-- name: replication_done
DELETE FROM replication_queue WHERE segment_id = ANY ($2::BIGINT[]) AND claimed_by = $1;

-- Due again after 10 seconds, 20, ... at most 10 minutes.
-- name: replication_failed
UPDATE replication_queue
SET attempts = attempts + 1, last_error = $3, claimed_at = NULL, claimed_by = NULL,
    next_retry = now() + least(interval '10 seconds' * 2 ^ least(attempts, 10),
		interval '10 minutes')
WHERE segment_id = $2 AND claimed_by = $1;

-- name: replication_postpone
UPDATE replication_queue SET claimed_at = NULL, claimed_by = NULL
WHERE segment_id = ANY ($2::BIGINT[]) AND claimed_by = $1;

-- A copy of a segment cannot be read although the catalogue has it.
-- name: replication_suspect
-- columns: segment_id
INSERT INTO replication_queue (segment_id, suspect)
SELECT segment_id, TRUE FROM object_locations
WHERE segment_id = $1 AND backend_name = $2 AND backend_key = $3
ON CONFLICT (segment_id) DO UPDATE SET suspect = TRUE, claimed_at = NULL, claimed_by = NULL
	WHERE NOT replication_queue.suspect
RETURNING segment_id;

-- Not counted beyond 10,000.
-- name: replication_depth :read
-- columns: depth next
SELECT (SELECT count(*) FROM (SELECT FROM replication_queue LIMIT 10000) q) AS depth,
       (SELECT s3o_micros(min(next_retry)) FROM replication_queue WHERE claimed_at IS NULL) AS next;

-- --- too many ---------------------------------------------------------------

-- Of the next $2 segments of objects behind $1 those with more copies than wanted ($5 and
-- $3, $4 as above).
-- name: excess_walk :read
-- columns: last segment_id
WITH w AS MATERIALIZED (
	SELECT segment_id, bucket FROM segments
	WHERE segment_id > $1 AND generation IS NOT NULL ORDER BY segment_id LIMIT $2
), many AS (
	SELECT w.segment_id
	FROM w
	LEFT JOIN unnest($3::TEXT[], $4::INT[]) f (bucket, factor) ON f.bucket = w.bucket
	CROSS JOIN LATERAL (
		SELECT count(*) AS copies FROM object_locations l
		WHERE l.segment_id = w.segment_id) c
	WHERE c.copies > COALESCE(f.factor, $5::INT)
)
SELECT (SELECT max(segment_id) FROM w) AS last, NULL::BIGINT AS segment_id
UNION ALL
SELECT NULL, segment_id FROM many;

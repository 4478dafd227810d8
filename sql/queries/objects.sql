-- SPDX-License-Identifier: MIT
--
-- Objects: writing, finding, listing.

-- name: reserve
-- columns: status
SELECT s3o_reserve($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS status;

-- name: commit
-- columns: status modified version_id queued
SELECT status, modified, version_id, queued
FROM s3o_commit($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: abandon
-- columns: status modified version_id
SELECT status, modified, version_id FROM s3o_abandon($1, $2, $3, $4, $5, $6);

-- name: cancel
-- columns: done
SELECT s3o_cancel($1) AS done;

-- name: delete
-- columns: item status is_marker version_id queued
SELECT item, status, is_marker, version_id, queued FROM s3o_delete($1, $2, $3, $4, $5);

-- What is there of keys or versions that are to be deleted: $2 as the items of s3o_delete().
-- name: find_generations :read
-- columns: item generation parts
SELECT i.ordinality AS item, v.generation, v.parts
FROM jsonb_array_elements($2::JSONB) WITH ORDINALITY i
CROSS JOIN LATERAL s3o_find_version($1, i.value ->> 'name', i.value ->> 'version') v;

-- Intents that are just being ended are locked: they need no renewal, and
-- waiting for them in another order than the commit's would be a deadlock. The
-- rows are those that are not there any more.
-- name: renew
-- columns: gone
WITH mine AS (
	SELECT intent_id FROM pending_objects WHERE intent_id = ANY ($1)
	ORDER BY intent_id FOR UPDATE SKIP LOCKED
), renewed AS (
	UPDATE pending_objects p SET renewed_at = now()
	FROM mine WHERE p.intent_id = mine.intent_id
)
SELECT id AS gone FROM unnest($1::TEXT[]) id
WHERE NOT EXISTS (SELECT FROM pending_objects p WHERE p.intent_id = id);

-- $3 is a version as in s3o_find_version(); version_id is what clients are told, NULL in a
-- bucket that never was versioned.
-- name: find_head :read
-- columns: generation size etag content_type headers metadata sha256 modified version_id marker checksums tags acl parts
SELECT generation, size_bytes AS size, etag, content_type, headers, metadata,
       content_hash AS sha256, s3o_micros(created_at) AS modified,
       COALESCE(version_id, (SELECT 'null' FROM buckets b
		WHERE b.bucket = $1 AND b.versioning IS NOT NULL)) AS version_id,
       is_delete_marker AS marker, checksums, tags, acl, parts
FROM s3o_find_version($1, $2, $3);

-- The first row is the version, the others are the copies of its segments in order.
-- One statement, so that a version never meets the copies of another one.
-- name: find_copies :read
-- columns: generation size etag content_type headers metadata sha256 modified version_id marker checksums tags acl parts segment_id segment_number segment_start segment_size backend backend_key copy_size
WITH v AS MATERIALIZED (
	SELECT * FROM object_versions WHERE bucket = $1 AND object_name = $2 AND is_latest
)
SELECT generation, size_bytes AS size, etag, content_type, headers, metadata,
       content_hash AS sha256, s3o_micros(created_at) AS modified,
       COALESCE(version_id, (SELECT 'null' FROM buckets b
		WHERE b.bucket = $1 AND b.versioning IS NOT NULL)) AS version_id,
       is_delete_marker AS marker, checksums, tags, acl, parts, NULL::BIGINT AS segment_id,
       NULL::INT AS segment_number, NULL::BIGINT AS segment_start, NULL::BIGINT AS segment_size,
       NULL AS backend, NULL AS backend_key, NULL::BIGINT AS copy_size,
       NULL::TIMESTAMPTZ AS copied_at
FROM v
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, s.segment_id, s.segment_number, s.start_byte, s.size_bytes, l.backend_name,
       l.backend_key, l.size_bytes, l.created_at
FROM v JOIN segments s ON s.bucket = v.bucket AND s.object_name = v.object_name
	AND s.generation = v.generation
LEFT JOIN object_locations l ON l.segment_id = s.segment_id
ORDER BY segment_number NULLS FIRST, copied_at, backend;

-- The same of any version ($3), and only of segments that hold bytes $4 to $5, if these are not
-- NULL ($4 < 0: so many at the end), or with part number $6, which is never less than the
-- number of the segment; then with its checksums.
-- name: find_some_copies :read
-- columns: generation size etag content_type headers metadata sha256 modified version_id marker checksums tags acl parts segment_id segment_number segment_start segment_size backend backend_key copy_size
WITH v AS MATERIALIZED (
	SELECT v.*, CASE WHEN $4::BIGINT IS NULL THEN 1 ELSE COALESCE((
		SELECT s.segment_number FROM segments s
		WHERE s.bucket = $1 AND s.object_name = $2 AND s.generation = v.generation
		  AND s.segment_number > 1
		  AND s.start_byte <= CASE WHEN $4 < 0 THEN v.size_bytes + $4 ELSE $4 END
		ORDER BY s.start_byte DESC LIMIT 1), 1) END AS first_segment,
	       CASE WHEN $5::BIGINT IS NULL THEN COALESCE($6::INT, 2147483647) ELSE COALESCE((
		SELECT s.segment_number FROM segments s
		WHERE s.bucket = $1 AND s.object_name = $2 AND s.generation = v.generation
		  AND s.segment_number > 1 AND s.start_byte <= $5
		ORDER BY s.start_byte DESC LIMIT 1), 1) END AS last_segment
	FROM s3o_find_version($1, $2, $3) v
)
SELECT generation, size_bytes AS size, etag, content_type, headers, metadata,
       content_hash AS sha256, s3o_micros(created_at) AS modified,
       COALESCE(version_id, (SELECT 'null' FROM buckets b
		WHERE b.bucket = $1 AND b.versioning IS NOT NULL)) AS version_id,
       is_delete_marker AS marker, checksums, tags, acl, parts, NULL::BIGINT AS segment_id,
       NULL::INT AS segment_number, NULL::BIGINT AS segment_start, NULL::BIGINT AS segment_size,
       NULL AS backend, NULL AS backend_key, NULL::BIGINT AS copy_size,
       NULL::TIMESTAMPTZ AS copied_at
FROM v
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       CASE WHEN $6::INT IS NOT NULL THEN s.checksums END, NULL, NULL, NULL, s.segment_id,
       s.segment_number, s.start_byte, s.size_bytes, l.backend_name, l.backend_key,
       l.size_bytes, l.created_at
FROM v JOIN segments s ON s.bucket = v.bucket AND s.object_name = v.object_name
	AND s.generation = v.generation
	AND s.segment_number BETWEEN v.first_segment AND v.last_segment
	AND ($6::INT IS NULL OR COALESCE(s.part_number, s.segment_number) = $6)
LEFT JOIN object_locations l ON l.segment_id = s.segment_id
ORDER BY segment_number NULLS FIRST, copied_at, backend;

-- What the segments of a version are, without their copies.
-- name: segments :read
-- columns: number part size etag sha256 checksums
SELECT segment_number AS number, COALESCE(part_number, segment_number) AS part,
       size_bytes AS size, etag, content_hash AS sha256, checksums
FROM segments WHERE bucket = $1 AND object_name = $2 AND generation = $3
  AND COALESCE(part_number, segment_number) > $4
ORDER BY segment_number LIMIT $5;

-- name: list :read
-- columns: key size etag modified
SELECT object_name AS key, size_bytes AS size, etag, s3o_micros(created_at) AS modified
FROM object_versions
WHERE bucket = $1 AND is_latest AND NOT is_delete_marker AND object_name >= $2
  AND object_name < $4
ORDER BY object_name LIMIT $3;

-- The same with few keys of each group: those whose names are equal up to the first
-- delimiter ($6) after the prefix ($5). A hop over the index for each batch: where it
-- begins and how many keys it has. One that ends in a group is followed by one that
-- begins behind the group ($7 instead of the delimiter) and has one key, in case
-- another group follows; after a key that stands for itself they become larger. The
-- limits of 64 are for the planner, which would otherwise take a batch for a part of the
-- bucket.
-- name: list_groups :read
-- columns: key size etag modified
WITH RECURSIVE batch (first, keys, told) AS (
	SELECT $2::TEXT COLLATE "C", 1, 0
	UNION ALL
	SELECT CASE WHEN d.at > 0 THEN left(last.object_name, length($5) + d.at - 1) || $7
	       ELSE last.object_name || chr(1) END,
	       CASE WHEN d.at > 0 THEN 1 ELSE least(b.keys * 4, 64) END,
	       b.told + b.keys
	FROM batch b
	CROSS JOIN LATERAL (
		SELECT object_name FROM (
			SELECT object_name FROM object_versions
			WHERE bucket = $1 AND is_latest AND NOT is_delete_marker
			  AND object_name >= b.first AND object_name < $4
			ORDER BY object_name LIMIT 64) k
		ORDER BY object_name OFFSET b.keys - 1 LIMIT 1) last
	CROSS JOIN LATERAL (
		SELECT strpos(substr(last.object_name, length($5) + 1), $6) AS at) d
	WHERE b.told + b.keys < $3
)
SELECT v.object_name AS key, v.size_bytes AS size, v.etag, s3o_micros(v.created_at) AS modified
FROM batch b
CROSS JOIN LATERAL (
	SELECT * FROM (
		SELECT object_name, size_bytes, etag, created_at FROM object_versions
		WHERE bucket = $1 AND is_latest AND NOT is_delete_marker
		  AND object_name >= b.first AND object_name < $4
		ORDER BY object_name LIMIT 64) k
	ORDER BY object_name LIMIT b.keys) v
ORDER BY key LIMIT $3;

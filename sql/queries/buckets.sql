-- SPDX-License-Identifier: MIT
--
-- Buckets and what is set on them.

-- name: create_bucket
-- columns: status
SELECT s3o_create_bucket($1, $2, $3, $4) AS status;

-- name: delete_bucket
-- columns: status queued
SELECT status, queued FROM s3o_delete_bucket($1, $2, $3);

-- A row for each of the settings $2 that is there; one without a name if none is.
-- name: find_bucket :read
-- columns: owner versioning created name value
SELECT b.owner, b.versioning, s3o_micros(b.created_at) AS created, s.name, s.value
FROM buckets b
LEFT JOIN bucket_settings s ON s.bucket = b.bucket AND s.name = ANY ($2::TEXT[])
WHERE b.bucket = $1 ORDER BY s.name;

-- Those of an owner, and one of the configuration.
-- name: own_buckets :read
-- columns: bucket owner versioning created
SELECT bucket, owner, versioning, s3o_micros(created_at) AS created
FROM buckets WHERE owner = $1 AND owner <> ''
UNION
SELECT bucket, owner, versioning, s3o_micros(created_at) FROM buckets WHERE bucket = $2
ORDER BY bucket;

-- Of the bucket of owner $2 (s3o_enter_bucket).
-- name: put_bucket_setting
-- columns: done
INSERT INTO bucket_settings (bucket, name, value)
SELECT bucket, $3, $4 FROM buckets WHERE bucket = $1 AND ($2 = '' OR owner = $2)
FOR KEY SHARE
ON CONFLICT (bucket, name) DO UPDATE SET value = EXCLUDED.value, updated_at = now()
RETURNING TRUE AS done;

-- name: delete_bucket_setting
-- columns: done
WITH mine AS (
	SELECT bucket FROM buckets WHERE bucket = $1 AND ($2 = '' OR owner = $2)
	FOR KEY SHARE
), gone AS (
	DELETE FROM bucket_settings WHERE bucket IN (SELECT bucket FROM mine) AND name = $3
)
SELECT TRUE AS done FROM mine;

-- --- lifecycle ------------------------------------------------------------

-- Buckets behind $1 with their rules.
-- name: lifecycle_buckets :read
-- columns: bucket owner rules
SELECT b.bucket, b.owner, s.value AS rules FROM buckets b
LEFT JOIN bucket_settings s ON s.bucket = b.bucket AND s.name = 'lifecycle'
WHERE b.bucket > $1 ORDER BY b.bucket LIMIT $2;

-- Looks at the versions of the next $4 keys from $2 to below $3, of the key $2 itself only
-- at those created after $10. The first row says which key was the last of them (NULL:
-- there is none) and how many there were. The others are versions that may have to go, in
-- order of key and age, the first $8 of them: current ones from before $5, noncurrent ones
-- that became so before $6 (microseconds), lonely delete markers if $7. since: when a
-- version became noncurrent; newer: noncurrent versions of the key that are newer, not
-- counted beyond $9.
--
-- No more versions are read than are told: keys are joined in their order, and the LIMIT
-- of v stops that; whatever became noncurrent before $6 was created before, so that an
-- index finds the oldest ones, of which one at most is not told.
-- name: lifecycle_versions :read
-- columns: key generation version_id size created tags is_latest is_marker since newer keys
WITH k AS MATERIALIZED (
	SELECT object_name, created_at, is_delete_marker FROM object_versions
	WHERE bucket = $1 AND is_latest AND object_name >= $2 AND object_name < $3
	ORDER BY object_name LIMIT $4
), v AS (
	SELECT k.object_name, o.* FROM k CROSS JOIN LATERAL (
		(SELECT o.generation, o.version_id, o.size_bytes, o.created_at, o.tags,
		        o.is_latest, o.is_delete_marker, COALESCE((
				SELECT n.created_at FROM object_versions n
				WHERE n.bucket = $1 AND n.object_name = k.object_name
				  AND NOT n.is_latest AND n.created_at > o.created_at
				ORDER BY n.created_at LIMIT 1), k.created_at) AS since
		 FROM object_versions o
		 WHERE o.bucket = $1 AND o.object_name = k.object_name AND NOT o.is_latest
		   AND o.created_at < 'epoch'::TIMESTAMPTZ + $6::BIGINT * interval '1 microsecond'
		   AND o.created_at > CASE WHEN k.object_name = $2
		       THEN 'epoch'::TIMESTAMPTZ + $10::BIGINT * interval '1 microsecond'
		       ELSE '-infinity' END
		 ORDER BY o.created_at LIMIT $8)
		UNION ALL
		SELECT o.generation, o.version_id, o.size_bytes, o.created_at, o.tags,
		       o.is_latest, o.is_delete_marker, NULL
		FROM object_versions o
		WHERE o.bucket = $1 AND o.object_name = k.object_name AND o.is_latest
		  AND (s3o_micros(k.created_at) < $5 OR (k.is_delete_marker AND $7::BOOLEAN))
		  AND (k.object_name > $2 OR s3o_micros(k.created_at) > $10)
		  AND NOT (k.is_delete_marker AND EXISTS (
			SELECT FROM object_versions n
			WHERE n.bucket = $1 AND n.object_name = k.object_name AND NOT n.is_latest))
	) o
	WHERE o.is_latest OR s3o_micros(o.since) < $6
	LIMIT $8
)
SELECT max(object_name) AS key, NULL AS generation, NULL AS version_id, NULL::BIGINT AS size,
       NULL::BIGINT AS created, NULL::JSONB AS tags, NULL::BOOLEAN AS is_latest,
       NULL::BOOLEAN AS is_marker, NULL::BIGINT AS since, NULL::BIGINT AS newer,
       count(*) AS keys
FROM k
UNION ALL
(SELECT object_name, generation, version_id, size_bytes, s3o_micros(created_at), tags,
        is_latest, is_delete_marker, s3o_micros(since), (
	SELECT count(*) FROM (
		SELECT FROM object_versions n
		WHERE n.bucket = $1 AND n.object_name = v.object_name AND NOT n.is_latest
		  AND n.created_at > v.created_at
		LIMIT $9) n), NULL
 FROM v ORDER BY object_name, created_at);

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

-- Looks at the versions of the next $4 keys from $2 to below $3. The first row says which
-- key was the last of them (NULL: there is none) and how many there were. The others are
-- versions that may have to go, $8 at most: current ones from before $5, noncurrent ones
-- that became so before $6 (microseconds), lonely delete markers if $7. since: when a
-- version became noncurrent; newer: noncurrent versions of the key that are newer.
-- name: lifecycle_versions :read
-- columns: key generation version_id size created tags is_latest is_marker since newer keys
WITH k AS MATERIALIZED (
	SELECT object_name, created_at, is_delete_marker FROM object_versions
	WHERE bucket = $1 AND is_latest AND object_name >= $2 AND object_name < $3
	ORDER BY object_name LIMIT $4
), v AS (
	SELECT o.object_name, o.generation, o.version_id, o.size_bytes, o.created_at, o.tags,
	       o.is_latest, o.is_delete_marker,
	       lag(o.created_at) OVER w AS since, row_number() OVER w - 2 AS newer,
	       count(*) OVER (PARTITION BY o.object_name) AS versions
	FROM k JOIN object_versions o ON o.bucket = $1 AND o.object_name = k.object_name
	WINDOW w AS (PARTITION BY o.object_name ORDER BY o.created_at DESC)
)
SELECT max(object_name) AS key, NULL AS generation, NULL AS version_id, NULL::BIGINT AS size,
       NULL::BIGINT AS created, NULL::JSONB AS tags, NULL::BOOLEAN AS is_latest,
       NULL::BOOLEAN AS is_marker, NULL::BIGINT AS since, NULL::BIGINT AS newer,
       count(*) AS keys
FROM k
UNION ALL
(SELECT object_name, generation, version_id, size_bytes, s3o_micros(created_at), tags,
        is_latest, is_delete_marker, s3o_micros(since), newer, NULL
 FROM v
 WHERE CASE WHEN NOT is_latest THEN s3o_micros(since) < $6
            WHEN is_delete_marker THEN versions = 1 AND ($7::BOOLEAN OR s3o_micros(created_at) < $5)
            ELSE s3o_micros(created_at) < $5 END
 ORDER BY object_name, created_at LIMIT $8);

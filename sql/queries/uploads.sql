-- SPDX-License-Identifier: MIT
--
-- Uploads in parts.

-- name: create_upload
-- columns: status
SELECT s3o_create_upload($1, $2, $3, $4, $5, $6, $7) AS status;

-- name: find_upload :read
-- columns: generation content_type headers metadata tags acl algorithm type owner created
SELECT generation, content_type, headers, metadata, tags, acl,
       checksum_algorithm AS algorithm, checksum_type AS type, owner,
       s3o_micros(created_at) AS created
FROM multipart_uploads WHERE upload_id = $1 AND bucket = $2 AND object_name = $3;

-- name: commit_part
-- columns: status modified queued
SELECT status, modified, queued FROM s3o_commit_part($1, $2, $3, $4, $5);

-- Parts with numbers greater than $2, of an upload that the caller has found.
-- name: parts :read
-- columns: number segment_id etag size modified checksums
SELECT p.part_number AS number, p.segment_id, p.etag, p.size_bytes AS size,
       s3o_micros(p.created_at) AS modified, s.checksums
FROM multipart_parts p JOIN segments s USING (segment_id)
WHERE p.upload_id = $1 AND p.part_number > $2 ORDER BY p.part_number LIMIT $3;

-- name: complete
-- columns: status modified version_id queued
SELECT status, modified, version_id, queued
FROM s3o_complete($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: completed :read
-- columns: version_id etag checksums modified
SELECT version_id, etag, checksums, s3o_micros(completed_at) AS modified
FROM completed_uploads WHERE upload_id = $1 AND bucket = $2 AND object_name = $3;

-- name: abort_upload
-- columns: status queued
SELECT status, queued FROM s3o_abort_upload($1, $2, $3, $4);

-- Uploads with the prefix ($2 to below $3) behind the pair of key and upload id, by key
-- and age.
-- name: uploads :read
-- columns: key upload_id created owner algorithm type
SELECT object_name AS key, upload_id, s3o_micros(created_at) AS created, owner,
       checksum_algorithm AS algorithm, checksum_type AS type
FROM multipart_uploads
WHERE bucket = $1 AND object_name >= $2 AND object_name < $3
  AND (object_name, upload_id) > ($4, $5)
ORDER BY object_name, upload_id LIMIT $6;

-- The $2 oldest of those that were begun more than $1 microseconds ago, with how many
-- there are of them, not counted beyond 10,000.
-- name: stale_uploads :read
-- columns: upload_id bucket key total
SELECT upload_id, bucket, object_name AS key, (SELECT count(*) FROM (
	SELECT FROM multipart_uploads
	WHERE created_at < now() - $1::BIGINT * interval '1 microsecond' LIMIT 10000) u) AS total
FROM multipart_uploads
WHERE created_at < now() - $1::BIGINT * interval '1 microsecond'
ORDER BY created_at, upload_id LIMIT $2;

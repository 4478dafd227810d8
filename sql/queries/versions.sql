-- SPDX-License-Identifier: MIT
--
-- Versions: what a bucket keeps, all of them, and what may change of one.

-- name: versioning :read
-- columns: versioning
SELECT versioning FROM buckets WHERE bucket = $1;

-- name: set_versioning
-- columns: done
SELECT s3o_set_versioning($1, $2, $3) AS done;

-- name: list_versions :read
-- columns: name is_group version_id is_latest is_marker size etag modified
SELECT name, is_group, version_id, is_latest, is_marker, size, etag, modified
FROM s3o_list_versions($1, $2, $3, $4, $5, $6, $7, $8);

-- No row: the version is gone.
-- name: set_tags
-- columns: generation
UPDATE object_versions SET tags = $4
WHERE bucket = $1 AND object_name = $2 AND generation = $3 AND NOT is_delete_marker
RETURNING generation;

-- name: set_acl
-- columns: generation
UPDATE object_versions SET acl = $4
WHERE bucket = $1 AND object_name = $2 AND generation = $3 AND NOT is_delete_marker
RETURNING generation;

-- SPDX-License-Identifier: MIT
--
-- Comparing what lies on backends with the catalogue.

-- The places in $2 of the keys on the backend $1 that are explained, see s3o_explains(); in
-- a form for many at once: the last two tables have no index by key.
-- name: explained :read
-- columns: place
SELECT k.place FROM unnest($2::TEXT[]) WITH ORDINALITY k (key, place)
WHERE EXISTS (SELECT FROM object_locations WHERE backend_name = $1 AND backend_key = k.key)
   OR EXISTS (SELECT FROM cleanup_queue WHERE backend_name = $1 AND object_key = k.key)
   OR k.key IN (SELECT backend_key FROM pending_objects WHERE backend_name = $1)
   OR k.key IN (SELECT object_key FROM cleanup_dlq WHERE backend_name = $1);

-- For each bucket in $1 and key in $2, in order: is there such a bucket, and any version of
-- the key?
-- name: names :read
-- columns: bucket version
SELECT EXISTS (SELECT FROM buckets b WHERE b.bucket = k.bucket) AS bucket,
       EXISTS (SELECT FROM object_versions v
               WHERE v.bucket = k.bucket AND v.object_name = k.name) AS version
FROM unnest($1::TEXT[], $2::TEXT[]) WITH ORDINALITY k (bucket, name, place) ORDER BY place;

-- name: adopt_copy
-- columns: status
SELECT s3o_adopt_copy($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS status;

-- name: queue_found
-- columns: queued
SELECT s3o_queue_found($1, $2, $3, $4, $5) AS queued;

-- name: import
-- columns: status
SELECT s3o_import($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS status;

-- SPDX-License-Identifier: MIT
--
-- Access keys that are refused. Whoever serves requests is notified of changes on s3o_keys.

-- name: disabled_keys :read
-- columns: id disabled
SELECT access_key_id AS id, s3o_micros(disabled_at) AS disabled
FROM disabled_keys ORDER BY access_key_id;

-- name: disable_key
WITH disabled AS (
	INSERT INTO disabled_keys (access_key_id) VALUES ($1) ON CONFLICT DO NOTHING
)
SELECT pg_notify('s3o_keys', '');

-- name: enable_key
-- columns: was_disabled
WITH enabled AS (
	DELETE FROM disabled_keys WHERE access_key_id = $1 RETURNING access_key_id
)
SELECT EXISTS (SELECT FROM enabled) AS was_disabled, pg_notify('s3o_keys', '');

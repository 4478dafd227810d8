-- SPDX-License-Identifier: MIT
--
-- The row of a version: '' is the current one, 'null' the null version, anything else an
-- id. None costs more when a key has many versions. Branches whose parameter does not fit are never executed, and the planner puts the
-- text of this function in place of its call.
CREATE FUNCTION s3o_find_version(p_bucket TEXT, p_name TEXT, p_version TEXT)
RETURNS SETOF object_versions
LANGUAGE sql STABLE AS $$
	SELECT * FROM object_versions
	WHERE p_version = '' AND bucket = p_bucket AND object_name = p_name AND is_latest
	UNION ALL
	SELECT * FROM object_versions
	WHERE p_version = 'null' AND bucket = p_bucket AND object_name = p_name
	  AND is_latest AND version_id IS NULL
	UNION ALL
	SELECT * FROM object_versions
	WHERE p_version = 'null' AND bucket = p_bucket AND object_name = p_name
	  AND NOT is_latest AND version_id IS NULL
	UNION ALL
	SELECT * FROM object_versions
	WHERE p_version NOT IN ('', 'null') AND bucket = p_bucket AND object_name = p_name
	  AND generation = p_version COLLATE "C" AND version_id IS NOT NULL
$$;

-- SPDX-License-Identifier: MIT
--
-- The row of a version: '' is the current one, 'null' the null version, anything else an
-- id. None costs more when a key has many versions. Statements of their own, because for one with OR or UNION the planner would make a new
-- plan at each call: that takes longer than all the rest.
CREATE FUNCTION s3o_find_version(p_bucket TEXT, p_name TEXT, p_version TEXT)
RETURNS SETOF object_versions
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
	IF p_version = '' THEN
		RETURN QUERY SELECT * FROM object_versions
			WHERE bucket = p_bucket AND object_name = p_name AND is_latest;
	ELSIF p_version = 'null' THEN
		RETURN QUERY SELECT * FROM object_versions
			WHERE bucket = p_bucket AND object_name = p_name AND is_latest
			  AND version_id IS NULL;
		IF NOT FOUND THEN
			RETURN QUERY SELECT * FROM object_versions
				WHERE bucket = p_bucket AND object_name = p_name AND NOT is_latest
				  AND version_id IS NULL;
		END IF;
	ELSE
		RETURN QUERY SELECT * FROM object_versions
			WHERE bucket = p_bucket AND object_name = p_name
			  AND generation = p_version COLLATE "C" AND version_id IS NOT NULL;
	END IF;
END $$;

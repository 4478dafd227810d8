-- SPDX-License-Identifier: MIT
--
-- What a client is told about the version that a write has made: its id, "null", or
-- nothing in a bucket that never was versioned.
CREATE FUNCTION s3o_told_version(p_versioning TEXT, p_generation TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_versioning WHEN 'Enabled' THEN p_generation WHEN 'Suspended' THEN 'null'
	       ELSE '' END
$$;

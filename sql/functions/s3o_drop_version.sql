-- SPDX-License-Identifier: MIT
--
-- Takes a version of a key that is locked out of the catalogue; if it was the current one,
-- the newest of the others is. See s3o_retire_version().
CREATE FUNCTION s3o_drop_version(p_version object_versions, p_reason TEXT) RETURNS s3o_delta[]
LANGUAGE plpgsql AS $$
DECLARE
	v_deltas s3o_delta[] := s3o_retire_version(p_version.bucket, p_version.object_name,
		p_version.generation, p_reason);
BEGIN
	IF p_version.is_latest THEN
		UPDATE object_versions SET is_latest = TRUE
		WHERE bucket = p_version.bucket AND object_name = p_version.object_name
		  AND generation = (
			SELECT generation FROM object_versions
			WHERE bucket = p_version.bucket AND object_name = p_version.object_name
			  AND NOT is_latest
			ORDER BY created_at DESC LIMIT 1);
	END IF;
	RETURN v_deltas;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Takes a version out of the catalogue, see s3o_retire_segments().
CREATE FUNCTION s3o_retire_version(p_bucket TEXT, p_name TEXT, p_generation TEXT,
	p_reason TEXT) RETURNS s3o_delta[]
LANGUAGE plpgsql AS $$
DECLARE
	v_deltas s3o_delta[];
BEGIN
	v_deltas := s3o_retire_segments(ARRAY(
		SELECT segment_id FROM segments
		WHERE bucket = p_bucket AND object_name = p_name AND generation = p_generation),
		p_reason, p_generation);
	DELETE FROM object_versions
	WHERE bucket = p_bucket AND object_name = p_name AND generation = p_generation;
	RETURN v_deltas;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Makes a version, or a delete marker, the current one of a key that is locked. With
-- versioning it gets an id, and the others stay; else it is the null version, and the
-- null version that was there goes. The caller adds the segments.
CREATE FUNCTION s3o_place_version(p_key s3o_locked_key, p_version object_versions,
	OUT placed_at TIMESTAMPTZ, OUT displaced s3o_delta[])
LANGUAGE plpgsql AS $$
DECLARE
	v_null TEXT;
BEGIN
	displaced := '{}';
	IF p_key.versioning = 'Enabled' THEN
		p_version.version_id := p_version.generation;
	ELSIF (p_key.latest).generation IS NOT NULL THEN
		v_null := (p_key.latest).generation;
		IF (p_key.latest).version_id IS NOT NULL THEN
			v_null := (SELECT generation FROM s3o_find_version(p_version.bucket,
				p_version.object_name, 'null'));
		END IF;
		IF v_null IS NOT NULL THEN
			displaced := s3o_retire_version(p_version.bucket, p_version.object_name,
				v_null, 'overwrite_displaced');
		END IF;
	END IF;
	UPDATE object_versions SET is_latest = FALSE
	WHERE bucket = p_version.bucket AND object_name = p_version.object_name AND is_latest;

	-- The time of a key never stands still or goes back: it orders the versions.
	placed_at := greatest(clock_timestamp(),
		(p_key.latest).created_at + interval '1 microsecond');
	p_version.created_at := placed_at;
	p_version.is_latest := TRUE;
	INSERT INTO object_versions SELECT p_version.*;
END $$;

-- SPDX-License-Identifier: MIT
--
-- A deletion of a key in a bucket with versioning that found the version p_generation
-- ('': none), while p_latest is current now: it takes its place between that one and
-- what came after it, as if it had been quicker. So it never hides a newer version, even
-- when it is executed late, and needs not be repeated however busy the key is. False:
-- there is no such place (any more).
CREATE FUNCTION s3o_place_marker_before(p_versioning TEXT, p_bucket TEXT, p_name TEXT,
	p_generation TEXT, p_latest object_versions, p_marker TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
	v_found  TIMESTAMPTZ := '-infinity';
	v_marker object_versions%ROWTYPE;
BEGIN
	IF p_generation <> '' THEN
		v_found := (SELECT created_at FROM object_versions
			WHERE bucket = p_bucket AND object_name = p_name AND generation = p_generation);
	END IF;
	IF p_versioning = 'Suspended' OR p_latest.generation IS NULL THEN
		-- A null version that is newer has replaced the marker already.
		RETURN p_latest.version_id IS NULL AND p_latest.created_at > v_found;
	END IF;
	v_marker := s3o_version_of(p_bucket, p_name, p_marker, '{"is_delete_marker": true}');
	v_marker.version_id := p_marker;
	v_marker.is_latest := FALSE;
	v_marker.created_at := COALESCE((
		SELECT created_at FROM object_versions
		WHERE bucket = p_bucket AND object_name = p_name AND NOT is_latest
		  AND created_at > v_found
		ORDER BY created_at LIMIT 1), p_latest.created_at) - interval '1 microsecond';
	IF v_marker.created_at > v_found THEN
		INSERT INTO object_versions SELECT v_marker.*;
		RETURN TRUE;
	END IF;
	RETURN FALSE; -- or the version that was found is gone: NULL
END $$;

-- SPDX-License-Identifier: MIT
--
-- One item of s3o_delete(), which holds the locks.
CREATE FUNCTION s3o_delete_one(p_bucket TEXT, p_versioning TEXT, p_name TEXT, p_version TEXT,
	p_generation TEXT, p_if_match TEXT, p_marker TEXT, p_tags JSONB,
	OUT status TEXT, OUT is_marker BOOLEAN, OUT version_id TEXT, OUT deltas s3o_delta[])
LANGUAGE plpgsql AS $$
DECLARE
	v_old    object_versions%ROWTYPE;
	v_placed RECORD;
BEGIN
	deltas := '{}';
	is_marker := FALSE;
	version_id := p_version;
	SELECT * INTO v_old FROM s3o_find_version(p_bucket, p_name, p_version);
	status := s3o_check_conditions(FOUND AND NOT v_old.is_delete_marker, v_old.etag, FALSE,
		p_if_match);
	IF status IS NULL AND (COALESCE(v_old.generation, '') <> p_generation
			OR p_tags <> COALESCE(v_old.tags, '{}')) THEN
		status := 'changed';
		IF p_tags IS NOT NULL OR p_if_match <> '' THEN
			NULL; -- just that one was meant
		ELSIF p_version = '' AND p_versioning IS NULL THEN
			status := 'ok'; -- what has been replaced was deleted just before
		ELSIF p_version = '' AND s3o_place_marker_before(p_versioning, p_bucket, p_name,
				p_generation, v_old, p_marker) THEN
			status := 'ok';
			is_marker := TRUE;
			version_id := s3o_told_version(p_versioning, p_marker);
		END IF;
	END IF;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;

	status := 'ok';
	IF p_version <> '' OR p_versioning IS NULL THEN
		IF v_old.generation IS NULL THEN
			RETURN;
		END IF;
		is_marker := v_old.is_delete_marker;
		deltas := s3o_drop_version(v_old, 'object_deleted');
	ELSE
		v_placed := s3o_place_version((p_versioning, v_old)::s3o_locked_key,
			s3o_version_of(p_bucket, p_name, p_marker, '{"is_delete_marker": true}'));
		is_marker := TRUE;
		version_id := s3o_told_version(p_versioning, p_marker);
		deltas := v_placed.displaced;
	END IF;
END $$;

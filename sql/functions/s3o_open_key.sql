-- SPDX-License-Identifier: MIT
--
-- Enters the bucket, locks the key and checks the conditions of a write on its current
-- version. Status NULL, or no_bucket, precondition, not_found.
CREATE FUNCTION s3o_open_key(p_bucket TEXT, p_owner TEXT, p_name TEXT,
	p_if_none_match_any BOOLEAN, p_if_match TEXT, OUT status TEXT, OUT key s3o_locked_key)
LANGUAGE plpgsql AS $$
DECLARE
	v_bucket RECORD;
	v_latest object_versions%ROWTYPE;
BEGIN
	v_bucket := s3o_enter_bucket(p_bucket, p_owner);
	IF NOT v_bucket.is_there THEN
		status := 'no_bucket';
		RETURN;
	END IF;
	PERFORM s3o_lock_key(p_bucket, p_name);
	SELECT * INTO v_latest FROM object_versions
	WHERE bucket = p_bucket AND object_name = p_name AND is_latest FOR UPDATE;
	status := s3o_check_conditions(FOUND AND NOT v_latest.is_delete_marker, v_latest.etag,
		p_if_none_match_any, p_if_match);
	key := (v_bucket.versioning, v_latest);
END $$;

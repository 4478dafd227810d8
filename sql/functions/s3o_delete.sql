-- SPDX-License-Identifier: MIT
--
-- Takes a version of a key, the current one so far, out of the catalogue; its copies
-- go to the clean-up queue. Status: ok, absent (that is not the current one any
-- more), precondition, not_found.
CREATE FUNCTION s3o_delete(p_bucket TEXT, p_name TEXT, p_generation TEXT,
	p_if_match TEXT, p_slot SMALLINT, OUT status TEXT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_old   object_versions%ROWTYPE;
	v_delta RECORD;
BEGIN
	queued := 0;
	PERFORM s3o_lock_key(p_bucket, p_name);
	SELECT * INTO v_old FROM object_versions
	WHERE bucket = p_bucket AND object_name = p_name AND is_latest FOR UPDATE;
	status := s3o_check_conditions(FOUND AND NOT v_old.is_delete_marker, v_old.etag, FALSE,
		p_if_match);
	IF status IS NULL AND v_old.generation IS DISTINCT FROM p_generation THEN
		status := 'absent';
	END IF;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;

	FOR v_delta IN
		SELECT * FROM s3o_retire_version(p_bucket, p_name, v_old.generation, 'object_deleted')
		ORDER BY backend_name COLLATE "C"
	LOOP
		PERFORM s3o_add_to_slot(v_delta.backend_name, p_slot, -v_delta.bytes, 0,
			v_delta.bytes, -v_delta.copies);
		queued := queued + v_delta.copies;
	END LOOP;
	status := 'ok';
END $$;

-- SPDX-License-Identifier: MIT
--
-- Takes a copy out of the catalogue; its bytes go to the clean-up queue, or nowhere with
-- the reason '': they are known not to be there. What that changes in the counters is the
-- result. The caller has locked the segment.
CREATE FUNCTION s3o_retire_copy(p_segment BIGINT, p_backend TEXT, p_reason TEXT)
RETURNS s3o_delta[]
LANGUAGE plpgsql AS $$
DECLARE
	v_copy object_locations%ROWTYPE;
BEGIN
	DELETE FROM object_locations WHERE segment_id = p_segment AND backend_name = p_backend
	RETURNING * INTO v_copy;
	IF p_reason = '' THEN
		RETURN ARRAY[(p_backend, -v_copy.size_bytes, 0, 0, -1)::s3o_delta];
	END IF;
	INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes)
	VALUES (p_backend, v_copy.backend_key, p_reason, v_copy.size_bytes);
	RETURN ARRAY[(p_backend, -v_copy.size_bytes, 0, v_copy.size_bytes, -1)::s3o_delta];
END $$;

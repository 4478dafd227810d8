-- SPDX-License-Identifier: MIT
--
-- Something on a backend that nobody needs goes to the clean-up queue. False: it is no longer
-- unexplained.
CREATE FUNCTION s3o_queue_found(p_backend TEXT, p_key TEXT, p_size BIGINT, p_reason TEXT,
	p_slot SMALLINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
	IF s3o_explains(p_backend, p_key) THEN
		RETURN FALSE;
	END IF;
	INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes)
	VALUES (p_backend, p_key, p_reason, p_size);
	PERFORM s3o_add_found(p_backend, p_slot, 0, p_size, 0);
	RETURN TRUE;
END $$;

-- SPDX-License-Identifier: MIT
--
-- The bytes of a queue row are gone: the row goes, and its bytes are free again.
-- A second call finds no row and changes nothing.
CREATE FUNCTION s3o_cleanup_done(p_id BIGINT, p_slot SMALLINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
	v_row cleanup_queue%ROWTYPE;
BEGIN
	DELETE FROM cleanup_queue WHERE id = p_id RETURNING * INTO v_row;
	IF NOT FOUND THEN
		RETURN FALSE;
	END IF;
	PERFORM s3o_add_to_slot(v_row.backend_name, p_slot, 0, 0, -v_row.size_bytes, 0);
	RETURN TRUE;
END $$;

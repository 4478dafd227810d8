-- SPDX-License-Identifier: MIT
--
-- Removes a copy of a segment (s3o_retire_copy) that others can do without: at least p_keep
-- of them must be on the backends p_counted (NULL: on any). One whose bytes are not there
-- (the reason '') may have to be made again. Status:
--
--   ok       done
--   gone     there is no such copy (any more)
--   needed   there would be too few others; nothing was changed
CREATE FUNCTION s3o_remove_copy(p_segment BIGINT, p_backend TEXT, p_backend_key TEXT,
	p_reason TEXT, p_keep INT, p_counted TEXT[], p_slot SMALLINT) RETURNS TEXT
LANGUAGE plpgsql AS $$
DECLARE
	v_others BIGINT;
BEGIN
	PERFORM FROM segments WHERE segment_id = p_segment FOR UPDATE;
	PERFORM FROM object_locations
	WHERE segment_id = p_segment AND backend_name = p_backend AND backend_key = p_backend_key;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	SELECT count(*) INTO v_others FROM object_locations
	WHERE segment_id = p_segment AND backend_name <> p_backend
	  AND (p_counted IS NULL OR backend_name = ANY (p_counted));
	IF v_others < p_keep THEN
		RETURN 'needed';
	END IF;
	IF p_reason = '' THEN
		INSERT INTO replication_queue (segment_id) VALUES (p_segment) ON CONFLICT DO NOTHING;
	END IF;
	PERFORM s3o_apply(s3o_retire_copy(p_segment, p_backend, p_reason), p_slot);
	RETURN 'ok';
END $$;

-- SPDX-License-Identifier: MIT
--
-- Makes an intent one more copy of a segment. With p_from ('': none) it takes the place of
-- the copy on that backend, which goes to the clean-up queue: a move. Status:
--
--   ok          done; queued is the number of rows queued
--   gone        the segment is not there any more
--   exists      the backend of the intent has a copy already
--   no_source   the backend p_from has none (any more)
--   intent_gone, draining   as of s3o_commit()
--
-- Whatever the status is but ok, nothing was changed.
CREATE FUNCTION s3o_add_copy(p_segment BIGINT, p_intent TEXT, p_from TEXT, p_reason TEXT,
	OUT status TEXT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_segment segments%ROWTYPE;
	v_taken   RECORD;
	v_time    TIMESTAMPTZ := clock_timestamp();
	v_moved   s3o_delta[] := '{}';
BEGIN
	-- Whoever takes it out of the catalogue locks it as well (s3o_retire_segments).
	SELECT * INTO v_segment FROM segments WHERE segment_id = p_segment FOR UPDATE;
	IF NOT FOUND THEN
		status := 'gone';
		RETURN;
	END IF;
	v_taken := s3o_lock_intents(v_segment.bucket, v_segment.object_name, ARRAY[p_intent]);
	status := v_taken.status;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM object_locations l JOIN pending_objects p USING (backend_name)
		WHERE l.segment_id = p_segment AND p.intent_id = p_intent) THEN
		status := 'exists';
		RETURN;
	END IF;
	IF p_from <> '' THEN
		-- Copies are told by age: one that has moved is as old as before.
		SELECT created_at INTO v_time FROM object_locations
		WHERE segment_id = p_segment AND backend_name = p_from;
		IF NOT FOUND THEN
			status := 'no_source';
			RETURN;
		END IF;
		v_moved := s3o_retire_copy(p_segment, p_from, p_reason);
	END IF;
	PERFORM s3o_land(p_segment, ARRAY[p_intent], v_time);
	PERFORM s3o_apply(v_taken.deltas || v_moved, v_taken.slot);
	status := 'ok';
	queued := s3o_queued(v_moved);
END $$;

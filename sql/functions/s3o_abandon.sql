-- SPDX-License-Identifier: MIT
--
-- An intent whose bytes must not stay becomes a row of the clean-up queue. False
-- when the intent is not there any more.
CREATE OR REPLACE FUNCTION s3o_abandon(p_intent TEXT, p_reason TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
	v_intent pending_objects%ROWTYPE;
BEGIN
	DELETE FROM pending_objects WHERE intent_id = p_intent RETURNING * INTO v_intent;
	IF NOT FOUND THEN
		RETURN FALSE;
	END IF;
	INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes)
	VALUES (v_intent.backend_name, v_intent.backend_key, p_reason, v_intent.size_bytes);
	PERFORM s3o_add_to_slot(v_intent.backend_name, v_intent.slot, 0, -v_intent.size_bytes,
		v_intent.size_bytes, 0);
	RETURN TRUE;
END $$;

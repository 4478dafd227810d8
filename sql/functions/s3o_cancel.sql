-- SPDX-License-Identifier: MIT
--
-- An intent nothing of which reached its backend just goes. False when it is not
-- there any more.
CREATE FUNCTION s3o_cancel(p_intent TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
	v_intent pending_objects%ROWTYPE;
BEGIN
	DELETE FROM pending_objects WHERE intent_id = p_intent RETURNING * INTO v_intent;
	IF NOT FOUND THEN
		RETURN FALSE;
	END IF;
	PERFORM s3o_add_to_slot(v_intent.backend_name, v_intent.slot, 0, -v_intent.size_bytes, 0, 0);
	RETURN TRUE;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Locks the intents of a write and checks that they are all there, of that key, and on
-- backends that may be written to. Status NULL, intent_gone or draining.
CREATE FUNCTION s3o_lock_intents(p_bucket TEXT, p_name TEXT, p_intents TEXT[],
	OUT status TEXT, OUT slot SMALLINT, OUT deltas s3o_delta[])
LANGUAGE plpgsql AS $$
DECLARE
	v_count BIGINT;
BEGIN
	SELECT count(*), min(i.slot),
	       array_agg((i.backend_name, i.size_bytes, -i.size_bytes, 0, 1)::s3o_delta)
	INTO v_count, slot, deltas FROM (
		SELECT p.slot, p.backend_name, p.size_bytes FROM pending_objects p
		WHERE intent_id = ANY (p_intents) AND bucket = p_bucket AND object_name = p_name
		ORDER BY intent_id FOR UPDATE) i;
	IF v_count = 0 OR v_count <> cardinality(p_intents) THEN
		status := 'intent_gone';
		RETURN;
	END IF;
	-- A statement of its own, so that it sees a drain that was asked for while
	-- the locks were waited for. A drain that comes later waits for the intents.
	PERFORM FROM pending_objects
	WHERE intent_id = ANY (p_intents) AND s3o_is_draining(backend_name);
	IF FOUND THEN
		status := 'draining';
	END IF;
END $$;

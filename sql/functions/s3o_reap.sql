-- SPDX-License-Identifier: MIT
--
-- Moves up to p_limit intents that nobody has renewed for p_age microseconds to
-- the clean-up queue. An intent that is being committed at this moment is locked
-- and passed over. The bytes are deleted p_delay microseconds after the writer's
-- last sign of life at the earliest: what it had sent then has arrived by that
-- time. Returns how many were moved.
CREATE FUNCTION s3o_reap(p_age BIGINT, p_limit BIGINT, p_slot SMALLINT,
	p_delay BIGINT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
	v_moved BIGINT := 0;
	v_delta RECORD;
BEGIN
	FOR v_delta IN
		WITH stale AS (
			SELECT intent_id FROM pending_objects
			WHERE renewed_at < now() - p_age * interval '1 microsecond'
			ORDER BY renewed_at LIMIT p_limit FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM pending_objects p USING stale WHERE p.intent_id = stale.intent_id
			RETURNING p.backend_name, p.backend_key, p.size_bytes, p.renewed_at
		), queued AS (
			INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes,
				next_retry)
			SELECT backend_name, backend_key, 'intent_expired', size_bytes,
			       greatest(now(), renewed_at + p_delay * interval '1 microsecond')
			FROM gone
		)
		SELECT backend_name, sum(size_bytes)::BIGINT AS bytes, count(*) AS rows
		FROM gone GROUP BY backend_name ORDER BY backend_name COLLATE "C"
	LOOP
		PERFORM s3o_add_to_slot(v_delta.backend_name, p_slot, 0, -v_delta.bytes,
			v_delta.bytes, 0);
		v_moved := v_moved + v_delta.rows;
	END LOOP;
	RETURN v_moved;
END $$;

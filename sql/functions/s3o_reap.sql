-- SPDX-License-Identifier: MIT
--
-- Moves up to p_limit intents that nobody has renewed for p_age microseconds to
-- the clean-up queue. An intent that is being committed at this moment is locked
-- and passed over. The bytes are deleted some time after the writer's last sign of
-- life at the earliest: what it had sent then, or asked for, has arrived by that
-- time. Intents tell how long that is, or it is p_delay microseconds. Returns those
-- that were moved.
CREATE FUNCTION s3o_reap(p_age BIGINT, p_limit BIGINT, p_slot SMALLINT,
	p_delay BIGINT) RETURNS SETOF pending_objects
LANGUAGE plpgsql AS $$
DECLARE
	v_gone  pending_objects[];
	v_delta RECORD;
BEGIN
	WITH stale AS (
		SELECT intent_id FROM pending_objects
		WHERE renewed_at < now() - p_age * interval '1 microsecond'
		ORDER BY renewed_at LIMIT p_limit FOR UPDATE SKIP LOCKED
	), gone AS (
		DELETE FROM pending_objects p USING stale WHERE p.intent_id = stale.intent_id
		RETURNING p.*
	), queued AS (
		INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes, next_retry)
		SELECT backend_name, backend_key, 'intent_expired', size_bytes,
		       greatest(now(),
				renewed_at + COALESCE(landing, p_delay * interval '1 microsecond'))
		FROM gone
	)
	SELECT array_agg(ROW(gone.*)::pending_objects) INTO v_gone FROM gone;
	FOR v_delta IN
		SELECT backend_name, sum(size_bytes)::BIGINT AS bytes FROM unnest(v_gone)
		GROUP BY backend_name ORDER BY backend_name COLLATE "C"
	LOOP
		PERFORM s3o_add_to_slot(v_delta.backend_name, p_slot, 0, -v_delta.bytes,
			v_delta.bytes, 0);
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(v_gone);
END $$;

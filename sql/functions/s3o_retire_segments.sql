-- SPDX-License-Identifier: MIT
--
-- Takes segments out of the catalogue; their copies go to the clean-up queue, and what
-- that moves from used to orphan is the result. The caller holds the lock on their key
-- or upload. Of a version with several segments (p_generation) some reader may not have
-- opened all: they are not deleted before it had time to say so (postpone_reads).
CREATE FUNCTION s3o_retire_segments(p_segments BIGINT[], p_reason TEXT, p_generation TEXT)
RETURNS s3o_delta[]
LANGUAGE plpgsql AS $$
DECLARE
	v_many   BOOLEAN := p_generation IS NOT NULL AND cardinality(p_segments) > 1;
	v_deltas s3o_delta[];
BEGIN
	-- A copy that is being added (s3o_add_copy) is waited for, and seen below.
	PERFORM FROM segments WHERE segment_id = ANY (p_segments) ORDER BY segment_id FOR UPDATE;
	WITH gone AS (
		DELETE FROM object_locations WHERE segment_id = ANY (p_segments)
		RETURNING backend_name, backend_key, size_bytes
	), queued AS (
		INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes, next_retry,
			generation)
		SELECT backend_name, backend_key, p_reason, size_bytes,
		       CASE WHEN v_many THEN now() + interval '15 seconds' ELSE now() END,
		       CASE WHEN v_many THEN p_generation END
		FROM gone
	)
	SELECT array_agg((backend_name, -bytes, 0, bytes, -copies)::s3o_delta) INTO v_deltas
	FROM (SELECT backend_name, sum(size_bytes)::BIGINT AS bytes, count(*) AS copies
	      FROM gone GROUP BY 1) g;
	DELETE FROM multipart_parts WHERE segment_id = ANY (p_segments);
	DELETE FROM segments WHERE segment_id = ANY (p_segments);
	RETURN COALESCE(v_deltas, '{}');
END $$;

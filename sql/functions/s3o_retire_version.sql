-- SPDX-License-Identifier: MIT
--
-- Takes a version out of the catalogue; its copies go to the clean-up queue.
-- Returns per backend what moved from used to orphan: the caller, who holds the
-- lock on the key, adds that to the slots.
CREATE FUNCTION s3o_retire_version(p_bucket TEXT, p_name TEXT, p_generation TEXT,
	p_reason TEXT) RETURNS TABLE (backend_name TEXT, bytes BIGINT, copies BIGINT)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH gone AS (
		DELETE FROM object_locations l USING segments s
		WHERE s.bucket = p_bucket AND s.object_name = p_name
		  AND s.generation = p_generation AND l.segment_id = s.segment_id
		RETURNING l.backend_name, l.backend_key, l.size_bytes
	), queued AS (
		INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes)
		SELECT g.backend_name, g.backend_key, p_reason, g.size_bytes FROM gone g
	)
	SELECT g.backend_name, sum(g.size_bytes)::BIGINT, count(*) FROM gone g GROUP BY 1;

	DELETE FROM segments
	WHERE bucket = p_bucket AND object_name = p_name AND generation = p_generation;
	DELETE FROM object_versions
	WHERE bucket = p_bucket AND object_name = p_name AND generation = p_generation;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Intents that are locked become the copies of a segment.
CREATE FUNCTION s3o_land(p_segment BIGINT, p_intents TEXT[], p_time TIMESTAMPTZ) RETURNS VOID
LANGUAGE sql AS $$
	WITH taken AS (
		DELETE FROM pending_objects WHERE intent_id = ANY (p_intents) RETURNING *
	)
	INSERT INTO object_locations (segment_id, backend_name, backend_key, object_key,
		size_bytes, created_at)
	SELECT p_segment, backend_name, backend_key, object_key, size_bytes, p_time FROM taken
$$;

-- SPDX-License-Identifier: MIT
--
-- Takes up to p_limit copies on a backend out of the catalogue, and leaves their bytes where
-- they are. Their segments, which have one less, go to the replication queue. Returns how
-- many there were.
CREATE FUNCTION s3o_forget_copies(p_backend TEXT, p_limit INT, p_slot SMALLINT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
	v_segments BIGINT[] := ARRAY(
		SELECT segment_id FROM object_locations
		WHERE backend_name = p_backend ORDER BY backend_key LIMIT p_limit);
	v_count BIGINT;
	v_bytes BIGINT;
BEGIN
	PERFORM FROM segments WHERE segment_id = ANY (v_segments) ORDER BY segment_id FOR UPDATE;
	WITH gone AS (
		DELETE FROM object_locations
		WHERE segment_id = ANY (v_segments) AND backend_name = p_backend
		RETURNING segment_id, size_bytes
	), missed AS (
		INSERT INTO replication_queue (segment_id)
		SELECT segment_id FROM gone ORDER BY segment_id ON CONFLICT DO NOTHING
	)
	SELECT count(*), COALESCE(sum(size_bytes), 0) INTO v_count, v_bytes FROM gone;
	IF v_count > 0 THEN -- else the backend may be gone, too
		PERFORM s3o_add_to_slot(p_backend, p_slot, -v_bytes, 0, 0, -v_count);
	END IF;
	RETURN v_count;
END $$;

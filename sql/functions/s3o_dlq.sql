-- SPDX-License-Identifier: MIT
--
-- For operators. SELECT s3o_dlq_retry(id) FROM cleanup_dlq ...: ten more attempts.
CREATE FUNCTION s3o_dlq_retry(p_id BIGINT) RETURNS BOOLEAN
LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM cleanup_dlq WHERE id = p_id RETURNING *),
	queued AS (
		INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes, created_at)
		SELECT backend_name, object_key, reason, size_bytes, first_enqueued_at FROM gone
	)
	SELECT EXISTS (SELECT FROM gone)
$$;

-- SELECT s3o_dlq_write_off(id): the bytes are gone, or are not to be counted.
CREATE FUNCTION s3o_dlq_write_off(p_id BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
	v_row cleanup_dlq%ROWTYPE;
BEGIN
	DELETE FROM cleanup_dlq WHERE id = p_id RETURNING * INTO v_row;
	IF NOT FOUND THEN
		RETURN FALSE;
	END IF;
	PERFORM s3o_add_to_slot(v_row.backend_name, 0::SMALLINT, 0, 0, -v_row.size_bytes, 0);
	RETURN TRUE;
END $$;

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

-- The same for many rows, some of them in each transaction: the first p_limit of the
-- backend p_backend ('': of all) with an id behind p_after, up to p_up_to. moved: how many
-- there were; last: the id of the last one.
CREATE FUNCTION s3o_dlq_requeue(p_backend TEXT, p_after BIGINT, p_up_to BIGINT, p_limit INT,
	OUT moved BIGINT, OUT last BIGINT)
LANGUAGE sql AS $$
	WITH picked AS (
		SELECT id FROM cleanup_dlq
		WHERE (p_backend = '' OR backend_name = p_backend) AND id > p_after AND id <= p_up_to
		ORDER BY id LIMIT p_limit FOR UPDATE
	), gone AS (
		DELETE FROM cleanup_dlq WHERE id IN (SELECT id FROM picked) RETURNING *
	), queued AS (
		INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes, created_at)
		SELECT backend_name, object_key, reason, size_bytes, first_enqueued_at FROM gone
	)
	SELECT count(*), max(id) FROM gone
$$;

-- Several backends: in order of name, in the same slot.
CREATE FUNCTION s3o_dlq_write_off_some(p_backend TEXT, p_after BIGINT, p_up_to BIGINT,
	p_limit INT, p_slot SMALLINT, OUT moved BIGINT, OUT last BIGINT, OUT bytes BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_sum RECORD;
BEGIN
	moved := 0;
	bytes := 0;
	FOR v_sum IN
		WITH picked AS (
			SELECT id FROM cleanup_dlq
			WHERE (p_backend = '' OR backend_name = p_backend)
			  AND id > p_after AND id <= p_up_to
			ORDER BY id LIMIT p_limit FOR UPDATE
		), gone AS (
			DELETE FROM cleanup_dlq WHERE id IN (SELECT id FROM picked) RETURNING *
		)
		SELECT backend_name, count(*) AS rows, max(id) AS last,
		       sum(size_bytes)::BIGINT AS bytes
		FROM gone GROUP BY backend_name ORDER BY backend_name
	LOOP
		PERFORM s3o_add_to_slot(v_sum.backend_name, p_slot, 0, 0, -v_sum.bytes, 0);
		moved := moved + v_sum.rows;
		bytes := bytes + v_sum.bytes;
		last := greatest(last, v_sum.last);
	END LOOP;
END $$;

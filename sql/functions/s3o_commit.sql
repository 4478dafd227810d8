-- SPDX-License-Identifier: MIT
--
-- Makes an object with one segment current; each intent becomes a copy. What it
-- replaces goes to the clean-up queue. Status:
--
--   ok             done; modified is its time, queued the number of rows queued
--   precondition, not_found   a condition does not hold
--   intent_gone    an intent is not there any more, or not of this key
--   draining       the backend of an intent began to drain
--
-- Whatever the status is but ok, nothing was changed: all checks come first.
--
-- Without versioning the current version is the null version and is replaced.
CREATE FUNCTION s3o_commit(p_bucket TEXT, p_name TEXT, p_generation TEXT,
	p_size BIGINT, p_etag TEXT, p_content_type TEXT, p_headers JSONB, p_metadata JSONB,
	p_content_hash TEXT, p_if_none_match_any BOOLEAN, p_if_match TEXT, p_intents TEXT[],
	OUT status TEXT, OUT modified BIGINT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_old     object_versions%ROWTYPE;
	v_exists  BOOLEAN;
	v_count   BIGINT;
	v_slot    SMALLINT;
	v_time    TIMESTAMPTZ;
	v_segment BIGINT;
	v_delta   RECORD;
BEGIN
	PERFORM s3o_lock_key(p_bucket, p_name);
	SELECT * INTO v_old FROM object_versions
	WHERE bucket = p_bucket AND object_name = p_name AND is_latest FOR UPDATE;
	v_exists := FOUND;
	status := s3o_check_conditions(v_exists AND NOT v_old.is_delete_marker, v_old.etag,
		p_if_none_match_any, p_if_match);
	IF status IS NOT NULL THEN
		RETURN;
	END IF;

	SELECT count(*), min(i.slot) INTO v_count, v_slot FROM (
		SELECT slot FROM pending_objects
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
		RETURN;
	END IF;

	v_time := clock_timestamp();
	IF v_exists THEN -- the time of a key never stands still or goes back
		v_time := greatest(v_time, v_old.created_at + interval '1 microsecond');
	END IF;
	queued := v_count;
	FOR v_delta IN
		SELECT backend_name, sum(used)::BIGINT AS used, sum(reserved)::BIGINT AS reserved,
		       sum(orphan)::BIGINT AS orphan, sum(copies)::BIGINT AS copies
		FROM (
			SELECT backend_name, size_bytes AS used, -size_bytes AS reserved,
			       0 AS orphan, 1 AS copies
			FROM pending_objects WHERE intent_id = ANY (p_intents)
			UNION ALL
			SELECT backend_name, -bytes, 0, bytes, -copies
			FROM s3o_retire_version(p_bucket, p_name, v_old.generation,
				'overwrite_displaced')
			WHERE v_exists
		) d
		GROUP BY backend_name ORDER BY backend_name COLLATE "C"
	LOOP
		PERFORM s3o_add_to_slot(v_delta.backend_name, v_slot, v_delta.used,
			v_delta.reserved, v_delta.orphan, v_delta.copies);
		queued := queued - v_delta.copies;
	END LOOP;

	INSERT INTO object_versions (bucket, object_name, generation, size_bytes, etag,
		content_type, headers, metadata, content_hash, created_at)
	VALUES (p_bucket, p_name, p_generation, p_size, p_etag,
		p_content_type, p_headers, p_metadata, p_content_hash, v_time);
	INSERT INTO segments (bucket, object_name, generation, size_bytes, etag, content_hash)
	VALUES (p_bucket, p_name, p_generation, p_size, p_etag, p_content_hash)
	RETURNING segment_id INTO v_segment;
	WITH taken AS (
		DELETE FROM pending_objects WHERE intent_id = ANY (p_intents) RETURNING *
	)
	INSERT INTO object_locations (segment_id, backend_name, backend_key, object_key,
		size_bytes, created_at)
	SELECT v_segment, backend_name, backend_key, object_key, size_bytes, v_time FROM taken;

	status := 'ok';
	modified := s3o_micros(v_time);
END $$;

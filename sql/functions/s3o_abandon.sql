-- SPDX-License-Identifier: MIT
--
-- A write whose bytes must not stay: its intent becomes a row of the clean-up
-- queue, due after p_delay microseconds. From then on no commit of it can
-- succeed, not even one that is still on its way. Status:
--
--   queued      done
--   committed   the intent had become a copy, which stays; modified is its time, and
--               version_id what the client is told of the version it belongs to
--   late        neither is there: the reaper was quicker, or the copy has been
--               replaced. The deletion they queued was done, perhaps before the
--               bytes came, so another one is queued
--   postponed   the same, but that deletion is still queued: it counts the bytes,
--               and becomes due after p_delay at the earliest. It gets a new id, so
--               that whoever has claimed it already, and may have deleted before
--               the bytes came, cannot close it
CREATE FUNCTION s3o_abandon(p_intent TEXT, p_backend TEXT, p_backend_key TEXT,
	p_size BIGINT, p_reason TEXT, p_delay BIGINT, OUT status TEXT, OUT modified BIGINT,
	OUT version_id TEXT)
LANGUAGE plpgsql AS $$
DECLARE
	v_slot SMALLINT;
BEGIN
	-- Waits for a commit in progress; what that did is seen below.
	DELETE FROM pending_objects WHERE intent_id = p_intent RETURNING slot INTO v_slot;
	IF FOUND THEN
		status := 'queued';
		PERFORM s3o_add_to_slot(p_backend, v_slot, 0, -p_size, p_size, 0);
	ELSE
		SELECT s3o_micros(l.created_at),
		       COALESCE(v.version_id, CASE WHEN b.versioning IS NOT NULL THEN 'null' END)
		INTO modified, version_id
		FROM object_locations l JOIN segments s USING (segment_id)
		LEFT JOIN object_versions v USING (bucket, object_name, generation)
		LEFT JOIN buckets b USING (bucket)
		WHERE l.backend_name = p_backend AND l.backend_key = p_backend_key;
		IF FOUND THEN
			status := 'committed';
			RETURN;
		END IF;
		UPDATE cleanup_queue
		SET id = DEFAULT, claimed_at = NULL, claimed_by = NULL,
		    next_retry = greatest(next_retry, now() + p_delay * interval '1 microsecond')
		WHERE backend_name = p_backend AND object_key = p_backend_key;
		IF FOUND THEN
			status := 'postponed';
			RETURN;
		END IF;
		status := 'late';
		PERFORM s3o_add_found(p_backend, 0::SMALLINT, 0, p_size, 0);
	END IF;
	INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes, next_retry)
	VALUES (p_backend, p_backend_key, p_reason, p_size,
		now() + p_delay * interval '1 microsecond');
END $$;

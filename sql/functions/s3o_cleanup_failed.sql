-- SPDX-License-Identifier: MIT
--
-- A queue row could not be worked off by p_who: it is due again after 1 minute,
-- 2, 4, ... at most 24 hours; the tenth failure moves it to cleanup_dlq, where its
-- bytes count as orphaned still. Status: retry, dead, gone (not p_who's any more).
CREATE FUNCTION s3o_cleanup_failed(p_id BIGINT, p_who TEXT, p_error TEXT) RETURNS TEXT
LANGUAGE plpgsql AS $$
DECLARE
	v_row cleanup_queue%ROWTYPE;
BEGIN
	SELECT * INTO v_row FROM cleanup_queue WHERE id = p_id AND claimed_by = p_who FOR UPDATE;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	IF v_row.attempts + 1 < 10 THEN
		UPDATE cleanup_queue
		SET attempts = attempts + 1, last_error = p_error, claimed_at = NULL, claimed_by = NULL,
		    next_retry = now() + least(interval '1 minute' * 2 ^ attempts, interval '24 hours')
		WHERE id = p_id;
		RETURN 'retry';
	END IF;
	INSERT INTO cleanup_dlq (original_id, backend_name, object_key, reason, size_bytes,
		attempts, last_error, first_enqueued_at)
	VALUES (v_row.id, v_row.backend_name, v_row.object_key, v_row.reason, v_row.size_bytes,
		v_row.attempts + 1, p_error, v_row.created_at);
	DELETE FROM cleanup_queue WHERE id = p_id;
	RETURN 'dead';
END $$;

-- SPDX-License-Identifier: MIT
--
-- A drain has gone through all copies of its backend; p_who has done it. State:
--
--   drained    nothing is there, and nothing can come: no copy, no write under way; what
--              was queued for deletion is deleted, or has failed to be
--   draining   there is another round: at once when something is left, soon when only
--              writes or deletions are waited for, later and later when nothing could be
--              moved
--   failed     nothing could be moved in ten rounds in a row
--   gone       the drain is not p_who's (any more)
CREATE FUNCTION s3o_end_drain_round(p_backend TEXT, p_who TEXT,
	OUT state TEXT, OUT error TEXT, OUT objects_moved BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_drain backend_drains%ROWTYPE;
	v_left  RECORD;
	v_pause INTERVAL := '0';
BEGIN
	SELECT * INTO v_drain FROM backend_drains d
	WHERE d.backend_name = p_backend AND d.claimed_by = p_who AND d.state = 'draining'
	FOR UPDATE;
	IF NOT FOUND THEN
		state := 'gone';
		RETURN;
	END IF;
	-- One statement: a commit that is just ending takes the intent and puts the copy.
	SELECT EXISTS (SELECT FROM object_locations WHERE backend_name = p_backend) AS copies,
	       EXISTS (SELECT FROM pending_objects WHERE backend_name = p_backend) AS intents,
	       EXISTS (SELECT FROM cleanup_queue
			WHERE backend_name = p_backend AND attempts = 0) AS deletions
	INTO v_left;
	state := 'draining';
	IF v_left.copies THEN
		v_drain.fruitless := CASE WHEN v_drain.progress > 0 OR v_drain.failures = 0 THEN 0
			ELSE v_drain.fruitless + 1 END;
		v_pause := CASE WHEN v_drain.failures = 0 THEN interval '0'
			ELSE least(interval '1 second' * 2 ^ v_drain.fruitless, interval '1 minute') END;
		IF v_drain.fruitless >= 10 THEN
			state := 'failed';
		END IF;
	ELSIF v_left.intents OR v_left.deletions THEN
		v_pause := interval '1 second';
	ELSE
		state := 'drained';
	END IF;
	UPDATE backend_drains d
	SET state = s3o_end_drain_round.state, position = '', progress = 0, failures = 0,
	    fruitless = v_drain.fruitless, next_round = now() + v_pause, heartbeat_at = now(),
	    finished_at = CASE WHEN s3o_end_drain_round.state <> 'draining' THEN now() END,
	    last_error = CASE WHEN s3o_end_drain_round.state <> 'drained' THEN d.last_error END
	WHERE d.backend_name = p_backend;
	error := v_drain.last_error;
	objects_moved := v_drain.objects_moved;
END $$;

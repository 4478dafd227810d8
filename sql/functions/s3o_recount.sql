-- SPDX-License-Identifier: MIT
--
-- Makes the counters of a backend what its rows say, and returns what was added to each; no
-- row when there is no such backend.
--
-- Whoever changes a row changes the counter in the same transaction. So in one snapshot the
-- difference of both is what is wrong, whatever is being written meanwhile, and stays that
-- when it has been written: the difference is added, and nobody is kept waiting while rows
-- are counted.
CREATE FUNCTION s3o_recount(p_backend TEXT, OUT used BIGINT, OUT reserved BIGINT,
	OUT orphan BIGINT, OUT copies BIGINT, OUT free BIGINT) RETURNS SETOF RECORD
LANGUAGE plpgsql AS $$
DECLARE
	v_limit  BIGINT;
	v_stored BIGINT;
BEGIN
	-- One at a time, or the difference would be added twice. What the one before has
	-- added is in the snapshot of the next statement.
	PERFORM pg_advisory_xact_lock(7010, hashtext(p_backend));
	SELECT l.bytes - s.used, i.bytes - s.reserved, o.bytes - s.orphan, l.copies - s.copies
	INTO used, reserved, orphan, copies
	FROM (SELECT sum(q.used)::BIGINT AS used, sum(q.reserved)::BIGINT AS reserved,
	             sum(q.orphan)::BIGINT AS orphan, sum(q.copies)::BIGINT AS copies
	      FROM backend_quota_slots q WHERE backend_name = p_backend HAVING count(*) > 0) s,
	     (SELECT coalesce(sum(size_bytes), 0)::BIGINT AS bytes, count(*) AS copies
	      FROM object_locations WHERE backend_name = p_backend) l,
	     (SELECT coalesce(sum(size_bytes), 0)::BIGINT AS bytes
	      FROM pending_objects WHERE backend_name = p_backend) i,
	     (SELECT coalesce(sum(size_bytes), 0)::BIGINT AS bytes FROM (
			SELECT size_bytes FROM cleanup_queue WHERE backend_name = p_backend
			UNION ALL
			SELECT size_bytes FROM cleanup_dlq WHERE backend_name = p_backend) q) o;
	IF NOT FOUND THEN
		RETURN;
	END IF;

	-- As s3o_sync_backend.
	PERFORM FROM backend_quota_slots WHERE backend_name = p_backend ORDER BY slot FOR UPDATE;
	IF used <> 0 OR reserved <> 0 OR orphan <> 0 OR copies <> 0 THEN
		PERFORM s3o_add_to_slot(p_backend, 0::SMALLINT, used, reserved, orphan, copies);
	END IF;
	SELECT bytes_limit INTO v_limit FROM backend_quotas WHERE backend_name = p_backend;
	SELECT sum(q.used + q.reserved + q.orphan)::BIGINT, v_limit
		- sum(q.used + q.reserved + q.orphan + q.free)::BIGINT
	INTO v_stored, free FROM backend_quota_slots q WHERE backend_name = p_backend;
	free := CASE WHEN v_limit > 0 THEN coalesce(free, v_limit - v_stored) ELSE 0 END;
	IF v_limit > 0 AND (free <> 0 OR used + reserved + orphan <> 0) THEN
		PERFORM s3o_spread(p_backend, v_limit - v_stored);
	END IF;
	RETURN NEXT;
END $$;

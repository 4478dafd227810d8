-- SPDX-License-Identifier: MIT
--
-- Counts bytes that lie on a backend although nothing was reserved for them. They
-- are taken from free whether there is enough or not: if not, the backend is in
-- debt, and nothing is reserved there until enough is gone.
CREATE FUNCTION s3o_add_found(p_backend TEXT, p_slot SMALLINT, p_used BIGINT, p_orphan BIGINT,
	p_copies BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
	v_free  BIGINT;
	v_slots BIGINT;
BEGIN
	-- Mostly one slot has enough, and then no other is locked.
	UPDATE backend_quota_slots
	SET free = free - p_used - p_orphan, used = used + p_used, orphan = orphan + p_orphan,
	    copies = copies + p_copies
	WHERE backend_name = p_backend AND slot = p_slot
	  AND (free IS NULL OR (free >= p_used + p_orphan AND NOT in_debt));
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT sum(l.free), count(*) INTO v_free, v_slots FROM (
		SELECT free FROM backend_quota_slots
		WHERE backend_name = p_backend ORDER BY slot FOR UPDATE) l;
	IF v_slots = 0 THEN
		RAISE EXCEPTION 'backend % has no quota slots', p_backend;
	END IF;
	UPDATE backend_quota_slots
	SET used = used + p_used, orphan = orphan + p_orphan, copies = copies + p_copies
	WHERE backend_name = p_backend AND slot = 0;
	IF v_free IS NOT NULL THEN
		PERFORM s3o_spread(p_backend, v_free - p_used - p_orphan);
	END IF;
END $$;

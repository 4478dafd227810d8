-- SPDX-License-Identifier: MIT
--
-- Adds to the counters of a backend in one of its slots. What is added to used,
-- reserved and orphan together is taken from free, so that the sum over the
-- slot stays as it is. Callers with several backends go in order of name.
CREATE FUNCTION s3o_add_to_slot(p_backend TEXT, p_slot SMALLINT, p_used BIGINT,
	p_reserved BIGINT, p_orphan BIGINT, p_copies BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE backend_quota_slots
	SET free = free - p_used - p_reserved - p_orphan,
	    used = used + p_used, reserved = reserved + p_reserved,
	    orphan = orphan + p_orphan, copies = copies + p_copies
	WHERE backend_name = p_backend AND slot = p_slot;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'backend % has no quota slot %', p_backend, p_slot;
	END IF;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Distributes what is free on a backend evenly over its slots. The caller has
-- locked all of them in order of slot. A negative total (the limit was lowered
-- below what is stored) lies in slot 0, and all slots are marked.
CREATE FUNCTION s3o_spread(p_backend TEXT, p_total BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
	v_slots BIGINT := (SELECT count(*) FROM backend_quota_slots WHERE backend_name = p_backend);
BEGIN
	UPDATE backend_quota_slots
	SET in_debt = p_total < 0,
	    free = CASE WHEN p_total < 0 THEN 0 ELSE p_total / v_slots END
	         + CASE WHEN slot > 0 THEN 0 WHEN p_total < 0 THEN p_total ELSE p_total % v_slots END
	WHERE backend_name = p_backend;
END $$;

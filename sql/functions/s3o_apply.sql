-- SPDX-License-Identifier: MIT
--
-- Adds deltas to the counters, in order of backend, so that no two transactions wait
-- for each other. To be called once in a transaction.
CREATE FUNCTION s3o_apply(p_deltas s3o_delta[], p_slot SMALLINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
	v_sum RECORD;
BEGIN
	FOR v_sum IN
		SELECT backend_name, sum(used)::BIGINT AS used, sum(reserved)::BIGINT AS reserved,
		       sum(orphan)::BIGINT AS orphan, sum(copies)::BIGINT AS copies
		FROM unnest(p_deltas) GROUP BY backend_name ORDER BY backend_name COLLATE "C"
	LOOP
		PERFORM s3o_add_to_slot(v_sum.backend_name, p_slot, v_sum.used, v_sum.reserved,
			v_sum.orphan, v_sum.copies);
	END LOOP;
END $$;

-- SPDX-License-Identifier: MIT
--
-- How many copies the deltas of retired segments have put into the clean-up queue.
CREATE FUNCTION s3o_queued(p_deltas s3o_delta[]) RETURNS BIGINT
LANGUAGE sql IMMUTABLE AS $$
	SELECT COALESCE(-sum(copies)::BIGINT, 0) FROM unnest(p_deltas)
$$;

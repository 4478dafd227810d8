-- SPDX-License-Identifier: MIT
--
-- One writer per key at a time, until the end of the transaction. The form with
-- two numbers never meets the locks of the jobs, which have one. Two keys with
-- the same hash only wait for each other.
CREATE FUNCTION s3o_lock_key(p_bucket TEXT, p_name TEXT) RETURNS VOID
LANGUAGE sql VOLATILE AS $$
	SELECT pg_advisory_xact_lock(7001, hashtext(p_bucket || '/' || p_name))
$$;

-- SPDX-License-Identifier: MIT
--
-- Lets a bucket keep versions ('Enabled'), or no more of them ('Suspended'). Waits for
-- the writes that have entered it: what they answer is true. False: p_owner has no such
-- bucket (s3o_enter_bucket).
CREATE FUNCTION s3o_set_versioning(p_bucket TEXT, p_owner TEXT, p_versioning TEXT)
RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(7002, hashtext(p_bucket));
	UPDATE buckets SET versioning = p_versioning
	WHERE bucket = p_bucket AND (p_owner = '' OR owner = p_owner);
	RETURN FOUND;
END $$;

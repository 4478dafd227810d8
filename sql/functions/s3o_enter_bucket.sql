-- SPDX-License-Identifier: MIT
--
-- Whoever adds to a bucket enters it until the end of the transaction: meanwhile it
-- cannot be removed, nor its versioning changed. To be called before a key is locked.
-- p_owner: whose bucket it was when the request was admitted; '': the configuration's,
-- which nobody removes. One that was removed meanwhile, and created anew by somebody
-- else, is another one.
CREATE FUNCTION s3o_enter_bucket(p_bucket TEXT, p_owner TEXT, OUT is_there BOOLEAN,
	OUT versioning TEXT)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(7002, hashtext(p_bucket));
	SELECT b.versioning INTO versioning FROM buckets b
	WHERE bucket = p_bucket AND (p_owner = '' OR owner = p_owner);
	is_there := FOUND;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Creates a bucket of that owner. Status:
--
--   ok         it is there now
--   yours      it was there already
--   taken      it belongs to somebody else, or to the configuration
--   full       the owner has p_max buckets
CREATE FUNCTION s3o_create_bucket(p_bucket TEXT, p_owner TEXT, p_max BIGINT) RETURNS TEXT
LANGUAGE plpgsql AS $$
DECLARE
	v_bucket buckets%ROWTYPE;
BEGIN
	-- One at a time for an owner, or together they would be more than p_max.
	PERFORM pg_advisory_xact_lock(7004, hashtext(p_owner));
	PERFORM pg_advisory_xact_lock(7002, hashtext(p_bucket));
	SELECT * INTO v_bucket FROM buckets WHERE bucket = p_bucket;
	IF FOUND THEN
		RETURN CASE WHEN v_bucket.owner = p_owner THEN 'yours' ELSE 'taken' END;
	END IF;
	IF (SELECT count(*) FROM buckets WHERE owner = p_owner) >= p_max THEN
		RETURN 'full';
	END IF;
	INSERT INTO buckets (bucket, owner) VALUES (p_bucket, p_owner);
	RETURN 'ok';
END $$;

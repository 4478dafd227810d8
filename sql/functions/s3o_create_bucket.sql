-- SPDX-License-Identifier: MIT
--
-- Creates a bucket of that owner; '': the configuration. Status:
--
--   ok         it is there now, with p_settings
--   yours      it was there already, as it is to be: with p_settings, or with what is so
--              when nothing is set
--   differs    it was there already, with other settings
--   taken      it belongs to somebody else, or to the configuration
--   full       the owner has p_max buckets
CREATE FUNCTION s3o_create_bucket(p_bucket TEXT, p_owner TEXT, p_max BIGINT, p_settings JSONB)
RETURNS TEXT
LANGUAGE plpgsql AS $$
DECLARE
	v_bucket buckets%ROWTYPE;
BEGIN
	-- One at a time for an owner, or together they would be more than p_max.
	PERFORM pg_advisory_xact_lock(7004, hashtext(p_owner));
	PERFORM pg_advisory_xact_lock(7002, hashtext(p_bucket));
	SELECT * INTO v_bucket FROM buckets WHERE bucket = p_bucket;
	IF FOUND AND v_bucket.owner IS DISTINCT FROM nullif(p_owner, '') THEN
		RETURN 'taken';
	END IF;
	IF FOUND THEN
		RETURN CASE WHEN EXISTS (
			SELECT FROM jsonb_each_text(p_settings) w
			LEFT JOIN bucket_settings s ON s.bucket = p_bucket AND s.name = w.key
			WHERE w.value <> coalesce(s.value, CASE w.key WHEN 'acl' THEN 'private'
				WHEN 'ownershipControls' THEN 'BucketOwnerEnforced' ELSE '' END)
		) THEN 'differs' ELSE 'yours' END;
	END IF;
	IF (SELECT count(*) FROM buckets WHERE owner = p_owner) >= p_max THEN
		RETURN 'full';
	END IF;
	INSERT INTO buckets (bucket, owner) VALUES (p_bucket, nullif(p_owner, ''));
	INSERT INTO bucket_settings (bucket, name, value)
	SELECT p_bucket, key, value FROM jsonb_each_text(p_settings);
	RETURN 'ok';
END $$;

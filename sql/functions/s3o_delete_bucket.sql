-- SPDX-License-Identifier: MIT
--
-- Deletes an empty bucket of that owner, with its settings. Status ok, no_bucket, or
-- not_empty: there is a version, a delete marker, an open upload, or a write in progress.
CREATE FUNCTION s3o_delete_bucket(p_bucket TEXT, p_owner TEXT) RETURNS TEXT
LANGUAGE plpgsql AS $$
BEGIN
	-- Whoever adds something has entered the bucket (s3o_enter_bucket), or comes too late.
	PERFORM pg_advisory_xact_lock(7002, hashtext(p_bucket));
	IF NOT EXISTS (SELECT FROM buckets WHERE bucket = p_bucket AND owner = p_owner) THEN
		RETURN 'no_bucket';
	END IF;
	IF EXISTS (SELECT FROM object_versions WHERE bucket = p_bucket)
	   OR EXISTS (SELECT FROM multipart_uploads WHERE bucket = p_bucket)
	   OR EXISTS (SELECT FROM pending_objects WHERE bucket = p_bucket) THEN
		RETURN 'not_empty';
	END IF;
	DELETE FROM buckets WHERE bucket = p_bucket;
	RETURN 'ok';
END $$;

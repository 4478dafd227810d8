-- SPDX-License-Identifier: MIT
--
-- Begins an upload in parts; p_upload_row has columns of multipart_uploads. Status ok,
-- no_bucket, or too_many: the bucket has p_max open ones already (0: no bound).
CREATE FUNCTION s3o_create_upload(p_upload TEXT, p_bucket TEXT, p_name TEXT,
	p_owner TEXT, p_generation TEXT, p_upload_row JSONB, p_max BIGINT) RETURNS TEXT
LANGUAGE plpgsql AS $$
BEGIN
	IF NOT (s3o_enter_bucket(p_bucket, p_owner)).is_there THEN
		RETURN 'no_bucket';
	END IF;
	IF p_max > 0 THEN
		-- One at a time, or together they would be more.
		PERFORM pg_advisory_xact_lock(7003, hashtext(p_bucket));
		IF (SELECT count(*) FROM multipart_uploads WHERE bucket = p_bucket) >= p_max THEN
			RETURN 'too_many';
		END IF;
	END IF;
	INSERT INTO multipart_uploads (upload_id, bucket, object_name, object_key, generation,
		content_type, headers, metadata, tags, acl, checksum_algorithm, checksum_type, owner)
	SELECT p_upload, p_bucket, p_name, p_bucket || '/' || p_name, p_generation,
	       COALESCE(content_type, ''), headers, metadata, tags, acl, checksum_algorithm,
	       checksum_type, owner
	FROM jsonb_populate_record(NULL::multipart_uploads, p_upload_row);
	RETURN 'ok';
END $$;

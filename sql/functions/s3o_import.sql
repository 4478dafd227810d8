-- SPDX-License-Identifier: MIT
--
-- Something that others have stored on a backend becomes an object, where it lies, under the
-- key that it has there. Nothing that the catalogue knows is changed: a key that has a
-- version, or only a delete marker, keeps it. p_object as in s3o_commit(), p_md5 is '' when
-- the MD5 is not known, p_modified microseconds since 1970; fewer than p_wanted copies go to
-- the replication queue. Status:
--
--   imported    done
--   draining    the backend gets nothing new
--   known       the key has a version, or the bytes are no longer unexplained
--   no_bucket   there is no such bucket (any more)
CREATE FUNCTION s3o_import(p_bucket TEXT, p_name TEXT, p_generation TEXT, p_object JSONB,
	p_modified BIGINT, p_backend TEXT, p_key TEXT, p_md5 TEXT, p_wanted INT, p_slot SMALLINT)
RETURNS TEXT
LANGUAGE plpgsql AS $$
DECLARE
	v_bucket  RECORD;
	v_version object_versions%ROWTYPE;
	v_id      BIGINT;
BEGIN
	v_bucket := s3o_enter_bucket(p_bucket, '');
	IF NOT v_bucket.is_there THEN
		RETURN 'no_bucket';
	END IF;
	PERFORM s3o_lock_key(p_bucket, p_name);
	IF s3o_is_draining(p_backend) THEN
		RETURN 'draining';
	END IF;
	IF EXISTS (SELECT FROM object_versions WHERE bucket = p_bucket AND object_name = p_name)
			OR s3o_explains(p_backend, p_key) THEN
		RETURN 'known';
	END IF;

	v_version := s3o_version_of(p_bucket, p_name, p_generation, p_object);
	v_version.is_latest := TRUE;
	v_version.version_id := CASE WHEN v_bucket.versioning = 'Enabled' THEN p_generation END;
	-- In the future it would be newer than what is written next.
	v_version.created_at := least(clock_timestamp(),
		'epoch'::TIMESTAMPTZ + p_modified * interval '1 microsecond');
	INSERT INTO object_versions SELECT v_version.*;
	INSERT INTO segments (bucket, object_name, generation, size_bytes, etag)
	VALUES (p_bucket, p_name, p_generation, v_version.size_bytes, nullif(p_md5, ''))
	RETURNING segment_id INTO v_id;
	INSERT INTO object_locations (segment_id, backend_name, backend_key, object_key,
		size_bytes, created_at)
	VALUES (v_id, p_backend, p_key, p_bucket || '/' || p_name, v_version.size_bytes, now());
	IF p_wanted > 1 THEN
		INSERT INTO replication_queue (segment_id) VALUES (v_id);
	END IF;
	PERFORM s3o_add_found(p_backend, p_slot, v_version.size_bytes, 0, 1);
	RETURN 'imported';
END $$;

-- SPDX-License-Identifier: MIT
--
-- Something that was found on a backend under a name of ours becomes a copy of the segment
-- that the name tells: of p_generation, with the part number p_part (0: none), of a key that
-- is p_name or, with p_is_cut, begins with it. Status:
--
--   adopted    done
--   draining   the backend gets nothing new
--   known      it is no longer unexplained
--   unproven   the segment has no copy at all, but nothing tells whether these are its
--              bytes: a part may have been uploaded several times
--   orphan     nobody needs it: there is no such segment, the backend has a copy of it
--              already, or its bytes are others
--
-- With p_dry_run nothing is changed. Size, MD5 and SHA-256 ('': not known) are those of what was found.
CREATE FUNCTION s3o_adopt_copy(p_backend TEXT, p_key TEXT, p_bucket TEXT, p_name TEXT,
	p_is_cut BOOLEAN, p_generation TEXT, p_part INT, p_size BIGINT, p_md5 TEXT, p_sha256 TEXT,
	p_slot SMALLINT, p_dry_run BOOLEAN) RETURNS TEXT
LANGUAGE plpgsql AS $$
DECLARE
	v_segment segments%ROWTYPE;
	v_size    BIGINT; -- of the other copies
	v_equal   BOOLEAN;
BEGIN
	SELECT * INTO v_segment FROM segments
	WHERE bucket = p_bucket AND generation = p_generation AND object_name BETWEEN p_name
		AND CASE WHEN p_is_cut THEN p_name || chr(1114111) ELSE p_name END
	  AND COALESCE(part_number, 0) = p_part
	FOR UPDATE;
	IF NOT FOUND THEN
		RETURN 'orphan';
	END IF;
	IF s3o_is_draining(p_backend) THEN
		RETURN 'draining';
	END IF;
	IF s3o_explains(p_backend, p_key) THEN
		RETURN 'known';
	END IF;

	SELECT size_bytes INTO v_size FROM object_locations
	WHERE segment_id = v_segment.segment_id LIMIT 1;
	IF p_size <> COALESCE(v_size, v_segment.size_bytes) OR EXISTS (
			SELECT FROM object_locations
			WHERE segment_id = v_segment.segment_id AND backend_name = p_backend) THEN
		RETURN 'orphan';
	END IF;
	IF p_sha256 <> '' AND v_segment.content_hash IS NOT NULL THEN
		v_equal := p_sha256 = v_segment.content_hash;
	ELSIF p_md5 <> '' AND v_segment.etag IS NOT NULL THEN
		v_equal := p_md5 = v_segment.etag;
	ELSIF p_part = 0 THEN
		v_equal := TRUE; -- a generation of one segment was sent once
	END IF;
	IF v_equal IS NOT TRUE THEN
		RETURN CASE WHEN v_equal IS NULL AND v_size IS NULL THEN 'unproven' ELSE 'orphan' END;
	END IF;
	IF p_dry_run THEN
		RETURN 'adopted';
	END IF;
	INSERT INTO object_locations (segment_id, backend_name, backend_key, object_key,
		size_bytes, created_at)
	VALUES (v_segment.segment_id, p_backend, p_key, p_bucket || '/' || v_segment.object_name,
		p_size, now());
	PERFORM s3o_add_found(p_backend, p_slot, p_size, 0, 1);
	RETURN 'adopted';
END $$;

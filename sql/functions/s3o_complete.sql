-- SPDX-License-Identifier: MIT
--
-- Makes an object of the parts of an upload: p_segments are theirs in order, p_object
-- has what only the caller knows (etag, checksums); size and all else come from here.
-- No bytes move. Parts with fewer than p_wanted copies go to the replication queue; those
-- that are not named, and what the object replaces, to the clean-up queue. Status as of s3o_commit(), and
--
--   no_upload   there is none with that id and key (any more)
--   changed     a part is not there any more: it was replaced meanwhile
CREATE FUNCTION s3o_complete(p_upload TEXT, p_bucket TEXT, p_name TEXT, p_segments BIGINT[],
	p_object JSONB, p_if_none_match_any BOOLEAN, p_if_match TEXT, p_slot SMALLINT,
	p_wanted INT, OUT status TEXT, OUT modified BIGINT, OUT version_id TEXT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_open   RECORD;
	v_upload multipart_uploads%ROWTYPE;
	v_count  BIGINT;
	v_size   BIGINT;
	v_placed RECORD;
	v_unused s3o_delta[];
BEGIN
	-- Whose bucket it is need not be asked: the upload goes with its bucket.
	v_open := s3o_open_key(p_bucket, '', p_name, p_if_none_match_any, p_if_match);
	IF v_open.status = 'no_bucket' THEN
		status := v_open.status;
		RETURN;
	END IF;
	-- Waits for parts that are being committed.
	SELECT * INTO v_upload FROM multipart_uploads
	WHERE upload_id = p_upload AND bucket = p_bucket AND object_name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		status := 'no_upload';
		RETURN;
	END IF;
	status := v_open.status;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;
	SELECT count(*), COALESCE(sum(size_bytes), 0) INTO v_count, v_size
	FROM multipart_parts WHERE upload_id = p_upload AND segment_id = ANY (p_segments);
	IF v_count <> cardinality(p_segments) THEN
		status := 'changed';
		RETURN;
	END IF;

	v_placed := s3o_place_version(v_open.key, s3o_version_of(p_bucket, p_name,
		v_upload.generation, p_object || jsonb_build_object('size_bytes', v_size,
			'parts', v_count, 'content_type', v_upload.content_type,
			'headers', v_upload.headers, 'metadata', v_upload.metadata,
			'tags', v_upload.tags, 'acl', v_upload.acl)));
	UPDATE segments s
	SET generation = v_upload.generation, upload_id = NULL, segment_number = o.number,
	    start_byte = o.start_byte
	FROM (SELECT p.segment_id, u.number,
	             sum(p.size_bytes) OVER (ORDER BY u.number) - p.size_bytes AS start_byte
	      FROM unnest(p_segments) WITH ORDINALITY u (segment_id, number)
	      JOIN multipart_parts p ON p.upload_id = p_upload AND p.segment_id = u.segment_id) o
	WHERE s.segment_id = o.segment_id;
	INSERT INTO replication_queue (segment_id)
	SELECT segment_id FROM object_locations WHERE segment_id = ANY (p_segments)
	GROUP BY segment_id HAVING count(*) < p_wanted ORDER BY segment_id
	ON CONFLICT DO NOTHING;
	v_unused := s3o_retire_segments(
		ARRAY(SELECT segment_id FROM segments WHERE upload_id = p_upload),
		'complete_part_cleanup', NULL);
	DELETE FROM multipart_uploads WHERE upload_id = p_upload;
	PERFORM s3o_apply(v_placed.displaced || v_unused, p_slot);

	status := 'ok';
	modified := s3o_micros(v_placed.placed_at);
	version_id := s3o_told_version((v_open.key).versioning, v_upload.generation);
	queued := s3o_queued(v_placed.displaced || v_unused);
	INSERT INTO completed_uploads (upload_id, bucket, object_name, version_id, etag, checksums,
		completed_at)
	VALUES (p_upload, p_bucket, p_name, version_id, p_object ->> 'etag',
		p_object -> 'checksums', v_placed.placed_at);
	DELETE FROM completed_uploads WHERE upload_id IN (
		SELECT c.upload_id FROM completed_uploads c
		WHERE c.completed_at < now() - interval '1 day' ORDER BY c.completed_at LIMIT 10
		FOR UPDATE SKIP LOCKED);
END $$;

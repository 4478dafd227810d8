-- SPDX-License-Identifier: MIT
--
-- Makes bytes that have been written a part of an upload; p_segment as in s3o_commit().
-- A part of that number that was there goes to the clean-up queue. Status ok, no_upload
-- (of that key), intent_gone, draining; nothing was changed but with ok.
CREATE FUNCTION s3o_commit_part(p_upload TEXT, p_bucket TEXT, p_name TEXT, p_part INT,
	p_segment JSONB, OUT status TEXT, OUT modified BIGINT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_intents  TEXT[] := ARRAY(SELECT jsonb_array_elements_text(p_segment -> 'intents'));
	v_taken    RECORD;
	v_segment  segments%ROWTYPE := jsonb_populate_record(NULL::segments, p_segment);
	v_id       BIGINT;
	v_old      BIGINT;
	v_time     TIMESTAMPTZ;
	v_replaced s3o_delta[] := '{}';
BEGIN
	-- Until the end of this transaction it is neither completed nor aborted.
	PERFORM FROM multipart_uploads
	WHERE upload_id = p_upload AND bucket = p_bucket AND object_name = p_name FOR SHARE;
	IF NOT FOUND THEN
		status := 'no_upload';
		RETURN;
	END IF;
	v_taken := s3o_lock_intents(p_bucket, p_name, v_intents);
	status := v_taken.status;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;

	PERFORM pg_advisory_xact_lock(7004, hashtext(p_upload || '/' || p_part));
	SELECT segment_id INTO v_old FROM multipart_parts
	WHERE upload_id = p_upload AND part_number = p_part;
	v_time := clock_timestamp();
	INSERT INTO segments (bucket, object_name, upload_id, part_number, size_bytes, etag,
		content_hash, checksums)
	VALUES (p_bucket, p_name, p_upload, p_part, v_segment.size_bytes, v_segment.etag,
		v_segment.content_hash, v_segment.checksums)
	RETURNING segment_id INTO v_id;
	INSERT INTO multipart_parts (upload_id, part_number, segment_id, etag, size_bytes, created_at)
	VALUES (p_upload, p_part, v_id, v_segment.etag, v_segment.size_bytes, v_time)
	ON CONFLICT (upload_id, part_number) DO UPDATE
		SET segment_id = excluded.segment_id, etag = excluded.etag,
		    size_bytes = excluded.size_bytes, created_at = excluded.created_at;
	PERFORM s3o_land(v_id, v_intents, v_time);
	IF v_old IS NOT NULL THEN
		v_replaced := s3o_retire_segments(ARRAY[v_old], 'part_replaced', NULL);
	END IF;
	PERFORM s3o_apply(v_taken.deltas || v_replaced, v_taken.slot);
	status := 'ok';
	modified := s3o_micros(v_time);
	queued := s3o_queued(v_replaced);
END $$;

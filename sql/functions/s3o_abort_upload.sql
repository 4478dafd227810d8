-- SPDX-License-Identifier: MIT
--
-- Ends an upload; its parts go to the clean-up queue. Parts that are still being written
-- will not find it. Status ok or no_upload.
CREATE FUNCTION s3o_abort_upload(p_upload TEXT, p_bucket TEXT, p_name TEXT, p_slot SMALLINT,
	OUT status TEXT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_gone s3o_delta[];
BEGIN
	PERFORM FROM multipart_uploads
	WHERE upload_id = p_upload AND bucket = p_bucket AND object_name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		status := 'no_upload';
		RETURN;
	END IF;
	v_gone := s3o_retire_segments(
		ARRAY(SELECT segment_id FROM segments WHERE upload_id = p_upload),
		'abort_part_cleanup', NULL);
	DELETE FROM multipart_uploads WHERE upload_id = p_upload;
	PERFORM s3o_apply(v_gone, p_slot);
	status := 'ok';
	queued := s3o_queued(v_gone);
END $$;

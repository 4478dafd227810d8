-- SPDX-License-Identifier: MIT
--
-- A copy on a backend that is to lose all it has. One of several just goes to the clean-up
-- queue, and its segment, which has one less, to the replication queue; with the only copy of a segment the object version goes that it is a part of, or the
-- upload. What went: copy, object, upload, or gone: it was not there (any more).
CREATE FUNCTION s3o_purge_copy(p_segment BIGINT, p_backend TEXT, p_slot SMALLINT,
	OUT what TEXT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_segment segments%ROWTYPE;
	v_version object_versions%ROWTYPE;
	v_deltas  s3o_delta[];
BEGIN
	queued := 0;
	SELECT * INTO v_segment FROM segments WHERE segment_id = p_segment;
	IF v_segment.upload_id IS NOT NULL THEN
		PERFORM FROM multipart_uploads WHERE upload_id = v_segment.upload_id FOR UPDATE;
	ELSIF FOUND THEN
		PERFORM s3o_lock_key(v_segment.bucket, v_segment.object_name);
	END IF;
	-- An upload may just have been completed: then this finds it, and another call does it.
	PERFORM FROM segments s JOIN object_locations l USING (segment_id)
	WHERE s.segment_id = p_segment AND l.backend_name = p_backend
	  AND s.upload_id IS NOT DISTINCT FROM v_segment.upload_id FOR UPDATE OF s;
	IF NOT FOUND THEN
		what := 'gone';
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM object_locations
		WHERE segment_id = p_segment AND backend_name <> p_backend) THEN
		what := 'copy';
		v_deltas := s3o_retire_copy(p_segment, p_backend, 'backend_removed');
		INSERT INTO replication_queue (segment_id) VALUES (p_segment) ON CONFLICT DO NOTHING;
	ELSIF v_segment.upload_id IS NOT NULL THEN
		what := 'upload';
		v_deltas := s3o_retire_segments(
			ARRAY(SELECT segment_id FROM segments WHERE upload_id = v_segment.upload_id),
			'backend_removed', NULL);
		DELETE FROM multipart_uploads WHERE upload_id = v_segment.upload_id;
	ELSE
		what := 'object';
		SELECT * INTO v_version FROM object_versions
		WHERE bucket = v_segment.bucket AND object_name = v_segment.object_name
		  AND generation = v_segment.generation;
		v_deltas := s3o_drop_version(v_version, 'backend_removed');
	END IF;
	PERFORM s3o_apply(v_deltas, p_slot);
	queued := s3o_queued(v_deltas);
END $$;

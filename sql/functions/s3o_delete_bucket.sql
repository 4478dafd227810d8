-- SPDX-License-Identifier: MIT
--
-- Deletes an empty bucket of that owner, with its settings and its open uploads, whose
-- parts go to the clean-up queue. Status:
--
--   ok          done
--   more        some of its uploads are gone, which is enough for a transaction: ask again
--   no_bucket   the owner has none of that name
--   not_empty   there is a version or a delete marker
CREATE FUNCTION s3o_delete_bucket(p_bucket TEXT, p_owner TEXT, p_slot SMALLINT,
	OUT status TEXT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_upload   TEXT;
	v_segments BIGINT[];
	v_parts    BIGINT := 0;
	v_gone     s3o_delta[] := '{}';
BEGIN
	queued := 0;
	-- Whoever adds something has entered the bucket (s3o_enter_bucket), or comes too late,
	-- as those do that are just writing.
	PERFORM pg_advisory_xact_lock(7002, hashtext(p_bucket));
	IF NOT EXISTS (SELECT FROM buckets WHERE bucket = p_bucket AND owner = p_owner) THEN
		status := 'no_bucket';
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM object_versions WHERE bucket = p_bucket) THEN
		status := 'not_empty';
		RETURN;
	END IF;
	status := 'more';
	-- As many as a batch of deletions (store/delete.c): nobody can enter meanwhile.
	WHILE v_parts < 5000 LOOP
		SELECT upload_id INTO v_upload FROM multipart_uploads
		WHERE bucket = p_bucket LIMIT 1 FOR UPDATE;
		IF NOT FOUND THEN
			DELETE FROM buckets WHERE bucket = p_bucket;
			status := 'ok';
			EXIT;
		END IF;
		v_segments := ARRAY(SELECT segment_id FROM segments WHERE upload_id = v_upload);
		v_gone := v_gone || s3o_retire_segments(v_segments, 'abort_part_cleanup', NULL);
		DELETE FROM multipart_uploads WHERE upload_id = v_upload;
		v_parts := v_parts + 1 + cardinality(v_segments);
	END LOOP;
	PERFORM s3o_apply(v_gone, p_slot);
	queued := s3o_queued(v_gone);
END $$;

-- SPDX-License-Identifier: MIT
--
-- Makes an object current whose segments have been written: p_object has its columns
-- (s3o_version_of), p_segments in order {"intents": [...], "size_bytes": ...} and other
-- columns of segments. Each intent becomes a copy; segments with fewer than p_wanted of them
-- go to the replication queue, and what the object replaces to the clean-up queue. Status:
--
--   ok             done; modified is its time, queued the number of rows queued,
--                  version_id what the client is told
--   no_bucket      the bucket of p_owner (s3o_enter_bucket) is gone
--   precondition, not_found   a condition does not hold
--   intent_gone    an intent is not there any more, or not of this key
--   draining       the backend of an intent began to drain
--
-- Whatever the status is but ok, nothing was changed: all checks come first.
CREATE FUNCTION s3o_commit(p_bucket TEXT, p_owner TEXT, p_name TEXT, p_generation TEXT,
	p_object JSONB, p_segments JSONB, p_if_none_match_any BOOLEAN, p_if_match TEXT,
	p_wanted INT, OUT status TEXT, OUT modified BIGINT, OUT version_id TEXT, OUT queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_open    RECORD;
	v_taken   RECORD;
	v_placed  RECORD;
	v_segment RECORD;
	v_id      BIGINT;
	v_start   BIGINT := 0;
BEGIN
	v_open := s3o_open_key(p_bucket, p_owner, p_name, p_if_none_match_any, p_if_match);
	status := v_open.status;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;
	v_taken := s3o_lock_intents(p_bucket, p_name, ARRAY(
		SELECT jsonb_array_elements_text(s -> 'intents') FROM jsonb_array_elements(p_segments) s));
	status := v_taken.status;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;

	v_placed := s3o_place_version(v_open.key,
		s3o_version_of(p_bucket, p_name, p_generation, p_object));
	FOR v_segment IN
		SELECT s.ordinality AS number, r.*,
		       ARRAY(SELECT jsonb_array_elements_text(s.value -> 'intents')) AS intents
		FROM jsonb_array_elements(p_segments) WITH ORDINALITY s
		CROSS JOIN LATERAL jsonb_populate_record(NULL::segments, s.value) r
		ORDER BY s.ordinality
	LOOP
		INSERT INTO segments (bucket, object_name, generation, part_number, segment_number,
			start_byte, size_bytes, etag, content_hash, checksums)
		VALUES (p_bucket, p_name, p_generation, v_segment.part_number, v_segment.number,
			v_start, v_segment.size_bytes, v_segment.etag, v_segment.content_hash,
			v_segment.checksums)
		RETURNING segment_id INTO v_id;
		PERFORM s3o_land(v_id, v_segment.intents, v_placed.placed_at);
		IF cardinality(v_segment.intents) < p_wanted THEN
			INSERT INTO replication_queue (segment_id) VALUES (v_id);
		END IF;
		v_start := v_start + v_segment.size_bytes;
	END LOOP;
	PERFORM s3o_apply(v_taken.deltas || v_placed.displaced, v_taken.slot);

	status := 'ok';
	modified := s3o_micros(v_placed.placed_at);
	version_id := s3o_told_version((v_open.key).versioning, p_generation);
	queued := s3o_queued(v_placed.displaced);
END $$;

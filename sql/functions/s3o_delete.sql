-- SPDX-License-Identifier: MIT
--
-- Deletes keys or versions of a bucket, in one transaction: of that owner
-- (s3o_enter_bucket) and, unless p_rules is NULL, with these lifecycle rules ('': none);
-- another bucket is no_bucket. Each item of p_items is
--
--   {"name": key, "version": "" or the version id asked for, "generation": of the version
--    that was found there, "" when none was, "if_match": "" or a tag or *,
--    "marker": generation for a delete marker, "tags": that the version must have, if given}
--
-- and gives a row with its position from 1. Status:
--
--   ok         done, or nothing was there. With a version id that version is gone;
--              without one the null version, or, with versioning, a delete marker is the
--              current one. is_marker: the version that is gone, or was made, is one;
--              version_id what the client is told
--   changed    another version is there than the one that was found; nothing was done
--   no_bucket, precondition, not_found
--
-- A deletion that is executed late, after a newer write, finds another generation.
CREATE FUNCTION s3o_delete(p_bucket TEXT, p_owner TEXT, p_rules TEXT, p_items JSONB,
	p_slot SMALLINT)
RETURNS TABLE (item BIGINT, status TEXT, is_marker BOOLEAN, version_id TEXT, queued BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
	v_bucket RECORD;
	v_item   RECORD;
	v_done   RECORD;
	v_rules  TEXT;
	v_deltas s3o_delta[] := '{}';
BEGIN
	v_bucket := s3o_enter_bucket(p_bucket, p_owner);
	-- In order of the locks, whatever the order of the keys: two of these must not
	-- wait for each other.
	PERFORM s3o_lock_key(p_bucket, k.name) FROM (
		SELECT DISTINCT value ->> 'name' AS name, hashtext(p_bucket || '/' || (value ->> 'name'))
		FROM jsonb_array_elements(p_items) ORDER BY 2) k;
	IF p_rules IS NOT NULL THEN
		-- Who changes them waits, so that what they remove is gone by then.
		SELECT value INTO v_rules FROM bucket_settings
		WHERE bucket = p_bucket AND name = 'lifecycle' FOR SHARE;
		v_bucket.is_there := v_bucket.is_there AND COALESCE(v_rules, '') = p_rules;
	END IF;
	FOR v_item IN
		SELECT ordinality, r.* FROM jsonb_array_elements(p_items) WITH ORDINALITY i
		CROSS JOIN LATERAL jsonb_to_record(i.value) AS r (name TEXT, version TEXT,
			generation TEXT, if_match TEXT, marker TEXT, tags JSONB)
		ORDER BY ordinality
	LOOP
		IF v_bucket.is_there THEN
			v_done := s3o_delete_one(p_bucket, v_bucket.versioning, v_item.name,
				v_item.version, v_item.generation, v_item.if_match, v_item.marker,
				v_item.tags);
			v_deltas := v_deltas || v_done.deltas;
			status := v_done.status;
			is_marker := v_done.is_marker;
			version_id := v_done.version_id;
			queued := s3o_queued(v_done.deltas);
		ELSE
			status := 'no_bucket';
		END IF;
		item := v_item.ordinality;
		RETURN NEXT;
	END LOOP;
	PERFORM s3o_apply(v_deltas, p_slot);
END $$;

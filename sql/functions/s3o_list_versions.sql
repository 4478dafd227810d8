-- SPDX-License-Identifier: MIT
--
-- One page of all versions of a bucket, delete markers among them: in order of key, the
-- newest first. Keys begin with p_prefix, are less than p_until and not less than p_from;
-- of p_from itself only versions older than p_version, if that is not ''. With a
-- delimiter ('': none) those of a group, whose names are equal up to the first one after
-- the prefix, are one row with the name of the group; p_behind is the delimiter's
-- successor, which leads behind the group.
--
-- Reads the current and the older versions from their indexes, in batches; a group is
-- left with its first row, so neither groups nor the place of the page cost anything. A
-- batch is short after a group, in case another one follows. The limits of 64 and the
-- settings are for the planner: it must not sort a part of the bucket, whatever it
-- believes to know.
CREATE FUNCTION s3o_list_versions(p_bucket TEXT, p_prefix TEXT, p_until TEXT,
	p_delimiter TEXT, p_behind TEXT, p_from TEXT, p_version TEXT, p_max INT)
RETURNS TABLE (name TEXT, is_group BOOLEAN, version_id TEXT, is_latest BOOLEAN,
	is_marker BOOLEAN, size BIGINT, etag TEXT, modified BIGINT)
LANGUAGE plpgsql STABLE SET enable_sort = off SET enable_bitmapscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
	v        RECORD;
	v_key    TEXT COLLATE "C" := p_from;
	v_time   TIMESTAMPTZ := 'infinity';
	v_told   INT := 0;
	v_batch  INT := 1;
	v_in_row INT; -- rows of this batch
	v_at     INT;
BEGIN
	IF p_version <> '' THEN
		-- One that is gone does not tell: then from the newest on. Some versions may
		-- be told twice, but none is missed.
		v_time := COALESCE((SELECT created_at
			FROM s3o_find_version(p_bucket, p_from, p_version)), 'infinity');
	END IF;
	WHILE v_told < p_max LOOP
		v_in_row := 0;
		is_group := FALSE;
		FOR v IN
			SELECT * FROM (
				(SELECT object_name, created_at, version_id, is_latest,
				        is_delete_marker, size_bytes, etag
				 FROM object_versions
				 WHERE bucket = p_bucket AND is_latest AND object_name >= v_key
				   AND object_name < p_until
				   AND NOT (object_name = v_key AND created_at >= v_time)
				 ORDER BY object_name, created_at DESC LIMIT 64)
				UNION ALL
				(SELECT object_name, created_at, version_id, is_latest,
				        is_delete_marker, size_bytes, etag
				 FROM object_versions
				 WHERE bucket = p_bucket AND NOT is_latest AND object_name = v_key
				   AND object_name < p_until AND created_at < v_time
				 ORDER BY object_name, created_at DESC LIMIT 64)
				UNION ALL
				(SELECT object_name, created_at, version_id, is_latest,
				        is_delete_marker, size_bytes, etag
				 FROM object_versions
				 WHERE bucket = p_bucket AND NOT is_latest AND object_name > v_key
				   AND object_name < p_until
				 ORDER BY object_name, created_at DESC LIMIT 64)) r
			ORDER BY object_name, created_at DESC LIMIT v_batch
		LOOP
			v_in_row := v_in_row + 1;
			v_told := v_told + 1;
			v_key := v.object_name;
			v_time := v.created_at;
			v_at := 0;
			IF p_delimiter <> '' THEN
				v_at := strpos(substr(v.object_name, length(p_prefix) + 1), p_delimiter);
			END IF;
			is_group := v_at > 0;
			name := v.object_name;
			IF is_group THEN
				name := left(v.object_name, length(p_prefix) + v_at - 1);
				v_key := name || p_behind;
				v_time := 'infinity';
				name := name || p_delimiter;
			END IF;
			version_id := COALESCE(v.version_id, 'null');
			is_latest := v.is_latest;
			is_marker := v.is_delete_marker;
			size := v.size_bytes;
			etag := v.etag;
			modified := s3o_micros(v.created_at);
			RETURN NEXT;
			EXIT WHEN is_group OR v_told = p_max;
		END LOOP;
		EXIT WHEN NOT is_group AND v_in_row < v_batch;
		v_batch := CASE WHEN is_group THEN 1 ELSE least(v_batch * 4, 64) END;
	END LOOP;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Everything that must be true of the catalogue at any time; no row when it is.
-- For tests and for operators who want to know. Reads whole tables, which sessions of the
-- programs avoid.
CREATE FUNCTION s3o_check() RETURNS TABLE (problem TEXT)
LANGUAGE sql STABLE SET enable_seqscan = on SET enable_bitmapscan = on AS $$
	WITH slots AS (
		SELECT backend_name, sum(free)::BIGINT AS free, sum(used)::BIGINT AS used,
		       sum(reserved)::BIGINT AS reserved, sum(orphan)::BIGINT AS orphan,
		       sum(copies)::BIGINT AS copies,
		       count(*) FILTER (WHERE free < 0 AND NOT (in_debt AND slot = 0)) AS negative
		FROM backend_quota_slots GROUP BY 1
	), locations AS (
		SELECT backend_name, sum(size_bytes)::BIGINT AS bytes, count(*) AS copies
		FROM object_locations GROUP BY 1
	), intents AS (
		SELECT backend_name, sum(size_bytes)::BIGINT AS bytes FROM pending_objects GROUP BY 1
	), orphans AS (
		SELECT backend_name, sum(size_bytes)::BIGINT AS bytes FROM (
			SELECT backend_name, size_bytes FROM cleanup_queue
			UNION ALL
			SELECT backend_name, size_bytes FROM cleanup_dlq) q GROUP BY 1
	), totals AS (
		SELECT backend_name, q.bytes_limit, s.free, s.used, s.reserved, s.orphan, s.copies,
		       s.negative, COALESCE(l.bytes, 0) AS l_bytes, COALESCE(l.copies, 0) AS l_copies,
		       COALESCE(i.bytes, 0) AS i_bytes, COALESCE(o.bytes, 0) AS o_bytes
		FROM backend_quotas q FULL JOIN slots s USING (backend_name)
		FULL JOIN locations l USING (backend_name) FULL JOIN intents i USING (backend_name)
		FULL JOIN orphans o USING (backend_name)
	)
	SELECT format('backend %s: used is %s, copies have %s', backend_name, used, l_bytes)
	FROM totals WHERE used IS DISTINCT FROM l_bytes
	UNION ALL
	SELECT format('backend %s: copies is %s, there are %s', backend_name, copies, l_copies)
	FROM totals WHERE copies IS DISTINCT FROM l_copies
	UNION ALL
	SELECT format('backend %s: reserved is %s, intents have %s', backend_name, reserved, i_bytes)
	FROM totals WHERE reserved IS DISTINCT FROM i_bytes
	UNION ALL
	SELECT format('backend %s: orphan is %s, queues have %s', backend_name, orphan, o_bytes)
	FROM totals WHERE orphan IS DISTINCT FROM o_bytes
	UNION ALL
	SELECT format('backend %s: limit is %s, slots add up to %s', backend_name, bytes_limit,
		free + used + reserved + orphan)
	FROM totals
	WHERE CASE WHEN bytes_limit = 0 THEN free IS NOT NULL
		ELSE free + used + reserved + orphan IS DISTINCT FROM bytes_limit END
	UNION ALL
	SELECT format('backend %s: %s slots with less than nothing free', backend_name, negative)
	FROM totals WHERE negative > 0
	UNION ALL
	SELECT format('%s/%s~%s: no segment', bucket, object_name, generation)
	FROM object_versions v WHERE NOT is_delete_marker AND NOT EXISTS (
		SELECT FROM segments s WHERE (s.bucket, s.object_name, s.generation)
			= (v.bucket, v.object_name, v.generation))
	UNION ALL
	SELECT format('%s/%s~%s: size is %s, segments have %s', v.bucket, v.object_name, v.generation,
		v.size_bytes, sum(s.size_bytes))
	FROM object_versions v JOIN segments s USING (bucket, object_name, generation)
	GROUP BY v.bucket, v.object_name, v.generation HAVING v.size_bytes <> sum(s.size_bytes)
	UNION ALL
	SELECT format('segment %s of %s/%s: no copy', segment_id, bucket, object_name)
	FROM segments s WHERE NOT EXISTS (
		SELECT FROM object_locations l WHERE l.segment_id = s.segment_id)
	UNION ALL
	SELECT format('%s on %s: a live copy is queued for deletion', l.backend_key, backend_name)
	FROM object_locations l JOIN cleanup_queue q USING (backend_name)
	WHERE q.object_key = l.backend_key
	UNION ALL
	SELECT format('%s/%s~%s: segment %s begins at %s', bucket, object_name, generation,
		segment_number, start_byte)
	FROM (SELECT *, sum(size_bytes) OVER (PARTITION BY bucket, object_name, generation
			ORDER BY segment_number) - size_bytes AS true_start
	      FROM segments WHERE generation IS NOT NULL) s
	WHERE start_byte <> true_start
	UNION ALL
	SELECT format('%s/%s: not just its newest version is the current one', bucket, object_name)
	FROM (SELECT bucket, object_name, count(*) FILTER (WHERE is_latest) AS latest,
		max(created_at) AS newest, max(created_at) FILTER (WHERE is_latest) AS current
	      FROM object_versions GROUP BY 1, 2) k
	WHERE latest <> 1 OR current <> newest
	UNION ALL
	SELECT format('%s/%s: %s null versions', bucket, object_name, count(*))
	FROM object_versions WHERE version_id IS NULL GROUP BY bucket, object_name HAVING count(*) > 1
	UNION ALL
	SELECT format('%s/%s: in a bucket that is not there', bucket, object_name)
	FROM object_versions v WHERE NOT EXISTS (SELECT FROM buckets b WHERE b.bucket = v.bucket)
	UNION ALL
	SELECT format('segment %s of upload %s: no part', segment_id, upload_id)
	FROM segments s WHERE upload_id IS NOT NULL AND NOT EXISTS (
		SELECT FROM multipart_parts p WHERE (p.segment_id, p.upload_id, p.part_number)
			= (s.segment_id, s.upload_id, s.part_number))
	UNION ALL
	SELECT format('part %s of upload %s: no segment of it', p.part_number, p.upload_id)
	FROM multipart_parts p JOIN segments s USING (segment_id)
	WHERE s.upload_id IS DISTINCT FROM p.upload_id OR s.size_bytes <> p.size_bytes
$$;

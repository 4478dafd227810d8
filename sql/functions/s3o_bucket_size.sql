-- SPDX-License-Identifier: MIT
--
-- The current objects of a bucket with up to p_max keys; of one with more, keys is greater
-- than that, and no more of them are looked at. Kept to its index: the planner does not know
-- how large this bucket is, and any other plan collects all of its keys first.
CREATE FUNCTION s3o_bucket_size(p_bucket TEXT, p_max INT,
	OUT keys BIGINT, OUT objects BIGINT, OUT bytes BIGINT)
LANGUAGE sql STABLE SET enable_bitmapscan = off SET enable_seqscan = off AS $$
	SELECT count(*), count(*) FILTER (WHERE NOT is_delete_marker),
	       COALESCE(sum(size_bytes) FILTER (WHERE NOT is_delete_marker), 0)::BIGINT
	FROM (SELECT size_bytes, is_delete_marker FROM object_versions
	      WHERE bucket = p_bucket AND is_latest ORDER BY object_name LIMIT p_max + 1) k
$$;

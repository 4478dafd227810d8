-- SPDX-License-Identifier: MIT
--
-- True when the catalogue knows why something lies on a backend under a key: it is a copy,
-- is being written, or is to be deleted.
CREATE FUNCTION s3o_explains(p_backend TEXT, p_key TEXT) RETURNS BOOLEAN
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM object_locations
			WHERE backend_name = p_backend AND backend_key = p_key)
	    OR EXISTS (SELECT FROM pending_objects
			WHERE backend_name = p_backend AND backend_key = p_key)
	    OR EXISTS (SELECT FROM cleanup_queue
			WHERE backend_name = p_backend AND object_key = p_key)
	    OR EXISTS (SELECT FROM cleanup_dlq
			WHERE backend_name = p_backend AND object_key = p_key)
$$;

-- SPDX-License-Identifier: MIT
--
-- True when nothing new may be written to the backend.
CREATE FUNCTION s3o_is_draining(p_backend TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
	RETURN EXISTS (SELECT FROM backend_drains
		WHERE backend_name = p_backend AND state IN ('draining', 'drained'));
END $$;

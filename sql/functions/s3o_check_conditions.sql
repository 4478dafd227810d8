-- SPDX-License-Identifier: MIT
--
-- Conditions of a write on the current version of the key: NULL when they hold.
CREATE FUNCTION s3o_check_conditions(p_exists BOOLEAN, p_etag TEXT,
	p_if_none_match_any BOOLEAN, p_if_match TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_exists AND p_if_none_match_any THEN 'precondition'
		WHEN p_if_match = '' THEN NULL
		WHEN NOT p_exists THEN 'not_found'
		WHEN p_if_match NOT IN ('*', p_etag) THEN 'precondition'
	END
$$;

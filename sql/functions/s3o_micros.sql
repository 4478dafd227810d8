-- SPDX-License-Identifier: MIT
--
-- Microseconds since 1970: the form in which times leave the database.
CREATE FUNCTION s3o_micros(p_time TIMESTAMPTZ) RETURNS BIGINT
LANGUAGE sql STABLE AS $$
	SELECT (extract(epoch FROM p_time) * 1000000)::BIGINT
$$;

-- SPDX-License-Identifier: MIT
--
-- A row of object_versions from what a program says about it in JSON: members are
-- named like columns, those that are absent have their default.
CREATE FUNCTION s3o_version_of(p_bucket TEXT, p_name TEXT, p_generation TEXT, p_object JSONB)
RETURNS object_versions
LANGUAGE plpgsql AS $$
DECLARE
	v object_versions%ROWTYPE;
BEGIN
	v := jsonb_populate_record(NULL::object_versions,
		'{"size_bytes": 0, "etag": "", "content_type": "", "encrypted": false,
		  "is_delete_marker": false}'::JSONB || p_object);
	v.bucket := p_bucket;
	v.object_name := p_name;
	v.generation := p_generation;
	RETURN v;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Takes a backend out of the catalogue that has no copies any more. Its row in
-- backend_drains stays, and keeps writes away for as long as it is configured. Status:
--
--   ok          done, also when it was not there
--   copies, writes     there still are some
--   deletions   some have not been tried yet, and p_patient
--
-- forgotten: deletions that had failed, which nobody will try again.
CREATE FUNCTION s3o_forget_backend(p_backend TEXT, p_patient BOOLEAN,
	OUT status TEXT, OUT forgotten BIGINT)
LANGUAGE plpgsql AS $$
BEGIN
	SELECT CASE
		WHEN EXISTS (SELECT FROM object_locations WHERE backend_name = p_backend)
			THEN 'copies'
		WHEN EXISTS (SELECT FROM pending_objects WHERE backend_name = p_backend)
			THEN 'writes'
		WHEN p_patient AND EXISTS (SELECT FROM cleanup_queue
			WHERE backend_name = p_backend AND attempts = 0) THEN 'deletions'
		ELSE 'ok' END INTO status;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	WITH queued AS (DELETE FROM cleanup_queue WHERE backend_name = p_backend RETURNING 1),
	     dead AS (DELETE FROM cleanup_dlq WHERE backend_name = p_backend RETURNING 1)
	SELECT (SELECT count(*) FROM queued) + (SELECT count(*) FROM dead) INTO forgotten;
	DELETE FROM backend_usage WHERE backend_name = p_backend;
	DELETE FROM backend_quota_slots WHERE backend_name = p_backend;
	DELETE FROM backend_quotas WHERE backend_name = p_backend;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Writes the configured limit of a backend (0: none), with its slots when the
-- backend is new. Eight slots: each is locked while one commit is flushed, and
-- flushes are shared by all that wait, so eight keep any disk busy.
CREATE FUNCTION s3o_sync_backend(p_backend TEXT, p_limit BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
	v_stored BIGINT;
BEGIN
	INSERT INTO backend_quotas (backend_name, bytes_limit) VALUES (p_backend, p_limit)
	ON CONFLICT (backend_name) DO UPDATE
		SET bytes_limit = excluded.bytes_limit, updated_at = now();
	INSERT INTO backend_quota_slots (backend_name, slot)
	SELECT p_backend, generate_series(0, 7) ON CONFLICT DO NOTHING;
	SELECT sum(s.used + s.reserved + s.orphan) INTO v_stored FROM (
		SELECT used, reserved, orphan FROM backend_quota_slots
		WHERE backend_name = p_backend ORDER BY slot FOR UPDATE) s;
	IF p_limit > 0 THEN
		PERFORM s3o_spread(p_backend, p_limit - v_stored);
	ELSE
		UPDATE backend_quota_slots SET free = NULL, in_debt = FALSE
		WHERE backend_name = p_backend;
	END IF;
END $$;

-- SPDX-License-Identifier: MIT
--
-- Quotas, and which folders belong to the backends.

-- name: space :read
-- columns: backend bytes_limit used reserved orphaned copies draining
SELECT backend_name AS backend, bytes_limit, bytes_used AS used, bytes_reserved AS reserved,
       orphan_bytes AS orphaned, copies, draining
FROM backend_space ORDER BY backend_name;

-- name: recount
-- columns: used reserved orphan copies free
SELECT used, reserved, orphan, copies, free FROM s3o_recount($1);

-- name: sync_backend
SELECT s3o_sync_backend($1, $2);

-- name: sync_bucket
INSERT INTO buckets (bucket) VALUES ($1) ON CONFLICT (bucket) DO NOTHING;

-- name: folder :read
-- columns: folder_id copies
SELECT folder_id, (SELECT sum(copies)::BIGINT FROM backend_quota_slots s
                   WHERE s.backend_name = q.backend_name) AS copies
FROM backend_quotas q WHERE backend_name = $1;

-- name: claim_folder
-- columns: folder_id copies
UPDATE backend_quotas SET folder_id = COALESCE(folder_id, $2) WHERE backend_name = $1
RETURNING folder_id, 0::BIGINT AS copies;

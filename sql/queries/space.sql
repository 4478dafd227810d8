-- SPDX-License-Identifier: MIT
--
-- Quotas.

-- name: space :read
-- columns: backend bytes_limit used reserved orphaned copies draining
SELECT backend_name AS backend, bytes_limit, bytes_used AS used, bytes_reserved AS reserved,
       orphan_bytes AS orphaned, copies, draining
FROM backend_space ORDER BY backend_name;

-- name: sync_backend
SELECT s3o_sync_backend($1, $2);

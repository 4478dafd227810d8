-- SPDX-License-Identifier: MIT
--
-- What backends have been used for in a month. Both tell a row per backend that was
-- asked about, in that order.

-- The rows are locked in the order of their names, so that hosts that flush at the same
-- time wait for each other instead of deadlocking.
-- name: add_usage
-- columns: api_requests egress_bytes ingress_bytes
WITH given AS (
	SELECT * FROM unnest($2::TEXT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[])
		WITH ORDINALITY AS g (backend, api, egress, ingress, n)
), added AS (
	INSERT INTO backend_usage (backend_name, period, api_requests, egress_bytes, ingress_bytes)
	SELECT backend, $1, api, egress, ingress FROM given g
	WHERE (api > 0 OR egress > 0 OR ingress > 0) AND NOT EXISTS (
		SELECT FROM backend_drains d
		WHERE d.backend_name = g.backend AND d.state = 'drained')
	ORDER BY backend
	ON CONFLICT (backend_name, period) DO UPDATE SET
		api_requests = backend_usage.api_requests + excluded.api_requests,
		egress_bytes = backend_usage.egress_bytes + excluded.egress_bytes,
		ingress_bytes = backend_usage.ingress_bytes + excluded.ingress_bytes,
		updated_at = now()
	RETURNING backend_name, api_requests, egress_bytes, ingress_bytes
)
SELECT COALESCE(a.api_requests, u.api_requests, 0) AS api_requests,
       COALESCE(a.egress_bytes, u.egress_bytes, 0) AS egress_bytes,
       COALESCE(a.ingress_bytes, u.ingress_bytes, 0) AS ingress_bytes
FROM given g
LEFT JOIN added a ON a.backend_name = g.backend
LEFT JOIN backend_usage u ON u.backend_name = g.backend AND u.period = $1
ORDER BY g.n;

-- name: usage :read
-- columns: api_requests egress_bytes ingress_bytes
SELECT COALESCE(u.api_requests, 0) AS api_requests,
       COALESCE(u.egress_bytes, 0) AS egress_bytes,
       COALESCE(u.ingress_bytes, 0) AS ingress_bytes
FROM unnest($2::TEXT[]) WITH ORDINALITY AS g (backend, n)
LEFT JOIN backend_usage u ON u.backend_name = g.backend AND u.period = $1
ORDER BY g.n;

-- SPDX-License-Identifier: MIT
--
-- The clean-up queue, and the intents that end there.

-- $4: backends that are left alone for now.
-- RETURNING shows new values, so whether a claim was taken over is read before.
-- name: cleanup_claim
-- columns: id backend backend_key reason size attempts reclaimed
WITH due AS (
	SELECT id, claimed_at IS NOT NULL AS reclaimed FROM cleanup_queue
	WHERE attempts < 10 AND next_retry <= now() AND backend_name <> ALL ($4::TEXT[])
	  AND (claimed_at IS NULL OR claimed_at < now() - $3::BIGINT * interval '1 microsecond')
	ORDER BY next_retry, id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE cleanup_queue q SET claimed_at = now(), claimed_by = $1
FROM due WHERE q.id = due.id
RETURNING q.id, q.backend_name AS backend, q.object_key AS backend_key, q.reason,
	q.size_bytes AS size, q.attempts, due.reclaimed;

-- Versions that are still being read keep their segments for a while longer. Those that
-- are claimed already cannot be saved; rows are new for 15 seconds before they can be.
-- name: postpone_reads
UPDATE cleanup_queue SET next_retry = now() + interval '30 seconds'
WHERE generation = ANY ($1::TEXT[]) AND claimed_at IS NULL
  AND next_retry < now() + interval '15 seconds';

-- name: cleanup_done
-- columns: done
SELECT s3o_cleanup_done($1, $2) AS done;

-- name: cleanup_failed
-- columns: status
SELECT s3o_cleanup_failed($1, $2, $3) AS status;

-- name: cleanup_postpone
UPDATE cleanup_queue
SET claimed_at = NULL, claimed_by = NULL,
    next_retry = now() + $3::BIGINT * interval '1 microsecond'
WHERE id = $1 AND claimed_by = $2;

-- name: reap
-- columns: intent_id backend backend_key
SELECT intent_id, backend_name AS backend, backend_key FROM s3o_reap($1, $2, $3, $4);

-- name: depths :read
-- columns: queue dlq intents uploads next_cleanup
SELECT (SELECT count(*) FROM cleanup_queue WHERE attempts < 10) AS queue,
       (SELECT count(*) FROM cleanup_dlq) AS dlq,
       (SELECT count(*) FROM pending_objects) AS intents,
       (SELECT count(*) FROM multipart_uploads) AS uploads,
       (SELECT s3o_micros(min(next_retry)) FROM cleanup_queue
        WHERE attempts < 10 AND claimed_at IS NULL) AS next_cleanup;

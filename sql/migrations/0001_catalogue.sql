-- SPDX-License-Identifier: MIT
--
-- The catalogue: which object versions exist, where their bytes are, what still
-- has to be deleted, and how much room each backend has.
--
-- All keys and names are COLLATE "C": S3 lists in byte order, and deltas on
-- several backends are applied in byte order of their names.
--
-- There are no foreign keys to backend_quotas: each insert would lock the one
-- row of its backend and make it hot. Whoever inserts a copy, an intent or a
-- queue row also updates a slot of that backend, which must exist.

-- One row per applied migration. The number is the schema version.
CREATE TABLE schema_migrations (
	version    INT PRIMARY KEY,
	name       TEXT NOT NULL,
	applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- The functions are replaced as a whole whenever this hash differs.
CREATE TABLE schema_functions (
	only_row   BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
	hash       TEXT NOT NULL,
	applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- --- objects -------------------------------------------------------------

-- One row per generation of a key. Without versioning a key has at most one
-- row: the "null version", whose version_id is NULL.
CREATE TABLE object_versions (
	bucket            TEXT COLLATE "C" NOT NULL,
	object_name       TEXT COLLATE "C" NOT NULL, -- the S3 key
	generation        TEXT COLLATE "C" NOT NULL, -- ULID; part of the backend keys
	is_latest         BOOLEAN NOT NULL DEFAULT TRUE,
	is_delete_marker  BOOLEAN NOT NULL DEFAULT FALSE,
	version_id        TEXT COLLATE "C",
	size_bytes        BIGINT NOT NULL CHECK (size_bytes >= 0), -- plaintext
	etag              TEXT NOT NULL, -- without quotes
	content_type      TEXT NOT NULL DEFAULT '',
	headers           JSONB, -- Cache-Control ...; lower-case name -> value
	metadata          JSONB, -- x-amz-meta-*, name without the prefix -> value
	checksums         JSONB,
	tags              JSONB,
	content_hash      TEXT,  -- lower-case hex SHA-256 of the plaintext
	encrypted         BOOLEAN NOT NULL DEFAULT FALSE,
	encryption_key    BYTEA, -- wrapped
	key_id            TEXT,
	created_at        TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (bucket, object_name, generation)
);

-- Answers a listing alone.
CREATE UNIQUE INDEX object_versions_latest ON object_versions (bucket, object_name)
	INCLUDE (size_bytes, etag, created_at, is_delete_marker) WHERE is_latest;

-- An immutable run of bytes of one version: a PUT has one, a multipart object
-- one per part. A segment of an open upload has upload_id and no generation.
CREATE TABLE segments (
	segment_id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	bucket         TEXT COLLATE "C" NOT NULL,
	object_name    TEXT COLLATE "C" NOT NULL,
	generation     TEXT COLLATE "C",
	upload_id      TEXT COLLATE "C",
	part_number    INT,
	segment_number INT NOT NULL DEFAULT 1, -- position in the object, from 1
	size_bytes     BIGINT NOT NULL CHECK (size_bytes >= 0), -- plaintext
	etag           TEXT,
	content_hash   TEXT,
	encrypted      BOOLEAN NOT NULL DEFAULT FALSE,
	encryption_key BYTEA,
	key_id         TEXT,
	CHECK ((generation IS NULL) <> (upload_id IS NULL)),
	FOREIGN KEY (bucket, object_name, generation) REFERENCES object_versions
		DEFERRABLE INITIALLY IMMEDIATE
);
CREATE INDEX segments_version ON segments (bucket, object_name, generation, segment_number);
CREATE INDEX segments_upload ON segments (upload_id, part_number) WHERE upload_id IS NOT NULL;

-- A copy: a segment on a backend, under a backend key that is written once and
-- never used again.
CREATE TABLE object_locations (
	segment_id   BIGINT NOT NULL REFERENCES segments,
	backend_name TEXT COLLATE "C" NOT NULL,
	backend_key  TEXT COLLATE "C" NOT NULL,
	object_key   TEXT COLLATE "C" NOT NULL, -- bucket/object_name
	size_bytes   BIGINT NOT NULL CHECK (size_bytes >= 0), -- on the backend
	created_at   TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (segment_id, backend_name),
	UNIQUE (backend_name, backend_key)
);

-- An intent: written before any byte is sent, gone when the copy is visible or
-- its bytes are queued for deletion. Whoever writes renews it; one that nobody
-- renews is reaped.
CREATE TABLE pending_objects (
	intent_id    TEXT COLLATE "C" PRIMARY KEY, -- ULID
	object_key   TEXT COLLATE "C" NOT NULL,    -- bucket/object_name
	bucket       TEXT COLLATE "C" NOT NULL,
	object_name  TEXT COLLATE "C" NOT NULL,
	backend_name TEXT COLLATE "C" NOT NULL,
	backend_key  TEXT COLLATE "C" NOT NULL,
	size_bytes   BIGINT NOT NULL CHECK (size_bytes >= 0),
	slot         SMALLINT NOT NULL,            -- whose "reserved" counts it
	owner        TEXT NOT NULL,                -- host:pid:random of the writer
	created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
	renewed_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX pending_objects_renewed ON pending_objects (renewed_at);
CREATE INDEX pending_objects_backend ON pending_objects (backend_name);

-- --- space ---------------------------------------------------------------

-- One row per backend ever configured. What is stored is in the slots.
CREATE TABLE backend_quotas (
	backend_name TEXT COLLATE "C" PRIMARY KEY,
	bytes_limit  BIGINT NOT NULL CHECK (bytes_limit >= 0), -- 0: unlimited
	updated_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- The counters of a backend, spread over slots so that writers do not wait for
-- each other. Only sums over the slots of a backend mean anything: a single
-- used, reserved, orphan or copies may be negative.
--
-- With a limit, free holds what may still be taken, so that always
--
--     SUM(free + used + reserved + orphan) = bytes_limit
--
-- and taking from a slot with enough free can never exceed the limit, whatever
-- the other slots do. Without a limit free is NULL, which additions leave alone.
-- When a limit is lowered below what is stored, the sum of free is negative:
-- then every slot is marked in_debt, and nothing may be taken until somebody has
-- locked all slots and found enough.
--
-- Locking: several slots of one backend in order of slot; several backends only
-- with one and the same slot number, in order of backend_name.
CREATE TABLE backend_quota_slots (
	backend_name TEXT COLLATE "C" NOT NULL,
	slot         SMALLINT NOT NULL,
	free         BIGINT,
	in_debt      BOOLEAN NOT NULL DEFAULT FALSE,
	used         BIGINT NOT NULL DEFAULT 0, -- of object_locations
	reserved     BIGINT NOT NULL DEFAULT 0, -- of pending_objects
	orphan       BIGINT NOT NULL DEFAULT 0, -- of cleanup_queue and cleanup_dlq
	copies       BIGINT NOT NULL DEFAULT 0, -- rows of object_locations
	PRIMARY KEY (backend_name, slot)
) WITH (fillfactor = 50);

-- Jobs that empty a backend. No row of other tables depends on it.
CREATE TABLE backend_drains (
	backend_name     TEXT COLLATE "C" PRIMARY KEY,
	state            TEXT NOT NULL DEFAULT 'draining'
		CHECK (state IN ('draining', 'drained', 'failed')),
	cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
	objects_moved    BIGINT NOT NULL DEFAULT 0,
	bytes_moved      BIGINT NOT NULL DEFAULT 0,
	last_error       TEXT,
	claimed_by       TEXT,
	heartbeat_at     TIMESTAMPTZ,
	started_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
	finished_at      TIMESTAMPTZ
);

-- For people: SELECT * FROM backend_space.
CREATE VIEW backend_space AS
SELECT q.backend_name, q.bytes_limit, s.bytes_used, s.bytes_reserved, s.orphan_bytes, s.copies,
       d.state IN ('draining', 'drained') IS TRUE AS draining, q.updated_at
FROM backend_quotas q
CROSS JOIN LATERAL (
	SELECT COALESCE(SUM(used), 0)::BIGINT AS bytes_used,
	       COALESCE(SUM(reserved), 0)::BIGINT AS bytes_reserved,
	       COALESCE(SUM(orphan), 0)::BIGINT AS orphan_bytes,
	       COALESCE(SUM(copies), 0)::BIGINT AS copies
	FROM backend_quota_slots WHERE backend_name = q.backend_name) s
LEFT JOIN backend_drains d USING (backend_name);

-- Calls and traffic per backend and month (YYYY-MM, UTC).
CREATE TABLE backend_usage (
	backend_name  TEXT COLLATE "C" NOT NULL,
	period        TEXT COLLATE "C" NOT NULL,
	api_requests  BIGINT NOT NULL DEFAULT 0,
	egress_bytes  BIGINT NOT NULL DEFAULT 0,
	ingress_bytes BIGINT NOT NULL DEFAULT 0,
	updated_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (backend_name, period)
);

-- --- what must still be deleted ------------------------------------------

CREATE TABLE cleanup_queue (
	id           BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	backend_name TEXT COLLATE "C" NOT NULL,
	object_key   TEXT COLLATE "C" NOT NULL, -- the key on the backend
	reason       TEXT NOT NULL,
	size_bytes   BIGINT NOT NULL DEFAULT 0,
	created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
	next_retry   TIMESTAMPTZ NOT NULL DEFAULT now(),
	attempts     INT NOT NULL DEFAULT 0,
	last_error   TEXT,
	claimed_at   TIMESTAMPTZ,
	claimed_by   TEXT
);
CREATE INDEX cleanup_queue_claim ON cleanup_queue (next_retry, id) INCLUDE (claimed_at)
	WHERE attempts < 10;
CREATE INDEX cleanup_queue_backend ON cleanup_queue (backend_name, object_key);

-- Rows that ten attempts could not delete. Their bytes still count as orphaned.
CREATE TABLE cleanup_dlq (
	id                BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	original_id       BIGINT NOT NULL,
	backend_name      TEXT COLLATE "C" NOT NULL,
	object_key        TEXT COLLATE "C" NOT NULL,
	reason            TEXT NOT NULL,
	size_bytes        BIGINT NOT NULL DEFAULT 0,
	attempts          INT NOT NULL,
	last_error        TEXT,
	first_enqueued_at TIMESTAMPTZ NOT NULL,
	moved_at          TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX cleanup_dlq_backend ON cleanup_dlq (backend_name);

-- --- multipart uploads ---------------------------------------------------

CREATE TABLE multipart_uploads (
	upload_id      TEXT COLLATE "C" PRIMARY KEY,
	bucket         TEXT COLLATE "C" NOT NULL,
	object_name    TEXT COLLATE "C" NOT NULL,
	object_key     TEXT COLLATE "C" NOT NULL, -- bucket/object_name
	generation     TEXT COLLATE "C" NOT NULL, -- of the object it will become
	content_type   TEXT NOT NULL DEFAULT '',
	headers        JSONB,
	metadata       JSONB,
	tags           JSONB,
	encryption_key BYTEA,
	key_id         TEXT,
	owner          TEXT, -- access key
	created_at     TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX multipart_uploads_created ON multipart_uploads (created_at);
CREATE INDEX multipart_uploads_key ON multipart_uploads (bucket, object_name, upload_id);

-- The bytes of a part are a segment; the last upload of a number wins.
CREATE TABLE multipart_parts (
	upload_id   TEXT COLLATE "C" NOT NULL REFERENCES multipart_uploads ON DELETE CASCADE,
	part_number INT NOT NULL CHECK (part_number BETWEEN 1 AND 10000),
	segment_id  BIGINT NOT NULL REFERENCES segments,
	etag        TEXT NOT NULL,
	size_bytes  BIGINT NOT NULL,
	created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (upload_id, part_number)
);
CREATE INDEX multipart_parts_segment ON multipart_parts (segment_id);

-- --- jobs and events -----------------------------------------------------

-- TEXT, not JSONB: the signature of a webhook covers the exact bytes.
CREATE TABLE notification_outbox (
	id           BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	event_type   TEXT NOT NULL,
	payload      TEXT NOT NULL,
	endpoint_url TEXT NOT NULL,
	created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
	next_retry   TIMESTAMPTZ NOT NULL DEFAULT now(),
	attempts     INT NOT NULL DEFAULT 0,
	last_error   TEXT,
	claimed_at   TIMESTAMPTZ,
	claimed_by   TEXT
);
CREATE INDEX notification_outbox_pending ON notification_outbox (next_retry) WHERE attempts < 10;

-- Long jobs that any workerd may continue when their owner's heartbeat stops.
CREATE TABLE jobs (
	job_id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind         TEXT COLLATE "C" NOT NULL,
	target       TEXT COLLATE "C" NOT NULL DEFAULT '',
	state        TEXT NOT NULL DEFAULT 'requested'
		CHECK (state IN ('requested', 'running', 'done', 'failed', 'cancelled')),
	cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
	owner        TEXT,
	heartbeat_at TIMESTAMPTZ,
	progress     JSONB,
	result       JSONB,
	requested_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	started_at   TIMESTAMPTZ,
	finished_at  TIMESTAMPTZ
);
-- One job of a kind per target at a time.
CREATE UNIQUE INDEX jobs_open ON jobs (kind, target) WHERE state IN ('requested', 'running');

CREATE TABLE job_health (
	name                 TEXT COLLATE "C" PRIMARY KEY,
	last_success         TIMESTAMPTZ,
	last_failure         TIMESTAMPTZ,
	last_error           TEXT NOT NULL DEFAULT '',
	consecutive_failures BIGINT NOT NULL DEFAULT 0
);

-- SPDX-License-Identifier: MIT
--
-- Buckets with properties, versions, and uploads in parts. Columns with constant
-- defaults and new tables only: nothing is rewritten, no write waits for long.

-- Every bucket that may hold objects: those of the configuration, written at start,
-- and those that a client has created.
CREATE TABLE buckets (
	bucket     TEXT COLLATE "C" PRIMARY KEY,
	owner      TEXT COLLATE "C", -- access key that created it; NULL: the configuration
	versioning TEXT CHECK (versioning IN ('Enabled', 'Suspended')), -- NULL: never was
	created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX buckets_owner ON buckets (owner, bucket) WHERE owner IS NOT NULL;

-- Those whose objects were written by a version without this table.
INSERT INTO buckets (bucket) SELECT DISTINCT bucket FROM object_versions;

-- What a client has set on a bucket, such as 'cors': text that can be given back.
CREATE TABLE bucket_settings (
	bucket     TEXT COLLATE "C" NOT NULL REFERENCES buckets ON DELETE CASCADE,
	name       TEXT COLLATE "C" NOT NULL,
	value      TEXT NOT NULL,
	updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (bucket, name)
);

-- version_id is the generation, or NULL: the null version, of which a key has one at
-- most. is_latest: the row of its key with the newest created_at, which differ.
ALTER TABLE object_versions
	ADD COLUMN acl   TEXT, -- canned; NULL: private
	ADD COLUMN parts INT;  -- of the upload that made it; NULL: none did

-- Versions behind the current one, newest first, and the null version when it is one of
-- them. No object of an older version of this schema is in these.
CREATE INDEX object_versions_older ON object_versions (bucket, object_name, created_at DESC)
	WHERE NOT is_latest;
CREATE UNIQUE INDEX object_versions_null ON object_versions (bucket, object_name)
	WHERE NOT is_latest AND version_id IS NULL;

-- checksums as in object_versions: {"CRC32C": "base64", ...}, composite ones "base64-N".
-- part_number stays when the upload is complete.
ALTER TABLE segments
	ADD COLUMN start_byte BIGINT NOT NULL DEFAULT 0, -- where it begins in the object
	ADD COLUMN checksums  JSONB;

-- Finds the segment that holds a byte. No object of an older version has a second one.
CREATE INDEX segments_start ON segments (bucket, object_name, generation, start_byte)
	WHERE segment_number > 1;

ALTER TABLE multipart_uploads
	ADD COLUMN acl                TEXT,
	ADD COLUMN checksum_algorithm TEXT,  -- "CRC32C" ...; NULL: none was asked for
	ADD COLUMN checksum_type      TEXT CHECK (checksum_type IN ('COMPOSITE', 'FULL_OBJECT'));

-- Uploads that are complete, for a day: a client that has not got the answer asks
-- again.
CREATE TABLE completed_uploads (
	upload_id    TEXT COLLATE "C" PRIMARY KEY,
	bucket       TEXT COLLATE "C" NOT NULL,
	object_name  TEXT COLLATE "C" NOT NULL,
	version_id   TEXT COLLATE "C" NOT NULL, -- as told to the client; '' never versioned
	etag         TEXT NOT NULL,
	checksums    JSONB,
	completed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX completed_uploads_at ON completed_uploads (completed_at);

-- Of a version with several segments, which somebody may still be reading.
ALTER TABLE cleanup_queue ADD COLUMN generation TEXT COLLATE "C";
CREATE INDEX cleanup_queue_generation ON cleanup_queue (generation)
	WHERE generation IS NOT NULL;

-- What a transaction adds to the counters of a backend. Collected, then applied in
-- one go, in order of backend.
CREATE TYPE s3o_delta AS (
	backend_name TEXT,
	used         BIGINT,
	reserved     BIGINT,
	orphan       BIGINT,
	copies       BIGINT
);

-- A key that is locked for a change.
CREATE TYPE s3o_locked_key AS (
	versioning TEXT,           -- of the bucket
	latest     object_versions -- all columns NULL: there is none
);

-- SPDX-License-Identifier: MIT
--
-- Copies that are missing, and what drains and other long jobs must know to be continued. New
-- tables and columns with constant defaults only: no write waits.

-- Segments that are to be looked at: they have too few copies, or one of them is said to be
-- missing or damaged (suspect). A row may outlive its segment. Segments that nobody has
-- entered here are found by a walk over all.
CREATE TABLE replication_queue (
	segment_id BIGINT PRIMARY KEY,
	suspect    BOOLEAN NOT NULL DEFAULT FALSE,
	created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	next_retry TIMESTAMPTZ NOT NULL DEFAULT now(),
	attempts   INT NOT NULL DEFAULT 0,
	last_error TEXT,
	claimed_at TIMESTAMPTZ,
	claimed_by TEXT
);
CREATE INDEX replication_queue_claim ON replication_queue (next_retry, segment_id)
	INCLUDE (claimed_at);

-- A drain goes through the copies of its backend in order of their key, in rounds.
ALTER TABLE backend_drains
	ADD COLUMN position TEXT COLLATE "C" NOT NULL DEFAULT '', -- the last key of this round
	ADD COLUMN progress BIGINT NOT NULL DEFAULT 0, -- copies that left in this round
	ADD COLUMN failures BIGINT NOT NULL DEFAULT 0, -- copies that could not, in this round
	ADD COLUMN fruitless INT NOT NULL DEFAULT 0,   -- rounds in a row in which none left
	ADD COLUMN next_round TIMESTAMPTZ NOT NULL DEFAULT now();

-- What was asked for: {"purge": true} ...
ALTER TABLE jobs ADD COLUMN params JSONB NOT NULL DEFAULT '{}';

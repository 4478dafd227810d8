-- SPDX-License-Identifier: MIT
--
-- Access keys of the configuration that are refused all the same, until they are enabled again
-- or have left the configuration.
CREATE TABLE disabled_keys (
	access_key_id TEXT COLLATE "C" PRIMARY KEY,
	disabled_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);

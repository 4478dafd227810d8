-- SPDX-License-Identifier: MIT
--
-- How long after the last renewal of an intent bytes may still arrive on its backend.
-- NULL: as long as the reaper thinks; so it is with those of a version without.
ALTER TABLE pending_objects ADD COLUMN landing INTERVAL;

-- SPDX-License-Identifier: MIT
--
-- Which folder a backend of type "directory" is: what its file s3o-folder says.
-- Another one under the same path, such as the mount point of a file system that
-- is not mounted, is refused. NULL: none was used yet, or by a version without.
ALTER TABLE backend_quotas ADD COLUMN folder_id TEXT;

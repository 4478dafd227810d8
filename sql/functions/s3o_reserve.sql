-- SPDX-License-Identifier: MIT
--
-- An intent in, its bytes from free to reserved. p_landing: microseconds after its last
-- renewal in which bytes may still arrive; NULL: as long as the reaper thinks. Status:
--
--   ok         done
--   spread     this slot has not enough: ask again with p_spread. Not done here at
--              once, because a slot whose condition failed after waiting for its
--              lock stays locked, and all slots must be locked in order
--   no_space   the quota would be exceeded
--   draining   the backend takes nothing new
--   unknown    there is no such backend
CREATE FUNCTION s3o_reserve(p_intent TEXT, p_bucket TEXT, p_name TEXT, p_backend TEXT,
	p_backend_key TEXT, p_size BIGINT, p_slot SMALLINT, p_owner TEXT, p_spread BOOLEAN,
	p_landing BIGINT)
RETURNS TEXT
LANGUAGE plpgsql AS $$
DECLARE
	v_free  BIGINT;
	v_slots BIGINT;
BEGIN
	IF s3o_is_draining(p_backend) THEN
		RETURN 'draining';
	END IF;

	IF p_spread THEN
		SELECT sum(l.free), count(*) INTO v_free, v_slots FROM (
			SELECT free FROM backend_quota_slots
			WHERE backend_name = p_backend ORDER BY slot FOR UPDATE) l;
		IF v_slots = 0 THEN
			RETURN 'unknown';
		ELSIF v_free < p_size THEN
			RETURN 'no_space';
		ELSIF v_free IS NOT NULL THEN
			PERFORM s3o_spread(p_backend, v_free - p_size);
			UPDATE backend_quota_slots SET free = free + p_size
			WHERE backend_name = p_backend AND slot = p_slot;
		END IF;
	END IF;

	UPDATE backend_quota_slots SET free = free - p_size, reserved = reserved + p_size
	WHERE backend_name = p_backend AND slot = p_slot
	  AND (free IS NULL OR (free >= p_size AND NOT in_debt));
	IF NOT FOUND THEN
		RETURN 'spread';
	END IF;

	INSERT INTO pending_objects (intent_id, object_key, bucket, object_name, backend_name,
		backend_key, size_bytes, slot, owner, landing)
	VALUES (p_intent, p_bucket || '/' || p_name, p_bucket, p_name, p_backend, p_backend_key,
		p_size, p_slot, p_owner, p_landing * interval '1 microsecond');
	RETURN 'ok';
END $$;

-- migration: schema=2
-- Keys of browsers are bound to the origins of their pages, and have a scope of their own. A key has at most one successor,
-- so that a client can be moved from one to the other while both are good. Gateways hear of a change as it is committed;
-- who does not hear looks up again within a minute. A tenant says what is taken out of its events.

ALTER TABLE api_key
    ADD COLUMN origins text[] NOT NULL DEFAULT '{}',
    ADD COLUMN rotated_at timestamptz,
    ADD COLUMN last_used_at timestamptz,
    DROP CONSTRAINT api_key_scope_check,
    ADD CONSTRAINT api_key_scope_check CHECK (scope IN ('write', 'beacon', 'read', 'admin')),
    ADD CONSTRAINT api_key_origins_check CHECK (scope <> 'beacon' OR cardinality(origins) > 0);

COMMENT ON COLUMN api_key.origins IS 'Pages of these origins alone may use it; empty: no page needs to.';
COMMENT ON COLUMN api_key.rotated_at IS 'A successor was made then; both are good until this one is revoked.';
COMMENT ON COLUMN api_key.last_used_at IS 'Within two minutes or so; null: never since this is noted.';

CREATE FUNCTION tell_of_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'tenant' THEN
        PERFORM pg_notify('tidegauge_key', 'tenant ' || NEW.tenant_id);
    ELSE
        PERFORM pg_notify('tidegauge_key', 'key ' || encode(coalesce(NEW.key_hash, OLD.key_hash), 'hex'));
    END IF;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION tell_of_key IS 'Tells gateways which key, or which tenant''s keys, to look up again.';

CREATE TRIGGER key_changed AFTER INSERT OR DELETE OR UPDATE OF scope, origins, revoked_at, tenant_id ON api_key
    FOR EACH ROW EXECUTE FUNCTION tell_of_key();

CREATE TRIGGER tenant_changed AFTER UPDATE ON tenant
    FOR EACH ROW EXECUTE FUNCTION tell_of_key();

ALTER TABLE tenant ADD COLUMN scrub text[] NOT NULL DEFAULT '{}'
    CHECK (scrub <@ ARRAY['keys', 'token', 'email', 'card', 'phone', 'ip', 'url', 'path', 'user']);

COMMENT ON COLUMN tenant.scrub IS
    'What is taken out of the tenant''s events before they are in the log; nothing by itself.';

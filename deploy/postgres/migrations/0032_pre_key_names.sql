-- migration: schema=2
-- A key has a name that people know it by, and the keys of a tenant are found without reading those of all others.
-- The column is not called `name`: builds before this one select a tenant's `name` beside the columns of a key.

ALTER TABLE api_key ADD COLUMN key_name text NOT NULL DEFAULT '' CHECK (length(key_name) <= 80);

COMMENT ON COLUMN api_key.key_name IS 'What its owner calls it; empty: nothing. A successor has the same.';

CREATE INDEX api_key_by_tenant ON api_key (tenant_id, created_at);

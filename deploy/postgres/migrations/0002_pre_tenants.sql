-- Who owns data, keys and quotas. Of a key only its SHA-256 is kept.

CREATE TABLE tenant (
    tenant_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (name <> ''),
    points_per_s double precision NOT NULL DEFAULT 50000 CHECK (points_per_s > 0),
    points_burst double precision NOT NULL DEFAULT 500000 CHECK (points_burst > 0),
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_key (
    key_hash   bytea PRIMARY KEY CHECK (length(key_hash) = 32),
    tenant_id  bigint NOT NULL REFERENCES tenant,
    scope      text NOT NULL CHECK (scope IN ('write', 'read', 'admin')),
    prefix     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

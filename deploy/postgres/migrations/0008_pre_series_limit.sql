-- How many series of a tenant may be active at once; what comes beyond is counted into overflow series by the gateway.

ALTER TABLE tenant ADD COLUMN max_series integer NOT NULL DEFAULT 10000 CHECK (max_series > 0);

COMMENT ON COLUMN tenant.max_series IS
    'Active series at most, as each gateway sees them; a change is heeded within about a minute.';

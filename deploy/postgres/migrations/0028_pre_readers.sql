-- migration: schema=2
-- Who asks in SQL signs in as a login of Postgres that is bound to tenants. What a login reads follows from `session_user`,
-- which no SET changes: SET ROLE moves `current_user` alone, and SET SESSION AUTHORIZATION is a superuser's.

CREATE TABLE reader_login (
    role      name NOT NULL,
    tenant_id bigint NOT NULL REFERENCES tenant,
    bound_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (role, tenant_id)
);

COMMENT ON TABLE reader_login IS 'Which tenants'' rows a login of Postgres reads, through the views for readers; granted to nobody.';
COMMENT ON COLUMN reader_login.role IS 'The login, as session_user names it: roles belong to the cluster, this row to one database.';

-- It acts with the rights of its owner, so it must find its tables whatever the caller's search_path is.
SELECT set_config('search_path', format('%I, pg_catalog, pg_temp', current_schema()), true);

CREATE FUNCTION readable_tenants() RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT CASE WHEN pg_has_role(session_user, current_user, 'MEMBER')
        THEN ARRAY(SELECT tenant_id FROM tenant)
        ELSE ARRAY(SELECT tenant_id FROM reader_login WHERE role = session_user)
    END
$$;

COMMENT ON FUNCTION readable_tenants IS
    'Tenants whose rows this login reads: those it is bound to; all, for the owner of the tables, who can read them anyway.';

CREATE FUNCTION complete_until() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT to_timestamp(min(watermark_ms) / 1000.0) FROM partition_state WHERE topic LIKE '%telemetry.metrics.v1'
$$;

COMMENT ON FUNCTION complete_until IS 'Up to when the windows of all partitions are closed; later ones may still be open somewhere.';

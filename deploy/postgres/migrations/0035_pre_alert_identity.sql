-- migration: schema=2
-- An alert is named by 128 bits of its tenant, rule and labels. The column follows from them, so that rows of builds that
-- know no ids have one as well. Services compute the same: services/alerts/domain/identity.py.

CREATE FUNCTION alert_id_of(tenant_id bigint, rule text, labels jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(substr(sha256(
        convert_to(tenant_id::text, 'UTF8') || '\x00'::bytea || convert_to(rule, 'UTF8') || '\x00'::bytea
        || coalesce((
            SELECT string_agg(
                convert_to(key, 'UTF8') || '\x00'::bytea || convert_to(value, 'UTF8') || '\x00'::bytea, ''::bytea
                ORDER BY key COLLATE "C"
            ) FROM jsonb_each_text(labels)
        ), ''::bytea)
    ), 1, 16), 'hex')
$$;

COMMENT ON FUNCTION alert_id_of IS 'The name of an alert: the first half of the SHA-256 of its tenant, rule and labels.';

ALTER TABLE alert_instance ADD COLUMN alert_id text GENERATED ALWAYS AS (alert_id_of(tenant_id, rule, labels)) STORED;

CREATE INDEX alert_instance_by_id ON alert_instance (tenant_id, alert_id);

COMMENT ON COLUMN alert_instance.alert_id IS 'Names the alert; 64 bits as its fingerprint has can be made to collide.';

-- What lasts of a tenant is looked for every few seconds, and is little of what there is.
CREATE INDEX alert_instance_lasting ON alert_instance (tenant_id) WHERE state <> 'resolved';

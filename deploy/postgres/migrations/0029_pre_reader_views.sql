-- migration: schema=2
-- What readers may read: views that hold the rows of the tenants that their login is bound to. Each has a security barrier,
-- so that no function or operator of a question sees a row of another tenant, not even to fail on it; they read the tables
-- with their owner's rights, and readers have no right on a table. `time` is the column that tools put on an axis.

CREATE VIEW readable_tenant WITH (security_barrier) AS
SELECT name AS tenant, tenant_id, points_per_s, points_burst, max_series, created_at
FROM tenant WHERE tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

COMMENT ON VIEW readable_tenant IS 'The tenants whose rows you read, with their limits.';

CREATE VIEW metric_series WITH (security_barrier) AS
SELECT t.name AS tenant, s.metric, s.kind, s.unit, s.labels, s.series_id, s.seen_on
FROM series s JOIN tenant t USING (tenant_id) WHERE s.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

COMMENT ON VIEW metric_series IS 'Every series that there is: its metric, kind, unit and labels.';

CREATE VIEW window_10s WITH (security_barrier) AS
SELECT r.window_start AS time, t.name AS tenant, s.metric, s.kind, s.unit, s.labels, r.count, r.samples, r.sum, r.min, r.max,
       r.last, r.last_at, sketch_of(r.sketch_bucket, r.sketch_weight) AS sketch, r.distinct_sketch, r.revision, r.late_count,
       r.watermark, r.extremes_estimated, r.kept_up, r.series_id
FROM rollup_10s r JOIN series s USING (series_id) JOIN tenant t USING (tenant_id)
WHERE s.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

CREATE VIEW window_1m WITH (security_barrier) AS
SELECT r.window_start AS time, t.name AS tenant, s.metric, s.kind, s.unit, s.labels, r.count, r.samples, r.sum, r.min, r.max,
       r.last, r.last_at, sketch_of(r.sketch_bucket, r.sketch_weight) AS sketch, r.distinct_sketch, r.revision, r.late_count,
       r.watermark, r.extremes_estimated, r.series_id
FROM rollup_1m r JOIN series s USING (series_id) JOIN tenant t USING (tenant_id)
WHERE s.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

CREATE VIEW window_15m WITH (security_barrier) AS
SELECT r.window_start AS time, t.name AS tenant, s.metric, s.kind, s.unit, s.labels, r.count, r.samples, r.sum, r.min, r.max,
       r.last, r.last_at, sketch_of(r.sketch_bucket, r.sketch_weight) AS sketch, r.distinct_sketch, r.revision, r.late_count,
       r.watermark, r.extremes_estimated, r.series_id
FROM rollup_15m r JOIN series s USING (series_id) JOIN tenant t USING (tenant_id)
WHERE s.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

COMMENT ON VIEW window_10s IS 'Windows of 10 s, a row for each series in it: those of rollup_10s.';
COMMENT ON VIEW window_1m IS 'Windows of a minute, a row for each series in it: those of rollup_1m.';
COMMENT ON VIEW window_15m IS 'Windows of 15 minutes, a row for each series in it: those of rollup_15m.';

CREATE VIEW ledger WITH (security_barrier) AS
SELECT l.minute AS time, t.name AS tenant, l.topic, l.partition, l.outcome, l.count
FROM ledger_1m l LEFT JOIN tenant t USING (tenant_id)
WHERE l.tenant_id = ANY ((SELECT 0 || readable_tenants())::bigint[]);

COMMENT ON VIEW ledger IS
    'What came in and what became of it, by the minute of its append; tenant null: messages that were lost, whoever sent them.';

-- Under the names that the source documents give to what they keep.

CREATE VIEW performance_metric AS
SELECT time, tenant, metric, kind, unit, labels, labels ->> 'page' AS page, labels ->> 'rating' AS rating, count, samples, sum,
       sum / nullif(count, 0) AS avg, min, max, last, sketch_quantile(sketch, 0.5, min, max) AS p50,
       sketch_quantile(sketch, 0.75, min, max) AS p75, sketch_quantile(sketch, 0.95, min, max) AS p95,
       sketch_quantile(sketch, 0.99, min, max) AS p99, sketch, revision, late_count
FROM window_1m;

COMMENT ON VIEW performance_metric IS 'Every metric by minute and series, in its own unit. Merge `sketch` for quantiles of several rows.';

CREATE VIEW api_response_time AS
SELECT time, tenant, labels ->> 'endpoint' AS endpoint, labels ->> 'method' AS method, labels ->> 'status' AS status, count,
       samples, sum / nullif(count, 0) AS avg_s, min AS min_s, max AS max_s, sketch_quantile(sketch, 0.5, min, max) AS p50_s,
       sketch_quantile(sketch, 0.95, min, max) AS p95_s, sketch_quantile(sketch, 0.99, min, max) AS p99_s, sketch, labels,
       revision, late_count
FROM window_1m WHERE metric = 'api.response_seconds';

COMMENT ON VIEW api_response_time IS 'Response times in seconds, by minute, endpoint, method and status. Merge `sketch` for quantiles of several rows.';

CREATE VIEW user_event WITH (security_barrier) AS
SELECT e.ts AS time, t.name AS tenant, e.type, e.name, e.session_id, e.user_id, e.properties, e.event_id, e.received_at
FROM event e JOIN tenant t USING (tenant_id) WHERE e.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

COMMENT ON VIEW user_event IS 'Events by the time that the client says, each once.';

CREATE VIEW conversion_funnel WITH (security_barrier) AS
SELECT taken.time, t.name AS tenant, f.funnel, f.session_id, taken.step::integer AS step,
       CASE f.funnel WHEN 'effect_creation' THEN (ARRAY[
           'effect_discovery', 'effect_viewing', 'effect_start', 'image_upload', 'parameter_setting',
           'processing_start', 'processing_complete', 'result_download', 'result_sharing'
       ])[taken.step] END AS step_name,
       taken.time - f.reached_at[taken.step::integer - 1] AS since_step_before, f.entered_at, f.reached, f.out_of_order
FROM funnel_entry f JOIN tenant t USING (tenant_id), unnest(f.reached_at) WITH ORDINALITY AS taken (time, step)
WHERE f.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

COMMENT ON VIEW conversion_funnel IS 'The steps of funnels that sessions took in order, a row for each session and step; the entry is step 1.';
COMMENT ON COLUMN conversion_funnel.reached IS 'How many steps the session took in all.';

CREATE FUNCTION figure_of(value jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value::numeric = 0 OR abs(value::numeric) BETWEEN 1e-300 AND 1e300)
        THEN value::numeric::double precision END
$$;

COMMENT ON FUNCTION figure_of IS 'The number that a client wrote; null for anything else, and for what no double holds.';

CREATE VIEW rule_alert WITH (security_barrier) AS
SELECT to_timestamp(e.at_ms / 1000.0) AS time, t.name AS tenant, e.rule AS alert, 'rule' AS raised_by,
       e.labels ->> 'severity' AS severity, CASE WHEN ended.rule IS NULL THEN 'firing' ELSE 'resolved' END AS state,
       to_timestamp(ended.at_ms / 1000.0) AS resolved_at, coalesce(e.annotations ->> 'summary', e.expr) AS message,
       e.value, e.threshold, e.labels, e.fingerprint, e.series_id
FROM alert_event e JOIN tenant t USING (tenant_id)
    LEFT JOIN alert_event ended ON ended.rule = e.rule AND ended.series_id = e.series_id
        AND ended.episode_ms = e.episode_ms AND ended.transition = 'resolved' AND ended.tenant_id = e.tenant_id
WHERE e.transition = 'firing' AND e.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

CREATE VIEW client_alert WITH (security_barrier) AS
SELECT e.ts AS time, t.name AS tenant, e.name AS alert, 'client' AS raised_by, e.properties ->> 'severity' AS severity,
       CASE WHEN e.properties -> 'resolved' = 'true' THEN 'resolved' ELSE 'firing' END AS state,
       NULL::timestamptz AS resolved_at, e.properties ->> 'message' AS message, figure_of(e.properties -> 'value') AS value,
       figure_of(e.properties -> 'threshold') AS threshold, e.properties AS labels, NULL::text AS fingerprint,
       NULL::bigint AS series_id
FROM event e JOIN tenant t USING (tenant_id)
WHERE e.type = 'alert' AND e.tenant_id = ANY ((SELECT readable_tenants())::bigint[]);

COMMENT ON VIEW rule_alert IS 'Alerts of rules that fired, a row for each time.';
COMMENT ON VIEW client_alert IS 'Alerts that clients raised by themselves.';

-- Each half has a barrier of its own, for nothing may hang on that of a union.

CREATE VIEW performance_alert AS SELECT * FROM rule_alert UNION ALL SELECT * FROM client_alert;

COMMENT ON VIEW performance_alert IS
    'Alerts that fired, a row for each time: those of rules, and those that clients raised by themselves (raised_by).';

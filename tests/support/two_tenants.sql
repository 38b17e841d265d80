-- The rows of one tenant, of each kind that readers see; every text of them holds the tenant's own mark, {mark}.

WITH made AS (INSERT INTO tenant (name) VALUES ('{tenant}') RETURNING tenant_id), metrics AS (
    SELECT * FROM (VALUES
        ('api.response_seconds', 'delta', 's', '{{"endpoint": "/{mark}", "method": "GET", "status": "200"}}'),
        ('users.active', 'delta', '', '{{"of": "{mark}"}}'),
        ('events.count', 'delta', '', '{{"type": "error", "of": "{mark}"}}'),
        ('network.sent_bytes', 'cumulative', 'By', '{{"host": "{mark}"}}'),
        ('web_vital.lcp', 'gauge', 'ms', '{{"page": "/{mark}", "rating": "good"}}'),
        ('{mark}.own', 'gauge', '1', '{{"{mark}": "{mark}"}}')
    ) AS metric (metric, kind, unit, labels)
)
INSERT INTO series (series_id, tenant_id, metric, kind, unit, labels)
SELECT hashtextextended(metric, tenant_id), tenant_id, metric, kind, unit, labels::jsonb FROM metrics, made;

WITH own AS (
    SELECT series_id, date_bin('15 minutes', now(), 'epoch') - n * interval '15 minutes' AS window_start
    FROM series JOIN tenant USING (tenant_id), generate_series(1, 2) AS n WHERE name = '{tenant}'
), filled AS (
    SELECT window_start, series_id, 1 AS revision, 1 AS late_count, 2 AS count, {figure} AS sum, {figure} - 1 AS min,
           {figure} + 1 AS max, now() AS watermark, '{{12000, 12050}}'::smallint[] AS sketch_bucket,
           '{{1, 1}}'::double precision[] AS sketch_weight, '\x000701010502'::bytea AS distinct_sketch,
           true AS extremes_estimated, 20 AS samples
    FROM own
), fine AS (
    INSERT INTO rollup_10s (window_start, series_id, revision, late_count, count, sum, min, max, watermark, sketch_bucket,
                            sketch_weight, distinct_sketch, extremes_estimated, samples, kept_up)
    SELECT *, false FROM filled
), minutes AS (
    INSERT INTO rollup_1m (window_start, series_id, revision, late_count, count, sum, min, max, watermark, sketch_bucket,
                           sketch_weight, distinct_sketch, extremes_estimated, samples)
    SELECT * FROM filled
)
INSERT INTO rollup_15m (window_start, series_id, revision, late_count, count, sum, min, max, watermark, sketch_bucket,
                        sketch_weight, distinct_sketch, extremes_estimated, samples)
SELECT * FROM filled;

INSERT INTO event (ts, received_at, tenant_id, event_id, type, name, session_id, user_id, properties)
SELECT now() - interval '2 minutes', now(), tenant_id, '{mark}-' || type, type, '{mark}', 'session {mark}', 'user {mark}',
       jsonb_build_object('of', '{mark}', 'severity', 'critical', 'value', {figure}, 'threshold', 1, 'url', '/{mark}')
FROM tenant, unnest(ARRAY['page_view', 'error', 'alert']) AS type WHERE name = '{tenant}';

INSERT INTO funnel_entry (tenant_id, funnel, session_id, first_at, entered_at, reached, reached_at, out_of_order, step, step_at)
SELECT tenant_id, 'effect_creation', 'session {mark}', at, at, 2, ARRAY[at, at + interval '9 s'], 0, '{{0, 1}}',
       ARRAY[at, at + interval '9 s']
FROM tenant, LATERAL (SELECT now() - interval '1 hour' AS at) AS entered WHERE name = '{tenant}';

INSERT INTO alert_event (rule, series_id, episode_ms, transition, tenant_id, reason, decided_on, at_ms, window_start_ms, value,
    threshold, expr, count, revision, watermark_ms, labels, key, annotations, fingerprint)
SELECT 'Slow {mark}', {figure}, 1, transition, tenant_id, 'breach', 'live', 1000 * extract(epoch FROM now() - interval '1 hour'),
       0, {figure}, 5, '{mark} > 5', 1, 0, 0, '{{"severity": "warning", "of": "{mark}"}}', '{mark}', '{{"summary": "{mark}"}}', '{mark}'
FROM tenant, unnest(ARRAY['pending', 'firing', 'resolved']) AS transition WHERE name = '{tenant}';

INSERT INTO ledger_1m (minute, tenant_id, topic, partition, outcome, count)
SELECT date_trunc('minute', now()) - interval '5 minutes', tenant_id, 'telemetry.metrics.v1', 0, outcome, {figure}
FROM tenant, unnest(ARRAY['received', 'counted', 'rejected:{mark}']) AS outcome WHERE name = '{tenant}';

-- Rows in every table, so many that reading one from end to end costs more than an index.
-- Twenty tenants have a thousand series each; the first thousand series have rollups.

INSERT INTO tenant (name) SELECT 'tenant ' || n FROM generate_series(1, 1000) AS n;

INSERT INTO api_key (key_hash, tenant_id, scope, prefix) SELECT sha256(convert_to('key ' || n, 'UTF8')), n, 'read',
    'tg' FROM generate_series(1, 1000) AS n;

INSERT INTO series SELECT n, 1 + n % 20, 'metric ' || n / 20 % 50, 'delta', 's', '{}' FROM generate_series(1, 20000)
    AS n;

INSERT INTO rollup_10s (window_start, series_id, revision, late_count, count, sum, min, max, last, last_at,
    watermark, sketch_bucket, sketch_weight)
SELECT date_bin('10 seconds', now(), 'epoch') - n * interval '10 seconds', series_id, 0, 0, 2, 8, 3, 5, 3, now(), now(),
    '{12000, 12050}', '{1, 1}'
FROM generate_series(1, 40) AS n, generate_series(1, 1000) AS series_id;

INSERT INTO rollup_1m (window_start, series_id, revision, late_count, count, sum, min, max, last, last_at,
    watermark, sketch_bucket, sketch_weight)
SELECT date_bin('1 minute', now(), 'epoch') - n * interval '1 minute', series_id, 0, 0, 2, 8, 3, 5, 3, now(), now(),
    '{12000, 12050}', '{1, 1}'
FROM generate_series(1, 40) AS n, generate_series(1, 1000) AS series_id;

INSERT INTO rollup_15m (window_start, series_id, revision, late_count, count, sum, min, max, last, last_at,
    watermark, sketch_bucket, sketch_weight)
SELECT date_bin('15 minutes', now(), 'epoch') - n * interval '15 minutes', series_id, 0, 0, 2, 8, 3, 5, 3, now(), now(),
    '{12000, 12050}', '{1, 1}'
FROM generate_series(1, 40) AS n, generate_series(1, 1000) AS series_id;

INSERT INTO event SELECT now() - n * interval '10 seconds', now(), 1 + n % 20, 'event ' || n, 'click', 'name',
    'session ' || n % 1000, 'user ' || n % 1000, '{}' FROM generate_series(1, 40000) AS n;

INSERT INTO event_id SELECT 1 + n % 20, 'event ' || n, date_trunc('day', now()) - n % 8 * interval '1 day' FROM
    generate_series(1, 160000) AS n;

INSERT INTO funnel_entry SELECT 1 + n % 20, 'effect_creation', 'session ' || n, at, at, 2, ARRAY[at, at], 0, '{0, 1}',
    ARRAY[at, at], at FROM generate_series(1, 40000) AS n, LATERAL (SELECT now() - n * interval '196 seconds'
    AS at) AS entered;

INSERT INTO partition_state SELECT 'topic ' || n / 12, n % 12, 1, 'worker', 1000, 0, '', NULL, now() FROM
    generate_series(0, 2399) AS n;

INSERT INTO rollup_group_10s SELECT date_bin('10 seconds', now(), 'epoch') - n * interval '10 seconds', 1 + m % 20,
    'metric ' || m, label_set, 'topic 7', partition, '\x05' FROM generate_series(1, 40) AS n, generate_series(0, 49) AS m,
    unnest(ARRAY['', 'endpoint']) AS label_set, generate_series(0, 11) AS partition;

INSERT INTO rollup_group_1m SELECT date_bin('1 minute', now(), 'epoch') - n * interval '1 minute', 1 + m % 20,
    'metric ' || m, label_set, 'topic 7', partition, '\x05' FROM generate_series(1, 40) AS n, generate_series(0, 49) AS m,
    unnest(ARRAY['', 'endpoint']) AS label_set, generate_series(0, 11) AS partition;

INSERT INTO rollup_group_15m SELECT date_bin('15 minutes', now(), 'epoch') - n * interval '15 minutes', 1 + m % 20,
    'metric ' || m, label_set, 'topic 7', partition, '\x05' FROM generate_series(1, 40) AS n, generate_series(0, 49) AS m,
    unnest(ARRAY['', 'endpoint']) AS label_set, generate_series(0, 11) AS partition;

INSERT INTO merged_group_15m SELECT DISTINCT window_start, tenant_id, metric, label_set, topic, md5('')::uuid, packed FROM
    rollup_group_15m;

INSERT INTO prepared_group SELECT topic, partition, resolution_ms, pattern, '', now(), 1 FROM partition_state,
    unnest(ARRAY[10000, 60000, 900000]) AS resolution_ms, unnest(ARRAY['*', 'web_vital.*']) AS pattern;

INSERT INTO breaker (topic, partition, let_through) SELECT 'topic 7', n, 0 FROM generate_series(0, 11) AS n;

INSERT INTO open_window SELECT topic, partition, 60000, convert_to(repeat('x', 1000), 'UTF8') FROM partition_state;

INSERT INTO dead_letter SELECT topic, partition, 40 * n, 'bad', 'reason', '' FROM partition_state,
    generate_series(1, 20) AS n;

INSERT INTO batch_id SELECT topic, partition, now() - n * interval '3 hours', 1000 - n, '123', '1234567890123456',
    '1234567890123456' FROM partition_state, generate_series(1, 10) AS n;

INSERT INTO ledger_1m SELECT date_trunc('minute', now()) - n * interval '1 minute', tenant_id, 'topic 1', partition,
    'counted', 5 FROM generate_series(1, 300) AS n, generate_series(1, 20) AS tenant_id, generate_series(0, 9) AS
    partition;

INSERT INTO alert_instance SELECT 'rule ' || n % 10, n, 'topic ' || n % 200, n % 12, 1 + n % 20, CASE WHEN n % 2 = 0
    THEN 'firing' ELSE 'resolved' END, 0, 0, 0, 0, 900000, 0, 1, 'api:response_seconds:max_10s > 5', 'finger ' || n,
    jsonb_build_object('alertname', 'Slow', 'tenant', 't', 'n', n::text), '{}', now() - n * interval '29 minutes' FROM generate_series(1, 20000)
    AS n;

INSERT INTO alert_event SELECT rule, series_id, 0, transition, tenant_id, 'closed', 'window', 0, 0, 1, 1, 'x > 1',
    1, 0, 0, '{}', 'key', updated_at, '{}', fingerprint, 0, 0, 0 FROM alert_instance, unnest(ARRAY['pending', 'firing', 'resolved']) AS
    transition;

INSERT INTO alert_window SELECT 'topic ' || n % 200, n % 12, n, 0, decode('87a17605a9706172746974696f6e00a566696e616cc3ab6e6578745f6f666673657401ac77617465726d61726b5f6d7300a6'
    '73657269657390a7636f6c756d6e738ea4736c6f74c400a873746172745f6d73c400a5636f756e74c400a373756dc400a36d'
    '696ec400a36d6178c400a46c617374c400a76c6173745f6d73c400a87265766973696f6ec400aa6c6174655f636f756e74c4'
    '00ac77617465726d61726b5f6d73c400a9736b657463685f6174c4080000000000000000a66275636b6574c400a677656967'
    '6874c400', 'hex')
    FROM generate_series(1, 20000) AS n;

INSERT INTO alert_coverage SELECT 'topic ' || n % 200, n % 12, 'leaf ' || n, 0 FROM generate_series(1, 20000) AS n;

INSERT INTO alert_outbox (topic, rule, series_id, episode_ms, transition) SELECT topic, rule, series_id, 0, 'firing'
    FROM alert_instance;

INSERT INTO notification (topic, receiver, key, rule, series_id, body, delivered_at, created_at) SELECT topic,
    'pager', rule || series_id, rule, series_id, '', CASE WHEN state = 'resolved' THEN now() END, now() - series_id
    * interval '31 seconds' FROM alert_instance;

INSERT INTO silence (tenant_id, matchers, starts_at, ends_at, author, comment, key_id) SELECT 1 + n % 20,
    '[{"name": "alertname", "operator": "=", "value": "Slow"}]', now() - n * interval '29 minutes',
    now() - (n - 2) * interval '29 minutes', 'mk', 'deploy', 'k' FROM generate_series(1, 20000) AS n;

INSERT INTO alert_note (tenant_id, alert_id, rule, series_id, episode_ms, topic, action, actor, text, key_id, at,
    settled_at) SELECT tenant_id, alert_id, rule, series_id, 0, topic, action, 'mk', 'x', 'k', updated_at, updated_at
    FROM alert_instance, unnest(ARRAY['ack', 'resolve']) AS action;

INSERT INTO archive_file SELECT 'rollup_15m', tenant_id, date '2026-01-01' + n, 'name', 1, 0, 1, sha256('') FROM
    generate_series(1, 50) AS tenant_id, generate_series(0, 359) AS n;

INSERT INTO archive_day SELECT 'rollup_15m', date '2026-01-01' + n, now(), now(), now() FROM generate_series(0, 359) AS n;

ANALYZE;

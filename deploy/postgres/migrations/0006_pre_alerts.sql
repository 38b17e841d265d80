-- What the alert service writes: where each alert stands, every transition with its grounds, and what receivers are
-- still to be told. All three move in the transaction that moves the offset.

CREATE TABLE alert_instance (
    rule           text NOT NULL,
    series_id      bigint NOT NULL,
    topic          text NOT NULL,
    partition      integer NOT NULL,
    tenant_id      bigint NOT NULL,
    state          text NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    episode_ms     bigint NOT NULL,
    active_at_ms   bigint NOT NULL,
    fired_at_ms    bigint,
    resolved_at_ms bigint,
    last_closed_ms bigint NOT NULL,
    last_breach_ms bigint NOT NULL,
    value          double precision NOT NULL,
    expr           text NOT NULL,
    fingerprint    text NOT NULL,
    labels         jsonb NOT NULL,
    annotations    jsonb NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rule, series_id)
);

CREATE INDEX alert_instance_by_partition ON alert_instance (topic, partition) WHERE state <> 'resolved';
CREATE INDEX alert_instance_by_tenant ON alert_instance (tenant_id, updated_at);
CREATE INDEX alert_instance_by_fingerprint ON alert_instance (tenant_id, fingerprint);

COMMENT ON TABLE alert_instance IS 'The alert of a rule and a series as it stands now.';
COMMENT ON COLUMN alert_instance.episode_ms IS 'Start of the window whose breach began the present episode.';
COMMENT ON COLUMN alert_instance.last_closed_ms IS 'Start of the latest closed window that was judged.';
COMMENT ON COLUMN alert_instance.last_breach_ms IS 'Start of the latest window known to breach, live or closed.';

CREATE TABLE alert_event (
    rule            text NOT NULL,
    series_id       bigint NOT NULL,
    episode_ms      bigint NOT NULL,
    transition      text NOT NULL CHECK (transition IN ('pending', 'firing', 'resolved', 'cancelled')),
    tenant_id       bigint NOT NULL,
    reason          text NOT NULL,
    decided_on      text NOT NULL,
    at_ms           bigint NOT NULL,
    window_start_ms bigint NOT NULL,
    value           double precision NOT NULL,
    threshold       double precision NOT NULL,
    expr            text NOT NULL,
    count           double precision NOT NULL,
    revision        bigint NOT NULL,
    watermark_ms    bigint NOT NULL,
    labels          jsonb NOT NULL,
    key             text NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rule, series_id, episode_ms, transition)
);

CREATE INDEX alert_event_by_time ON alert_event (tenant_id, recorded_at);

COMMENT ON TABLE alert_event IS 'Every transition of every alert, once, with the window, value and rule it was decided on.';
COMMENT ON COLUMN alert_event.key IS 'Idempotency key: the same in every repeat of every notification of this transition.';

CREATE TABLE notification (
    notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic           text NOT NULL,
    receiver        text NOT NULL,
    key             text NOT NULL,
    rule            text NOT NULL,
    series_id       bigint NOT NULL,
    body            bytea NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL DEFAULT now(),
    delivered_at    timestamptz,
    given_up_at     timestamptz,
    problem         text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (receiver, key)
);

CREATE INDEX notification_due ON notification (topic, receiver, next_at)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX notification_of_alert ON notification (receiver, rule, series_id, notification_id)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX notification_by_age ON notification (created_at);

COMMENT ON TABLE notification IS 'The outbox: what is to be told to whom; delivered at least once, always under the same key.';
COMMENT ON COLUMN notification.next_at IS 'When it is tried, or tried again; in the future also while somebody is at it.';

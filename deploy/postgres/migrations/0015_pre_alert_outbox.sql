-- migration: schema=2
-- The alert service in two halves: evaluation writes transitions and an outbox row for each; dispatch puts notifications
-- in its place and renders them when it delivers. A build that renders them itself goes on: it names its columns.

ALTER TABLE alert_event
    ADD COLUMN annotations    jsonb,
    ADD COLUMN fingerprint    text,
    ADD COLUMN active_at_ms   bigint,
    ADD COLUMN fired_at_ms    bigint,
    ADD COLUMN resolved_at_ms bigint;

COMMENT ON COLUMN alert_event.annotations IS 'As they read at this transition; null in rows of the build before.';

CREATE TABLE alert_outbox (
    outbox_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    rule       text NOT NULL,
    series_id  bigint NOT NULL,
    episode_ms bigint NOT NULL,
    transition text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX alert_outbox_by_topic ON alert_outbox (topic, outbox_id);

COMMENT ON TABLE alert_outbox IS 'Transitions that no receiver has been chosen for, in the order of the log.';

ALTER TABLE notification ALTER COLUMN body DROP NOT NULL;

COMMENT ON TABLE notification IS 'What each receiver is to hear of; delivered at least once, always under the same key.';
COMMENT ON COLUMN notification.body IS 'Null: rendered from its transition at each attempt.';

-- migration: schema=2
-- What holds for a topic as long as it exists, so that a replay decides as the first reader did.

CREATE TABLE topic_setting (
    topic       text PRIMARY KEY,
    disorder_ms integer NOT NULL CHECK (disorder_ms BETWEEN 0 AND 600000)
);

COMMENT ON TABLE topic_setting IS 'Settings of topics; a topic without a row has the defaults. Fixed once the topic is read.';
COMMENT ON COLUMN topic_setting.disorder_ms IS 'How far the watermark stays behind the latest point.';

COMMENT ON COLUMN event.received_at IS 'When the broker appended it to the log.';
COMMENT ON TABLE ledger_1m IS 'What became of what was received, by the minute in which the broker appended it; kept for 30 days.';
COMMENT ON COLUMN batch_id.received_at IS 'Log time of the newest of them: the highest append time so far.';

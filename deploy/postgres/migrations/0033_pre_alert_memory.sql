-- migration: schema=2
-- What evaluation remembers of an alert beside its state: how its series is heard, so that silence is told from a
-- reporter that is slow, and since when it recovers. A build before this one leaves the columns as they are.

ALTER TABLE alert_instance
    ADD COLUMN is_level            boolean NOT NULL DEFAULT false,
    ADD COLUMN heard_ms            bigint,
    ADD COLUMN heard_window_ms     bigint,
    ADD COLUMN hearings            integer NOT NULL DEFAULT 1,
    ADD COLUMN gap_ms              bigint NOT NULL DEFAULT 0,
    ADD COLUMN recovering_since_ms bigint;

COMMENT ON COLUMN alert_instance.is_level IS 'Whether the series is a gauge, whose last value goes on between points.';
COMMENT ON COLUMN alert_instance.heard_ms IS 'Watermark at which the series was heard last; null: a build before this one wrote the row.';
COMMENT ON COLUMN alert_instance.heard_window_ms IS 'Start of the latest window with points of the series.';
COMMENT ON COLUMN alert_instance.hearings IS 'How often the series was heard in this episode.';
COMMENT ON COLUMN alert_instance.gap_ms IS 'Longest time between two hearings.';
COMMENT ON COLUMN alert_instance.recovering_since_ms IS 'Since when the alert is clear and kept firing; null: it is not.';

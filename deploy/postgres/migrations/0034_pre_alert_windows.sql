-- migration: schema=2
-- What rules with ranges look back on: the closed windows of the series that they read, and since when these are kept.
-- A range that is not covered yet decides nothing.

CREATE TABLE alert_window (
    topic         text NOT NULL,
    partition     integer NOT NULL,
    next_offset   bigint NOT NULL,
    last_start_ms bigint NOT NULL,
    body          bytea NOT NULL,
    PRIMARY KEY (topic, partition, next_offset)
);

COMMENT ON TABLE alert_window IS 'Closed windows that rules with ranges look back on; one row a commit.';
COMMENT ON COLUMN alert_window.next_offset IS 'Offset of the checkpoint of that commit.';
COMMENT ON COLUMN alert_window.last_start_ms IS 'Start of the latest of these windows; a row goes when no range reaches it.';

CREATE TABLE alert_coverage (
    topic     text NOT NULL,
    partition integer NOT NULL,
    leaf      text NOT NULL,
    since_ms  bigint NOT NULL,
    PRIMARY KEY (topic, partition, leaf)
);

COMMENT ON TABLE alert_coverage IS 'Since when the windows of a leaf of a rule are kept.';
COMMENT ON COLUMN alert_coverage.leaf IS 'Hash of selector and range.';

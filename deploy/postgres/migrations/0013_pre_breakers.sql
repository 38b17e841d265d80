-- Partitions that were stopped because too many of their messages were bad, and what an operator decided; and, of each
-- dead letter, whether it was published again.

CREATE TABLE breaker (
    topic         text NOT NULL,
    partition     integer NOT NULL,
    let_through   bigint NOT NULL DEFAULT 0,
    stopped_at    bigint,
    reason        text,
    stopped_since timestamptz,
    PRIMARY KEY (topic, partition)
);

COMMENT ON TABLE breaker IS 'Partitions that were stopped at some time; others have no row.';
COMMENT ON COLUMN breaker.let_through IS 'Bad messages below this offset do not stop the partition: an operator said so.';
COMMENT ON COLUMN breaker.stopped_at IS 'The next message, which is not taken; NULL: the partition goes on.';

ALTER TABLE dead_letter ADD COLUMN replayed_at timestamptz, ADD COLUMN replays integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN dead_letter.replayed_at IS 'When it was last published again; NULL: never.';

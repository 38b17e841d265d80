-- migration: schema=2
-- A checkpoint says which log it was written for: the ids of the cluster and of the topic, the number of partitions, and
-- the last record that was folded. A topic that was made again, truncated, restored or widened is recognised by them.

ALTER TABLE partition_state
    ADD COLUMN cluster_id       text,
    ADD COLUMN topic_id         uuid,
    ADD COLUMN partitions       integer,
    ADD COLUMN routed_by        integer,
    ADD COLUMN last_offset      bigint,
    ADD COLUMN last_appended_ms bigint,
    ADD COLUMN last_checksum    bytea,
    ADD COLUMN offset_base      bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN partition_state.cluster_id IS 'Kafka cluster of the log; NULL: not known yet.';
COMMENT ON COLUMN partition_state.topic_id IS 'Id that the broker gave the topic when it was created.';
COMMENT ON COLUMN partition_state.partitions IS 'Partitions that the topic had when its log was accepted.';
COMMENT ON COLUMN partition_state.routed_by IS 'Number of partitions that records are routed by; later ones stay empty.';
COMMENT ON COLUMN partition_state.last_offset IS 'The last record that was folded.';
COMMENT ON COLUMN partition_state.last_appended_ms IS 'When the broker appended that record, milliseconds UTC.';
COMMENT ON COLUMN partition_state.last_checksum IS 'xxh3_64 of its value.';
COMMENT ON COLUMN partition_state.offset_base IS
    'Offset in this table minus offset in Kafka: above 0 once another log was accepted, so that offsets never fall.';

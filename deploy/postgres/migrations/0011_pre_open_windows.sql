-- Open coarse windows are kept whole whenever a finer window closes into them: reading the finer rows back took longer
-- than a worker may take to acquire its partitions. So nobody needs to know the partition of a series.

CREATE TABLE open_window (
    topic         text NOT NULL,
    partition     integer NOT NULL,
    resolution_ms integer NOT NULL,
    snapshot      bytea NOT NULL,
    PRIMARY KEY (topic, partition, resolution_ms)
) WITH (fillfactor = 50);

ALTER TABLE open_window ALTER COLUMN snapshot SET STORAGE EXTERNAL;

COMMENT ON TABLE open_window IS 'The open coarse window of a partition and tier, as it stood when a finer one last closed into it.';

ALTER TABLE series DROP COLUMN topic, DROP COLUMN partition;

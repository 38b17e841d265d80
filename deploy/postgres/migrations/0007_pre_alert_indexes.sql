-- What the alert service looks up besides what lasts: alerts that ended in windows which are still open, when it takes
-- over a partition; and rows past retention.

CREATE INDEX alert_instance_ended ON alert_instance (topic, partition, last_closed_ms) WHERE state = 'resolved';
CREATE INDEX alert_instance_by_age ON alert_instance (updated_at) WHERE state = 'resolved';
CREATE INDEX alert_event_by_age ON alert_event (recorded_at);

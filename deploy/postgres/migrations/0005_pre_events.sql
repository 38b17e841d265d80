-- What ingest writes: each event once, the ids it remembers, and how far sessions came in funnels.

CREATE TABLE event (
    ts          timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    tenant_id   bigint NOT NULL,
    event_id    text NOT NULL,
    type        text NOT NULL,
    name        text NOT NULL,
    session_id  text,
    user_id     text,
    properties  jsonb NOT NULL
) PARTITION BY RANGE (ts);

CREATE INDEX event_by_type ON event (tenant_id, type, ts);
CREATE INDEX event_by_session ON event (tenant_id, session_id, ts) WHERE session_id IS NOT NULL;
CREATE INDEX event_by_user ON event (tenant_id, user_id, session_id) WHERE user_id IS NOT NULL;

COMMENT ON TABLE event IS 'Events by event time, each stored once however often it was sent; kept for 30 days.';
COMMENT ON COLUMN event.ts IS 'When the client says it happened.';
COMMENT ON COLUMN event.received_at IS 'When the gateway took it in.';

CREATE TABLE event_id (
    tenant_id bigint NOT NULL,
    event_id  text NOT NULL,
    day       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id, day)
) PARTITION BY RANGE (day);

COMMENT ON TABLE event_id IS 'Ids of the events of the last days: a repeat is recognised by them.';
COMMENT ON COLUMN event_id.day IS 'Day (UTC) on which the broker appended the event.';

CREATE TABLE funnel_entry (
    tenant_id    bigint NOT NULL,
    funnel       text NOT NULL,
    session_id   text NOT NULL,
    first_at     timestamptz NOT NULL,
    entered_at   timestamptz,
    reached      smallint NOT NULL,
    reached_at   timestamptz[] NOT NULL,
    out_of_order integer NOT NULL,
    step         smallint[] NOT NULL,
    step_at      timestamptz[] NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, funnel, session_id)
);

CREATE INDEX funnel_entry_by_time ON funnel_entry (tenant_id, funnel, first_at);
CREATE INDEX funnel_entry_by_entry ON funnel_entry (tenant_id, funnel, entered_at) WHERE entered_at IS NOT NULL;
CREATE INDEX funnel_entry_by_age ON funnel_entry (updated_at);

COMMENT ON TABLE funnel_entry IS 'A session in a funnel: the steps it sent and how far it came in order.';
COMMENT ON COLUMN funnel_entry.entered_at IS 'Event time of the first step; null: only later steps were sent.';
COMMENT ON COLUMN funnel_entry.reached IS 'Steps taken in order of event time.';
COMMENT ON COLUMN funnel_entry.reached_at IS 'When each of them was taken.';
COMMENT ON COLUMN funnel_entry.out_of_order IS 'Steps sent before those that lead to them.';
COMMENT ON COLUMN funnel_entry.step IS 'Numbers of all steps sent, with their event times in step_at: what the rest is made from.';

SELECT ensure_partitions('event', interval '1 day', interval '1 day', interval '30 days');
SELECT ensure_partitions('event_id', interval '1 day', interval '1 day', interval '9 days');

-- migration: schema=2
-- People act on what is dispatched: they silence alerts for a time, and note of an episode who is at it, what was found, or
-- that it is over. Neither changes what evaluation finds. Keys of scope `oncall` may do both.

CREATE TABLE silence (
    silence_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id  bigint NOT NULL,
    matchers   jsonb NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    author     text NOT NULL CHECK (author <> ''),
    comment    text NOT NULL CHECK (comment <> ''),
    key_id     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expired_at timestamptz,
    expired_by text,
    CHECK (ends_at >= starts_at),
    CHECK ((expired_at IS NULL) = (expired_by IS NULL))
);

CREATE INDEX silence_by_tenant ON silence (tenant_id, ends_at);
CREATE INDEX silence_by_end ON silence (ends_at);

COMMENT ON TABLE silence IS 'A time in which alerts with such labels are not told of; a row changes once, when it is ended early.';
COMMENT ON COLUMN silence.matchers IS 'A list of {name, operator, value}; all of them must match.';
COMMENT ON COLUMN silence.key_id IS 'How the hash of the key begins that it was made with.';
COMMENT ON COLUMN silence.expired_at IS 'When it was ended, by whom, before its time; `ends_at` is the same then.';

CREATE TABLE alert_note (
    note_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id     bigint NOT NULL,
    alert_id      text NOT NULL,
    rule          text NOT NULL,
    series_id     bigint NOT NULL,
    episode_ms    bigint NOT NULL,
    topic         text NOT NULL,
    action        text NOT NULL CHECK (action IN ('ack', 'assign', 'comment', 'resolve')),
    actor         text NOT NULL CHECK (actor <> ''),
    text          text NOT NULL,
    key_id        text NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    dispatched_at timestamptz,
    settled_at    timestamptz,
    reopened_at   timestamptz
);

CREATE INDEX alert_note_by_alert ON alert_note (rule, series_id, episode_ms);
CREATE INDEX alert_note_open ON alert_note (topic, note_id) WHERE action = 'resolve' AND settled_at IS NULL;
CREATE INDEX alert_note_by_age ON alert_note (at);

COMMENT ON TABLE alert_note IS 'What people have said of an episode of an alert; rows are added, never changed but for the three times below.';
COMMENT ON COLUMN alert_note.dispatched_at IS 'Of `resolve`: receivers were told RESOLVED then.';
COMMENT ON COLUMN alert_note.settled_at IS 'Of `resolve`: dispatch has nothing more to do; the episode is over, or was told of anew.';
COMMENT ON COLUMN alert_note.reopened_at IS 'Of `resolve`: it went on breaching, so receivers were told FIRING again.';

ALTER TABLE notification
    ADD COLUMN episode_ms  bigint,
    ADD COLUMN transition  text,
    ADD COLUMN muted_by    uuid,
    ADD COLUMN group_key   text,
    ADD COLUMN message_key text;

CREATE INDEX notification_muted ON notification (topic, receiver, rule, series_id)
    WHERE muted_by IS NOT NULL AND delivered_at IS NULL AND given_up_at IS NULL;

CREATE INDEX notification_by_group ON notification (topic, receiver, group_key) WHERE group_key IS NOT NULL;

COMMENT ON COLUMN notification.group_key IS 'The group that it is told with; null: alone.';
COMMENT ON COLUMN notification.message_key IS 'The message that it is a member of, from its first attempt on; null: it is told alone, or waits.';
COMMENT ON COLUMN notification.transition IS 'What it says; null in rows of builds that know no silences, which are delivered as they stand.';
COMMENT ON COLUMN notification.muted_by IS 'The silence that holds it back, or that it was given up for.';

INSERT INTO retention (table_name, keep, least, step, ahead, behind) VALUES
    ('silence',    '400 days', '8 days', NULL, NULL, NULL),
    ('alert_note', '400 days', '8 days', NULL, NULL, NULL);

ALTER TABLE api_key
    DROP CONSTRAINT api_key_scope_check,
    ADD CONSTRAINT api_key_scope_check CHECK (scope IN ('write', 'beacon', 'read', 'oncall', 'admin'));

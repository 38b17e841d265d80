-- migration: schema=2
-- A refusal by a receiver (a 4xx) is tried again for a while: a redeployment that answers 404 for some seconds loses no page.

ALTER TABLE notification
    ADD COLUMN refused_since timestamptz,
    ADD COLUMN reduced boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN notification.refused_since IS 'Since when each answer was a refusal; null: the latest was none.';
COMMENT ON COLUMN notification.reduced IS 'The receiver found it too large: it is rendered without annotations from now on.';

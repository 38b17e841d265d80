-- migration: schema=2
-- A tenant that is made from now on has personal data and secrets taken out of its events, unless an operator says
-- otherwise. A tenant that is there stays as it is: what its events hold does not change by an upgrade.

ALTER TABLE tenant ALTER COLUMN scrub SET DEFAULT ARRAY['keys', 'token', 'email', 'card', 'phone', 'ip', 'url', 'path'];

COMMENT ON COLUMN tenant.scrub IS
    'What is taken out of the tenant''s events before they are in the log; by itself all but the ids of users.';

-- +goose Up

CREATE TABLE approvals (
    id            TEXT    NOT NULL UNIQUE,
    -- Empty for a change to the platform itself, so there is no foreign key.
    merchant_id   TEXT    NOT NULL,
    operation     TEXT    NOT NULL,
    target        TEXT    NOT NULL,
    input         TEXT    NOT NULL,
    diff          TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'withdrawn')),
    break_glass   INTEGER NOT NULL CHECK (break_glass IN (0, 1)),
    reason        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    created_by_id TEXT    NOT NULL,
    created_by    TEXT    NOT NULL,
    decided_at    INTEGER NOT NULL,
    decided_by_id TEXT    NOT NULL,
    decided_by    TEXT    NOT NULL,
    answer        TEXT    NOT NULL
) STRICT;
CREATE INDEX approvals_state ON approvals (state, id);
-- The queue of what every merchant asks for.
CREATE INDEX allowlist_requests_pending ON allowlist_requests (state, id);

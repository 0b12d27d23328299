-- +goose Up

CREATE TABLE allowlist_requests (
    id          TEXT    NOT NULL UNIQUE,
    merchant_id TEXT    NOT NULL REFERENCES merchants (id),
    action      TEXT    NOT NULL CHECK (action IN ('add', 'remove')),
    cidr        TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'withdrawn')),
    created_at  INTEGER NOT NULL,
    created_by  TEXT    NOT NULL,
    decided_at  INTEGER NOT NULL,
    decided_by  TEXT    NOT NULL,
    answer      TEXT    NOT NULL
) STRICT;
CREATE INDEX allowlist_requests_merchant ON allowlist_requests (merchant_id, id);
-- A range is asked about once at a time.
CREATE UNIQUE INDEX allowlist_requests_one_pending ON allowlist_requests (merchant_id, cidr) WHERE state = 'pending';

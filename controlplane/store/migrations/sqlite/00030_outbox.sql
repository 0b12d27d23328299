-- +goose Up

CREATE TABLE outbox (
    id         TEXT    NOT NULL UNIQUE,
    recipient  TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    closed_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at) WHERE closed_at = 0;
CREATE INDEX outbox_closed ON outbox (closed_at) WHERE closed_at <> 0;
CREATE INDEX api_keys_stopping ON api_keys (retire_at) WHERE state = 'retiring';

-- +goose Up

CREATE TABLE outbox (
    id         TEXT COLLATE "C" NOT NULL UNIQUE,
    recipient  TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    body       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    closed_at  BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE closed_at = 0;
CREATE INDEX outbox_closed ON outbox (closed_at) WHERE closed_at <> 0;
CREATE INDEX api_keys_stopping ON api_keys (retire_at) WHERE state = 'retiring';

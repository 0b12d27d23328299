-- +goose Up

CREATE TABLE allowlist_requests (
    id          TEXT COLLATE "C" NOT NULL UNIQUE,
    merchant_id TEXT COLLATE "C" NOT NULL REFERENCES merchants (id),
    action      TEXT COLLATE "C" NOT NULL CHECK (action IN ('add', 'remove')),
    cidr        TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'withdrawn')),
    created_at  BIGINT NOT NULL,
    created_by  TEXT COLLATE "C" NOT NULL,
    decided_at  BIGINT NOT NULL,
    decided_by  TEXT COLLATE "C" NOT NULL,
    answer      TEXT COLLATE "C" NOT NULL
);
CREATE INDEX allowlist_requests_merchant ON allowlist_requests (merchant_id, id);
-- A range is asked about once at a time.
CREATE UNIQUE INDEX allowlist_requests_one_pending ON allowlist_requests (merchant_id, cidr) WHERE state = 'pending';

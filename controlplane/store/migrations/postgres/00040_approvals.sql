-- +goose Up

CREATE TABLE approvals (
    id            TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Empty for a change to the platform itself, so there is no foreign key.
    merchant_id   TEXT COLLATE "C" NOT NULL,
    operation     TEXT COLLATE "C" NOT NULL,
    target        TEXT COLLATE "C" NOT NULL,
    input         TEXT COLLATE "C" NOT NULL,
    diff          TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'withdrawn')),
    break_glass   BIGINT NOT NULL CHECK (break_glass IN (0, 1)),
    reason        TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    created_by_id TEXT COLLATE "C" NOT NULL,
    created_by    TEXT COLLATE "C" NOT NULL,
    decided_at    BIGINT NOT NULL,
    decided_by_id TEXT COLLATE "C" NOT NULL,
    decided_by    TEXT COLLATE "C" NOT NULL,
    answer        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX approvals_state ON approvals (state, id);
-- The queue of what every merchant asks for.
CREATE INDEX allowlist_requests_pending ON allowlist_requests (state, id);

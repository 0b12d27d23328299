-- +goose Up

CREATE TABLE staff_tokens (
    id               TEXT COLLATE "C" NOT NULL UNIQUE,
    staff_id         TEXT COLLATE "C" NOT NULL REFERENCES staff (id),
    username         TEXT COLLATE "C" NOT NULL,
    name             TEXT COLLATE "C" NOT NULL,
    confirmed        BIGINT NOT NULL CHECK (confirmed IN (0, 1)),
    security_version BIGINT NOT NULL,
    hash             BYTEA NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at       BIGINT NOT NULL,
    created_by       TEXT COLLATE "C" NOT NULL,
    expires_at       BIGINT NOT NULL,
    revoked_at       BIGINT NOT NULL,
    last_used_at     BIGINT NOT NULL
);
CREATE INDEX staff_tokens_staff ON staff_tokens (staff_id);

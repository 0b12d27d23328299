-- +goose Up

CREATE TABLE staff_tokens (
    id               TEXT    NOT NULL UNIQUE,
    staff_id         TEXT    NOT NULL REFERENCES staff (id),
    username         TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    confirmed        INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    security_version INTEGER NOT NULL,
    hash             BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at       INTEGER NOT NULL,
    created_by       TEXT    NOT NULL,
    expires_at       INTEGER NOT NULL,
    revoked_at       INTEGER NOT NULL,
    last_used_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX staff_tokens_staff ON staff_tokens (staff_id);

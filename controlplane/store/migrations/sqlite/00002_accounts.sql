-- +goose Up

-- account_id is that of a user or of a member of staff, so it has no foreign key;
-- accounts are disabled, never deleted.

CREATE TABLE sessions (
    id               TEXT    NOT NULL UNIQUE,
    kind             TEXT    NOT NULL CHECK (kind IN ('user', 'staff')),
    account_id       TEXT    NOT NULL,
    merchant_id      TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('pending_2fa', 'pending_password', 'pending_enrol', 'active')),
    secret_hash      BLOB    NOT NULL CHECK (length(secret_hash) = 32),
    tries            INTEGER NOT NULL,
    security_version INTEGER NOT NULL,
    second_factor    INTEGER NOT NULL CHECK (second_factor IN (0, 1)),
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    last_seen_at     INTEGER NOT NULL,
    sudo_until       INTEGER NOT NULL,
    ip               TEXT    NOT NULL,
    user_agent       TEXT    NOT NULL,
    device_hash      BLOB    NOT NULL CHECK (length(device_hash) = 32)
) STRICT;
CREATE INDEX sessions_account ON sessions (account_id, id);

CREATE TABLE totp_seeds (
    id          TEXT    NOT NULL UNIQUE,
    account_id  TEXT    NOT NULL,
    merchant_id TEXT    NOT NULL,
    confirmed   INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    seed        BLOB    NOT NULL,
    last_step   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (account_id, confirmed)
) STRICT;

CREATE TABLE recovery_codes (
    account_id TEXT NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (account_id, hash)
) STRICT;

CREATE TABLE past_passwords (
    id            INTEGER PRIMARY KEY,
    account_id    TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    ended_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX past_passwords_account ON past_passwords (account_id, id);

CREATE TABLE throttles (
    bucket  TEXT    NOT NULL PRIMARY KEY,
    count   INTEGER NOT NULL CHECK (count >= 0),
    ends_at INTEGER NOT NULL
) STRICT;
CREATE INDEX throttles_end ON throttles (ends_at);

CREATE TABLE devices (
    account_id   TEXT    NOT NULL,
    token_hash   BLOB    NOT NULL CHECK (length(token_hash) = 32),
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    ip           TEXT    NOT NULL,
    user_agent   TEXT    NOT NULL,
    PRIMARY KEY (account_id, token_hash)
) STRICT;
CREATE INDEX devices_token ON devices (token_hash);

CREATE TABLE sign_ins (
    id         INTEGER PRIMARY KEY,
    account_id TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    outcome    TEXT    NOT NULL CHECK (outcome IN ('ok', 'denied', 'failed')),
    step       TEXT    NOT NULL,
    new_device INTEGER NOT NULL CHECK (new_device IN (0, 1)),
    ip         TEXT    NOT NULL,
    user_agent TEXT    NOT NULL
) STRICT;
CREATE INDEX sign_ins_account ON sign_ins (account_id, id);
CREATE INDEX sign_ins_at ON sign_ins (at);

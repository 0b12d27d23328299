-- +goose Up

-- "unkg": tells this database from any other SQLite file.
PRAGMA application_id = 1970170727;

CREATE TABLE merchants (
    id          TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    -- The name in lower case by Go's rules: the databases fold only ASCII alike.
    name_folded TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('active', 'suspended')),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision >= 0)
) STRICT;
CREATE INDEX merchants_revision ON merchants (revision);

CREATE TABLE users (
    id                   TEXT    NOT NULL UNIQUE,
    merchant_id          TEXT    NOT NULL REFERENCES merchants (id),
    username             TEXT    NOT NULL UNIQUE,
    email                TEXT    NOT NULL,
    role                 TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer')),
    disabled             INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    password_hash        TEXT    NOT NULL,
    password_must_change INTEGER NOT NULL CHECK (password_must_change IN (0, 1)),
    password_changed_at  INTEGER NOT NULL,
    password_expires_at  INTEGER NOT NULL,
    security_version     INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL
) STRICT;
CREATE INDEX users_merchant ON users (merchant_id, id);

CREATE TABLE staff (
    id                   TEXT    NOT NULL UNIQUE,
    username             TEXT    NOT NULL UNIQUE,
    email                TEXT    NOT NULL,
    role                 TEXT    NOT NULL CHECK (role IN ('platform_admin', 'platform_operator', 'auditor')),
    disabled             INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    password_hash        TEXT    NOT NULL,
    password_must_change INTEGER NOT NULL CHECK (password_must_change IN (0, 1)),
    password_changed_at  INTEGER NOT NULL,
    password_expires_at  INTEGER NOT NULL,
    security_version     INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id           TEXT    NOT NULL UNIQUE,
    merchant_id  TEXT    NOT NULL REFERENCES merchants (id),
    environment  TEXT    NOT NULL CHECK (environment IN ('live', 'test')),
    state        TEXT    NOT NULL CHECK (state IN ('active', 'retiring', 'revoked')),
    secret       BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL,
    retire_at    INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    last_used_ip TEXT    NOT NULL,
    revision     INTEGER NOT NULL CHECK (revision >= 0)
) STRICT;
CREATE UNIQUE INDEX api_keys_one_active ON api_keys (merchant_id, environment) WHERE state = 'active';
CREATE INDEX api_keys_merchant ON api_keys (merchant_id, created_at);
CREATE INDEX api_keys_revision ON api_keys (revision);

CREATE TABLE allowlist_entries (
    -- Gateways report matches by this number. AUTOINCREMENT: the number of a
    -- removed entry must never name another one.
    row_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    merchant_id   TEXT    NOT NULL REFERENCES merchants (id),
    cidr          TEXT    NOT NULL,
    note          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    created_by    TEXT    NOT NULL,
    last_match_at INTEGER NOT NULL,
    UNIQUE (merchant_id, cidr)
) STRICT;

CREATE TABLE audit_events (
    seq         INTEGER PRIMARY KEY CHECK (seq > 0),
    at          INTEGER NOT NULL,
    actor_kind  TEXT    NOT NULL CHECK (actor_kind IN ('user', 'staff', 'local', 'system')),
    actor_id    TEXT    NOT NULL,
    actor_name  TEXT    NOT NULL,
    -- No foreign key: a refusal may name a merchant that does not exist.
    merchant_id TEXT    NOT NULL,
    operation   TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL CHECK (outcome IN ('ok', 'denied', 'failed')),
    reason      TEXT    NOT NULL,
    ip          TEXT    NOT NULL,
    user_agent  TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    diff        TEXT    NOT NULL,
    prev_hash   BLOB    NOT NULL CHECK (length(prev_hash) = 32),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_events_merchant ON audit_events (merchant_id, seq);

CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, zeroblob(32));

-- +goose StatementBegin
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- INSERT OR REPLACE fires no delete trigger on connections that did not set
-- recursive_triggers, the sqlite3 shell's among them.
-- +goose StatementBegin
CREATE TRIGGER audit_events_only_next BEFORE INSERT ON audit_events
WHEN NEW.seq <> (SELECT seq FROM audit_head WHERE id = 1)
    OR EXISTS (SELECT 1 FROM audit_events WHERE seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_head_only_forward BEFORE UPDATE ON audit_head
WHEN NEW.seq <> OLD.seq + 1
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_head_no_insert BEFORE INSERT ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd

CREATE TABLE data_keys (
    id         INTEGER PRIMARY KEY CHECK (id BETWEEN 0 AND 4294967295),
    purpose    TEXT    NOT NULL,
    root_id    TEXT    NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The revision that gateways follow.
CREATE TABLE revision (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT;
INSERT INTO revision (id, value) VALUES (1, 0);

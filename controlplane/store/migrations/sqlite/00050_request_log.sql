-- +goose Up

CREATE TABLE requests (
    row_id         INTEGER PRIMARY KEY,
    id             TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    -- Empty, like environment and key_id: no known key was named.
    merchant_id    TEXT    NOT NULL,
    environment    TEXT    NOT NULL CHECK (environment IN ('', 'live', 'test')),
    key_id         TEXT    NOT NULL,
    client_ip      TEXT    NOT NULL,
    method         TEXT    NOT NULL,
    path           TEXT    NOT NULL,
    outcome        TEXT    NOT NULL CHECK (outcome IN ('accepted', 'refused', 'reported')),
    code           TEXT    NOT NULL,
    -- JSON.
    why            TEXT    NOT NULL,
    string_to_sign TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX requests_id ON requests (id);
CREATE INDEX requests_merchant ON requests (merchant_id, environment, at, row_id);
CREATE INDEX requests_accepted ON requests (row_id) WHERE outcome = 'accepted';

CREATE TABLE request_counts (
    merchant_id TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    -- Seconds: 60 or 3600.
    span        INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    code        TEXT    NOT NULL,
    count       INTEGER NOT NULL,
    unlisted    INTEGER NOT NULL,
    PRIMARY KEY (merchant_id, environment, span, at, outcome, code)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_counts_at ON request_counts (at);

CREATE TABLE request_addresses (
    merchant_id TEXT    NOT NULL,
    hour        INTEGER NOT NULL,
    environment TEXT    NOT NULL,
    -- Empty: those beyond what is counted one by one.
    address     TEXT    NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (merchant_id, hour, environment, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_addresses_hour ON request_addresses (hour);

-- +goose Up

-- Who shares the database, as each last told of itself. Nothing is decided by it.
CREATE TABLE nodes (
    id             TEXT    NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL,
    roles          TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    replay         TEXT    NOT NULL,
    revision       INTEGER NOT NULL,
    newest         INTEGER NOT NULL,
    confirmed_at   INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    seen_at        INTEGER NOT NULL
) STRICT;

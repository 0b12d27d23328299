-- +goose Up

-- Who shares the database, as each last told of itself. Nothing is decided by it.
CREATE TABLE nodes (
    id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name           TEXT COLLATE "C" NOT NULL,
    roles          TEXT COLLATE "C" NOT NULL,
    version        TEXT COLLATE "C" NOT NULL,
    schema_version BIGINT NOT NULL,
    replay         TEXT COLLATE "C" NOT NULL,
    revision       BIGINT NOT NULL,
    newest         BIGINT NOT NULL,
    confirmed_at   BIGINT NOT NULL,
    started_at     BIGINT NOT NULL,
    seen_at        BIGINT NOT NULL
);

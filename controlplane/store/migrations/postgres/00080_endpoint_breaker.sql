-- +goose Up

-- Why an endpoint is only probed, before which no probe is sent, and since when it
-- fails as its merchant was told.
ALTER TABLE endpoint_conditions ADD COLUMN breaker TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (breaker IN ('', 'in_a_row', 'half'));
ALTER TABLE endpoint_conditions ADD COLUMN probe_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE endpoint_conditions ADD COLUMN told BIGINT NOT NULL DEFAULT 0;

-- How many deliveries are held is counted at each look at the metrics.
CREATE INDEX deliveries_held ON deliveries (endpoint_row) WHERE state = 'held';

-- +goose Up

-- What a reader of the audit trail filters by, so that a page of what is rare costs no more
-- than the newest page. Most events are ok: they are in no index of outcomes. A query of
-- one merchant does not state the conditions on the operation, which every event meets, or
-- SQLite would read it from the index of all merchants.
CREATE INDEX audit_events_operation ON audit_events (operation, seq) WHERE operation <> '';
CREATE INDEX audit_events_merchant_operation ON audit_events (merchant_id, operation, seq);
CREATE INDEX audit_events_outcome ON audit_events (outcome, seq) WHERE outcome <> 'ok' AND operation <> '';
CREATE INDEX audit_events_merchant_outcome ON audit_events (merchant_id, outcome, seq) WHERE outcome <> 'ok';

-- Rights of gateways that only verify requests, beside the role that owns the tables.
-- Run it as the owner (or a superuser) in the merchants' database, after the first
-- server with the owner's role has made the tables, and again after each upgrade.
--
-- Whoever takes such a gateway over cannot issue or change a key, widen an allowlist,
-- see or make users, read events or touch the audit trail. What it needs to verify
-- requests it can read: API secrets are sealed by the root key, which it has too.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'merchants_gateway') THEN
        CREATE ROLE merchants_gateway LOGIN; -- give it a password: \password merchants_gateway
    END IF;
END
$$;

-- Of the schema: use, not make.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO merchants_gateway;
GRANT SELECT ON goose_db_version TO merchants_gateway;

-- What requests are decided by.
GRANT SELECT ON revision, data_keys TO merchants_gateway;
GRANT SELECT (id, state, revision) ON merchants TO merchants_gateway;
GRANT SELECT (id, merchant_id, environment, state, secret, retire_at, revision, last_used_at) ON api_keys TO merchants_gateway;
GRANT SELECT (row_id, merchant_id, cidr, last_match_at) ON allowlist_entries TO merchants_gateway;

-- When a key and an entry were last used, and nothing else of them.
GRANT UPDATE (last_used_at, last_used_ip) ON api_keys TO merchants_gateway;
GRANT UPDATE (last_match_at) ON allowlist_entries TO merchants_gateway;

-- What a gateway tells of itself, for people: nothing is decided by it. It sees the
-- others, and could tell lies of them; it cannot remove one.
GRANT SELECT, INSERT, UPDATE ON nodes TO merchants_gateway;

-- The request log, which gateways write and trim.
GRANT SELECT, INSERT, UPDATE, DELETE ON requests, request_counts, request_addresses TO merchants_gateway;

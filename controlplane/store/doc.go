// Package store keeps the control plane in a database: it implements
// [controlplane.Store] and nothing above it.
//
// One SQL text serves every database. What differs (opening, migrating, telling
// constraint errors apart, locking, announcing) is behind the small dialect
// interface. Package storetest is the contract that each database passes.
//
// The package refuses to decide: it knows no roles, no clocks and no secrets'
// plain text, it logs nothing, and it touches no file before it is told to open
// one, because Caddy validates configurations beside a live server.
package store

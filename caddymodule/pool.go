package caddymodule

import "github.com/caddyserver/caddy/v2"

// pool keeps what outlives a configuration: open databases and nonce stores. It
// is the one package-level mutable value.
//
// A value is known by the identity of its data (the canonical path of a file, a
// directory), never by a whole configuration: two configurations that differ in a
// limit must not open one database twice.
var pool = caddy.NewUsagePool()

// The keys have types of their own, so that a database and a nonce store of one
// path are two things.
type (
	dataID  string
	nonceID string
)

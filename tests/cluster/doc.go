// Package cluster shows what several servers do together: real Caddy processes on
// free loopback ports, with one PostgreSQL and one Redis of the test's own. They are
// killed, cut off and replaced; nothing here looks into a process. What one server
// does by itself is tested in caddymodule.
package cluster

// Package controlplane is the domain of the merchant gateway: merchants, their
// users, API keys and IP allowlists, the platform's staff, the audit trail, and
// the immutable [Snapshot] from which gateways decide.
//
// Every change is one operation on [Service]: authorise, validate, write, audit
// and bump the revision, in one transaction. The portal, the console, the admin
// API and the command line are thin callers of the same operations, so a rule
// holds in all of them.
//
// The package refuses to know about SQL, HTTP, Caddy or logging. It reaches the
// database through [Store], cryptography at rest through [Sealer], and returns
// typed errors ([Error]) whose presentation is the caller's.
package controlplane

// Package caddymodule is the merchant gateway as Caddy modules: the merchants
// app, the merchant_auth handler, the guest modules for stores and nonce stores,
// their Caddyfile syntax, the admin routes and the "caddy merchants" command.
//
// It is the only package that imports Caddy. It wires and adapts; what a request
// may do is decided in gate, what an operator may change in controlplane.
package caddymodule

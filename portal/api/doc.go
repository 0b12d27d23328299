// Package api is the admin API: the platform team's operations as JSON over HTTP,
// for programs that act with a staff token, below /v1/admin on the console's host.
//
// One route table is the mux, the OpenAPI document, the command line's way to a
// server elsewhere, and the tests' matrix. A route is an address for an operation of
// package controlplane; what goes in and comes out is the operation's own types, so
// the document is made of them and cannot say anything else.
//
// The package refuses to decide who may do what, which is the permission table's
// business, and to know where operations are carried out: it is given functions. It
// takes no cookie, answers no page of a browser, and knows no operation by which
// staff would see a merchant's secret.
package api

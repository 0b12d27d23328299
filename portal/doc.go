// Package portal is the merchant portal: server-rendered pages, complete without
// JavaScript, in front of the operations of package controlplane.
//
// It refuses to decide anything about merchants' data: who may do what is the
// permission table's business, and every change is one operation of
// [controlplane.Service]. It refuses inline scripts and styles, requests to third
// parties, and secrets in redirects, cookies or logs. It does not know Caddy.
//
// A page is five things: one row of the route table (routes.go,
// routes_merchant.go), a handler that returns an error, a typed page struct, a
// template in ui/html/pages named after the view, and its texts in every language
// of ui/text, "<view>.title" among them. A path with an {id} also needs a line in
// the tests' site.idOf. Mux, rules, navigation, "Roles" and the tests' matrix
// follow from the row.
package portal

package portal

import (
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// ConsoleRoutes returns the route table of the platform's console.
func ConsoleRoutes() []Route {
	return slices.Concat(everyonesRoutes(), signInRoutes(), consoleRoutes(), staffAccountRoutes())
}

// staffAccountRoutes: staff cannot be without a second factor, so there is no way to
// turn it off.
func staffAccountRoutes() []Route {
	return slices.DeleteFunc(accountRoutes(), func(r Route) bool { return r.Name == "account.2fa.remove" })
}

// consoleRoutes are the pages about merchants and the platform, in the order of the
// navigation.
func consoleRoutes() []Route {
	return slices.Concat([]Route{
		{Name: "console", Method: get, Path: "/{$}", States: StateActive, Operation: controlplane.OpMerchantList, Nav: "home", handle: showConsole},
		{Name: "merchants", Method: get, Path: "/merchants", States: StateActive, Operation: controlplane.OpMerchantList, Nav: "people", handle: showMerchants},
		{Name: "merchants.merchant", Method: get, Path: "/merchants/{id}", States: StateActive, Operation: controlplane.OpMerchantView, handle: showMerchant},
		{Name: "merchants.allowlist", Method: get, Path: "/merchants/{id}/allowlist", States: StateActive, Operation: controlplane.OpAllowlistList, handle: showMerchantAllowlist},
		{Name: "roles", Method: get, Path: "/roles", States: StateActive, Nav: "role", handle: showRoles},
	}, consoleRequestRoutes(), actRoutes())
}

// actRoutes are a page and a form for each act.
func actRoutes() (rows []Route) {
	for _, a := range slices.Concat(merchantActs(), allowlistActs()) {
		rows = append(rows,
			Route{Name: a.name, Method: get, Path: a.path, States: StateActive, Operation: a.operation, handle: a.show},
			Route{Name: a.name + ".submit", Method: post, Path: a.path, States: StateActive, Operation: a.operation, Form: a.name, handle: a.submit})
	}
	return rows
}

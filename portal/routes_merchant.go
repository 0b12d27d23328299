package portal

import "github.com/unknownpay/merchant-gateway/controlplane"

// merchantRoutes are the pages about the merchant's data, in the order of the
// navigation. The forms on keys have addresses without an id, so that a browser
// that is asked to confirm comes back to them.
func merchantRoutes() []Route {
	return []Route{
		{Name: "overview", Method: get, Path: "/{$}", States: StateActive, Operation: controlplane.OpMerchantView, Nav: "home", handle: showOverview},

		{Name: "keys", Method: get, Path: "/{env}/keys", States: StateActive, Operation: controlplane.OpKeyList, Nav: "key", handle: showKeys},
		{Name: "keys.key", Method: get, Path: "/{env}/keys/{id}", States: StateActive, Operation: controlplane.OpKeyList, handle: showKey},
		{Name: "keys.issue", Method: get, Path: "/{env}/key/issue", States: StateActive, Operation: controlplane.OpKeyIssue, handle: showIssue},
		{Name: "keys.issue.submit", Method: post, Path: "/{env}/key/issue", States: StateActive, Operation: controlplane.OpKeyIssue, Form: "keys.issue", handle: submitIssue},
		{Name: "keys.rotate", Method: get, Path: "/{env}/key/rotate", States: StateActive, Operation: controlplane.OpKeyRotate, handle: showRotate},
		{Name: "keys.rotate.submit", Method: post, Path: "/{env}/key/rotate", States: StateActive, Operation: controlplane.OpKeyRotate, Form: "keys.rotate", handle: submitRotate},
		{Name: "keys.retire", Method: get, Path: "/{env}/key/retire", States: StateActive, Operation: controlplane.OpKeyRetire, handle: showRetire},
		{Name: "keys.retire.submit", Method: post, Path: "/{env}/keys/{id}/retire", States: StateActive, Operation: controlplane.OpKeyRetire, Form: "keys.retire", handle: submitRetire},
	}
}

// companyRoutes are about the merchant as a whole, whatever the environment.
func companyRoutes() []Route {
	return []Route{
		{Name: "allowlist", Method: get, Path: "/allowlist", States: StateActive, Operation: controlplane.OpAllowlistList, Nav: "list", handle: showAllowlist},
		{Name: "allowlist.check", Method: get, Path: "/allowlist/check", States: StateActive, Operation: controlplane.OpAllowlistCheck, handle: showAllowlistCheck},
		{Name: "allowlist.requests", Method: get, Path: "/allowlist/requests", States: StateActive, Operation: controlplane.OpAllowlistRequests, handle: showAllowlistRequests},
		{Name: "allowlist.requests.new", Method: get, Path: "/allowlist/requests/new", States: StateActive, Operation: controlplane.OpAllowlistRequest, handle: showAllowlistRequest},
		{Name: "allowlist.requests.submit", Method: post, Path: "/allowlist/requests/new", States: StateActive, Operation: controlplane.OpAllowlistRequest, Form: "allowlist.requests.new", handle: submitAllowlistRequest},
		{Name: "allowlist.requests.withdraw", Method: post, Path: "/allowlist/requests/{id}/withdraw", States: StateActive, Operation: controlplane.OpAllowlistWithdraw, Form: "allowlist.requests", handle: withdrawAllowlistRequest},

		{Name: "team", Method: get, Path: "/team", States: StateActive, Operation: controlplane.OpUserList, Nav: "people", handle: showTeam},
		{Name: "roles", Method: get, Path: "/roles", States: StateActive, Nav: "role", handle: showRoles},
		{Name: "audit", Method: get, Path: "/audit", States: StateActive, Operation: controlplane.OpAuditList, Nav: "trail", handle: showAudit},
		{Name: "quickstart", Method: get, Path: "/docs/quickstart", States: StateActive, Operation: controlplane.OpKeyList, Nav: "book", handle: showQuickstart},
	}
}

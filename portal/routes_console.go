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
		{Name: "merchants.user", Method: get, Path: "/merchants/{id}/users/{uid}", States: StateActive, Operation: controlplane.OpUserView, handle: showMerchantUser},
		{Name: "merchants.allowlist", Method: get, Path: "/merchants/{id}/allowlist", States: StateActive, Operation: controlplane.OpAllowlistList, handle: showMerchantAllowlist},
		{Name: "merchants.import", Method: get, Path: "/merchants/{id}/allowlist/import", States: StateActive, Operation: controlplane.OpAllowlistImport, handle: showImport},
		{Name: "merchants.import.submit", Method: post, Path: "/merchants/{id}/allowlist/import", States: StateActive, Operation: controlplane.OpAllowlistImport, Form: "merchants.import", handle: submitImport},
		{Name: "merchants.wishes", Method: get, Path: "/merchants/{id}/allowlist/requests", States: StateActive, Operation: controlplane.OpAllowlistRequests, handle: showMerchantWishes},
		{Name: "merchants.webhooks", Method: get, Path: "/merchants/{id}/webhooks", States: StateActive, Operation: controlplane.OpEndpointList, handle: showMerchantWebhooks},
		{Name: "merchants.deliveries", Method: get, Path: "/merchants/{id}/deliveries", States: StateActive, Operation: controlplane.OpDeliveryList, handle: showMerchantDeliveries},
		{Name: "merchants.delivery", Method: get, Path: "/merchants/{id}/deliveries/{did}", States: StateActive, Operation: controlplane.OpDeliveryView, handle: showMerchantDelivery},
		{Name: "queue", Method: get, Path: "/queue", States: StateActive, Operation: controlplane.OpAllowlistQueue, Nav: "list", handle: showQueue},
		{Name: "approvals", Method: get, Path: "/approvals", States: StateActive, Operation: controlplane.OpApprovalList, Nav: "check", handle: showApprovals},
		{Name: "approvals.approval", Method: get, Path: "/approvals/{id}", States: StateActive, Operation: controlplane.OpApprovalView, handle: showApproval},
		{Name: "staff", Method: get, Path: "/staff", States: StateActive, Operation: controlplane.OpStaffList, Nav: "person", handle: showStaff},
		{Name: "staff.member", Method: get, Path: "/staff/{id}", States: StateActive, Operation: controlplane.OpStaffView, handle: showStaffMember},
		{Name: "tokens", Method: get, Path: "/tokens", States: StateActive, Operation: controlplane.OpServiceTokenList, Nav: "key", handle: showTokens},
		{Name: "roles", Method: get, Path: "/roles", States: StateActive, Nav: "role", handle: showRoles},
		{Name: "audit", Method: get, Path: "/audit", States: StateActive, Operation: controlplane.OpAuditList, Nav: "trail", handle: showAudit},
		{Name: "audit.verify", Method: get, Path: "/audit/verify", States: StateActive, Operation: controlplane.OpAuditVerify, handle: showAuditVerify},
		{Name: "system", Method: get, Path: "/system", States: StateActive, Operation: controlplane.OpSystemStatus, Nav: "device", handle: showSystem},
	}, consoleRequestRoutes(), actRoutes())
}

// actRoutes are a page and a form for each act.
func actRoutes() (rows []Route) {
	for _, a := range slices.Concat(merchantActs(), userActs(), allowlistActs(), approvalActs(), staffActs(), tokenActs()) {
		rows = append(rows,
			Route{Name: a.name, Method: get, Path: a.path, States: StateActive, Operation: a.operation, handle: a.show},
			Route{Name: a.name + ".submit", Method: post, Path: a.path, States: StateActive, Operation: a.operation, Form: a.name, handle: a.submit})
	}
	return rows
}

package portal

import "github.com/unknownpay/merchant-gateway/controlplane"

// consoleRequestRoutes are the console's pages about what gateways saw.
func consoleRequestRoutes() []Route {
	return []Route{
		{Name: "merchants.requests", Method: get, Path: "/merchants/{id}/requests", States: StateActive, Operation: controlplane.OpRequestList, handle: showMerchantRequests},
		{Name: "merchants.requests.request", Method: get, Path: "/merchants/{id}/requests/{rid}", States: StateActive, Operation: controlplane.OpRequestView, handle: showMerchantRequest},
		{Name: "merchants.allowlist.simulate", Method: get, Path: "/merchants/{id}/allowlist/simulate", States: StateActive, Operation: controlplane.OpAllowlistSimulate, handle: showSimulator},
		{Name: "unknown", Method: get, Path: "/requests", States: StateActive, Operation: controlplane.OpRequestUnknown, Nav: "pulse", handle: showUnknownRequests},
		{Name: "unknown.request", Method: get, Path: "/requests/{rid}", States: StateActive, Operation: controlplane.OpRequestUnknown, handle: showUnknownRequest},
		{Name: "errors", Method: get, Path: "/docs/errors", States: StateActive, handle: showErrors},
	}
}

package portal

import "github.com/unknownpay/merchant-gateway/controlplane"

// requestRoutes are the pages about what the gateway made of requests.
func requestRoutes() []Route {
	return []Route{
		{Name: "requests", Method: get, Path: "/{env}/requests", States: StateActive, Operation: controlplane.OpRequestList, Nav: "pulse", handle: showRequests},
		{Name: "requests.csv", Method: get, Path: "/{env}/requests.csv", States: StateActive, Operation: controlplane.OpRequestList, handle: exportRequests},
		{Name: "requests.request", Method: get, Path: "/{env}/requests/{id}", States: StateActive, Operation: controlplane.OpRequestView, handle: showRequest},
		{Name: "signature", Method: get, Path: "/{env}/signature", States: StateActive, Operation: controlplane.OpSignatureCheck, handle: showSignature},
		{Name: "signature.submit", Method: post, Path: "/{env}/signature", States: StateActive, Operation: controlplane.OpSignatureCheck, Form: "signature", handle: submitSignature},
		{Name: "errors", Method: get, Path: "/docs/errors", States: StateActive, handle: showErrors},
	}
}

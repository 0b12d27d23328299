package portal

import "github.com/unknownpay/merchant-gateway/controlplane"

// merchantRoutes are the pages about the merchant's data, in the order of the
// navigation.
func merchantRoutes() []Route {
	return []Route{
		{Name: "overview", Method: get, Path: "/{$}", States: StateActive, Operation: controlplane.OpMerchantView, Nav: "home", handle: showOverview},
	}
}

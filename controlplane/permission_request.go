package controlplane

import "slices"

const (
	OpRequestList Operation = "request.list"
	OpRequestView Operation = "request.view"
	// OpRequestUnknown is to see requests without a key that is known.
	OpRequestUnknown Operation = "request.unknown"

	OpAllowlistSimulate Operation = "allowlist.simulate"
)

// requestPermissions are the rows about what gateways saw.
func requestPermissions() []Permission {
	g := groups()
	explorers := slices.Concat(g.managers, []Role{RoleOperator})
	return []Permission{
		{OpRequestList, explorers, false, false},
		{OpRequestView, explorers, false, false},
		{OpRequestUnknown, g.watchers, false, false},
		{OpAllowlistSimulate, g.managers, false, false},
	}
}

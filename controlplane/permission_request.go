package controlplane

const (
	OpRequestList Operation = "request.list"
	OpRequestView Operation = "request.view"
	// OpRequestCount is to see how many came when.
	OpRequestCount Operation = "request.count"
	// OpRequestUnknown is to see requests without a key that is known.
	OpRequestUnknown Operation = "request.unknown"

	OpAllowlistSimulate Operation = "allowlist.simulate"
)

// requestPermissions are the rows about what gateways saw.
func requestPermissions() []Permission {
	g := groups()
	return []Permission{
		// What was signed is only for some of them: see [Service.Request].
		{OpRequestList, g.everyone, false, false},
		{OpRequestView, g.everyone, false, false},
		{OpRequestCount, g.everyone, false, false},
		{OpRequestUnknown, g.watchers, false, false},
		{OpAllowlistSimulate, g.managers, false, false},
	}
}

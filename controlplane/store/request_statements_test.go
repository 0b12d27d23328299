package store

// requestsNotByMerchant are the statements on the request log whose WHERE names no
// merchant.
func requestsNotByMerchant() map[string]string {
	const retention = "what is old goes, whosever it is"
	return map[string]string{
		"sqlPurgeRequests":         retention,
		"sqlPurgeAccepted":         retention,
		"sqlTrimRequests":          retention,
		"sqlPurgeRequestCounts":    retention,
		"sqlPurgeRequestAddresses": retention,
	}
}

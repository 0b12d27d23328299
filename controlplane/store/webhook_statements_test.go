package store

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// webhooksNotByMerchant are the statements on webhooks whose WHERE names no
// merchant.
func webhooksNotByMerchant() map[string]string {
	const (
		engine    = "the delivery engine serves every merchant, and reaches deliveries by the rows that it claimed"
		retention = "what is old goes, whosever it is"
	)
	return map[string]string{
		"sqlEndpointByRow":         engine,
		"sqlEndpointSecretsByRow":  engine,
		"sqlClaimable":             engine,
		"sqlClaimableOldest":       engine,
		"sqlClaim":                 engine,
		"sqlNextDue":               engine,
		"sqlFinishAttempt":         engine,
		"sqlReleaseDelivery":       engine,
		"sqlExtendLease":           engine,
		"sqlRecoverDeliveries":     engine,
		"sqlBacklogs":              engine,
		"sqlCountPending":          engine,
		"sqlCountInflight":         engine,
		"sqlCountAllHeld":          engine,
		"sqlDeliveryMadeAt":        engine,
		"sqlHoldPending":           engine,
		"sqlCancelPending":         engine,
		"sqlCancelHeld":            engine,
		"sqlUnhealthy":             engine,
		"sqlRunningReplays":        engine,
		"sqlNewestDeliveryRow":     "it tells how many rows there are, and nothing about them",
		"sqlDeliveryCreatedFrom":   "it tells which row was the first at a moment, and nothing about it",
		"sqlEventByKey":            "one key, one event, whichever merchant a caller's mistake names; only the id comes back",
		"sqlSealedEndpointSecrets": "re-encryption reaches every merchant",
		"sqlPurgeBodies":           retention,
		"sqlPurgeAttempts":         retention,
		"sqlOldestEvents":          retention,
		"sqlPurgeDeliveries":       retention,
		"sqlPurgeEvent":            retention,
		"sqlPurgeHealth":           retention,
		"sqlPurgeReplays":          retention,
	}
}

// The statements that run all the time must find their rows by an index and need
// no sorting, however many rows there are.
func TestHotStatementsUseTheirIndexes(t *testing.T) {
	db := openTest(t)
	texts := statements(t)
	// Sorting what one event or one merchant has is nothing.
	fewRows := map[string]bool{"sqlDeliveriesOfEvent": true, "sqlNewestDelivery": true, "sqlEndpoints": true, "sqlEndpointSecretsByRow": true}
	placeholder := regexp.MustCompile(`\$\d+`)
	for name, index := range map[string]string{
		"sqlClaimable":             "deliveries_due",
		"sqlClaimableOldest":       "deliveries_oldest",
		"sqlNextDue":               "deliveries_due",
		"sqlHoldPending":           "deliveries_",
		"sqlCancelPending":         "deliveries_",
		"sqlCancelHeld":            "deliveries_",
		"sqlCountHeld":             "deliveries_",
		"sqlCountAllHeld":          "deliveries_held",
		"sqlReplayCandidates":      "deliveries_stopped",
		"sqlCountReplayCandidates": "deliveries_stopped",
		"sqlRecoverDeliveries":     "deliveries_inflight",
		"sqlCountPending":          "deliveries_",
		"sqlCountInflight":         "deliveries_inflight",
		"sqlDeliveryEndpoints":     "endpoints_merchant",
		"sqlDeliveriesOfEndpoint":  "deliveries_endpoint",
		"sqlDeliveriesOfEvent":     "deliveries_event",
		"sqlNewestDelivery":        "deliveries_event",
		"sqlEndpoints":             "endpoints_merchant",
		"sqlSubscribers":           "endpoints_merchant",
		"sqlEndpointSecretsByRow":  "endpoint_secrets_endpoint",
		"sqlAttempts":              "attempts_delivery",
		"sqlPurgeBodies":           "attempts_with_body",
		"sqlPurgeDeliveries":       "deliveries_event",
		"sqlPurgeEvent":            "deliveries_event",
		"sqlRequest":               "requests_id",
		"sqlRequests":              "requests_merchant",
		"sqlPurgeAccepted":         "requests_accepted",
		"sqlRequestCounts":         "PRIMARY KEY",
		"sqlPurgeRequestCounts":    "request_counts_at",
		"sqlPurgeRequestAddresses": "request_addresses_hour",
	} {
		if texts[name] == "" {
			t.Fatalf("there is no %s", name)
		}
		args := make([]any, len(uniq(placeholder.FindAllString(texts[name], -1))))
		text := explained(t, db, texts[name], args...)
		scan := regexp.MustCompile(`SCAN (\w+)( USING (?:COVERING )?INDEX (?:attempts_with_body|requests_accepted))?(;|$)`).FindStringSubmatch(text)
		sorts := strings.Contains(text, "TEMP B-TREE") && !fewRows[name]
		if !strings.Contains(text, index) || sorts || scan != nil && scan[2] == "" && scan[1] != "oldest" {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// explained is how SQLite runs a query.
func explained(t *testing.T, db *DB, query string, args ...any) string {
	t.Helper()
	rows, err := db.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}

func uniq(all []string) map[string]bool {
	seen := map[string]bool{}
	for _, s := range all {
		seen[s] = true
	}
	return seen
}

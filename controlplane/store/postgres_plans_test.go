package store

import (
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// Statistics are those of a quiet moment more often than not: hardly anything waits or
// is under way. PostgreSQL then takes the indexes of what waits and is under way for
// nearly empty, and would rather read one of them through than look a row up, for as
// long as a rush lasts: measured, 3,000 entries read for each attempt, and a fifth of
// the deliveries.
func TestRowsAreFoundByTheirNumberWhateverTheStatisticsSay(t *testing.T) {
	url := migratedURL(t)
	fill := []string{
		`SET session_replication_role = replica`, // neither endpoints nor events are needed
		`INSERT INTO deliveries (id, merchant_id, environment, endpoint_row, event_row, type, state, lane, replay_of, attempts, created_at, next_at,
				first_attempt_at, last_attempt_at, last_status, last_fault, finished_at, lease, lease_until)
			SELECT 'dlv_' || n, 'mer_1', 'test', 1, n, 'x', 'delivered', 0, '', 1, n, 0, n, n, 204, '', n, 1, n FROM generate_series(1, 20000) AS n`,
		`ANALYZE deliveries`,
		`UPDATE deliveries SET state = 'inflight' WHERE row_id > 15000`,
		`UPDATE deliveries SET state = 'pending' WHERE row_id BETWEEN 10000 AND 15000`,
	}
	if err := pgtest.Exec(url, strings.Join(fill, ";")); err != nil {
		t.Fatal(err)
	}
	db := pgtest.Open(t, url)
	for _, query := range []string{sqlClaim, sqlFinishAttempt, sqlReleaseDelivery, sqlExtendLease, sqlHoldPending, sqlCancelPending, sqlCancelHeld} {
		args := make([]any, strings.Count(query, "$"))
		for i := range args {
			args[i] = "1"
		}
		plan := joined(t, db, "EXPLAIN "+query, args, 1, 0)
		if !strings.Contains(plan, "deliveries_pkey on deliveries") || strings.Contains(plan, "deliveries_inflight") {
			t.Errorf("%s\nruns as %s", query, plan)
		}
	}
}

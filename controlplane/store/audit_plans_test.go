package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// A page is read from one index, in its order, and from one that has what is asked for next
// to one another, if there is one.
func TestEveryFilterOfTheAuditTrailHasItsIndex(t *testing.T) {
	db := openTest(t)
	for _, merchant := range []string{"", "mer_1"} {
		for _, operation := range []controlplane.Operation{"", controlplane.OpKeyRotate} {
			for _, outcome := range []controlplane.Outcome{"", controlplane.OutcomeOK, controlplane.OutcomeDenied, controlplane.OutcomeFailed} {
				for _, since := range []time.Time{{}, time.Unix(1, 0)} {
					f := controlplane.AuditFilter{MerchantID: merchant, Operation: operation, Outcome: outcome, Since: since}
					q := auditQuery(f)
					plan, want := explained(t, db, q.text.String(), q.args...), auditIndexes(f)
					fits := func(index string) bool { return strings.Contains(plan, " USING "+index+" (") }
					if !slices.ContainsFunc(want, fits) || !strings.HasPrefix(plan, "SEARCH ") || strings.Contains(plan, "; ") {
						t.Errorf("%s\nruns as %s, want one of %v", q.text.String(), plan, want)
					}
				}
			}
		}
	}
}

// auditIndexes are those that may serve a filter.
func auditIndexes(f controlplane.AuditFilter) (fit []string) {
	index := "INDEX audit_events"
	if f.MerchantID != "" {
		index += "_merchant"
	}
	if f.Operation != "" {
		fit = append(fit, index+"_operation")
	}
	if f.Outcome != "" && f.Outcome != controlplane.OutcomeOK {
		fit = append(fit, index+"_outcome")
	}
	switch {
	case len(fit) > 0:
		return fit
	case f.MerchantID != "":
		return []string{index}
	}
	return []string{"INTEGER PRIMARY KEY"}
}

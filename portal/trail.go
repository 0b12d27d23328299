package portal

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// auditPerPage keeps a full page under its weight.
const auditPerPage = 24

// auditPage is the trail of the merchant, newest first. What is filtered is in the
// address, so that a view can be kept and passed on.
type auditPage struct {
	form
	Events   []auditRow
	Filtered bool
	Empty    empty
	// Older is the address of the next page; empty on the last.
	Older string
}

type auditRow struct {
	controlplane.AuditEvent
	What    string
	Outcome badge
	// Merchant is the page about the merchant, for staff.
	Merchant string
	Changes  []auditChange
}

// auditChange is one field of a diff as text.
type auditChange struct{ Field, From, To string }

func showAudit(x *exchange) error {
	page := auditPage{form: x.auditForm(), Empty: empty{"trail", "audit.none", "audit.none.next"}}
	page.Filtered = x.query("operation") != "" || x.query("outcome") != "" || x.query("since") != "" || x.staff && x.query("merchant") != ""
	if page.Filtered {
		page.Empty = empty{"trail", "audit.no_match", "audit.no_match.next"}
	}
	filter, err := x.auditFilter(&page.form)
	if err != nil {
		return err
	}
	if page.Failed() {
		return x.render(http.StatusUnprocessableEntity, "audit", page)
	}
	events, err := x.service.ListAudit(x.ctx(), x.actor(), filter)
	if err != nil {
		return err
	}
	if len(events) > auditPerPage {
		events = events[:auditPerPage]
		page.Older = x.here("before", strconv.FormatInt(events[auditPerPage-1].Seq, 10))
	}
	for _, e := range events {
		page.Events = append(page.Events, x.auditRow(e))
	}
	return x.render(http.StatusOK, "audit", page)
}

func outcomes() []controlplane.Outcome {
	return []controlplane.Outcome{controlplane.OutcomeOK, controlplane.OutcomeDenied, controlplane.OutcomeFailed}
}

// auditedOperations are those that the trail of a merchant can hold: changes, what
// endpoints do by themselves, and what people do to their own account. Reads are not written down.
func auditedOperations() (out []controlplane.Operation) {
	for _, p := range controlplane.Permissions() {
		if p.Changes {
			out = append(out, p.Operation)
		}
	}
	return append(out, controlplane.OpApprovalRequest,
		controlplane.OpEndpointFailing, controlplane.OpEndpointRecovered, controlplane.OpEndpointPaused,
		controlplane.OpSignIn, controlplane.OpSignOut, controlplane.OpLockout, controlplane.OpSudo, controlplane.OpPasswordChange,
		controlplane.OpSecondFactorBegin, controlplane.OpSecondFactorEnrol, controlplane.OpSecondFactorRemove,
		controlplane.OpRecoveryCodes, controlplane.OpSessionRevoke)
}

// ofPlatform: no merchant's trail holds it, or hardly: not worth a filter.
func ofPlatform(op controlplane.Operation) bool {
	thing, _, _ := strings.Cut(string(op), ".")
	return slices.Contains([]string{"staff", "staff_token", "service_token", "system", "keyring", "approval"}, thing)
}

// auditForm holds the filters as they were asked for.
func (x *exchange) auditForm() form {
	operation := field{Name: "operation", Label: "field.operation", Options: []option{{"", "audit.any", true}}}
	for _, op := range auditedOperations() {
		if key := "operation." + string(op); x.lang.texts[key] != "" && (x.staff || !ofPlatform(op)) {
			operation.Options = append(operation.Options, option{string(op), key, x.query("operation") == string(op)})
		}
	}
	outcome := field{Name: "outcome", Label: "field.outcome", Options: []option{{"", "audit.any", true}}}
	for _, o := range outcomes() {
		outcome.Options = append(outcome.Options, option{string(o), "audit.outcome." + string(o), x.query("outcome") == string(o)})
	}
	since := field{Name: "since", Label: "field.since", Type: "date", Value: x.query("since")}
	f := form{Fields: []field{operation, outcome, since}}
	if x.staff {
		f.Fields = append(f.Fields, field{Name: "merchant", Label: "merchants.id", Value: x.query("merchant"), Autocomplete: "off", MaxLength: maxUsername})
	}
	return f
}

// auditFilter reads the filters; what is wrong with them is marked on the form. An
// error is a value that no form of ours sends.
func (x *exchange) auditFilter(f *form) (controlplane.AuditFilter, error) {
	filter := controlplane.AuditFilter{
		MerchantID: x.session.MerchantID, Operation: controlplane.Operation(x.query("operation")),
		Outcome: controlplane.Outcome(x.query("outcome")), Limit: auditPerPage + 1,
	}
	if x.staff {
		filter.MerchantID = x.query("merchant")
	}
	bad := httpError{status: http.StatusBadRequest}
	if filter.Outcome != "" && !slices.Contains(outcomes(), filter.Outcome) {
		return filter, bad
	}
	if text := x.query("before"); text != "" {
		seq, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seq < 1 {
			return filter, bad
		}
		filter.Before = seq
	}
	if text := x.query("since"); text != "" {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil || day.Year() < 2000 {
			return filter, x.markField(f, "since", "rule.date")
		}
		filter.Since = day
	}
	return filter, nil
}

func (x *exchange) auditRow(e controlplane.AuditEvent) auditRow {
	tone := map[controlplane.Outcome]string{controlplane.OutcomeOK: "good", controlplane.OutcomeDenied: "bad", controlplane.OutcomeFailed: "warn"}[e.Outcome]
	row := auditRow{AuditEvent: e, What: x.operationText(e.Operation), Outcome: badge{tone, "audit.outcome." + string(e.Outcome)}, Changes: auditChanges(e.Diff)}
	if x.staff && e.MerchantID != "" {
		row.Merchant = x.at("merchants.merchant", e.MerchantID)
	}
	return row
}

// operationText names an operation; one that has no text is named by itself.
func (x *exchange) operationText(op controlplane.Operation) string {
	if text, err := x.text("operation." + string(op)); err == nil {
		return text
	}
	return string(op)
}

// auditChanges shows a diff in the order of its fields' names; one that is not in
// the form we write is shown as it is.
func auditChanges(diff json.RawMessage) (out []auditChange) {
	var changes map[string]struct{ From, To json.RawMessage }
	if len(diff) == 0 {
		return nil
	}
	if json.Unmarshal(diff, &changes) != nil {
		return []auditChange{{To: string(diff)}}
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		out = append(out, auditChange{name, plainJSON(changes[name].From), plainJSON(changes[name].To)})
	}
	return out
}

// maxAuditValue keeps a page of long values, such as URLs, under its weight.
const maxAuditValue = 200

// plainJSON shows a text without its quotes.
func plainJSON(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return shorten(s, maxAuditValue)
	}
	return shorten(string(bytes.TrimSpace(raw)), maxAuditValue)
}

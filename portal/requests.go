package portal

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// loggedPerPage keeps a full page under its weight.
const loggedPerPage = 18

// requestLogPage is the request log of an environment, newest first. What is filtered
// is in the address, so that a view can be kept and passed on.
type requestLogPage struct {
	form
	Env  controlplane.Environment
	Keys []codeChoice
	// Codes are those that a request can be refused with.
	Codes    []codeChoice
	Rows     []loggedRow
	Filtered bool
	Empty    empty
	// Older is the address of the next page; empty on the last.
	Older string
	// Export is the address of the same rows as a file.
	Export  string
	Traffic traffic
	// MayCheck: the reader may check a signature.
	MayCheck bool
}

// codeChoice is a choice that is called as it is, in every language.
type codeChoice struct {
	Value  string
	Chosen bool
}

// loggedRow is one logged request as the list shows it.
type loggedRow struct {
	controlplane.LoggedRequest
	Badge badge
	Href  string
	// What is why it was refused, a key of the catalogue; empty if it was not.
	What string
}

// Short is the path for where there is little room.
func (r loggedRow) Short() string { return shorten(r.Path, 80) }

// newLoggedRow makes a row of a log that is at the address list.
func newLoggedRow(q controlplane.LoggedRequest, list string) loggedRow {
	row := loggedRow{LoggedRequest: q, Badge: loggedBadge(q.Outcome), Href: list + "/" + q.ID}
	if q.Outcome != controlplane.RequestAccepted {
		row.What = explainLogged(q).What
	}
	return row
}

// explainLogged finds the explanation of a logged request.
func explainLogged(q controlplane.LoggedRequest) explanation {
	causes := []string{q.Why.Cause, q.Why.Reason}
	if q.Code == "SIGNATURE_MISMATCH" && q.Environment == controlplane.Live {
		causes = append(causes, causeLiveMismatch)
	}
	return explain(q.Code, causes...)
}

func loggedOutcomes() []controlplane.RequestOutcome {
	return []controlplane.RequestOutcome{controlplane.RequestRefused, controlplane.RequestReported, controlplane.RequestAccepted}
}

func loggedBadge(o controlplane.RequestOutcome) badge {
	tone := map[controlplane.RequestOutcome]string{controlplane.RequestAccepted: "good", controlplane.RequestReported: "warn", controlplane.RequestRefused: "bad"}[o]
	return badge{tone, "requests.outcome." + string(o)}
}

func showRequests(x *exchange) error {
	page := requestLogPage{form: x.loggedForm(), Env: x.env(), MayCheck: x.offers("signature.submit"), Empty: empty{"pulse", "requests.none", "requests.none.next"}}
	keys, err := x.service.ListKeys(x.ctx(), x.actor(), controlplane.KeyFilter{MerchantID: x.session.MerchantID, Environment: x.env()})
	if err != nil {
		return err
	}
	for _, k := range keys {
		page.Keys = append(page.Keys, codeChoice{k.ID, k.ID == x.query("key")})
	}
	for _, code := range refusalCodes() {
		page.Codes = append(page.Codes, codeChoice{code, code == x.query("code")})
	}
	for _, name := range []string{"outcome", "code", "key", "ip", "path", "since", "until"} {
		page.Filtered = page.Filtered || x.query(name) != ""
	}
	if page.Filtered {
		page.Empty = empty{"pulse", "audit.no_match", "deliveries.no_match.next"}
	}
	filter, err := x.loggedFilter(&page.form, x.session.MerchantID, x.env())
	if err != nil {
		return err
	}
	if page.Traffic, err = x.traffic(x.session.MerchantID, x.env(), &url.URL{Path: x.r.URL.Path}); err != nil {
		return err
	}
	if page.Failed() {
		return x.render(http.StatusUnprocessableEntity, "requests", page)
	}
	if err := x.fillRequests(&page, filter); err != nil {
		return err
	}
	return x.render(http.StatusOK, "requests", page)
}

// fillRequests adds the rows of a page and the ways on.
func (x *exchange) fillRequests(page *requestLogPage, filter controlplane.RequestFilter) error {
	found, err := x.service.ListRequests(x.ctx(), x.actor(), filter)
	if err != nil {
		return err
	}
	if len(found) > loggedPerPage {
		found = found[:loggedPerPage]
		page.Older = x.here("before", found[loggedPerPage-1].ID)
	}
	for _, q := range found {
		page.Rows = append(page.Rows, newLoggedRow(q, x.r.URL.Path))
	}
	if len(page.Rows) > 0 {
		page.Export = x.table.byName["requests.csv"].path(x.env()) + "?" + x.queryWithout("before")
	}
	return nil
}

// loggedForm holds the filters as they were asked for.
func (x *exchange) loggedForm() form {
	outcome := field{Name: "outcome", Label: "field.outcome", Options: []option{{"", "audit.any", true}}}
	for _, o := range loggedOutcomes() {
		outcome.Options = append(outcome.Options, option{string(o), "requests.outcome." + string(o), x.query("outcome") == string(o)})
	}
	return form{Fields: []field{
		outcome,
		{Name: "ip", Label: "field.ip", Value: x.query("ip")},
		{Name: "path", Label: "field.path_prefix", Value: x.query("path")},
		{Name: "since", Label: "field.since_time", Type: "datetime-local", Value: x.query("since")},
		{Name: "until", Label: "field.until_time", Type: "datetime-local", Value: x.query("until")},
	}}
}

// loggedFilter reads the filters; what is wrong with them is marked on the form. An
// error is a value that no form of ours sends.
func (x *exchange) loggedFilter(f *form, merchantID string, env controlplane.Environment) (filter controlplane.RequestFilter, err error) {
	filter = controlplane.RequestFilter{
		MerchantID: merchantID, Environment: env, Outcome: controlplane.RequestOutcome(x.query("outcome")),
		Code: x.query("code"), KeyID: x.query("key"), PathPrefix: x.query("path"), Before: x.query("before"), Limit: loggedPerPage + 1,
	}
	if filter.Outcome != "" && !slices.Contains(loggedOutcomes(), filter.Outcome) || filter.Code != "" && explainCheck(filter.Code) == "" {
		return filter, httpError{status: http.StatusBadRequest}
	}
	if text := x.query("ip"); text != "" {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return filter, x.markField(f, "ip", "rule.ip")
		}
		filter.IP = ip.Unmap().WithZone("")
	}
	if filter.Since, err = x.queryMoment(f, "since"); err != nil {
		return filter, err
	}
	filter.Until, err = x.queryMoment(f, "until")
	return filter, err
}

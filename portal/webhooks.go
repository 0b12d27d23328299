package portal

import (
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// webhooksPage lists the endpoints of an environment.
type webhooksPage struct {
	Env       controlplane.Environment
	Tabs      []link
	Endpoints []endpointRow
	MayCreate bool
	// Full: one more would be refused.
	Full  bool
	Empty empty
}

// endpointRow is an endpoint as the pages show it.
type endpointRow struct {
	controlplane.EndpointView
	// Standing is what its state and condition amount to.
	Standing string
	Badge    badge
	Href     string
	Rate     rate
	// NextProbe is before which one that fails is not tried again; zero if it is due.
	NextProbe time.Time
	P50, P95  took
}

// Short is the URL for where there is little room.
func (r endpointRow) Short() string { return shorten(r.URL, 80) }

// shorten cuts a text after most bytes, or at the end of the letter there.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most < len(s) && !utf8.RuneStart(s[most]) {
		most++
	}
	return s[:most] + "…"
}

// What an endpoint's state and condition amount to. The texts are called so too.
const (
	standingEnabled  = "enabled"
	standingPaused   = "paused"
	standingFailing  = "failing"
	standingDisabled = "disabled"
)

func standingOf(v controlplane.EndpointView, now time.Time) string {
	switch {
	case v.State == controlplane.EndpointDisabled:
		return standingDisabled
	case v.Condition.PausedUntil.After(now):
		return standingPaused
	case v.Condition.Breaker != "":
		return standingFailing
	}
	return standingEnabled
}

func (x *exchange) endpointRow(v controlplane.EndpointView) endpointRow {
	standing := standingOf(v, x.clock())
	tone := map[string]string{standingEnabled: "good", standingPaused: "warn", standingFailing: "bad", standingDisabled: "bad"}[standing]
	if v.DisabledReason == controlplane.DisabledByHand {
		tone = "warn"
	}
	href := ""
	if page := x.table.byName["webhooks"]; page != nil { // the console has none
		href = page.path(v.Environment) + "/" + v.ID
	}
	row := endpointRow{
		EndpointView: v, Standing: standing, Badge: badge{tone, "webhook.state." + standing}, Href: href,
		Rate: rateOf(v.Day), P50: took(v.Day.P50), P95: took(v.Day.P95),
	}
	if v.Condition.ProbeAt.After(x.clock()) {
		row.NextProbe = v.Condition.ProbeAt
	}
	return row
}

func (x *exchange) webhookTabs() []link {
	return x.tabs("webhooks", "webhooks.deliveries", "webhooks.events", "webhooks.verify")
}

func showWebhooks(x *exchange) error {
	views, err := x.service.ListEndpoints(x.ctx(), x.actor(), controlplane.EndpointFilter{MerchantID: x.session.MerchantID, Environment: x.env()})
	if err != nil {
		return err
	}
	page := webhooksPage{
		Env: x.env(), Tabs: x.webhookTabs(), MayCreate: x.offers("webhooks.create"), Full: len(views) >= controlplane.MaxEndpoints,
		Empty: empty{"hook", "webhooks.none." + string(x.env()), "webhooks.none.ask"},
	}
	if page.MayCreate {
		page.Empty.Next = "webhooks.none.create"
	}
	for _, v := range views {
		page.Endpoints = append(page.Endpoints, x.endpointRow(v))
	}
	return x.render(http.StatusOK, "webhooks", page)
}

// endpoint reads the endpoint that the address names. That of another environment
// is not found, like that of another merchant.
func (x *exchange) endpoint() (controlplane.EndpointDetail, error) {
	id := x.r.PathValue("id")
	e, err := x.service.Endpoint(x.ctx(), x.actor(), controlplane.EndpointRef{MerchantID: x.session.MerchantID, EndpointID: id})
	if err == nil && e.Environment != x.env() {
		err = controlplane.Errorf(controlplane.CodeNotFound, "no such endpoint")
	}
	return e, err
}

// changingEndpoint is endpoint for a page whose form would be refused to the users
// of a suspended merchant.
func (x *exchange) changingEndpoint() (controlplane.EndpointDetail, error) {
	if err := x.mayChange(); err != nil {
		return controlplane.EndpointDetail{}, err
	}
	return x.endpoint()
}

// endpointRef names the endpoint of the address, once it is known to be of the
// environment there.
func (x *exchange) endpointRef() (controlplane.EndpointRef, error) {
	e, err := x.endpoint()
	return controlplane.EndpointRef{MerchantID: x.session.MerchantID, EndpointID: e.ID}, err
}

// doneAt leads to a page with ids in its address, with a notice on it.
func (x *exchange) doneAt(notice, name string, ids ...string) error {
	path := x.table.byName[name].path(x.env())
	for _, id := range ids {
		path, _ = fill(path, id)
	}
	if notice != "" {
		x.setNotice(notice)
	}
	http.Redirect(x.w, x.r, path, http.StatusSeeOther)
	return nil
}

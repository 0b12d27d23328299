package portal

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// overviewPage says how the integration stands: facts, never intentions.
type overviewPage struct {
	Steps []step
	Done  int
	// Closed: an allowlist without entries lets nobody in.
	Closed   bool
	Stopping []keyView
	// Troubled are the endpoints that get no events as they should.
	Troubled []endpointRow
	Sides    []side
	Entries  int
}

// step is one item of the checklist; it is done when the fact is there.
type step struct {
	Name string
	Done bool
	Href string
}

// side is how one environment stands.
type side struct {
	Env    controlplane.Environment
	Href   string
	Key    *keyView
	Called bool
	// Log is the address of the request log.
	Log      string
	Traffic  traffic
	Webhooks webhookFigures
}

func (p overviewPage) Complete() bool { return p.Done == len(p.Steps) }

func showOverview(x *exchange) error {
	b, err := x.keyBook("")
	if err != nil {
		return err
	}
	page := overviewPage{Entries: len(b.allowlist)}
	endpoints, err := x.service.ListEndpoints(x.ctx(), x.actor(), controlplane.EndpointFilter{MerchantID: x.session.MerchantID})
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		if row := x.endpointRow(e); row.Standing != standingEnabled {
			page.Troubled = append(page.Troubled, row)
		}
	}
	page.Steps = x.steps(b, slices.ContainsFunc(endpoints, answered))
	for _, s := range page.Steps {
		if s.Done {
			page.Done++
		}
	}
	if page.Sides, err = x.sides(b); err != nil {
		return err
	}
	for _, k := range b.keys {
		if k.State == controlplane.KeyRetiring {
			page.Stopping = append(page.Stopping, k)
		}
	}
	page.Closed = page.Entries == 0 && slices.ContainsFunc(b.keys, keyView.works)
	return x.render(http.StatusOK, "overview", page)
}

func (x *exchange) sides(b keyBook) (sides []side, err error) {
	for _, env := range []controlplane.Environment{controlplane.Test, controlplane.Live} {
		s := side{Env: env, Href: x.table.byName["keys"].path(env), Key: b.active(env), Called: b.called(env), Log: x.table.byName["requests"].path(env)}
		if s.Traffic, err = x.traffic(x.session.MerchantID, env, &url.URL{Path: s.Log}); err != nil {
			return nil, err
		}
		if s.Webhooks, err = x.webhookFigures(x.session.MerchantID, env); err != nil {
			return nil, err
		}
		sides = append(sides, s)
	}
	return sides, nil
}

// answered: an endpoint has answered a webhook, that of the test button or any
// other, with 2xx.
func answered(e controlplane.EndpointView) bool { return !e.Condition.LastSuccessAt.IsZero() }

// steps in the order in which they unlock one another: without an allowlist the
// first call cannot succeed.
func (x *exchange) steps(b keyBook, webhook bool) []step {
	href := func(route string, env controlplane.Environment) string { return x.table.byName[route].path(env) }
	return []step{
		{"second_factor", x.session.SecondFactor, href("account.2fa", "")},
		{"test_key", b.issued(controlplane.Test), href("keys", controlplane.Test)},
		{"allowlist", len(b.allowlist) > 0, href("allowlist", "")},
		{"test_call", b.called(controlplane.Test), href("quickstart", "")},
		{"webhook", webhook, href("webhooks", controlplane.Test)},
		{"live_key", b.issued(controlplane.Live), href("keys", controlplane.Live)},
		{"live_call", b.called(controlplane.Live), href("keys", controlplane.Live)},
	}
}

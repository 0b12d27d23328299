package portal

import (
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// replaySince is how far back the page on replays looks first.
const replaySince = 24 * time.Hour

// replayPage says how many deliveries each bulk replay would take, and offers it.
type replayPage struct {
	form
	endpointRow
	Since time.Time
	// AfterFailure and Untried are the two there are.
	AfterFailure, Untried replayOffer
}

// replayOffer is one bulk replay with its dry run.
type replayOffer struct {
	Kind  controlplane.ReplayKind
	Count int64
	// Running: it was asked for already and is being carried out.
	Running bool
}

// offered is a replayOffer with what its button needs.
type offered struct {
	replayPage
	replayOffer
}

// Possible: there is something, and it could be sent.
func (o offered) Possible() bool { return o.Count > 0 && o.State == controlplane.EndpointEnabled }

func (p replayPage) Offer(o replayOffer) offered { return offered{p, o} }

// SinceInput is the moment as the form sends it on.
func (p replayPage) SinceInput() string { return p.Since.Format(momentInput) }

func showReplay(x *exchange) error {
	e, err := x.changingEndpoint()
	if err != nil {
		return err
	}
	page := replayPage{endpointRow: x.endpointRow(e.EndpointView), Since: x.clock().UTC().Add(-replaySince).Truncate(time.Minute)}
	page.Fields = []field{{Name: "since", Label: "field.failed_since", Type: "datetime-local", Required: true}}
	since, err := x.queryMoment(&page.form, "since")
	if err != nil {
		return err
	}
	if page.Untried, err = x.replayOffer(e, controlplane.ReplayUntried, time.Time{}); err != nil {
		return err
	}
	if page.Failed() {
		page.Fields[0].Value = x.query("since")
		return x.render(http.StatusUnprocessableEntity, "webhooks.replay", page)
	}
	if !since.IsZero() {
		page.Since = since.Truncate(time.Minute)
	}
	page.Fields[0].Value = page.SinceInput()
	if page.AfterFailure, err = x.replayOffer(e, controlplane.ReplayFailed, page.Since); err != nil {
		return err
	}
	return x.render(http.StatusOK, "webhooks.replay", page)
}

func (x *exchange) replayOffer(e controlplane.EndpointDetail, kind controlplane.ReplayKind, since time.Time) (o replayOffer, err error) {
	o.Kind = kind
	for _, r := range e.Replays {
		o.Running = o.Running || r.Kind == kind && r.FinishedAt.IsZero()
	}
	o.Count, err = x.service.CountReplay(x.ctx(), x.actor(), controlplane.ReplayScope{MerchantID: e.MerchantID, EndpointID: e.ID, Kind: kind, Since: since})
	return o, err
}

// startReplay takes the moment that the dry run was counted for.
func startReplay(x *exchange) error {
	ref, err := x.endpointRef()
	if err != nil {
		return err
	}
	in := controlplane.ReplayScope{MerchantID: ref.MerchantID, EndpointID: ref.EndpointID, Kind: controlplane.ReplayKind(x.value("kind"))}
	switch in.Kind {
	case controlplane.ReplayUntried:
	case controlplane.ReplayFailed:
		if in.Since, err = time.Parse(momentInput, x.value("since")); err != nil {
			return httpError{status: http.StatusBadRequest}
		}
	default:
		return httpError{status: http.StatusBadRequest}
	}
	if _, err := x.service.ReplayDeliveries(x.ctx(), x.actor(), in); err != nil {
		return err
	}
	return x.doneAt("webhook_replaying", "webhooks.endpoint", ref.EndpointID)
}

package portal

import (
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// webhookRotatePage asks when the old signing secret stops.
type webhookRotatePage struct {
	form
	Env controlplane.Environment
	controlplane.Endpoint
	// Until is when the secret before the current one stops; zero: there is none.
	Until time.Time
}

// webhookSecretPage shows a signing secret, this once.
type webhookSecretPage struct {
	controlplane.Endpoint
	Secret string
	// New: the endpoint is new. Otherwise its secret was rotated.
	New bool
	// OldUntil is when the replaced secret stops; zero if it has.
	OldUntil time.Time
}

func (p webhookSecretPage) title() (string, []any) {
	if p.New {
		return "webhooks.shown.new", nil
	}
	return "webhooks.shown.rotated", nil
}

func (x *exchange) revealWebhookSecret(page webhookSecretPage) error {
	return x.render(http.StatusOK, "webhooks.shown", page)
}

func showWebhookSecret(x *exchange) error {
	e, err := x.changingEndpoint()
	if err != nil {
		return err
	}
	f, err := x.onceForm()
	if err != nil {
		return err
	}
	page := webhookRotatePage{form: f, Env: x.env(), Endpoint: e.Endpoint}
	choices := overlapOptions(controlplane.DefaultOverlap)
	for _, s := range e.Secrets {
		if !s.ExpiresAt.IsZero() {
			// Two secrets sign at most: only ending both at once is left.
			page.Until, choices = s.ExpiresAt, choices[:1]
		}
	}
	page.Fields = []field{{Name: "overlap", Label: "field.secret_overlap", Hint: "field.secret_overlap.hint", Options: choices}}
	return x.render(http.StatusOK, "webhooks.secret", page)
}

func rotateWebhookSecret(x *exchange) error {
	e, err := x.endpointRef()
	if err != nil {
		return err
	}
	overlap, err := x.overlap("overlap")
	if err != nil {
		return err
	}
	made, first, err := revealOnce(x, func() (controlplane.RotatedSecret, error) {
		return x.service.RotateEndpointSecret(x.ctx(), x.actor(), controlplane.RotateEndpointSecret{
			MerchantID: e.MerchantID, EndpointID: e.EndpointID, Overlap: overlap,
		})
	})
	if err != nil {
		return err
	}
	if !first {
		back, _ := fill(x.table.byName["webhooks.endpoint"].path(x.env()), e.EndpointID)
		return x.render(http.StatusConflict, "shown", shownPage{back})
	}
	return x.revealWebhookSecret(webhookSecretPage{Endpoint: made.Endpoint, Secret: made.Secret.Reveal(), OldUntil: made.OldUntil})
}
